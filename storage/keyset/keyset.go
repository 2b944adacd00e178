// Package keyset keeps the server's keys: those that sign, sealed at rest,
// published before they sign and kept until nothing they signed can be valid
// any more, and those that clients encrypt requests to.
package keyset

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"gorm.io/gorm/clause"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// Algorithms are the signature algorithms a client may choose from, the
// default first (RFC 7518, section 3.1; RFC 8037).
var Algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// The kinds of key that clients encrypt to, each named after the first of its
// algorithms (RFC 7518, section 4.1).
const (
	kindRSA = "RSA-OAEP"
	kindEC  = "ECDH-ES"
)

// Kinds returns the names of all kinds of key: the [Algorithms] of those that
// sign, and the first algorithm of those that clients encrypt to.
func Kinds() []string {
	kinds := make([]string, 0, len(Algorithms)+2)
	for _, alg := range Algorithms {
		kinds = append(kinds, string(alg))
	}
	return append(kinds, kindRSA, kindEC)
}

var (
	// ErrNoKey reports that no key is active for an algorithm.
	ErrNoKey = errors.New("no active signing key")
	// ErrNotOurs reports a JWS that no published key has signed, or that is not
	// of the plain form in which [Store.Sign] writes them.
	ErrNotOurs = errors.New("not a signature of this server")
	// ErrNotForUs reports a JWE that no key of this server opens.
	ErrNotForUs = errors.New("not encrypted to this server")
)

// Key is one key.
type Key struct {
	ID         string     `gorm:"primaryKey" json:"kid"`
	Algorithm  string     `json:"alg"` // one of [Kinds]
	PublicKey  string     `json:"-"`   // JWK
	PrivateKey []byte     `json:"-"`   // sealed PKCS #8
	CreatedAt  time.Time  `json:"created_at"`
	ActiveAt   time.Time  `json:"active_at"`
	RetiredAt  *time.Time `json:"retired_at"` // nil for the newest key of its kind only
	ExpiresAt  *time.Time `json:"expires_at"`
}

// Encrypts reports whether the key is one that clients encrypt to.
func (k Key) Encrypts() bool { return k.Algorithm == kindRSA || k.Algorithm == kindEC }

// TableName names the table. It is older than the keys that do not sign.
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

	current    atomic.Pointer[copied]
	generation atomic.Uint64 // raised by every change that this store makes
	reads      singleflight.Group
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// Ensure makes a key of each of [Kinds] that has none, active at once.
// Of several servers that start together one makes them: the newest key of a
// kind is unique in the database. It fails when a key that is there does
// not open with this server's key-encryption key.
func (s *Store) Ensure(ctx context.Context) error {
	for _, alg := range Kinds() {
		newest, err := s.newest(ctx, alg)
		if err != nil {
			return err
		}
		if newest != nil {
			continue
		}
		if err := s.makeFirst(ctx, alg); err != nil {
			return err
		}
	}
	s.forget()
	_, err := s.keys(ctx, fresh)
	return err
}

// makeFirst makes the first key of an algorithm, unless another server was
// faster.
func (s *Store) makeFirst(ctx context.Context, alg string) error {
	key, err := s.generate(alg)
	if err != nil {
		return err
	}
	key.CreatedAt = s.db.Now()
	key.ActiveAt = key.CreatedAt
	err = s.db.With(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&key).Error
	return storage.Err("keep the first "+alg+" key", err)
}

// newest returns the key of the algorithm that is to sign or to go on signing,
// nil when there is none.
func (s *Store) newest(ctx context.Context, alg string) (*Key, error) {
	var found []Key
	err := s.db.With(ctx).Where("algorithm = ? AND retired_at IS NULL", alg).Find(&found).Error
	if err != nil || len(found) == 0 {
		return nil, storage.Err("get the newest "+alg+" key", err)
	}
	return &found[0], nil
}

// List returns all keys, newest first.
func (s *Store) List(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := s.db.With(ctx).Order("active_at DESC, algorithm, id").Find(&keys).Error
	return keys, storage.Err("list keys", err)
}

// Public returns the public keys to publish: next, active and retired ones
// that sign, and those to encrypt to that are not retired.
func (s *Store) Public(ctx context.Context) (jose.JSONWebKeySet, error) {
	c, err := s.keys(ctx, fresh)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return c.published(s.db.Now()), nil
}

// Purge deletes keys that are published no more, at most limit of them, and
// returns how many it deleted.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM signing_keys WHERE id IN (
		SELECT id FROM signing_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`, s.db.Now(), limit)
	if res.Error != nil {
		return 0, storage.Err("purge signing keys", res.Error)
	}
	if res.RowsAffected > 0 {
		s.forget()
	}
	return res.RowsAffected, nil
}

// place is what a sealed private key is bound to.
func place(kid string) string { return "signing_keys.private_key/" + kid }

func unknown(alg string) error {
	return fmt.Errorf("algorithm %q is not supported; use one of %v", alg, Kinds())
}
