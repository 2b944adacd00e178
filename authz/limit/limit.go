// Package limit slows down whoever asks too often, counted in memory by
// network. It is for what costs little each time and would cost much in bulk;
// what must hold across servers is counted in the database.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds the memory that counting can take.
const maxKeys = 10_000

// Limiter lets each key do something a number of times at once, and then at a
// rate.
type Limiter struct {
	rate  rate.Limit
	burst int
	now   func() time.Time
	mu    sync.Mutex
	by    map[string]*rate.Limiter
	// trying counts what [Limiter.Try] let begin and is not settled yet.
	trying  map[string]int
	settled *sync.Cond
}

// New returns a limiter that lets a key do something burst times at once, and
// then perSecond times a second.
func New(perSecond float64, burst int, now func() time.Time) *Limiter {
	l := &Limiter{rate: rate.Limit(perSecond), burst: burst, now: now, by: map[string]*rate.Limiter{}, trying: map[string]int{}}
	l.settled = sync.NewCond(&l.mu)
	return l
}

// Allow reports whether the key may do it now, and counts it if so.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(key).AllowN(l.now(), 1)
}

// of returns the count of the key.
func (l *Limiter) of(key string) *rate.Limiter {
	one, ok := l.by[key]
	if !ok {
		if len(l.by) >= maxKeys {
			l.forget()
		}
		one = rate.NewLimiter(l.rate, l.burst)
		l.by[key] = one
	}
	return one
}

// Try lets the key try what counts only when it fails, and reports whether it
// may. Whoever was let try has to call settle. Of tries at the same time no more
// are let than may fail; the others wait for those to be settled, so that many
// at once fail no more often than one after another, and who does not fail is
// not refused.
func (l *Limiter) Try(key string) (settle func(failed bool), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		left := float64(l.burst)
		if one, counted := l.by[key]; counted {
			left = one.TokensAt(l.now())
		}
		if left < 1 {
			return nil, false
		}
		if float64(l.trying[key]) <= left-1 {
			break
		}
		l.settled.Wait()
	}
	l.trying[key]++
	return func(failed bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if failed {
			l.of(key).AllowN(l.now(), 1)
		}
		if l.trying[key]--; l.trying[key] == 0 {
			delete(l.trying, key)
		}
		l.settled.Broadcast()
	}, true
}

// Exhausted reports whether [Limiter.Allow] would say no now. It counts
// nothing: it is for what is counted once it has failed.
func (l *Limiter) Exhausted(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.by[key]
	return ok && one.TokensAt(l.now()) < 1
}

// forget makes room: who has not come lately goes first, then who may still do
// it, and who may not only when that is not enough.
func (l *Limiter) forget() {
	now := l.now()
	for key, one := range l.by {
		if one.TokensAt(now) >= float64(l.burst) {
			delete(l.by, key)
		}
	}
	for _, least := range []float64{1, 0} {
		for key, one := range l.by {
			if len(l.by) < maxKeys/2 { // looking through them all is not for every key
				return
			}
			if one.TokensAt(now) >= least && l.trying[key] == 0 {
				delete(l.by, key)
			}
		}
	}
}

// Network returns the network of an address, with or without a port: /24 of
// IPv4, /64 of IPv6. What is no address is a network of its own.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		pair, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = pair.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return address
	}
	return prefix.String()
}
