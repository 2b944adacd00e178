package keyset

import (
	"context"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"countersign/storage"
)

const (
	// fresh is the age to which a copy of the keys serves. It is far less than
	// the time for which a key is published before it signs.
	fresh = 5 * time.Second
	// ageing is the age from which a copy is renewed while it still serves, so
	// that no request of a busy server waits for it.
	ageing = 2 * time.Second
	// sought is the age to which a copy serves when it lacks the key that a JWS
	// names: whoever makes up names costs one statement a second.
	sought = time.Second
	// readTimeout bounds reading the keys, which no single request owns.
	readTimeout = 5 * time.Second
)

// copied is what the table held at a moment. It does not change.
type copied struct {
	at         time.Time
	generation uint64
	keys       []*usable // the one that becomes active last first
}

// keys returns a copy that is not older than maxAge. It is not for use within
// a transaction: it may have to wait for a connection of its own.
func (s *Store) keys(ctx context.Context, maxAge time.Duration) (*copied, error) {
	c := s.current.Load()
	age, known := s.age(c)
	serves := known && age <= maxAge
	if serves && age <= ageing {
		return c, nil
	}
	renewed := s.read() //nolint:contextcheck // reading outlives the request that is the first to ask
	if serves {
		return c, nil
	}
	select {
	case r := <-renewed:
		c, _ := r.Val.(*copied)
		return c, r.Err
	case <-ctx.Done():
		return nil, storage.Err("read signing keys", ctx.Err())
	}
}

// age returns how old the copy is. That is not known when the store changed a
// key since, or when the clock was set back.
func (s *Store) age(c *copied) (age time.Duration, known bool) {
	if c == nil || c.generation != s.generation.Load() {
		return 0, false
	}
	age = s.db.Now().Sub(c.at)
	return age, age >= 0
}

// forget makes the next use read the keys anew.
func (s *Store) forget() { s.generation.Add(1) }

// read reads the keys, once for all that ask for them at a time. It is in
// nobody's transaction and outlives the request that was the first to ask.
func (s *Store) read() <-chan singleflight.Result {
	generation := s.generation.Load()
	return s.reads.DoChan(strconv.FormatUint(generation, 10), func() (any, error) {
		c := s.current.Load()
		if age, known := s.age(c); known && age <= sought {
			return c, nil // the one before was not done when this one was asked for
		}
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		c, err := s.copy(ctx)
		if err != nil {
			return nil, err
		}
		c.generation = generation
		s.current.Store(c)
		return c, nil
	})
}

// copy reads the keys. What was parsed before is not parsed again.
func (s *Store) copy(ctx context.Context) (*copied, error) {
	c := &copied{at: s.db.Now()}
	var rows []Key
	err := s.db.With(ctx).Where("expires_at IS NULL OR expires_at > ?", c.at).Order("active_at DESC, id").Find(&rows).Error
	if err != nil {
		return nil, storage.Err("read signing keys", err)
	}
	before := s.current.Load()
	for _, row := range rows {
		key, err := s.reopen(row, before)
		if err != nil {
			return nil, err
		}
		c.keys = append(c.keys, key)
	}
	return c, nil
}

func (s *Store) reopen(row Key, before *copied) (*usable, error) {
	known := before.find(row.ID)
	if known == nil {
		return s.open(row)
	}
	key := &usable{Key: row, private: known.private, public: known.public}
	key.PrivateKey = nil
	return key, nil
}

// find returns the key with the kid, nil when there is none.
func (c *copied) find(kid string) *usable {
	if c == nil {
		return nil
	}
	for _, k := range c.keys {
		if k.ID == kid {
			return k
		}
	}
	return nil
}

// signer returns the key that signs for the algorithm at the moment, nil when
// there is none. While no key has begun to sign, the one that is first to does:
// the first key of all was made by a server whose clock may be ahead of this
// one's.
func (c *copied) signer(alg jose.SignatureAlgorithm, now time.Time) *usable {
	var first *usable
	for _, k := range c.keys {
		if k.Algorithm != string(alg) || k.retiredAt(now) {
			continue
		}
		if !k.ActiveAt.After(now) {
			return k
		}
		first = k
	}
	return first
}

// published returns the public keys of the moment: by kind, the default first,
// and the newest first within one. Applications that look at no more than the
// type of a key find one that signs before any other.
func (c *copied) published(now time.Time) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(c.keys))}
	for _, kind := range Kinds() {
		for _, k := range c.keys {
			if k.Algorithm == kind && k.publishedAt(now) {
				set.Keys = append(set.Keys, k.public)
			}
		}
	}
	return set
}
