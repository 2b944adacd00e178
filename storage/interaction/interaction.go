// Package interaction keeps authorization requests that wait for their
// resource owner: to sign in, to consent. All protocols wait here, and the
// pages do not know which one does.
package interaction

import (
	"context"
	"errors"
	"net/url"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// Lifetime is how long a request waits.
const Lifetime = 30 * time.Minute

// ErrExpired reports an interaction that waited too long. It comes with the
// interaction, so that a page can say which application to go back to.
var ErrExpired = errors.New("interaction expired")

// Interaction is a waiting authorization request.
type Interaction struct {
	ID       string `gorm:"primaryKey"`
	ClientID string
	// ResumePath is where the door that waits takes up the request again,
	// under the issuer's path.
	ResumePath string
	// Request holds the parameters as they were validated.
	Request url.Values `gorm:"serializer:json"`
	// BrowserHash binds the interaction to the browser that started it; nil
	// until one claims it.
	BrowserHash []byte
	// SessionID is the session that AuthenticatedAt speaks of.
	SessionID string
	// AuthenticatedAt is when the resource owner signed in for this request.
	AuthenticatedAt *time.Time
	// ConsentedBy is the account that consented on this request's page, and
	// ConsentedScope to what, space-separated.
	ConsentedBy    string
	ConsentedScope string
	CreatedAt      time.Time
	ExpiresAt      time.Time
}

// Store keeps interactions in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// Waiting is what an interaction is made of.
type Waiting struct {
	ClientID   string
	ResumePath string
	Request    url.Values
	// Browser is the browser cookie. Empty leaves the interaction to the first
	// browser that opens it, which is for requests that arrive by a cross-site
	// POST, without cookies.
	Browser string
}

// Create keeps a request that waits.
func (s *Store) Create(ctx context.Context, w Waiting) (*Interaction, error) { panic("unwritten") }

// Get returns the interaction if it waits in this browser, and claims it if no
// browser did yet. An unknown one and one of another browser are both
// [storage.ErrNotFound]; one that waited too long comes with [ErrExpired].
func (s *Store) Get(ctx context.Context, id, browser string) (*Interaction, error) {
	panic("unwritten")
}

// Authenticated notes that the resource owner signed in for this request.
func (s *Store) Authenticated(ctx context.Context, id, sessionID string) error { panic("unwritten") }

// Consented notes what the resource owner consented to on this request's page.
func (s *Store) Consented(ctx context.Context, id, accountID, scope string) error {
	panic("unwritten")
}

// Remove forgets the interaction, once its request has been refused.
func (s *Store) Remove(ctx context.Context, id string) error { panic("unwritten") }

// Purge deletes interactions that expired over a day ago, at most limit of
// them: until then the page of an expired one can still name its application.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) { panic("unwritten") }
