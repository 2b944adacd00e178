// Package idempotency lets a request that may come twice be done once: what
// was answered the first time is kept, sealed, and answered again (IETF draft
// httpapi-idempotency-key-header).
package idempotency

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/seal"
)

var (
	// ErrInFlight reports that a request with this key is being done.
	ErrInFlight = errors.New("a request with this idempotency key is being done")
	// ErrMismatch reports that the key was used for another request.
	ErrMismatch = errors.New("the idempotency key was used for another request")
)

const (
	// kept is how long an answer is given again.
	kept = 24 * time.Hour
	// doing is how long a request may be done: longer than any takes. When its
	// server died meanwhile, nothing was done, and the next one does it.
	doing = 30 * time.Second
)

// Request is a request that may come twice.
type Request struct {
	Caller string // two callers may choose the same key
	Key    string
	// Content is all of the request that its answer depends on.
	Content string
}

// Answer is what a request was answered.
type Answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// Claim is the right to do a request.
type Claim struct {
	hash []byte
	id   string
}

// Store keeps requests in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// record is a request as it is kept.
type record struct {
	Fingerprint []byte
	Answer      []byte
}

// Begin claims the request, or returns what it was answered before. Of all
// that begin the same one, on whichever replica, one gets the claim; the others
// get [ErrInFlight] until it is done. A key that was used for another request is
// [ErrMismatch].
func (s *Store) Begin(ctx context.Context, r Request) (*Claim, *Answer, error) {
	c := &Claim{hash: s.keys.Hash("idempotency\x00" + r.Caller + "\x00" + r.Key), id: uuid.NewString()}
	fingerprint, now := s.keys.Hash(r.Content), s.db.Now()
	res := s.db.With(ctx).Exec(`
		INSERT INTO idempotency_keys (claim, hash, fingerprint, locked_until, created_at, expires_at)
		VALUES (@claim, @hash, @fingerprint, @until, @now, @expires)
		ON CONFLICT (hash) DO UPDATE SET fingerprint = excluded.fingerprint, claim = excluded.claim, answer = NULL,
			locked_until = excluded.locked_until, created_at = excluded.created_at, expires_at = excluded.expires_at
		WHERE idempotency_keys.expires_at <= @now OR (idempotency_keys.answer IS NULL AND idempotency_keys.locked_until <= @now)`,
		map[string]any{
			"hash": c.hash, "fingerprint": fingerprint, "claim": c.id, "until": now.Add(doing), "now": now, "expires": now.Add(kept),
		})
	if res.Error != nil {
		return nil, nil, storage.Err("begin request", res.Error)
	}
	if res.RowsAffected == 1 {
		return c, nil, nil
	}
	answer, err := s.answered(ctx, c.hash, fingerprint)
	return nil, answer, err
}

// answered returns what the request was answered before.
func (s *Store) answered(ctx context.Context, hash, fingerprint []byte) (*Answer, error) {
	var found []record
	err := s.db.With(ctx).Raw(`SELECT fingerprint, answer FROM idempotency_keys WHERE hash = ?`, hash).Scan(&found).Error
	switch {
	case err != nil:
		return nil, storage.Err("get answer", err)
	case len(found) == 0:
		return nil, ErrInFlight // it was given up at this moment
	case subtle.ConstantTimeCompare(found[0].Fingerprint, fingerprint) != 1:
		return nil, ErrMismatch
	case found[0].Answer == nil:
		return nil, ErrInFlight
	}
	plain, err := s.keys.Open(found[0].Answer, place(hash))
	if err != nil {
		return nil, fmt.Errorf("open answer: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(plain, &a); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &a, nil
}

// place binds a sealed answer to its request.
func place(hash []byte) string { return "idempotency_keys.answer/" + hex.EncodeToString(hash) }

// Finish keeps the answer. It belongs into the transaction that did the work:
// [ErrInFlight] says that somebody else has the claim by now, so that nothing
// of it may stay.
func (s *Store) Finish(ctx context.Context, c *Claim, a Answer) error {
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	res := s.db.With(ctx).Exec(`UPDATE idempotency_keys SET answer = @answer WHERE hash = @hash AND claim = @claim AND answer IS NULL`,
		map[string]any{"answer": s.keys.Seal(plain, place(c.hash)), "hash": c.hash, "claim": c.id})
	if res.Error != nil {
		return storage.Err("keep answer", res.Error)
	}
	if res.RowsAffected == 0 {
		return ErrInFlight
	}
	return nil
}

// Release gives the claim back, because nothing was done: the next request with
// the key is the first again.
func (s *Store) Release(ctx context.Context, c *Claim) error {
	err := s.db.With(ctx).Exec(`DELETE FROM idempotency_keys WHERE hash = @hash AND claim = @claim AND answer IS NULL`,
		map[string]any{"hash": c.hash, "claim": c.id}).Error
	return storage.Err("release request", err)
}

// Purge forgets answers that are not given again, at most limit, and returns
// how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM idempotency_keys WHERE hash IN (SELECT hash FROM idempotency_keys WHERE expires_at <= @now LIMIT @limit)`,
		map[string]any{"now": s.db.Now(), "limit": limit})
	return res.RowsAffected, storage.Err("purge idempotency keys", res.Error)
}
