package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// wait is how long a sign-in was told to wait, 0 when it was evaluated.
func wait(t *testing.T, err error) time.Duration {
	t.Helper()
	if throttled, ok := errors.AsType[*account.ThrottledError](err); ok {
		return throttled.RetryAfter
	}
	if err != nil && !errors.Is(err, account.ErrWrongPassword) {
		t.Fatalf("sign-in: %v", err)
	}
	return 0
}

func TestDelaysDouble(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "bob")
		for _, username := range []string{"bob", "nobody"} { // LG-07: one as the other
			guess := func() time.Duration {
				_, _, err := signIn(t, s, username, "wrong")
				return wait(t, err)
			}
			for i := range account.AccountFree {
				if d := guess(); d != 0 {
					t.Fatalf("%s: guess %d had to wait %v; want none", username, i+1, d)
				}
			}
			for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900} {
				want *= time.Second
				if d := guess(); d != want {
					t.Fatalf("%s: told to wait %v; want %v", username, d, want)
				}
				clock.Advance(want - time.Millisecond)
				if d := guess(); d != time.Millisecond {
					t.Fatalf("%s: told to wait %v; want 1 ms", username, d)
				}
				clock.Advance(time.Millisecond)
				if d := guess(); d != 0 {
					t.Fatalf("%s: after the delay told to wait %v", username, d)
				}
			}
			clock.Advance(25 * time.Hour) // forgotten
			for i := range account.AccountFree {
				if d := guess(); d != 0 {
					t.Fatalf("%s: a day later guess %d had to wait %v", username, i+1, d)
				}
			}
		}
	})
}

// LG-09: guessing from anywhere delays strangers and never the owner in a
// browser that she used before; and her sign-ins give strangers no guesses.
func TestOwnerIsNotLockedOut(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "alice")
		create(t, s, "mallory")
		_, device, err := signIn(t, s, "alice", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		_, foreign, err := signIn(t, s, "mallory", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		evaluated := 0
		guess := func(i int, device string) {
			t.Helper()
			_, _, err := s.Authenticate(t.Context(), account.SignIn{
				Username: "alice", Password: "wrong", IP: fmt.Sprintf("10.%d.7.7", i), Device: device,
			})
			if wait(t, err) == 0 {
				evaluated++
			}
		}
		for i := range 20 {
			guess(i, "")
		}
		for i, forged := range []string{
			foreign, "x", ".", strings.Repeat("x", 1<<20), device + "x", device[:len(device)-2],
			strings.ToUpper(device), foreign[:strings.Index(foreign, ".")] + device[strings.Index(device, "."):],
		} {
			guess(100+i, forged)
		}
		for i := range 10 { // the owner comes and goes
			a, again, err := s.Authenticate(t.Context(), account.SignIn{Username: "alice", Password: goodPassword, IP: "10.1.7.7", Device: device})
			if err != nil || a.Username != "alice" {
				t.Fatalf("the owner: %v", err)
			}
			device = again
			guess(200+i, "")
		}
		if evaluated != account.AccountFree {
			t.Errorf("%d guesses of strangers were evaluated; want %d", evaluated, account.AccountFree)
		}
		// A stolen device cookie buys a few guesses, and no more.
		evaluated = 0
		for range 20 {
			guess(0, device)
		}
		if evaluated != account.AccountFree {
			t.Errorf("%d guesses with the device cookie were evaluated; want %d", evaluated, account.AccountFree)
		}
	})
}

// A device is known for a year after its last sign-in, also when the password
// changed: the owner must get in although strangers are guessing.
func TestDeviceStaysKnown(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		bob := create(t, s, "bob")
		_, device, err := signIn(t, s, "bob", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetPassword(t.Context(), operator, bob.ID, newPassword); err != nil {
			t.Fatal(err)
		}
		attack := func() {
			for range account.AccountFree {
				_, _, _ = signIn(t, s, "bob", "wrong")
			}
		}
		owner := func() time.Duration {
			_, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: newPassword, IP: "192.0.2.1", Device: device})
			return wait(t, err)
		}
		clock.Advance(364 * 24 * time.Hour)
		attack()
		if d := owner(); d != 0 {
			t.Errorf("after 364 days the owner had to wait %v", d)
		}
		clock.Advance(2 * 24 * time.Hour)
		attack()
		if d := owner(); d == 0 {
			t.Error("after 366 days the device was still known")
		}
	})
}

// People who share a browser are known in it side by side, up to five.
func TestDeviceIsKnownForSeveralAccounts(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		device := strings.Repeat("~", 100) + "forged.forged~"
		for i := range 6 {
			name := fmt.Sprint("person", i)
			create(t, s, name)
			_, next, err := s.Authenticate(t.Context(), account.SignIn{Username: name, Password: goodPassword, Device: device})
			if err != nil {
				t.Fatal(err)
			}
			device = next
		}
		if len(device) > 1024 || strings.Contains(device, "forged") {
			t.Errorf("device cookie is %q", device)
		}
		for i := range 6 {
			name := fmt.Sprint("person", i)
			for range account.AccountFree {
				_, _, _ = signIn(t, s, name, "wrong")
			}
			_, _, err := s.Authenticate(t.Context(), account.SignIn{Username: name, Password: goodPassword, Device: device})
			if known := wait(t, err) == 0; known != (i > 0) {
				t.Errorf("%s is known: %v; want all but the first", name, known)
			}
		}
	})
}

