// Package storage opens the database and keeps its schema. It knows dialects,
// transactions and migrations, and nothing of OAuth. Each package below it
// keeps one kind of record.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"
)

var (
	// ErrNotFound reports that no record matched.
	ErrNotFound = errors.New("not found")
	// ErrConflict reports that a record with the same key exists, or that the
	// record changed since it was read.
	ErrConflict = errors.New("already exists or has changed")
	// ErrUnavailable reports that the database did not do what it was asked.
	// A door answers it with 503 and Retry-After, never with a verdict on a
	// client, a token or a password.
	ErrUnavailable = errors.New("database unavailable")
)

// Config says which database to open.
type Config struct {
	// URL names the database: sqlite:///path/to/file or postgres://….
	URL string
	// MaxConns bounds the connections to PostgreSQL; 0 means 16.
	MaxConns int
	// Log receives warnings and slow statements, without their values.
	Log *slog.Logger
	// Clock tells the time of this machine; nil means time.Now.
	Clock func() time.Time
}

// DB is the server's database.
type DB struct {
	pool   *gorm.DB
	conns  *sql.DB
	writes *sql.DB // SQLite's one connection for them; PostgreSQL has no other pool
	hook   *hooks
	line   *line
	target target

	forms     sync.Map // text of a statement to *form
	preparing sync.WaitGroup
	schemas   sync.Map // gorm's, of what rows are read into

	// Now tells the time that is compared with and written to records, in UTC
	// and whole microseconds, which is what both dialects keep. It is the
	// database's where that differs from this machine's: see
	// [DB.FollowClock]. Tests may stop or move it.
	Now   func() time.Time
	clock clock
}

// Open opens the database that cfg names and checks that it answers and is
// fit for use. It does not bring the schema up to date: see [DB.Migrate]. The
// error says what to do about it, and no secrets.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	target, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	conns, writes, err := target.open(cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{conns: conns, writes: writes, hook: &hooks{}, line: lineOf(target.dialect), target: target, clock: clock{machine: cfg.Clock}}
	if db.Now = db.clock.now; cfg.Clock == nil {
		db.clock.machine = time.Now
	}
	if err := db.check(ctx, cfg.Log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.pool, err = gorm.Open(target.dialector(pool{conns, writes, db.hook, db.line}), &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		QueryFields:            true, // see Columns
		Logger:                 slowLog{cfg.Log},
		NowFunc:                func() time.Time { return db.Now() },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
	}
	return db, nil
}

func (db *DB) check(ctx context.Context, log *slog.Logger) error {
	if db.Dialect() == SQLite {
		return db.checkSQLite(ctx, log)
	}
	return db.checkPostgres(ctx, log)
}

// Close closes the database.
func (db *DB) Close() error {
	db.preparing.Wait()
	return errors.Join(db.conns.Close(), db.writes.Close()) // closing twice is no error
}

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.hook.before(ctx, "PING"); err != nil {
		return Err("ping", err)
	}
	return Err("ping", db.conns.PingContext(ctx))
}

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.target.dialect }

// Pool returns the pool of connections, to be measured. Statements go through
// [DB.With].
func (db *DB) Pool() *sql.DB { return db.conns }

// vacuumPages is how much space [DB.Vacuum] gives back in one transaction.
const vacuumPages = 1000

// Vacuum gives some of the space of deleted rows back to the file system where
// the database does not do so by itself. It is for a job, after a purge.
func (db *DB) Vacuum(ctx context.Context) error {
	if db.Dialect() != SQLite {
		return nil
	}
	return Err("vacuum", db.line.take(ctx, func() error {
		_, err := db.writes.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
		return err
	}))
}

// Err restates a database error in this package's words and adds what was
// being done. A record that refers to one that does not exist, or no longer,
// is [ErrNotFound]. It returns nil for nil and leaves alone what is restated
// already.
func Err(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict), errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, gorm.ErrForeignKeyViolated):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("%s: %w", doing, ErrConflict)
	default:
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
}
