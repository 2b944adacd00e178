package clientstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

const (
	// shownFor is how long what a form answered can be shown again, for who
	// clicked twice or lost the answer on the way.
	shownFor = 10 * time.Minute
	// submissionKept is how long a form does nothing a second time. A page
	// that was open for longer than that is not sent by accident.
	submissionKept = 24 * time.Hour
)

// submission is what a form made.
type submission struct {
	AccountID string
	ClientID  string
	Secret    []byte // sealed
	CreatedAt time.Time

	secret string // in clear, empty for none
}

// NewSubmission returns the token of a form that does what it does once.
func NewSubmission() string { return seal.NewToken(seal.FormToken) }

// keepSubmission keeps what the form made, within the transaction in ctx. A
// form that made something before is [storage.ErrConflict].
func (s *Store) keepSubmission(ctx context.Context, by audit.Actor, once string, made submission) error {
	if once == "" {
		return nil
	}
	hash := s.cfg.Keys.Hash(once)
	var sealed []byte
	if made.secret != "" {
		sealed = s.cfg.Keys.Seal([]byte(made.secret), submissionPlace(hash))
	}
	err := s.db.With(ctx).Exec(`INSERT INTO client_submissions (account_id, client_id, hash, secret, created_at)
		VALUES (@account, @client, @hash, @secret, @now)`, map[string]any{
		"hash": hash, "account": by.AccountID, "client": made.ClientID, "secret": sealed, "now": s.db.Now(),
	}).Error
	return storage.Err("keep submission", err)
}

func submissionPlace(hash []byte) string {
	return "client_submissions.secret/" + hex.EncodeToString(hash)
}

// Submitted returns the client that the form made or gave a secret, and for
// some minutes that secret, to the account that sent it. A form that made
// nothing yet is [storage.ErrNotFound].
func (s *Store) Submitted(ctx context.Context, by audit.Actor, once string) (*Client, string, error) {
	if !seal.WellFormed(seal.FormToken, once) {
		return nil, "", fmt.Errorf("get submission: %w", storage.ErrNotFound)
	}
	hash := s.cfg.Keys.Hash(once)
	var found []submission
	err := s.db.With(ctx).Raw(`SELECT account_id, client_id, secret, created_at FROM client_submissions
		WHERE hash = @hash AND account_id = @account`, map[string]any{"hash": hash, "account": by.AccountID}).Scan(&found).Error
	if err != nil {
		return nil, "", storage.Err("get submission", err)
	}
	if len(found) == 0 {
		return nil, "", fmt.Errorf("get submission: %w", storage.ErrNotFound)
	}
	c, err := s.Get(ctx, found[0].ClientID)
	if err != nil {
		return nil, "", err
	}
	if found[0].Secret == nil || s.db.Now().Sub(found[0].CreatedAt) > shownFor {
		return c, "", nil
	}
	secret, err := s.cfg.Keys.Open(found[0].Secret, submissionPlace(hash))
	if err != nil {
		return nil, "", errors.Join(errors.New("open submission"), err)
	}
	return c, string(secret), nil
}

// purgeSubmissions forgets secrets that are no longer shown, and forms that
// nobody sends any more.
func (s *Store) purgeSubmissions(ctx context.Context, limit int) (int64, error) {
	now := s.db.Now()
	res := s.db.With(ctx).Exec(`UPDATE client_submissions SET secret = NULL WHERE hash IN
		(SELECT hash FROM client_submissions WHERE secret IS NOT NULL AND created_at <= ? LIMIT ?)`, now.Add(-shownFor), limit)
	if res.Error != nil {
		return 0, storage.Err("forget shown secrets", res.Error)
	}
	forgotten := res.RowsAffected
	res = s.db.With(ctx).Exec(`DELETE FROM client_submissions WHERE hash IN
		(SELECT hash FROM client_submissions WHERE created_at <= ? LIMIT ?)`, now.Add(-submissionKept), limit)
	return max(forgotten, res.RowsAffected), storage.Err("purge submissions", res.Error)
}
