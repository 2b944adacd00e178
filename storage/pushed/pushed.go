// Package pushed keeps authorization requests that clients pushed (RFC 9126):
// under a reference that only the client and its browser know, for a minute,
// to be answered once.
package pushed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

const (
	// Prefix begins every reference (RFC 9126, section 2.2).
	Prefix = "urn:ietf:params:oauth:request_uri:"
	// Lifetime is how long a browser may take to bring the reference.
	Lifetime = time.Minute
	// keptAfter is how long after that the request can still be answered: as
	// long as an interaction waits.
	keptAfter = time.Hour
	size      = 32 // bytes of a reference that are random
	// MaxWaiting is how many requests of one client may wait at once.
	MaxWaiting = 5000
	// MaxWaitingPublic is how many of a public client may that came from one
	// network: anybody can push them, and must not shut out the others.
	MaxWaitingPublic = 500
)

// ErrUsed reports a request that was answered before, to another browser or at
// the same moment, or whose client was disapproved since it was pushed.
var ErrUsed = errors.New("used before")

// ErrTooMany reports that as many requests wait already as may.
var ErrTooMany = errors.New("too many pushed requests wait")

// Request is a pushed request.
type Request struct {
	Hash        []byte `gorm:"primaryKey"` // of the reference
	ClientID    string
	ClientEpoch *int64     // of the client when it pushed; nil from a release that did not keep it
	Network     string     // where it came from, empty for a client that proved who it is
	Request     url.Values `gorm:"serializer:json"`
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	UsedBy      string
}

// TableName is the table of the record.
func (Request) TableName() string { return "pushed_requests" }

// Mark identifies the request to [Store.Use] and gives its reference away to
// nobody.
func (r Request) Mark() string { return hex.EncodeToString(r.Hash) }

// Store keeps pushed requests in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// alive matches requests of clients that were not disapproved or removed since
// they pushed, as they are at this moment.
const alive = `(client_epoch IS NULL OR client_epoch = (SELECT epoch FROM clients WHERE id = client_id))`

// Client is who pushes a request.
type Client struct {
	ID      string
	Epoch   int64  // as it was when the client proved who it is
	Network string // where a client is that proved nothing; empty for any other
}

// Push keeps a request and returns its reference, unless too many wait, which
// is [ErrTooMany]. Those that push at the same moment may all be let through. A
// disapproval at the same moment ends the request, whichever comes first,
// because the epoch is that of before.
func (s *Store) Push(ctx context.Context, c Client, request url.Values) (reference string, err error) {
	random := make([]byte, size)
	_, _ = rand.Read(random) // never fails
	reference = Prefix + base64.RawURLEncoding.EncodeToString(random)
	kept, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("encode pushed request: %w", err)
	}
	now, limit := s.db.Now(), MaxWaiting
	if c.Network != "" {
		limit = MaxWaitingPublic
	}
	res := s.db.With(ctx).Exec(`
		INSERT INTO pushed_requests (hash, client_id, client_epoch, network, request, created_at, expires_at)
		SELECT @hash, @client, @epoch, @network, @request, @now, @expires
		WHERE @max > (SELECT count(*) FROM (SELECT 1 FROM pushed_requests
			WHERE client_id = @client AND network = @network AND used_at IS NULL AND expires_at > @now LIMIT @max) waiting)`,
		map[string]any{
			"hash": s.keys.Hash(reference), "client": c.ID, "epoch": c.Epoch, "network": c.Network, "request": string(kept),
			"now": now, "expires": now.Add(Lifetime), "max": limit,
		})
	if res.Error == nil && res.RowsAffected == 0 {
		return "", fmt.Errorf("keep pushed request: %w", ErrTooMany)
	}
	return reference, storage.Err("keep pushed request", res.Error)
}

// Get returns the request behind a reference while it can be begun with. One
// that is unknown, another client's, expired or answered, or whose client was
// disapproved since, is [storage.ErrNotFound].
func (s *Store) Get(ctx context.Context, clientID, reference string) (*Request, error) {
	if !strings.HasPrefix(reference, Prefix) || len(reference) != len(Prefix)+base64.RawURLEncoding.EncodedLen(size) {
		return nil, fmt.Errorf("get pushed request: %w", storage.ErrNotFound)
	}
	var r Request
	err := s.db.With(ctx).Where("hash = ? AND client_id = ? AND used_at IS NULL AND expires_at > ? AND "+alive,
		s.keys.Hash(reference), clientID, s.db.Now()).Take(&r).Error
	if err != nil {
		return nil, storage.Err("get pushed request", err)
	}
	return &r, nil
}

// Use uses up a request, by its mark, for one interaction. Of all that try at
// once, on whichever replica, one succeeds; the others get [ErrUsed], as does
// everybody once the client was disapproved. An interaction may use it again,
// for who lost the answer on the way; by is empty where nothing waited.
func (s *Store) Use(ctx context.Context, mark, by string) error {
	hash, err := hex.DecodeString(mark)
	if err != nil {
		return fmt.Errorf("use pushed request: %w", ErrUsed)
	}
	res := s.db.With(ctx).Exec(`UPDATE pushed_requests SET used_at = @now, used_by = @by
		WHERE hash = @hash AND (used_at IS NULL OR (used_by <> '' AND used_by = @by)) AND `+alive,
		map[string]any{"now": s.db.Now(), "by": by, "hash": hash})
	if res.Error != nil {
		return storage.Err("use pushed request", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("use pushed request: %w", ErrUsed)
	}
	return nil
}

// Purge deletes requests that nobody can answer any more, at most limit, and
// returns how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM pushed_requests WHERE hash IN (SELECT hash FROM pushed_requests WHERE expires_at <= @past LIMIT @limit)`,
		map[string]any{"past": s.db.Now().Add(-keptAfter), "limit": limit})
	return res.RowsAffected, storage.Err("purge pushed requests", res.Error)
}
