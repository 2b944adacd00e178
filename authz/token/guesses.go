package token

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

const (
	// guessBurst wrong secrets are let through at once for one client from one
	// network, then guessRate a second.
	guessBurst = 50
	guessRate  = rate.Limit(2)
	// maxGuessers bounds the memory that guessing can take.
	maxGuessers = 10_000
)

// guesses slows down who tries secrets. It counts failures by network and
// client, so that a client that works from elsewhere does not notice, and in
// memory: a generated secret cannot be guessed anyway, and a typed one is
// hashed at a cost that bounds every replica.
type guesses struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[guesser]*rate.Limiter
}

type guesser struct{ network, client string }

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, by: map[guesser]*rate.Limiter{}}
}

// check refuses, unseen, a guess at a secret that a person typed once too many
// guesses failed. A generated secret is not worth the refusal: it costs
// nothing to compare and cannot be guessed.
func (g *guesses) check(addr string, c *clientstore.Client) error {
	if c == nil || !hasTyped(c) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.by[guesser{network(addr), c.ID}]
	if ok && l.TokensAt(g.now()) < 1 {
		return errSlowDown()
	}
	return nil
}

// failed notes a wrong secret and returns the answer to it. All clients that do
// not exist count as one, so that their names cannot crowd out the others.
func (g *guesses) failed(addr string, c *clientstore.Client) error {
	who := guesser{network: network(addr)}
	if c != nil {
		who.client = c.ID
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.by[who]
	if !ok {
		if len(g.by) >= maxGuessers {
			g.forget()
		}
		l = rate.NewLimiter(guessRate, guessBurst)
		g.by[who] = l
	}
	if !l.AllowN(g.now(), 1) {
		return errSlowDown()
	}
	return errUnknown()
}

// forget makes room: who has not failed lately goes first, and anybody else
// only when that is not enough.
func (g *guesses) forget() {
	now := g.now()
	for who, l := range g.by {
		if l.TokensAt(now) >= guessBurst {
			delete(g.by, who)
		}
	}
	for who := range g.by {
		if len(g.by) < maxGuessers/2 { // looking through them all is not for every guess
			return
		}
		delete(g.by, who)
	}
}

func hasTyped(c *clientstore.Client) bool {
	for _, s := range c.Secrets {
		if s.Algorithm == clientstore.Argon2id {
			return true
		}
	}
	return false
}

func errSlowDown() error {
	return &protocol.Error{
		Code: protocol.InvalidClient, Status: http.StatusTooManyRequests, RetryAfter: 1,
		Description: "Too many wrong client secrets came from this network. Wait before the next attempt.",
	}
}

// network returns the network of an address: /24 of IPv4, /64 of IPv6.
func network(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return addr
	}
	bits := 64
	ip := ap.Addr().Unmap()
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return addr
	}
	return prefix.String()
}
