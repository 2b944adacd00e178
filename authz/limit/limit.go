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
}

// New returns a limiter that lets a key do something burst times at once, and
// then perSecond times a second.
func New(perSecond float64, burst int, now func() time.Time) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, now: now, by: map[string]*rate.Limiter{}}
}

// Allow reports whether the key may do it now, and counts it if so.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.by[key]
	if !ok {
		if len(l.by) >= maxKeys {
			l.forget()
		}
		one = rate.NewLimiter(l.rate, l.burst)
		l.by[key] = one
	}
	return one.AllowN(l.now(), 1)
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
			if one.TokensAt(now) >= least {
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
