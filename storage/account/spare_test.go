package account

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// While a password is hashed Go has a processor more than the machine, if it
// has all of the machine's at all.
func TestProcessorsDuringAHash(t *testing.T) {
	t.Parallel()
	want := runtime.NumCPU() + hashers
	if goProcessors.withheld() {
		want = runtime.GOMAXPROCS(0)
	}
	h := newHasher(HashCost{Memory: 8, Passes: 1})
	h.match = func(string, string) (bool, error) {
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("Go has %d processors of %d; want %d", got, runtime.NumCPU(), want)
		}
		return true, nil
	}
	if _, err := h.verify(t.Context(), "", ""); err != nil {
		t.Error(err)
	}
}

// A processor is lent once for many hashes, unless Go has fewer than the
// machine, and taken back when none has run for a while.
func TestProcessorsAreTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		withheld := true
		s := &spares{
			withheld: func() bool { return withheld },
			set:      func(n int) { calls = append(calls, fmt.Sprintf("+%d", n-runtime.NumCPU())) },
			reset:    func() { calls = append(calls, "default") },
		}
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			if got := fmt.Sprint(calls); got != want {
				t.Errorf("%s; want %s", got, want)
			}
		}
		s.lend(2)
		s.giveBack()
		expect(time.Minute, "[]")
		withheld = false
		s.lend(2)
		s.lend(2)
		s.giveBack()
		expect(lentFor-spareFor, "[+2]")
		s.giveBack()
		expect(spareFor-1, "[+2]")
		s.lend(2)
		expect(2, "[+2]")
		s.lend(2)
		expect(0, "[+2 default +2]")
		s.giveBack()
		s.giveBack()
		expect(spareFor-1, "[+2 default +2]")
		expect(1, "[+2 default +2 default]")
		s.lend(1)
		withheld = true
		expect(lentFor, "[+2 default +2 default +1]")
		s.lend(1)
		s.giveBack()
		s.giveBack()
		expect(time.Minute, "[+2 default +2 default +1 default]")
	})
}
