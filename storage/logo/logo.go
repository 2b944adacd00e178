// Package logo keeps the pictures of approved clients. Each was made by this
// server of what is at the client's logo_uri, and is one of that client at that
// address only: it is neither shown nor served once the client is not approved
// any more or has another address.
package logo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"countersign/storage"
)

const (
	// lease is how long fetching is one server's, which is longer than an attempt
	// takes. The lease of a server that died runs out.
	lease = time.Minute
	// fresh is how long a picture is taken for what is at its address.
	fresh = 7 * 24 * time.Hour
	// overlap is how far back changes of clients are looked for once more: longer
	// than a transaction that makes one takes to end.
	overlap = 10 * time.Minute
)

// waits are how long to wait after each failed attempt; the last one repeats.
var waits = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// Reason is why there is no picture, or none that is new.
type Reason string

// The reasons.
const (
	Refused     Reason = "refused"     // the address is not one that this server speaks to
	Unreachable Reason = "unreachable" // nobody answered, or not in time
	Status      Reason = "status"      // another answer than 200; redirects are not followed
	TooLong     Reason = "too_long"    // too many bytes
	Format      Reason = "format"      // none of the formats that are read
	TooLarge    Reason = "too_large"   // too many pixels
	Broken      Reason = "broken"      // begins as a picture does and is none
)

// Path is where the picture with the digest is served, under the issuer's path;
// empty for none.
func Path(digest string) string {
	if digest == "" {
		return ""
	}
	return "/logo/" + digest + ".png"
}

// uri is the address of a client's logo.
var uri = map[storage.Dialect]string{
	storage.SQLite:     `COALESCE(json_extract(c.metadata, '$.logo_uri'), '')`,
	storage.PostgreSQL: `COALESCE(` + storage.WithoutNUL("c.metadata") + `::json ->> 'logo_uri', '')`,
}

// standing is true of a client that may work at the moment of the statement,
// which it takes as @now.
var standing = `(` + storage.Approved("c") + `)`

// Store keeps the pictures in the database.
type Store struct {
	db     *storage.DB
	joined string // a client that stands, and its row if that is about its address
}

// New returns a store on db.
func New(db *storage.DB) *Store {
	return &Store{db: db, joined: `clients c JOIN client_logos l ON l.client_id = c.id AND l.uri = ` + uri[db.Dialect()]}
}

// Owe writes down which approved clients want a picture: those that have none
// of their address yet, and those that were changed since an attempt failed. It
// looks at clients that were changed since then, or at all of them where that
// is zero, and returns what to pass the next time. Because it compares what the
// database holds, no way to approve or change a client can be forgotten.
func (s *Store) Owe(ctx context.Context, since time.Time) (time.Time, error) {
	now := s.db.Now()
	args := map[string]any{"now": now, "since": since}
	wanted := `FROM clients c LEFT JOIN client_logos l ON l.client_id = c.id
		WHERE c.updated_at >= @since AND ` + standing + ` AND ` + uri[s.db.Dialect()] + ` <> ''
			AND (l.client_id IS NULL OR l.uri <> ` + uri[s.db.Dialect()] + ` OR l.failed_at < c.updated_at)`
	var found []int // asked first, because writing has to wait for its turn
	if err := s.db.With(ctx).Raw(`SELECT 1 `+wanted+` LIMIT 1`, args).Scan(&found).Error; err != nil || len(found) == 0 {
		return now.Add(-overlap), storage.Err("find clients without a picture", err)
	}
	err := s.db.With(ctx).Exec(`INSERT INTO client_logos (client_id, uri, next_at)
		SELECT c.id, `+uri[s.db.Dialect()]+`, @now `+wanted+`
		ON CONFLICT (client_id) DO UPDATE SET uri = excluded.uri, attempts = 0, next_at = excluded.next_at, failed_at = NULL, reason = '',
			digest = CASE WHEN client_logos.uri = excluded.uri THEN client_logos.digest ELSE '' END,
			picture = CASE WHEN client_logos.uri = excluded.uri THEN client_logos.picture END,
			fetched_at = CASE WHEN client_logos.uri = excluded.uri THEN client_logos.fetched_at END`, args).Error
	return now.Add(-overlap), storage.Err("note clients without a picture", err)
}

