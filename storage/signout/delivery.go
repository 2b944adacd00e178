package signout

import (
	"context"
	"time"

	"countersign/storage"
)

const (
	// lease is how long a delivery is one server's, which is longer than an
	// attempt takes. The lease of a server that died runs out.
	lease = 30 * time.Second
	// keptFor is how long a delivery is tried.
	keptFor = 24 * time.Hour
)

// waits are how long to wait after each failed attempt; the last one repeats.
var waits = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// Delivery is a logout token that is owed to a client.
type Delivery struct {
	SessionID string
	ClientID  string
	Subject   string
	Attempts  int64 // that were begun
	NextAt    time.Time
	URI       string // where the client takes logout tokens
	Algorithm string // that the client has its ID tokens signed with
	Encrypted bool   // whether the client has its ID tokens encrypted
}

// Store keeps what is owed in the database.
type Store struct{ db *storage.DB }

// New returns a store on db.
func New(db *storage.DB) *Store { return &Store{db} }

// Due returns deliveries that may be tried now, at most limit of them. A client
// that is not approved, or is gone, is told of nothing but that; a client that
// is there is reached as it is registered by now. One that is gone and wanted
// its tokens encrypted took the keys with it, and is told nothing in clear.
func (s *Store) Due(ctx context.Context, limit int) ([]Delivery, error) {
	var due []Delivery
	err := s.db.With(ctx).Raw(`
		SELECT d.session_id, d.client_id, d.subject, d.attempts, d.next_at,
			CASE WHEN c.id IS NULL THEN d.uri ELSE `+uri[s.db.Dialect()]+` END AS uri,
			CASE WHEN c.id IS NULL THEN d.algorithm ELSE `+algorithm[s.db.Dialect()]+` END AS algorithm,
			`+encrypted[s.db.Dialect()]+` AS encrypted
		FROM logout_deliveries d LEFT JOIN clients c ON c.id = d.client_id
		WHERE d.next_at <= @now AND (d.dismissed OR `+standing+`) AND NOT (c.id IS NULL AND d.encrypted)
		ORDER BY d.next_at, d.session_id, d.client_id LIMIT @limit`, map[string]any{"now": s.db.Now(), "limit": limit}).Scan(&due).Error
	return due, storage.Err("find logout tokens to deliver", err)
}

// Claim makes the delivery this server's for a while and reports whether it
// succeeded: another server may have been quicker.
func (s *Store) Claim(ctx context.Context, d *Delivery) (bool, error) {
	next := s.db.Now().Add(lease)
	res := s.db.With(ctx).Exec(`UPDATE logout_deliveries SET attempts = @attempts + 1, next_at = @next
		WHERE session_id = @session AND client_id = @client AND attempts = @attempts AND next_at = @was`,
		map[string]any{"attempts": d.Attempts, "next": next, "session": d.SessionID, "client": d.ClientID, "was": d.NextAt})
	if res.Error != nil || res.RowsAffected == 0 {
		return false, storage.Err("claim logout token", res.Error)
	}
	d.Attempts, d.NextAt = d.Attempts+1, next
	return true, nil
}

// Done forgets a delivery that was claimed and has arrived, or has nowhere to
// go.
func (s *Store) Done(ctx context.Context, d *Delivery) error {
	err := s.db.With(ctx).Exec(`DELETE FROM logout_deliveries WHERE session_id = ? AND client_id = ? AND attempts = ?`,
		d.SessionID, d.ClientID, d.Attempts).Error
	return storage.Err("forget logout token", err)
}

// Retry lets a delivery that was claimed and failed wait for its next attempt.
func (s *Store) Retry(ctx context.Context, d *Delivery) error {
	wait := waits[min(int(d.Attempts), len(waits))-1]
	err := s.db.With(ctx).Exec(`UPDATE logout_deliveries SET next_at = ? WHERE session_id = ? AND client_id = ? AND attempts = ?`,
		s.db.Now().Add(wait), d.SessionID, d.ClientID, d.Attempts).Error
	return storage.Err("put off logout token", err)
}

// Waiting counts what is yet to be delivered, up to limit.
func (s *Store) Waiting(ctx context.Context, limit int) (n int64, err error) {
	err = s.db.With(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM logout_deliveries LIMIT ?) waiting`, limit).Scan(&n).Error
	return n, storage.Err("count logout tokens", err)
}

// Purge gives up what could not be delivered in a day, at most limit of it.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM logout_deliveries WHERE (session_id, client_id) IN (
		SELECT session_id, client_id FROM logout_deliveries WHERE created_at <= @before LIMIT @limit)`,
		map[string]any{"before": s.db.Now().Add(-keptFor), "limit": limit})
	return res.RowsAffected, storage.Err("purge logout tokens", res.Error)
}
