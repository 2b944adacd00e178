package registration

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"countersign/authz/protocol"
)

const (
	// burst registrations come from one network at once, then one every pause.
	burst = 30
	pause = 10 * time.Second
	// maxNetworks bounds the memory that registering can take.
	maxNetworks = 10_000
)

// limiter slows down who registers openly, by network and in memory: what a
// flood could fill the database with is bounded there.
type limiter struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*rate.Limiter
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, by: map[string]*rate.Limiter{}}
}

// allow counts a registration from the address, or refuses it.
func (l *limiter) allow(addr string) error {
	now, who := l.now(), network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.by[who]
	if !ok {
		if len(l.by) >= maxNetworks {
			l.forget(now)
		}
		one = rate.NewLimiter(rate.Every(pause), burst)
		l.by[who] = one
	}
	if one.AllowN(now, 1) {
		return nil
	}
	return &protocol.Error{
		Code: protocol.TemporarilyUnavailable, Status: http.StatusTooManyRequests, RetryAfter: int(pause.Seconds()),
		Description: "Too many clients were registered from this network. Wait before the next, or use an initial access token.",
	}
}

// forget makes room: networks that registered nothing lately go first, and any
// other only when that is not enough.
func (l *limiter) forget(now time.Time) {
	for who, one := range l.by {
		if one.TokensAt(now) >= burst {
			delete(l.by, who)
		}
	}
	for who := range l.by {
		if len(l.by) < maxNetworks {
			return
		}
		delete(l.by, who)
	}
}

// network returns the network of an address: /24 of IPv4, /64 of IPv6.
func network(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return addr
	}
	ip, bits := ap.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return addr
	}
	return prefix.String()
}
