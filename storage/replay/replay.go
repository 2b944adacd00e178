// Package replay keeps what may be used once: the identifiers of the
// assertions that clients authenticated with, and the nonces of what they
// signed by OAuth 1.0a.
package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// ErrUsed reports an identifier that was used before, by a request that may
// have run at the same moment.
var ErrUsed = errors.New("used before")

// Store keeps used identifiers in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// Window is when an identifier can be used.
type Window struct {
	Since time.Time // it was used by nobody before
	Until time.Time // it is of no use to anybody from here on
}

// Use uses up an identifier of the client. Of all that try the same one, on
// whichever replica, one gets it; the others get [ErrUsed]. So does everybody
// when it may have been used before the database was restored from a backup:
// what was used since the backup is not known any more.
func (s *Store) Use(ctx context.Context, clientID, jti string, w Window) error {
	return s.use(ctx, "jti\x00"+clientID+"\x00"+jti, w)
}

// Nonce is what a request of OAuth 1.0a is told from all others by (RFC 5849,
// section 3.3).
type Nonce struct {
	ClientID  string
	Token     string // empty where the request has none
	Timestamp string
	Value     string
}

// UseNonce uses up the nonce of a request, as [Store.Use] does an identifier.
func (s *Store) UseNonce(ctx context.Context, n Nonce, w Window) error {
	// No control character is in any of them.
	return s.use(ctx, "nonce\x00"+n.ClientID+"\x00"+n.Token+"\x00"+n.Timestamp+"\x00"+n.Value, w)
}

func (s *Store) use(ctx context.Context, what string, w Window) error {
	res := s.db.With(ctx).Exec(`INSERT INTO used_jtis (expires_at, hash)
		SELECT @until, @hash WHERE NOT EXISTS (SELECT 1 FROM installation WHERE restored_at > @since) ON CONFLICT DO NOTHING`,
		map[string]any{"until": w.Until.UTC(), "since": w.Since.UTC(), "hash": s.keys.Hash(what)})
	if res.Error != nil {
		return storage.Err("use identifier", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("use identifier: %w", ErrUsed)
	}
	return nil
}

// Purge forgets identifiers that are of no use any more, at most limit, and
// returns how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM used_jtis WHERE hash IN (SELECT hash FROM used_jtis WHERE expires_at <= @now LIMIT @limit)`,
		map[string]any{"now": s.db.Now(), "limit": limit})
	return res.RowsAffected, storage.Err("purge used identifiers", res.Error)
}
