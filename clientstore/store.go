package clientstore

import (
	"context"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// Policy is how much the server lets an administrator register.
type Policy string

// The policies. Strict refuses what RFC 9700 advises against: the password
// grant, tokens in authorization responses, http redirects.
const (
	Default Policy = "default"
	Strict  Policy = "strict"
)

// Config is what the store needs beside the database.
type Config struct {
	Keys   *seal.Keys
	Audit  *audit.Store
	Policy Policy
}

// Store keeps clients in the database.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

// MetadataError reports a member of a registration that is not acceptable
// (RFC 7591, section 3.2.2), in a sentence for the person who wrote it.
type MetadataError struct {
	Field  string // the RFC 7591 member name
	Reason string
}

func (e *MetadataError) Error() string { return e.Field + ": " + e.Reason }

// Registration is what a client is registered with.
type Registration struct {
	Type     Type
	Name     string
	Metadata Metadata
	// Secret is one that the administrator typed; empty lets the store
	// generate one, unless the metadata says that the client is public.
	Secret string
}

// Edit changes a client. Nil members stay as they are.
type Edit struct {
	Name     *string
	Metadata *Metadata
	// Version is the one that the editor saw; another in the database means
	// [storage.ErrConflict].
	Version int64
}

// Register validates and keeps a pending client and returns it with its
// secret, which cannot be read again (empty for a public client).
func (s *Store) Register(ctx context.Context, by audit.Actor, r Registration) (c *Client, secret string, err error) {
	panic("unwritten")
}

// Get returns the client, whatever its status. It is for administrators.
func (s *Store) Get(ctx context.Context, id string) (*Client, error) { panic("unwritten") }

// Filter selects clients for [Store.List]. Zero members select all.
type Filter struct {
	Type   Type
	Status Status
	Search string // in name, key and redirect URIs
	After  string // continue behind this client: "NAME\x00ID" of the last one seen
	Limit  int    // 0 means 100
}

// List returns clients by name.
func (s *Store) List(ctx context.Context, f Filter) ([]Client, error) { panic("unwritten") }

// Edit changes name and metadata, at once.
func (s *Store) Edit(ctx context.Context, by audit.Actor, id string, e Edit) (*Client, error) {
	panic("unwritten")
}

// Approve lets the client work. Approving an approved one changes nothing.
func (s *Store) Approve(ctx context.Context, by audit.Actor, id string) (*Client, error) {
	panic("unwritten")
}

// Disapprove stops the client at once; what was issued to it is dead for good.
func (s *Store) Disapprove(ctx context.Context, by audit.Actor, id, reason string) (*Client, error) {
	panic("unwritten")
}

// Remove deletes the client for good. Its key is never given out again.
func (s *Store) Remove(ctx context.Context, by audit.Actor, id string) error { panic("unwritten") }

// Rotation replaces a client's secret.
type Rotation struct {
	// Secret is one that the administrator typed; empty generates one.
	Secret string
	// Overlap is how long the secrets that the client has stay valid.
	Overlap time.Duration
	// ExpiresAt ends the new secret; nil means never.
	ExpiresAt *time.Time
}

// RotateSecret gives the client a further secret and returns it.
func (s *Store) RotateSecret(ctx context.Context, by audit.Actor, id string, r Rotation) (c *Client, secret string, err error) {
	panic("unwritten")
}

// Impact is what disapproving or removing a client ends.
type Impact struct {
	Tokens   int64 `json:"tokens"`
	Accounts int64 `json:"accounts"`
}

// Impact counts the live tokens of the client and the accounts they act for.
func (s *Store) Impact(ctx context.Context, id string) (Impact, error) { panic("unwritten") }

// VerifySecret reports whether the presented secret is one of the client's
// live ones. With a nil client it takes the time of a known one and says no.
func (s *Store) VerifySecret(ctx context.Context, c *Client, presented string) (bool, error) {
	panic("unwritten")
}

// Document returns the client as RFC 7591 writes it, with type and status and
// without secrets: what the command line prints and the audit record keeps.
func (c *Client) Document() map[string]any { panic("unwritten") }

// SetMember sets one metadata member by its RFC 7591 name, value being JSON or
// plain text (for `client create --set member=value`). Members that it does
// not know, and those that are not the registrant's to set, are a [MetadataError].
func (m *Metadata) SetMember(name, value string) error { panic("unwritten") }

// Warnings says, a sentence each, what is risky about the client.
func (c *Client) Warnings() []string { panic("unwritten") }

// MatchRedirectURI reports whether the requested redirect URI is one of the
// client's: the same bytes, or for a native client a registered loopback
// address with any port (RFC 8252, section 7.3).
func (c *Client) MatchRedirectURI(requested string) bool { panic("unwritten") }