// Errand is a picture that is to be fetched.
type Errand struct {
	ClientID string
	URI      string
	Attempts int64 // that were begun
	NextAt   time.Time
}

// Due returns pictures that may be fetched now, at most limit of them.
func (s *Store) Due(ctx context.Context, limit int) ([]Errand, error) {
	var due []Errand
	err := s.db.With(ctx).Raw(`SELECT l.client_id, l.uri, l.attempts, l.next_at FROM `+s.joined+`
		WHERE l.next_at <= @now AND `+standing+` ORDER BY l.next_at, l.client_id LIMIT @limit`,
		map[string]any{"now": s.db.Now(), "limit": limit}).Scan(&due).Error
	return due, storage.Err("find pictures to fetch", err)
}

// Claim makes the errand this server's for a while and reports whether it
// succeeded: another server may have been quicker, and the client may not be
// approved any more or have another address.
func (s *Store) Claim(ctx context.Context, e *Errand) (bool, error) {
	now := s.db.Now()
	next := now.Add(lease)
	res := s.db.With(ctx).Exec(`UPDATE client_logos SET attempts = attempts + 1, next_at = @next
		WHERE client_id = @client AND uri = @uri AND attempts = @attempts AND next_at = @was
			AND EXISTS (SELECT 1 FROM clients c WHERE c.id = @client AND `+standing+` AND `+uri[s.db.Dialect()]+` = @uri)`,
		map[string]any{"next": next, "client": e.ClientID, "uri": e.URI, "attempts": e.Attempts, "was": e.NextAt, "now": now})
	if res.Error != nil || res.RowsAffected == 0 {
		return false, storage.Err("claim picture", res.Error)
	}
	e.Attempts, e.NextAt = e.Attempts+1, next
	return true, nil
}

// Keep keeps the picture, a PNG file, of an errand that was claimed.
func (s *Store) Keep(ctx context.Context, e *Errand, picture []byte) error {
	sum, now := sha256.Sum256(picture), s.db.Now()
	err := s.db.With(ctx).Exec(`UPDATE client_logos SET digest = @digest, picture = @picture, fetched_at = @now, failed_at = NULL, reason = '',
			attempts = 0, next_at = @next
		WHERE client_id = @client AND uri = @uri AND attempts = @attempts`,
		map[string]any{
			"digest": hex.EncodeToString(sum[:]), "picture": picture, "now": now, "next": now.Add(fresh),
			"client": e.ClientID, "uri": e.URI, "attempts": e.Attempts,
		}).Error
	return storage.Err("keep picture", err)
}

// Failed notes why an errand that was claimed failed, and lets it wait for its
// next attempt. A picture that is there stays.
func (s *Store) Failed(ctx context.Context, e *Errand, why Reason) error {
	now, wait := s.db.Now(), waits[min(int(e.Attempts), len(waits))-1]
	err := s.db.With(ctx).Exec(`UPDATE client_logos SET failed_at = @now, reason = @why, next_at = @next
		WHERE client_id = @client AND uri = @uri AND attempts = @attempts`,
		map[string]any{"now": now, "why": string(why), "next": now.Add(wait), "client": e.ClientID, "uri": e.URI, "attempts": e.Attempts}).Error
	return storage.Err("note why there is no picture", err)
}

// Purge deletes pictures of clients that are not approved any more, or have
// another address or none, at most limit of them. Approving such a client again
// has its picture fetched again.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM client_logos WHERE client_id IN (
		SELECT l.client_id FROM client_logos l JOIN clients c ON c.id = l.client_id
		WHERE NOT `+standing+` OR l.uri <> `+uri[s.db.Dialect()]+` LIMIT @limit)`, map[string]any{"now": s.db.Now(), "limit": limit})
	return res.RowsAffected, storage.Err("purge pictures", res.Error)
}
