package account

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// spares lends Go a processor more for each password that is hashed at once.
//
// A hash never waits for anything: it keeps the processor of Go's that it runs
// on, and what became ready there stays behind it for up to 10 ms, the slice
// that Go gives a goroutine. With as many of Go's processors for everything
// else as the machine has, the kernel shares the real ones, in turns of a
// few milliseconds.
//
// It lends nothing where Go has fewer than the machine: more threads would only
// use up a container's quota sooner, after which all of them stand still, and
// what an operator has set stays.
type spares struct {
	withheld func() bool
	set      func(processors int) // stops the program for a moment, as reset does
	reset    func()

	mu     sync.Mutex
	hashes int
	lent   time.Time   // the zero time when it was taken back
	idle   *time.Timer // until what was lent is taken back
}

const (
	// spareFor is how long after the last hash a processor is kept: who signs
	// in often does not stop the program twice each time.
	spareFor = time.Second
	// lentFor is how long one is lent before it is asked anew whether Go has
	// all of the machine's: a container's quota can change.
	lentFor = time.Minute
)

// goProcessors are those of this process.
var goProcessors = &spares{
	withheld: func() bool { return os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) < runtime.NumCPU() },
	set:      func(n int) { runtime.GOMAXPROCS(n) },
	reset:    runtime.SetDefaultGOMAXPROCS,
}

// lend is called before a hash, of which as many as given may run at once.
func (s *spares) lend(atOnce int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hashes++
	if s.idle != nil {
		s.idle.Stop()
	}
	now := time.Now() //nolint:forbidigo // measures, and decides nothing that is kept
	if !s.lent.IsZero() {
		if now.Sub(s.lent) < lentFor {
			return
		}
		s.takeBack()
	}
	if !s.withheld() {
		s.lent = now
		s.set(runtime.NumCPU() + atOnce)
	}
}

// giveBack is called after it.
func (s *spares) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hashes--
	if s.hashes > 0 || s.lent.IsZero() {
		return
	}
	if s.idle == nil {
		s.idle = time.AfterFunc(spareFor, s.rest)
		return
	}
	s.idle.Reset(spareFor)
}

// rest takes back what is lent, unless a hash began meanwhile.
func (s *spares) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashes == 0 && !s.lent.IsZero() {
		s.takeBack()
	}
}

func (s *spares) takeBack() {
	s.lent = time.Time{}
	s.reset()
}
