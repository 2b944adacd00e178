// Package apikey keeps the keys by which the programs of an administrator use
// the administration's API. A key acts for the account that it was made for,
// and is dead when that account may no longer do what the key would.
package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

const (
	maxName     = 100 // characters
	maxLifetime = 366 * 24 * time.Hour
	shownPrefix = 10 // characters; what is left has more than 200 bits
	// usedEvery is how coarse [Key.UsedAt] is, so that a busy key writes seldom.
	usedEvery = time.Hour
	// kept is how long a key that is over can still be looked at.
	kept = 30 * 24 * time.Hour
)

// Key is a key without its value.
type Key struct {
	ID           string     `gorm:"primaryKey" json:"id"`
	Hash         []byte     `json:"-"`
	Prefix       string     `json:"prefix"` // the first characters of the value
	Name         string     `json:"name"`
	Scopes       []string   `gorm:"serializer:json" json:"scopes"`
	AccountID    string     `json:"account_id"`
	AccountEpoch int64      `json:"-"`
	CreatedAt    time.Time  `json:"created_at"`
	CreatedBy    string     `json:"created_by"`
	ExpiresAt    time.Time  `json:"expires_at"`
	UsedAt       *time.Time `json:"used_at"` // within an hour, nil before
	RevokedAt    *time.Time `json:"revoked_at"`
}

// TableName names the table.
func (Key) TableName() string { return "api_keys" }

// LogValue is what a log keeps of a key.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.String("name", k.Name))
}

// Presented is a key that a program presents, with the account that it acts
// for as it is at this moment.
type Presented struct {
	Key      `gorm:"embedded"`
	Username string
	// AccountPermissions is the JSON of the account's permissions.
	AccountPermissions string
	Live               bool
}

// ErrNotAcceptable reports a key that cannot be made as it was asked for; the
// error says why.
var ErrNotAcceptable = errors.New("the API key cannot be made")

// Config is what the store needs beside the database.
type Config struct {
	Keys  *seal.Keys
	Audit *audit.Store
	// Scopes are those that a key may have.
	Scopes []string
}

// Store keeps keys in the database.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// Order is what a key is made with.
type Order struct {
	Name      string
	AccountID string
	Scopes    []string
	Lifetime  time.Duration // at most 366 days
}

// Create makes a key and returns it with its value, which cannot be read
// again. What is not acceptable is [ErrNotAcceptable], and an account that is
// not there or disabled [storage.ErrNotFound].
func (s *Store) Create(ctx context.Context, by audit.Actor, o Order) (*Key, string, error) {
	o.Name = strings.TrimSpace(o.Name)
	if err := s.check(o); err != nil {
		return nil, "", err
	}
	now, value := s.db.Now(), seal.NewToken(seal.APIKey)
	k := &Key{
		ID: uuid.NewString(), Hash: s.cfg.Keys.Hash(value), Prefix: value[:shownPrefix], Name: o.Name, Scopes: slices.Clone(o.Scopes),
		AccountID: o.AccountID, CreatedAt: now, CreatedBy: by.Name, ExpiresAt: now.Add(o.Lifetime),
	}
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		var epochs []int64
		err := s.db.With(ctx).Raw(`SELECT epoch FROM accounts WHERE id = ? AND disabled_at IS NULL`, o.AccountID).Scan(&epochs).Error
		if err == nil && len(epochs) == 0 {
			err = storage.ErrNotFound
		}
		if err != nil {
			return storage.Err("create API key", err)
		}
		k.AccountEpoch = epochs[0]
		if err := s.db.With(ctx).Create(k).Error; err != nil {
			return storage.Err("create API key", err)
		}
		return s.record(ctx, by, "api_key.create", k)
	})
	if err != nil {
		return nil, "", err
	}
	return k, value, nil
}

func (s *Store) check(o Order) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrNotAcceptable, fmt.Sprintf(format, args...))
	}
	switch {
	case o.Name == "" || utf8.RuneCountInString(o.Name) > maxName || strings.ContainsFunc(o.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return refuse("its name has to be 1 to %d printable characters, which tell it from other keys", maxName)
	case o.Lifetime <= 0 || o.Lifetime > maxLifetime:
		return refuse("it has to end within 366 days from now")
	case len(o.Scopes) == 0:
		return refuse("it has no scope; give it one of %s", strings.Join(s.cfg.Scopes, ", "))
	}
	for _, scope := range o.Scopes {
		if !slices.Contains(s.cfg.Scopes, scope) {
			return refuse("%q is not a scope of the API; use %s", scope, strings.Join(s.cfg.Scopes, ", "))
		}
	}
	return nil
}

