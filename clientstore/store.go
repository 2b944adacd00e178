package clientstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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
	// MaxPending bounds the clients that registered themselves openly and wait
	// for approval, and PendingLifetime how long they wait; 0 bounds nothing.
	MaxPending      int
	PendingLifetime time.Duration
	// UnusedLifetime is how long a client that registered itself may be
	// approved and never used; 0 bounds nothing.
	UnusedLifetime time.Duration
	// FourEyes lets nobody approve what they registered or edited themselves,
	// and an edit of an approved client wait for another administrator.
	FourEyes bool
	// Notices are the channels by which somebody is told of what comes to wait
	// for a decision; empty for none.
	Notices []string
}

// Store keeps clients in the database.
type Store struct {
	db    *storage.DB
	cfg   Config
	typed *typedSecrets
	// What was used waits here for the next purge, and for the end of the server:
	// what a crash forgets, the next request says again.
	uses          notes[string]
	secretUses    notes[secretKey]
	recentSecrets recent

	memory     memory
	statements sync.Map // texts by statementKey
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store {
	return &Store{db: db, cfg: cfg, typed: newTypedSecrets()}
}

// Policy returns how much may be registered.
func (s *Store) Policy() Policy { return s.cfg.Policy }

// Get returns the client, whatever its status. It is for administrators.
func (s *Store) Get(ctx context.Context, id string) (*Client, error) {
	c, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	c.end(s.db.Now())
	return c, s.forReading(ctx, c)
}

// read returns the client as the database holds it.
func (s *Store) read(ctx context.Context, id string) (*Client, error) {
	return s.find(ctx, id, wholeClient)
}

func byKey(columns string) string {
	return `SELECT ` + columns + ` FROM clients client WHERE client.id = @id`
}

var wholeClient = byKey(storage.Columns("client", Client{}))

// find returns what the statement says of the client.
func (s *Store) find(ctx context.Context, id, statement string) (*Client, error) {
	if !wellFormedKey(id) {
		return nil, fmt.Errorf("get client: %w", storage.ErrNotFound)
	}
	found, err := storage.Select[Client](ctx, s.db, statement, map[string]any{"id": id})
	if err != nil {
		return nil, storage.Err("get client", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get client: %w", storage.ErrNotFound)
	}
	return &found[0], nil
}

// lock returns the client and holds back other changes of it until the
// transaction in ctx ends. SQLite has one writer at a time as it is.
func (s *Store) lock(ctx context.Context, id string) (*Client, error) {
	tx := s.db.With(ctx)
	if s.db.Dialect() == storage.PostgreSQL {
		tx = tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return s.take(tx, id)
}

func (*Store) take(tx *gorm.DB, id string) (*Client, error) {
	if !wellFormedKey(id) {
		return nil, fmt.Errorf("get client: %w", storage.ErrNotFound)
	}
	var c Client
	if err := tx.Where("id = ?", id).Take(&c).Error; err != nil {
		return nil, storage.Err("get client", err)
	}
	return &c, nil
}

// change is what a transaction does to a client.
type change struct {
	action string // of the audit record
	// columns returns what to write, or nothing to leave the client alone.
	columns func(c *Client, now time.Time) (map[string]any, error)
	// first is done before anything is written, nil for nothing.
	first func(ctx context.Context) error
	// managing is true of what a clients file changes of its own clients.
	managing bool
}

func (ch change) prepare(ctx context.Context) error {
	if ch.first == nil {
		return nil
	}
	return ch.first(ctx)
}

// put writes the columns of a client that is still what was read.
func (s *Store) put(ctx context.Context, action string, read *Client, columns map[string]any) error {
	res := s.db.With(ctx).Table("clients").Where("id = ? AND version = ?", read.ID, read.Version).Updates(columns)
	if res.Error != nil {
		return storage.Err(action, res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("%s: %w", action, storage.ErrConflict)
	}
	return nil
}

// change makes a change and its audit record in one transaction. The client is
// read, changed under the condition that it is still what was read, and read
// again, so that what is returned and recorded is what the database holds.
func (s *Store) change(ctx context.Context, by audit.Actor, id string, ch change) (*Client, error) {
	var after *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		before, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		now := s.db.Now()
		after, err = s.apply(ctx, ch, before, now)
		if err != nil || after == before {
			return err
		}
		if err := s.keepDead(ctx, before, after, now); err != nil {
			return err
		}
		return s.record(ctx, by, ch.action, before, after)
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// apply makes the change of the client and reads it again; it returns the same
// one when there is nothing to change.
func (s *Store) apply(ctx context.Context, ch change, before *Client, now time.Time) (*Client, error) {
	columns, err := ch.columns(before, now)
	if err != nil || columns == nil {
		return before, err
	}
	if err := before.lockedTo(ch, columns); err != nil {
		return nil, err
	}
	if err := ch.prepare(ctx); err != nil {
		return nil, err
	}
	columns["version"], columns["updated_at"] = before.Version+1, now
	if err := s.put(ctx, ch.action, before, columns); err != nil {
		return nil, err
	}
	return s.Get(ctx, before.ID)
}

// record appends a change to the audit record. Either client may be nil.
func (s *Store) record(ctx context.Context, by audit.Actor, action string, before, after *Client) error {
	c := audit.Change{Action: action, TargetType: "client"}
	if before != nil {
		c.TargetID, c.TargetName, c.Before = before.ID, before.Name, before.Lasting().Document()
	}
	if after != nil {
		c.TargetID, c.TargetName, c.After = after.ID, after.Name, after.Lasting().Document()
	}
	return s.cfg.Audit.Record(ctx, by, c)
}

// actor is how a client's record names who changed it; the audit record says
// more.
func actor(by audit.Actor) string {
	if by.AccountID != "" {
		return by.AccountID
	}
	return string(by.Via)
}

// column encodes what a column keeps as JSON, as the record type reads it.
func column(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode client: %w", err)
	}
	return string(b), nil
}
