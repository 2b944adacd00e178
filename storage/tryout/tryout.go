// Package tryout keeps the tests that administrators run with a client: who
// runs one, in which browser, how far it is, and the redirect URI that the
// client is lent meanwhile. See docs/decisions/0051-test-this-client.md.
package tryout

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// Lifetime is how long a test may take.
const Lifetime = 10 * time.Minute

// Path is where a browser comes back to from a test, before the test's
// identifier, under what the administrators' pages begin with.
const Path = "/settings/test/"

// idLen is the length of an identifier: 26 base32 digits, 130 random bits.
const idLen = 26

// Tryout is a test that runs, or that ran a moment ago.
type Tryout struct {
	ID          string `gorm:"primaryKey"`
	ClientID    string
	AccountID   string
	BrowserHash []byte
	// RedirectURI is lent to the client until the test is closed.
	RedirectURI string
	// Document is what was sent and came back, sealed; see [Store.Read].
	Document  []byte
	Version   int64 // raised by every step
	CreatedAt time.Time
	ExpiresAt time.Time
	ClosedAt  *time.Time
}

// Start is what a test begins with.
type Start struct {
	ClientID, AccountID string
	// Browser is the browser cookie of who runs it.
	Browser string
	// Base is what the addresses of the administrators' pages begin with, as
	// this browser knows them.
	Base     string
	Document func(redirectURI string) ([]byte, error)
}

// Store keeps tests in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// Begin keeps a new test. It is closed to every browser but the one that began
// it, and to every other account.
func (s *Store) Begin(ctx context.Context, begin Start) (*Tryout, error) {
	if !seal.WellFormed(seal.BrowserCookie, begin.Browser) {
		return nil, fmt.Errorf("begin test: %w", storage.ErrNotFound)
	}
	now := s.db.Now()
	t := &Tryout{
		ID: rand.Text(), ClientID: begin.ClientID, AccountID: begin.AccountID, BrowserHash: s.keys.Hash(begin.Browser),
		Version: 1, CreatedAt: now, ExpiresAt: now.Add(Lifetime),
	}
	t.RedirectURI = begin.Base + Path + t.ID
	document, err := begin.Document(t.RedirectURI)
	if err != nil {
		return nil, err
	}
	t.Document = s.keys.Seal(document, place(t.ID))
	return t, storage.Err("begin test", s.db.With(ctx).Create(t).Error)
}

// place binds a sealed document to its test.
func place(id string) string { return "tryouts.document/" + id }

// Get returns the test if this account runs it in this browser. Any other, and
// one that took too long, is [storage.ErrNotFound].
func (s *Store) Get(ctx context.Context, id, accountID, browser string) (*Tryout, error) {
	if !wellFormed(id) || !seal.WellFormed(seal.BrowserCookie, browser) {
		return nil, fmt.Errorf("get test: %w", storage.ErrNotFound)
	}
	var t Tryout
	err := s.db.With(ctx).Where("id = ? AND account_id = ? AND expires_at > ?", id, accountID, s.db.Now()).Take(&t).Error
	if err != nil {
		return nil, storage.Err("get test", err)
	}
	if subtle.ConstantTimeCompare(t.BrowserHash, s.keys.Hash(browser)) != 1 {
		return nil, fmt.Errorf("get test: %w", storage.ErrNotFound)
	}
	return &t, nil
}

// Read returns the document of the test.
func (s *Store) Read(t *Tryout) ([]byte, error) { return s.keys.Open(t.Document, place(t.ID)) }

// Claim takes the next step of the test, which one of those who take it at the
// same moment may. The others get [storage.ErrConflict].
func (s *Store) Claim(ctx context.Context, t *Tryout) error {
	res := s.db.With(ctx).Model(&Tryout{}).Where("id = ? AND version = ? AND closed_at IS NULL", t.ID, t.Version).
		UpdateColumn("version", t.Version+1)
	if res.Error != nil {
		return storage.Err("take a step of the test", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("take a step of the test: %w", storage.ErrConflict)
	}
	t.Version++
	return nil
}

// Save keeps the document after a step that was claimed. Closed says that it
// was the last: the redirect URI is lent no longer.
func (s *Store) Save(ctx context.Context, t *Tryout, document []byte, closed bool) error { //nolint:revive // it is what the step came to
	columns := map[string]any{"document": s.keys.Seal(document, place(t.ID)), "version": t.Version + 1}
	if closed {
		columns["closed_at"] = s.db.Now()
	}
	res := s.db.With(ctx).Model(&Tryout{}).Where("id = ? AND version = ?", t.ID, t.Version).UpdateColumns(columns)
	if res.Error != nil {
		return storage.Err("keep step of the test", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("keep step of the test: %w", storage.ErrConflict)
	}
	t.Version++
	return nil
}

// Lends reports whether the redirect URI is lent to the client by a test that
// runs. An account that is named has to be the one that runs it.
func (s *Store) Lends(ctx context.Context, clientID, accountID, redirectURI string) (bool, error) {
	before, id, ok := strings.Cut(redirectURI, Path)
	if !ok || before == "" || !wellFormed(id) { // most that is not registered never was ours
		return false, nil
	}
	running := s.db.With(ctx).Model(&Tryout{}).Where(
		"id = ? AND client_id = ? AND redirect_uri = ? AND closed_at IS NULL AND expires_at > ?", id, clientID, redirectURI, s.db.Now())
	if accountID != "" {
		running = running.Where("account_id = ?", accountID)
	}
	var n int64
	err := running.Count(&n).Error
	return n == 1, storage.Err("look for a redirect URI that is lent", err)
}

// Purge forgets tests that took too long or ended, at most limit, and returns
// how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM tryouts WHERE id IN (SELECT id FROM tryouts WHERE expires_at <= @now LIMIT @limit)`,
		map[string]any{"now": s.db.Now(), "limit": limit})
	return res.RowsAffected, storage.Err("purge tests", res.Error)
}

// wellFormed reports whether id can be one of ours (RFC 4648, section 6).
func wellFormed(id string) bool {
	if len(id) != idLen {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
