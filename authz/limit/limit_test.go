package limit

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(1, 2, func() time.Time { return now })
	for i, want := range []bool{true, true, false} {
		if l.Allow("a") != want {
			t.Errorf("attempt %d: allowed %t", i+1, !want)
		}
	}
	if !l.Allow("b") {
		t.Error("another key is held back")
	}
	now = now.Add(time.Second)
	if !l.Allow("a") || l.Allow("a") {
		t.Error("a second allows one more")
	}
}

// Many who try at once fail no more often than one after another, and who does
// not fail is never refused.
func TestTry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(1, 5, func() time.Time { return now })
	attempt := func(n int, fails bool) (tried, refused int64) {
		var group sync.WaitGroup
		var a, b atomic.Int64
		for range n {
			group.Go(func() {
				settle, ok := l.Try("a")
				if !ok {
					b.Add(1)
					return
				}
				a.Add(1)
				runtime.Gosched()
				settle(fails)
			})
		}
		group.Wait()
		return a.Load(), b.Load()
	}
	if tried, refused := attempt(100, false); tried != 100 || refused != 0 {
		t.Errorf("%d of 100 that do not fail are refused", refused)
	}
	if tried, refused := attempt(100, true); tried != 5 || refused != 95 {
		t.Errorf("%d of 100 guesses at once were let, %d refused; want 5 and 95", tried, refused)
	}
	if _, ok := l.Try("b"); !ok {
		t.Error("another key is held back")
	}
	now = now.Add(2 * time.Second)
	if tried, _ := attempt(10, true); tried != 2 {
		t.Errorf("two seconds let %d more; want 2", tried)
	}
	if len(l.trying) != 1 { // b's, which was not settled
		t.Errorf("%d are remembered as trying; want 1", len(l.trying))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(1, 1, func() time.Time { return now })
	for i := range maxKeys {
		l.Allow(strconv.Itoa(i))
	}
	now = now.Add(time.Minute)
	l.Allow("next")
	if len(l.by) != 1 {
		t.Errorf("%d keys are kept of those that have not come lately", len(l.by)-1)
	}
	for i := range maxKeys + 500 { // all within one moment
		l.Allow(strconv.Itoa(i))
	}
	if n := len(l.by); n > maxKeys || n < maxKeys/2 {
		t.Errorf("%d keys are kept", n)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.77:1234":          "192.0.2.0/24",
		"192.0.2.77":               "192.0.2.0/24",
		"[::ffff:192.0.2.77]:1":    "192.0.2.0/24",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64",
		"fe80::1%eth0":             "fe80::/64",
		"somewhere":                "somewhere",
	} {
		if got := Network(address); got != want {
			t.Errorf("Network(%q) = %q; want %q", address, got, want)
		}
	}
}

// Names that are made up do not crowd out who is held back.
func TestWhoIsHeldBackIsForgottenLast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(1, 2, func() time.Time { return now })
	l.Allow("held back")
	l.Allow("held back")
	for i := range 3 * maxKeys {
		l.Allow(strconv.Itoa(i))
	}
	if !l.Exhausted("held back") || len(l.by) > maxKeys {
		t.Errorf("held back: %t, of %d keys", l.Exhausted("held back"), len(l.by))
	}
}
