// Package account keeps the accounts of resource owners and administrators:
// their passwords, permissions and claims, and the throttling of sign-in.
package account

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
	"countersign/storage/seal"
)

// Account is a person who can sign in.
type Account struct {
	ID                string       `gorm:"primaryKey" json:"id"` // the sub claim
	Username          string       `json:"username"`
	UsernameKey       string       `json:"-"` // folded, unique
	PasswordHash      string       `json:"-"` // PHC string, argon2id
	Permissions       []Permission `gorm:"serializer:json" json:"permissions"`
	Claims            Claims       `gorm:"serializer:json" json:"claims"`
	Epoch             int64        `json:"-"` // raised when everything issued before must die
	Version           int64        `json:"version"`
	CreatedAt         time.Time    `json:"created_at"`
	UpdatedAt         time.Time    `json:"updated_at"`
	PasswordChangedAt time.Time    `json:"password_changed_at"`
	LastSignInAt      *time.Time   `json:"last_sign_in_at"`
	DisabledAt        *time.Time   `json:"disabled_at"`

	// FailedBefore is how many wrong passwords were tried, where this one was
	// right: [Store.Authenticate] sets it.
	FailedBefore int64 `gorm:"-" json:"-"`
}

// Has reports whether the account has the permission and is not disabled.
func (a *Account) Has(p Permission) bool {
	return a.DisabledAt == nil && slices.Contains(a.Permissions, p)
}

var (
	// ErrWrongPassword is the one answer to an unknown username, a wrong
	// password and a disabled account.
	ErrWrongPassword = errors.New("username or password is wrong")
	// ErrBusy reports that too many passwords are being checked at once.
	ErrBusy = errors.New("too many sign-ins at once")
	// ErrLastAdministrator refuses a change that would leave nobody who may
	// configure the server.
	ErrLastAdministrator = errors.New("this is the last account that may configure the server")
)

// ThrottledError reports that this sign-in was refused unseen because too many
// before it failed.
type ThrottledError struct {
	// RetryAfter is how long the next attempt has to wait.
	RetryAfter time.Duration
}

func (*ThrottledError) Error() string { return "too many failed sign-ins; try again later" }

// FieldError reports a member that is not acceptable, in a sentence for the
// person who typed it.
type FieldError struct {
	Field  string // username, password, email, …
	Reason locale.Message
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason.String() }

// Config is what the store needs beside the database.
type Config struct {
	Keys  *seal.Keys
	Audit *audit.Store
	Cost  HashCost
	// FourEyes lets no administrator make another one, or take one over:
	// [*FourEyesError].
	FourEyes bool
}

// Store keeps accounts in the database.
type Store struct {
	db     *storage.DB
	cfg    Config
	hasher *hasher
	seen   int64 // of [Store.Seen]
}

// Seen returns the store for one change of an account as it was looked at:
// another version in the database means [storage.ErrConflict]. 0 is any.
func (s *Store) Seen(version int64) *Store {
	at := *s
	at.seen = version
	return &at
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store {
	return &Store{db: db, cfg: cfg, hasher: newHasher(cfg.Cost)}
}

// Get returns the account with the identifier.
func (s *Store) Get(ctx context.Context, id string) (*Account, error) {
	return s.one(ctx, "id", id)
}

// Find returns the account with the username, however it is cased.
func (s *Store) Find(ctx context.Context, username string) (*Account, error) {
	return s.one(ctx, "username_key", usernameKey(username))
}

// Identify returns the identifier of the account with the username, or
// [storage.ErrNotFound].
func (s *Store) Identify(ctx context.Context, username string) (string, error) {
	a, err := s.Find(ctx, username)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

var accountBy = `SELECT ` + storage.Columns("a", Account{}) + ` FROM accounts a WHERE a.`

func (s *Store) one(ctx context.Context, column, value string) (*Account, error) {
	if !storable(value) {
		return nil, storage.Err("get account", storage.ErrNotFound)
	}
	found, err := storage.Select[Account](ctx, s.db, accountBy+column+` = @value`, map[string]any{"value": value})
	if err == nil && len(found) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, storage.Err("get account", err)
	}
	return &found[0], nil
}

// Usernames returns the usernames of those accounts of the list that there are.
func (s *Store) Usernames(ctx context.Context, ids []string) (map[string]string, error) {
	names := map[string]string{}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !storable(id) })
	if len(ids) == 0 {
		return names, nil
	}
	var list []Account
	err := s.db.With(ctx).Select("id", "username").Where("id IN ?", ids).Find(&list).Error
	for _, a := range list {
		names[a.ID] = a.Username
	}
	return names, storage.Err("get usernames", err)
}

// Filter selects accounts for [Store.Page]. Zero members select all.
type Filter struct {
	Search string // in username, name and email address, however cased
	After  string // continue behind this username, as people spell it
	Limit  int    // 0 means 100
}

const defaultPage = 100

// Page returns accounts by username, at most as many as the filter says.
func (s *Store) Page(ctx context.Context, f Filter) ([]Account, error) {
	q := s.db.With(ctx)
	if f.Search != "" && storable(f.Search) {
		escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(usernameKey(f.Search))
		q = q.Where(`(username_key LIKE @pattern ESCAPE '\' OR lower(claims) LIKE @pattern ESCAPE '\')`, map[string]any{"pattern": "%" + escaped + "%"})
	}
	if f.After != "" && storable(f.After) {
		q = q.Where("username_key > ?", usernameKey(f.After))
	}
	var list []Account
	err := q.Order("username_key").Limit(cmp.Or(f.Limit, defaultPage)).Find(&list).Error
	return list, storage.Err("list accounts", err)
}

// List returns all accounts by username.
func (s *Store) List(ctx context.Context) ([]Account, error) {
	var list []Account
	err := s.db.With(ctx).Order("username_key").Find(&list).Error
	return list, storage.Err("list accounts", err)
}