func (s *Store) record(ctx context.Context, by audit.Actor, action string, k *Key) error {
	return s.cfg.Audit.Record(ctx, by, audit.Change{Action: action, TargetType: "api_key", TargetID: k.ID, TargetName: k.Name, After: k})
}

// Listed is a key as it is shown.
type Listed struct {
	Key      `gorm:"embedded"`
	Username string `json:"username"`
	// Live reports whether the key works: neither expired nor revoked, nor dead
	// with its account.
	Live bool `json:"live"`
}

// live is true for a key that holds at @now.
const live = `(k.revoked_at IS NULL AND k.expires_at > @now AND a.disabled_at IS NULL AND a.epoch = k.account_epoch)`

// List returns the keys that were not deleted yet, the newest first.
func (s *Store) List(ctx context.Context) ([]Listed, error) {
	list := []Listed{}
	err := s.db.With(ctx).Raw(`SELECT `+storage.Columns("k", Key{})+`, a.username AS username, `+live+` AS live
		FROM api_keys k JOIN accounts a ON a.id = k.account_id ORDER BY k.created_at DESC, k.id`, map[string]any{"now": s.db.Now()}).Scan(&list).Error
	return list, storage.Err("list API keys", err)
}

// Revoke ends a key at once. [storage.ErrNotFound] says that there is none, or
// that it was revoked before.
func (s *Store) Revoke(ctx context.Context, by audit.Actor, id string) error {
	if uuid.Validate(id) != nil {
		return fmt.Errorf("revoke API key: %w", storage.ErrNotFound)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		var revoked []Key
		err := s.db.With(ctx).Raw(`UPDATE api_keys SET revoked_at = @now WHERE id = @id AND revoked_at IS NULL RETURNING `+storage.Columns("", Key{}),
			map[string]any{"now": s.db.Now(), "id": id}).Scan(&revoked).Error
		if err == nil && len(revoked) == 0 {
			err = storage.ErrNotFound
		}
		if err != nil {
			return storage.Err("revoke API key", err)
		}
		return s.record(ctx, by, "api_key.revoke", &revoked[0])
	})
}

// Present returns the live key with this value, with its account as it is at
// the moment of the statement; anything else is [storage.ErrNotFound]. What
// was never made is told by its shape, without the database.
func (s *Store) Present(ctx context.Context, value string) (*Presented, error) {
	if !seal.WellFormed(seal.APIKey, value) {
		return nil, fmt.Errorf("get API key: %w", storage.ErrNotFound)
	}
	now := s.db.Now()
	var found []Presented
	err := s.db.With(ctx).Raw(`SELECT `+storage.Columns("k", Key{})+`, a.username AS username, a.permissions AS account_permissions, `+live+` AS live
		FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.hash = @hash`,
		map[string]any{"now": now, "hash": s.cfg.Keys.Hash(value)}).Scan(&found).Error
	if err == nil && (len(found) == 0 || !found[0].Live) {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, storage.Err("get API key", err)
	}
	return &found[0], s.touch(ctx, &found[0].Key, now)
}

// touch notes that the key is used, seldom.
func (s *Store) touch(ctx context.Context, k *Key, now time.Time) error {
	before := now.Add(-usedEvery)
	if k.UsedAt != nil && k.UsedAt.After(before) {
		return nil
	}
	err := s.db.With(ctx).Exec(`UPDATE api_keys SET used_at = @now WHERE id = @id AND (used_at IS NULL OR used_at <= @before)`,
		map[string]any{"now": now, "id": k.ID, "before": before}).Error
	return storage.Err("note the use of an API key", err)
}

// Purge deletes keys that are long over, at most limit, and returns how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys WHERE expires_at <= @past LIMIT @limit)`,
		map[string]any{"past": s.db.Now().Add(-kept), "limit": limit})
	return res.RowsAffected, storage.Err("purge API keys", res.Error)
}
