package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
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
	connMaxIdleTime = 5 * time.Minute
	usage           = "use sqlite:///path/to/file or postgres://user@host/name"
)

// target is a parsed database URL.
type target struct {
	dialect Dialect
	shown   string          // the URL without what could be secret
	path    string          // SQLite: the file
	pg      *pgx.ConnConfig // PostgreSQL
}

// CheckURL refuses a database URL that names no kind of database that is known,
// or a SQLite one without its file, before anything else is asked for. What else
// is wrong with one is for [Open] to say.
func CheckURL(raw string) error {
	u, err := splitURL(raw)
	if err == nil && u.Scheme == string(SQLite) {
		_, err = parseSQLiteURL(u)
	}
	return err
}

// parseURL reads a database URL. A PostgreSQL URL keeps its parameters; a
// SQLite one has none, because they would run as SQL. Errors do not quote the
// URL before it is known where its password is.
func parseURL(raw string) (target, error) {
	u, err := splitURL(raw)
	switch {
	case err != nil:
		return target{}, err
	case u.Scheme == string(SQLite):
		return parseSQLiteURL(u)
	default:
		return parsePostgresURL(raw, u)
	}
}

// splitURL returns a URL whose scheme is one of ours.
func splitURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be parsed: %s; in a user or password, write other characters than "+
			"letters and digits percent-encoded (# is %%23)", usage)
	}
	switch u.Scheme {
	case string(SQLite), string(PostgreSQL), "postgresql":
		return u, nil
	case "":
		return nil, errors.New("the database URL has no scheme: " + usage)
	default:
		return nil, fmt.Errorf("the database URL's scheme %q is not known: %s", u.Scheme, usage)
	}
}

func parseSQLiteURL(u *url.URL) (target, error) {
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path == "" || strings.HasSuffix(u.Path, "/") {
		return target{}, fmt.Errorf("database URL %s: a SQLite database is named by the absolute path of its file alone: "+
			"sqlite:///path/to/file (in it, ? is %%3F and # is %%23)", u.Redacted())
	}
	return target{dialect: SQLite, path: filepath.Clean(u.Path), shown: filepath.Clean(u.Path)}, nil
}

// open opens the pool of connections that the server works with, and what it
// writes with, which is another one only for SQLite.
func (t target) open(cfg Config) (conns, writes *sql.DB, err error) {
	if t.dialect == SQLite {
		return openSQLite(t.path)
	}
	most := cfg.MaxConns
	if most == 0 {
		most = defaultMaxConns
	}
	conns = openPostgres(t.pg, most)
	return conns, conns, nil
}

func limit(db *sql.DB, conns int) {
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(connMaxIdleTime)
}

func (t target) dialector(p pool) gorm.Dialector { //nolint:ireturn // gorm takes either
	if t.dialect == SQLite {
		return &sqliteDialector{conn: p}
	}
	return postgres.New(postgres.Config{Conn: p})
}

// openError is a database that cannot be used as it is, in a sentence for who
// started the program. It is [ErrUnavailable].
type openError struct{ message string }

func (e *openError) Error() string { return e.message }

func (*openError) Unwrap() error { return ErrUnavailable }

// explain says what a person can do about a database that does not answer.
func (t target) explain(err error) error {
	explain := t.explainPostgres
	if t.dialect == SQLite {
		explain = t.explainSQLite
	}
	cause, remedy := explain(err)
	return &openError{fmt.Sprintf("database %s %s; %s", t.shown, cause, remedy)}
}

// IsText reports whether both databases can keep s and compare with it:
// PostgreSQL refuses the NUL character and invalid UTF-8 with an error, where
// for what somebody sent no record is the right answer.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
