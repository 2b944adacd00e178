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
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
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

// slowStatement is from where a statement is logged as slow.
const slowStatement = 250 * time.Millisecond

// Config says which database to open.
type Config struct {
	// URL names the database: sqlite:///path/to/file or postgres://….
	URL string
	// MaxConns bounds the connections to PostgreSQL; 0 means 16.
	MaxConns int
	// Log receives slow and failed statements, without their values.
	Log *slog.Logger
}

// DB is the server's database.
type DB struct {
	pool    *gorm.DB
	conns   *sql.DB
	hook    *hooks
	dialect Dialect
	path    string // of the SQLite file

	// Now tells the time that is compared with and written to records, in UTC
	// and whole microseconds, which is what both dialects keep. Tests may
	// stop or move it.
	Now func() time.Time
}

// Open opens the database that cfg names and checks that it answers. It does
// not bring the schema up to date: see [DB.Migrate].
func Open(ctx context.Context, cfg Config) (*DB, error) {
	target, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	conns, err := target.open(cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{conns: conns, hook: &hooks{}, dialect: target.dialect, path: target.path, Now: now}
	if err := conns.PingContext(ctx); err != nil {
		return nil, errors.Join(target.explain(err), conns.Close())
	}
	db.pool, err = gorm.Open(target.dialector(pool{conns, db.hook}), gormConfig(cfg.Log, db))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), conns.Close())
	}
	return db, nil
}

func gormConfig(log *slog.Logger, db *DB) *gorm.Config {
	quiet := logger.Discard
	if log != nil {
		quiet = logger.NewSlogLogger(log, logger.Config{
			SlowThreshold:             slowStatement,
			IgnoreRecordNotFoundError: true,
			ParameterizedQueries:      true, // values are secrets
			LogLevel:                  logger.Warn,
		})
	}
	return &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		Logger:                 quiet,
		NowFunc:                func() time.Time { return db.Now() },
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Close closes the database.
func (db *DB) Close() error { return db.conns.Close() }

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.hook.before(ctx, "PING"); err != nil {
		return Err("ping", err)
	}
	return Err("ping", db.conns.PingContext(ctx))
}

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Stats returns the state of the connection pool.
func (db *DB) Stats() sql.DBStats { return db.conns.Stats() }

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
