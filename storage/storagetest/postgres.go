package storagetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// ServerVariable names the environment variable with the postgres:// URL of a
// server on which tests may create databases and roles, and which asks a role
// named "guarded" for its password. Without it each test process starts a
// server of its own.
const ServerVariable = "COUNTERSIGN_TEST_POSTGRES"

// prefix starts the name of every database that tests make.
const prefix = "countersign_test_"

// What a database starts with.
const (
	bare     = "template0"
	migrated = "" // the server's own template, see [server.migrated]
)

// server is a PostgreSQL server on which tests make databases.
type server struct {
	url    *url.URL
	admin  *sql.DB
	prefix string    // of this process's databases
	alive  io.Closer // the server that this process started ends with it

	once     sync.Once
	template string   // a migrated database to copy
	pristine pristine // what it is
	err      error

	mu   sync.Mutex
	free []string // migrated databases that are as they were made
}

// postgres returns the process's server, which the first test starts.
func postgres(tb testing.TB) *server {
	tb.Helper()
	s, err := theServer()
	if err != nil {
		tb.Fatalf("no PostgreSQL to test with: %v. Install PostgreSQL 15 or newer (Debian and Ubuntu: `apt-get install postgresql`; "+
			"macOS: `brew install postgresql`), or set %s to the postgres:// URL of a server on which tests may create databases",
			err, ServerVariable)
	}
	return s
}

var theServer = sync.OnceValues(func() (*server, error) {
	raw, alive := os.Getenv(ServerVariable), io.Closer(nil)
	if raw == "" {
		var err error
		if raw, alive, err = startServer(); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is not a URL", ServerVariable)
	}
	admin, err := sql.Open("pgx", raw)
	if err != nil {
		return nil, errors.New(u.Redacted() + " cannot be opened")
	}
	admin.SetMaxIdleConns(1)
	s := &server{url: u, admin: admin, alive: alive}
	return s, s.sweep(context.Background())
})

// sweep drops what test processes that were killed have left behind, and
// names this process's databases after the server's clock so that a later
// sweep can tell.
func (s *server) sweep(ctx context.Context) error {
	var now, old string
	err := s.admin.QueryRowContext(ctx, `SELECT to_char(now(), 'YYYYMMDDHH24MI'), to_char(now() - interval '2 hours', 'YYYYMMDDHH24MI')`).Scan(&now, &old)
	if err != nil {
		return err
	}
	s.prefix = prefix + now + "_"
	rows, err := s.admin.QueryContext(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) AND datname < $1 || $2`, prefix, old)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	for _, name := range names {
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	return rows.Err()
}

// create makes a database and returns its URL.
func (s *server) create(tb testing.TB, template string) string {
	tb.Helper()
	if template == migrated {
		return s.borrow(tb)
	}
	return s.urlOf(s.copyOf(tb, template, s.drop))
}

// borrow returns the URL of a migrated database that no other test uses.
func (s *server) borrow(tb testing.TB) string {
	tb.Helper()
	template := s.migrated(tb)
	s.mu.Lock()
	name := ""
	if n := len(s.free); n > 0 {
		name, s.free = s.free[n-1], s.free[:n-1]
	}
	s.mu.Unlock()
	if name == "" {
		return s.urlOf(s.copyOf(tb, template, s.giveBack))
	}
	s.atEnd(tb, name, s.giveBack)
	return s.urlOf(name)
}

// giveBack keeps a database for the next test, or drops one that cannot be made
// what it was.
func (s *server) giveBack(ctx context.Context, name string) error {
	if s.pristine.restore(ctx, s.urlOf(name)) != nil {
		return s.drop(ctx, name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, name)
	return nil
}

// copyOf makes a database, with which end is done when the test ends.
func (s *server) copyOf(tb testing.TB, template string, end func(context.Context, string) error) string {
	tb.Helper()
	name := s.newName()
	if _, err := s.admin.ExecContext(tb.Context(), `CREATE DATABASE `+name+` TEMPLATE `+template); err != nil {
		tb.Fatalf("create a database: %v", err)
	}
	s.atEnd(tb, name, end)
	return name
}

func (*server) atEnd(tb testing.TB, name string, end func(context.Context, string) error) {
	tb.Helper()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := end(ctx, name); err != nil {
			tb.Errorf("drop the database: %v", err)
		}
	})
}

// migrated returns the database to copy, which the first test makes.
func (s *server) migrated(tb testing.TB) string {
	tb.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		name := s.newName()
		if _, s.err = s.admin.ExecContext(ctx, `CREATE DATABASE `+name+` TEMPLATE `+bare); s.err != nil {
			return
		}
		s.err, s.template = s.prepare(ctx, name), name
	})
	if s.err != nil {
		tb.Fatalf("migrate the PostgreSQL database that tests copy: %v", s.err)
	}
	return s.template
}

// prepare migrates a database and notes what it is then.
func (s *server) prepare(ctx context.Context, name string) error {
	if err := migrate(ctx, s.urlOf(name)); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.urlOf(name))
	if err != nil {
		return err
	}
	s.pristine, err = examine(ctx, db)
	return errors.Join(err, db.Close()) // a database that is copied has no connections
}

func (s *server) drop(ctx context.Context, name string) error {
	_, err := s.admin.ExecContext(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
	return err
}

func (s *server) newName() string { return s.prefix + strings.ToLower(rand.Text()) }

func (s *server) urlOf(name string) string {
	u := *s.url
	u.Path = "/" + name
	return u.String()
}
