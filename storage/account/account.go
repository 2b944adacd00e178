// Package account keeps the accounts of resource owners and administrators:
// their passwords, permissions and claims, and the throttling of sign-in.
package account

import (
	"context"
	"errors"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// ConfigureServer is the permission that lets an administrator manage clients.
const ConfigureServer Permission = "configure_server"

// Permission lets an account do what others may not.
type Permission string

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
}

// Has reports whether the account has the permission and is not disabled.
func (a *Account) Has(p Permission) bool { panic("unwritten") }

// Claims are the OpenID Connect standard claims kept for an account (OpenID
// Connect Core 1.0, section 5.1), without sub. Empty members are not known and
// never sent.
type Claims struct {
	Name                string   `json:"name,omitempty"`
	GivenName           string   `json:"given_name,omitempty"`
	FamilyName          string   `json:"family_name,omitempty"`
	MiddleName          string   `json:"middle_name,omitempty"`
	Nickname            string   `json:"nickname,omitempty"`
	PreferredUsername   string   `json:"preferred_username,omitempty"`
	Profile             string   `json:"profile,omitempty"`
	Picture             string   `json:"picture,omitempty"`
	Website             string   `json:"website,omitempty"`
	Gender              string   `json:"gender,omitempty"`
	Birthdate           string   `json:"birthdate,omitempty"`
	Zoneinfo            string   `json:"zoneinfo,omitempty"`
	Locale              string   `json:"locale,omitempty"`
	Email               string   `json:"email,omitempty"`
	EmailVerified       bool     `json:"email_verified,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"`
	PhoneNumberVerified bool     `json:"phone_number_verified,omitempty"`
	Address             *Address `json:"address,omitempty"`
}

// Address is the address claim (OpenID Connect Core 1.0, section 5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
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

func (e *ThrottledError) Error() string { return "too many failed sign-ins; try again later" }

// FieldError reports a member that is not acceptable, in a sentence for the
// person who typed it.
type FieldError struct {
	Field  string // username, password, email, …
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// HashCost is the cost of argon2id. The zero value asks for calibration at the
// first hash: about 100 ms a hash on this machine, never under 19 MiB and two
// passes (OWASP Password Storage Cheat Sheet).
type HashCost struct {
	Memory uint32 // KiB
	Passes uint32
}

// Config is what the store needs beside the database.
type Config struct {
	Keys  *seal.Keys
	Audit *audit.Store
	Cost  HashCost
}

// Store keeps accounts in the database.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// Registration is what a new account is made of.
type Registration struct {
	Username    string
	Password    string
	Claims      Claims
	Permissions []Permission
}

// Create validates and keeps an account.
func (s *Store) Create(ctx context.Context, by audit.Actor, r Registration) (*Account, error) {
	panic("unwritten")
}

// Get returns the account with the identifier.
func (s *Store) Get(ctx context.Context, id string) (*Account, error) { panic("unwritten") }

// Find returns the account with the username, however it is cased.
func (s *Store) Find(ctx context.Context, username string) (*Account, error) { panic("unwritten") }

// List returns all accounts by username.
func (s *Store) List(ctx context.Context) ([]Account, error) { panic("unwritten") }

// SetPassword replaces the password and ends what was issued before.
func (s *Store) SetPassword(ctx context.Context, by audit.Actor, id, password string) error {
	panic("unwritten")
}

// SetPermissions replaces the permissions. Taking configure_server from the
// last account that has it is refused with [ErrLastAdministrator].
func (s *Store) SetPermissions(ctx context.Context, by audit.Actor, id string, p []Permission) error {
	panic("unwritten")
}

// SetClaims replaces the claims.
func (s *Store) SetClaims(ctx context.Context, by audit.Actor, id string, c Claims) error {
	panic("unwritten")
}

// Disable refuses the account from now on; everything issued to it is dead and
// stays so.
func (s *Store) Disable(ctx context.Context, by audit.Actor, id string) error { panic("unwritten") }

// Enable lets a disabled account sign in again.
func (s *Store) Enable(ctx context.Context, by audit.Actor, id string) error { panic("unwritten") }

// Remove deletes the account with its sessions and consents.
func (s *Store) Remove(ctx context.Context, by audit.Actor, id string) error { panic("unwritten") }

// SignIn is one attempt to sign in.
type SignIn struct {
	Username string
	Password string
	IP       string
	// Device is the value of the browser's device cookie; it tells a browser
	// in which this account signed in before, so that strangers who guess
	// cannot lock its owner out.
	Device string
}

// Authenticate returns the account whose password this is and the device
// cookie to keep in the browser. Failures are [ErrWrongPassword],
// [*ThrottledError] and [ErrBusy]; unknown names take the time of known ones.
func (s *Store) Authenticate(ctx context.Context, in SignIn) (a *Account, device string, err error) {
	panic("unwritten")
}

// NeedsSetup reports whether no account was ever created.
func (s *Store) NeedsSetup(ctx context.Context) (bool, error) { panic("unwritten") }

// StartSetup makes the one-time token that lets a browser create the first
// administrator, valid for 30 minutes, replacing one made before.
// [storage.ErrConflict] says that the door is closed for good.
func (s *Store) StartSetup(ctx context.Context) (token string, err error) { panic("unwritten") }

// CheckSetup reports whether the token would be accepted now; [storage.ErrNotFound]
// says that it is not, for whatever reason.
func (s *Store) CheckSetup(ctx context.Context, token string) error { panic("unwritten") }

// CompleteSetup spends the token and creates the first administrator.
func (s *Store) CompleteSetup(ctx context.Context, by audit.Actor, token string, r Registration) (*Account, error) {
	panic("unwritten")
}

// Purge deletes throttles that no longer count, at most limit of them.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) { panic("unwritten") }