// LG-10: spellings of one name share one counter.
func TestSpellingsShareACounter(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "Ada")
		evaluated := 0
		for _, spelling := range []string{"ada", "Ada", "ADA", "aDA", "ada ", " ada", "Ａｄａ", "ＡＤＡ", "ada\u3000", "\tada", "ada\u00a0"} {
			_, _, err := signIn(t, s, spelling, "wrong")
			if wait(t, err) == 0 {
				evaluated++
			}
		}
		if evaluated != account.AccountFree {
			t.Errorf("%d guesses were evaluated; want %d", evaluated, account.AccountFree)
		}
	})
}

// LG-11, INV-12: 200 parallel guesses are not more guesses, over as many replicas
// as have a place for each.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		replicas := []*account.Store{open(t, db), replica(t, db), replica(t, db), replica(t, db)}
		create(t, replicas[0], "bob")
		var evaluated atomic.Int64
		for _, s := range replicas {
			s.OnHash(func(string) { evaluated.Add(1) })
		}
		for _, username := range []string{"bob", "nobody"} {
			evaluated.Store(0)
			errs := together(200, func(i int) error {
				_, _, err := replicas[i%len(replicas)].Authenticate(context.Background(), account.SignIn{
					Username: username, Password: fmt.Sprint("guess", i), IP: fmt.Sprintf("10.0.%d.1", i),
				})
				return err
			})
			for _, err := range errs {
				wait(t, err) // nothing but throttled and wrong
			}
			if n := evaluated.Load(); n != account.AccountFree {
				t.Errorf("%s: %d guesses were evaluated; want %d", username, n, account.AccountFree)
			}
		}
	})
}

// One address that tries many names is delayed, a neighbour's is not.
func TestAddressIsThrottled(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "bob")
		for _, spray := range []struct{ from, neighbour string }{
			{"198.51.100.%d", "198.51.101.1"},
			{"[2001:db8:1:3::%x]:443", "[2001:db8:1:4::1]:443"},
			{"::ffff:203.0.113.%d", "203.0.114.1"},
			{"nonsense %d", "203.0.115.1"},
		} {
			try := func(username, password, ip string) time.Duration {
				_, _, err := s.Authenticate(t.Context(), account.SignIn{Username: username, Password: password, IP: ip})
				return wait(t, err)
			}
			for i := range account.AddressFree {
				if d := try(fmt.Sprint(spray.from, i), "wrong", fmt.Sprintf(spray.from, i%200)); d != 0 {
					t.Fatalf("%s: name %d had to wait %v", spray.from, i+1, d)
				}
				// A guesser's own sign-ins are given back one by one and reset nothing.
				if i%16 == 2 && try("bob", goodPassword, fmt.Sprintf(spray.from, 7)) != 0 {
					t.Fatalf("%s: a right password had to wait", spray.from)
				}
			}
			if d := try("bob", goodPassword, fmt.Sprintf(spray.from, 9)); d != 2*time.Second {
				t.Errorf("%s: told to wait %v; want 2 s", spray.from, d)
			}
			if d := try("bob", goodPassword, spray.neighbour); d != 0 {
				t.Errorf("%s had to wait %v", spray.neighbour, d)
			}
			clock.Advance(2 * time.Second)
			if d := try("bob", goodPassword, fmt.Sprintf(spray.from, 9)); d != 0 {
				t.Errorf("%s: after the delay had to wait %v", spray.from, d)
			}
			// What that attempt caused was given back with it.
			if d := try("someone", "wrong", fmt.Sprintf(spray.from, 9)); d != 0 {
				t.Errorf("%s: after a success had to wait %v", spray.from, d)
			}
			clock.Advance(time.Hour + account.MaxDelay)
		}
	})
}

// An attempt that the address's counter refuses is not held against the account.
func TestRefusedAttemptsCountNowhere(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "bob")
		for i := range account.AddressFree {
			_, _, _ = signIn(t, s, fmt.Sprint("name", i), "wrong")
		}
		for range 3 * account.AccountFree {
			if _, _, err := signIn(t, s, "bob", "wrong"); wait(t, err) == 0 {
				t.Fatal("the address was not delayed")
			}
		}
		if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: goodPassword, IP: "10.9.9.9"}); err != nil {
			t.Errorf("from another address: %v", err)
		}
	})
}

// Who mistyped and then knew the password starts anew.
func TestSuccessForgetsMistakes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "bob")
		device := ""
		for range 4 {
			for range account.AccountFree - 1 {
				if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: "wrong", Device: device}); !errors.Is(err, account.ErrWrongPassword) {
					t.Fatal(err)
				}
			}
			var err error
			if _, device, err = s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: goodPassword, Device: device}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A counter that cannot be kept lets nobody in.
func TestThrottleFailureIsUnavailable(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "bob")
		s.OnHash(func(string) { t.Error("a password was checked uncounted") })
		restore := storagetest.FailStatements(db, storagetest.Containing("sign_in_throttles"))
		defer restore()
		if _, _, err := signIn(t, s, "bob", goodPassword); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Authenticate = %v; want ErrUnavailable", err)
		}
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		for i := range 7 {
			_, _, _ = signIn(t, s, fmt.Sprint("old", i), "wrong")
		}
		clock.Advance(23 * time.Hour)
		_, _, _ = signIn(t, s, "young", "wrong") // the address's counter is young again
		clock.Advance(time.Hour)
		for _, want := range []int64{5, 3, 0} { // seven accounts and the address after its hour
			if n, err := s.Purge(t.Context(), 5); n != want || err != nil {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
		clock.Advance(24 * time.Hour)
		if n, err := s.Purge(t.Context(), 5); n != 1 || err != nil {
			t.Errorf("Purge() = %d, %v; want 1", n, err)
		}
	})
}
