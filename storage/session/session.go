// Package session keeps the browser sessions of people who signed in. Only a
// keyed hash of a session's cookie is kept.
package session

import (
	"context"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// Session is one browser's sign-in.
type Session struct {
	ID           string    `gorm:"primaryKey" json:"id"` // the sid claim
	Hash         []byte    `json:"-"`
	AccountID    string    `json:"account_id"`
	AccountEpoch int64     `json:"-"`
	AuthTime     time.Time `json:"auth_time"`
	ACR          string    `gorm:"column:acr" json:"acr"`
	AMR          []string  `gorm:"column:amr;serializer:json" json:"amr"`
	IP           string    `gorm:"column:ip" json:"ip"`
	UserAgent    string    `json:"user_agent"`
	CreatedAt    time.Time `json:"created_at"`
	LastSeenAt   time.Time `json:"last_seen_at"`
	ExpiresAt    time.Time `json:"expires_at"` // absolute
	EndedAt      *time.Time
}

// Config bounds a session.
type Config struct {
	Keys     *seal.Keys
	Idle     time.Duration // without a request
	Absolute time.Duration
}

// Store keeps sessions in the database.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// SignIn is what a session is started with.
type SignIn struct {
	AccountID    string
	AccountEpoch int64
	ACR          string
	AMR          []string
	IP           string
	UserAgent    string
	// Replaces is the cookie of the session that this one takes the place of,
	// if any: it ends in the same transaction.
	Replaces string
}

// Start begins a session and returns it with the value of its cookie.
func (s *Store) Start(ctx context.Context, in SignIn) (sess *Session, cookie string, err error) {
	panic("unwritten")
}

// Get returns the live session of the cookie: not ended, not idle for too
// long, not too old, of an account that is neither disabled nor changed since.
// Anything else is [storage.ErrNotFound]. It notes that the session was seen,
// at most once a minute.
func (s *Store) Get(ctx context.Context, cookie string) (*Session, error) { panic("unwritten") }

// Touch notes that the session was seen, at most once a minute.
func (s *Store) Touch(ctx context.Context, sess *Session) error { panic("unwritten") }

// Live reports whether a session read by a joined query is live, but for its
// account.
func (s *Store) Live(sess *Session) bool { panic("unwritten") }

// Hash returns the hash by which a joined query finds the session of a cookie,
// nil for a value that was never a cookie of ours.
func (s *Store) Hash(cookie string) []byte { panic("unwritten") }

// End ends the session; tokens bound to it die with it. Ending an ended one is
// no error.
func (s *Store) End(ctx context.Context, id string) error { panic("unwritten") }

// Purge deletes sessions that ended or expired, at most limit of them.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) { panic("unwritten") }
