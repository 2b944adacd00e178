package clientjwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"golang.org/x/sync/singleflight"

	"countersign/authz/outbound"
	"countersign/clientstore"
)

const (
	keysLast = 5 * time.Minute
	// keysRetry is how often, at most, the keys of a client are fetched, be it
	// that they could not be, or that a token names one that is not there.
	keysRetry   = time.Minute
	keysTimeout = 5 * time.Second
	maxKeysBody = 64 << 10
	// maxSets bounds the memory that key sets can take.
	maxSets = 1000
)

var strict = base64.RawURLEncoding.Strict()

// decode reads a segment of a token. The decoder refuses a member that is
// there twice, and tells apart members that differ in case.
func decode(segment string, into any) error {
	text, err := strict.DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func algorithmsOf(key any) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}

// keys returns those of the client's keys that are chosen. Keys at an address
// are fetched anew when none of those that are known is.
func (v *Verifier) keys(ctx context.Context, c *clientstore.Client, choose func([]jose.JSONWebKey) []jose.JSONWebKey) ([]jose.JSONWebKey, error) {
	if c.Metadata.JWKSURI == "" {
		if len(c.Metadata.JWKS) == 0 {
			return nil, Refused("the client has no keys")
		}
		registered, err := clientstore.ParseKeys(c.Metadata.JWKS)
		if err != nil {
			return nil, Refused("the registered keys cannot be read")
		}
		return choose(registered), nil
	}
	set, err := v.sets.get(ctx, c, keysLast)
	if err != nil {
		return nil, err
	}
	if found := choose(set); len(found) > 0 {
		return found, nil
	}
	if set, err = v.sets.get(ctx, c, 0); err != nil {
		return nil, err
	}
	return choose(set), nil
}

// choose returns the keys that can have made the signature.
func (h header) choose(set []jose.JSONWebKey) []jose.JSONWebKey {
	var fit []jose.JSONWebKey
	for i := range set {
		if h.fits(&set[i]) {
			fit = append(fit, set[i])
		}
	}
	return fit
}

// keySets are the keys that clients keep at an address, as they were fetched.
type keySets struct {
	cfg    Config
	flight singleflight.Group
	mu     sync.Mutex
	by     map[string]fetched // by client and address
}

// fetched is what the last attempt to fetch a set came to. One that failed
// leaves what an earlier one brought until it is too old.
type fetched struct {
	at    time.Time // of the keys
	tried time.Time
	keys  []jose.JSONWebKey
	err   error
}

// usable returns the keys unless they are too old, and the failure in their
// place when the next attempt has to wait.
func (f fetched) usable(now time.Time, maxAge time.Duration) (keys []jose.JSONWebKey, known bool, err error) {
	waits := now.Sub(f.tried) < keysRetry
	if age := now.Sub(f.at); len(f.keys) > 0 && age < keysLast && (age < maxAge || waits) {
		return f.keys, true, nil
	}
	return nil, f.err != nil && waits, f.err
}

func newKeySets(cfg Config) *keySets { return &keySets{cfg: cfg, by: map[string]fetched{}} }

// get returns the set of the client, no older than maxAge if another attempt
// to fetch it may be made: one stands for a minute.
func (s *keySets) get(ctx context.Context, c *clientstore.Client, maxAge time.Duration) ([]jose.JSONWebKey, error) {
	name := c.ID + " " + c.Metadata.JWKSURI
	if keys, ok, err := s.find(name).usable(s.cfg.Now(), maxAge); ok {
		return keys, err
	}
	got := s.flight.DoChan(name, func() (any, error) {
		before := s.find(name)
		if _, ok, _ := before.usable(s.cfg.Now(), maxAge); ok {
			return before, nil // somebody was quicker
		}
		f := s.fetch(context.WithoutCancel(ctx), c, before)
		s.keep(name, f)
		return f, nil
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case result := <-got:
		f, _ := result.Val.(fetched)
		keys, _, err := f.usable(s.cfg.Now(), keysLast)
		return keys, err
	}
}

func (s *keySets) find(name string) fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[name]
}

func (s *keySets) keep(name string, f fetched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.by {
		if len(s.by) < maxSets {
			break
		}
		delete(s.by, old)
	}
	s.by[name] = f
}

func (s *keySets) fetch(ctx context.Context, c *clientstore.Client, f fetched) fetched {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	f.tried, f.err = s.cfg.Now(), nil
	body, err := outbound.Fetch(ctx, s.cfg.HTTP, c.Metadata.JWKSURI, "application/jwk-set+json, application/json", maxKeysBody)
	var keys []jose.JSONWebKey
	if err == nil {
		keys, err = clientstore.FitKeys(body)
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "the keys of a client cannot be fetched", "client_id", c.ID, "jwks_uri", c.Metadata.JWKSURI, "cause", err.Error())
		f.err = Refused("the client's keys cannot be fetched")
		return f
	}
	f.at, f.keys = f.tried, keys
	return f
}
