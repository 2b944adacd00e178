// Package keyset keeps the signing keys: sealed at rest, published before they
// sign, kept until nothing they signed can be valid any more.
package keyset

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// Algorithms are the signature algorithms a client may choose from, the
// default first (RFC 7518, section 3.1; RFC 8037).
var Algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// ErrNoKey reports that no key is active for an algorithm.
var ErrNoKey = errors.New("no active signing key")

// Key is one signing key.
type Key struct {
	ID         string                  `gorm:"primaryKey" json:"kid"`
	Algorithm  jose.SignatureAlgorithm `json:"alg"`
	PublicKey  string                  `json:"-"` // JWK
	PrivateKey []byte                  `json:"-"` // sealed PKCS #8
	CreatedAt  time.Time               `json:"created_at"`
	ActiveAt   time.Time               `json:"active_at"`
	RetiredAt  *time.Time              `json:"retired_at"`
	ExpiresAt  *time.Time              `json:"expires_at"`
}

// TableName names the table.
func (Key) TableName() string { return "signing_keys" }

// Config times the life of a key.
type Config struct {
	Keys  *seal.Keys
	Audit *audit.Store
	// PublishedBefore is how long a new key is published before it signs: at
	// least twice the max-age of the key set document.
	PublishedBefore time.Duration
	// KeptAfter is how long a retired key stays published: at least the
	// longest lifetime of what it signed, and clock skew.
	KeptAfter time.Duration
	// RotateEvery is the age at which [Store.RotateDue] replaces a key; 0
	// means never.
	RotateEvery time.Duration
}

// Store keeps signing keys in the database and, for a few seconds, in memory:
// a key that an older copy lacks was published before it may sign, so a copy
// cannot be wrong in what matters.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// Ensure makes a key for each of [Algorithms] that has none, active at once.
// Of several servers that start together one makes them.
func (s *Store) Ensure(ctx context.Context) error { panic("unwritten") }

// Sign returns payload as a JWS in compact form, signed with the active key of
// the algorithm, with its kid and the given typ (left out when empty).
func (s *Store) Sign(ctx context.Context, alg jose.SignatureAlgorithm, typ string, payload []byte) (string, error) {
	panic("unwritten")
}

// Verify checks a JWS in compact form against every published key and returns
// its payload and protected header. It accepts [Algorithms] only, and no key
// that the JWS itself brings.
func (s *Store) Verify(ctx context.Context, jws string) (payload []byte, header jose.Header, err error) {
	panic("unwritten")
}

// Public returns the public keys to publish: next, active and retired ones.
func (s *Store) Public(ctx context.Context) (jose.JSONWebKeySet, error) { panic("unwritten") }

// List returns all keys, newest first.
func (s *Store) List(ctx context.Context) ([]Key, error) { panic("unwritten") }

// Rotate makes the next key of each algorithm given, or of all. It signs once
// it has been published long enough; with immediately it signs at once, which
// is for a key that leaked. The key it replaces retires at that moment.
func (s *Store) Rotate(ctx context.Context, by audit.Actor, immediately bool, algs ...jose.SignatureAlgorithm) ([]Key, error) {
	panic("unwritten")
}

// RotateDue rotates the keys that are older than Config.RotateEvery.
func (s *Store) RotateDue(ctx context.Context) error { panic("unwritten") }

// Purge deletes keys that are published no more.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) { panic("unwritten") }
