package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// Dialect is a kind of database. SQL that differs between the two says so
// beside it; nothing outside the stores needs to know.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
)

const (
	defaultMaxConns = 16
	// sqliteConns lets readers work beside the one writer.
	sqliteConns     = 8
	connMaxIdleTime = 5 * time.Minute
)

// target is a parsed database URL.
type target struct {
	dialect Dialect
	path    string // SQLite
	dsn     string
	shown   string // the URL without its password
}

// parseURL reads a database URL. A PostgreSQL URL keeps its parameters; a
// SQLite one has none, because they would run as SQL.
func parseURL(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, errors.New("database URL cannot be parsed; use sqlite:///path/to/file or postgres://user@host/name")
	}
	switch u.Scheme {
	case "sqlite":
		if u.Host != "" || u.RawQuery != "" || u.Path == "" {
			return target{}, fmt.Errorf("database URL %s: a SQLite database is named by its path alone: sqlite:///path/to/file", u.Redacted())
		}
		path := filepath.Clean(u.Path)
		return target{dialect: SQLite, path: path, dsn: sqliteDSN(path), shown: u.String()}, nil
	case "postgres", "postgresql":
		return target{dialect: PostgreSQL, dsn: raw, shown: u.Redacted()}, nil
	default:
		return target{}, fmt.Errorf("database URL %s: scheme %q is not known; use sqlite:///path/to/file or postgres://user@host/name", u.Redacted(), u.Scheme)
	}
}

// sqliteDSN names the file with what a server needs: a write-ahead log, every
// commit on disk before it is answered, writers that queue at BEGIN instead of
// failing half-way, and times as sortable UTC text.
func sqliteDSN(path string) string {
	q := url.Values{
		"_pragma": {
			"busy_timeout(10000)", "auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(FULL)",
			"foreign_keys(1)", "trusted_schema(0)",
		},
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_texttotime":  {"1"},
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func (t target) open(cfg Config) (*sql.DB, error) {
	driver, conns := "pgx", cfg.MaxConns
	if conns == 0 {
		conns = defaultMaxConns
	}
	if t.dialect == SQLite {
		driver, conns = "sqlite", sqliteConns
		if err := createPrivate(t.path); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open(driver, t.dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t.shown, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(connMaxIdleTime)
	return db, nil
}

// createPrivate makes the database file readable by its owner only, before
// the driver would create it with the process's umask.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open database file: %w; check that the folder exists and that this user may write to it", err)
	}
	return f.Close()
}

func (t target) dialector(p pool) gorm.Dialector {
	if t.dialect == SQLite {
		return &sqliteDialector{conn: p}
	}
	return postgres.New(postgres.Config{Conn: p})
}

// explain says what a person can do about a database that does not answer.
// The driver's own text may quote the URL with its password, so only its
// cause is kept.
func (t target) explain(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("database %s refused the connection: %s (SQLSTATE %s); check the user, the password and the database name", t.shown, pg.Message, pg.Code)
	}
	if conn, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = conn.Unwrap()
	}
	return fmt.Errorf("database %s cannot be reached: %w; check that it runs and that the URL names its host and port: %w", t.shown, ErrUnavailable, err)
}
