package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrInUse reports that another program, such as a server, has the database
// open.
var ErrInUse = errors.New("in use by another program")

// inUsePatience is how long a program that is ending may still hold the
// database before it counts as running.
const inUsePatience = 3 * time.Second

// maintainer names the connection by which the whole database is read or
// written, so that it is told from those of servers.
const maintainer = "countersign maintenance"

// Conn is one connection with a transaction on it, for work on the database as
// a whole: it has no time limit, and the tables are not known by records.
type Conn struct {
	*sql.Conn
	Dialect Dialect
}

// Snapshot runs fn in a transaction that sees the database as it was at one
// moment, while others go on writing. It writes nothing.
func (db *DB) Snapshot(ctx context.Context, fn func(Conn) error) error {
	conns, begin := db.conns, "BEGIN DEFERRED"
	if db.Dialect() == PostgreSQL {
		conns, begin = openPostgres(db.target.unbounded(), 1), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
		defer func() { _ = conns.Close() }()
	}
	conn, err := conns.Conn(ctx)
	if err != nil {
		return Err("open a connection", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return Err("begin a snapshot", err)
	}
	defer rollback(ctx, conn)
	return fn(Conn{conn, db.Dialect()})
}

// Exclusive runs fn in one transaction on the database that the URL names,
// while nobody else has it open: it fails with [ErrInUse] when somebody has.
// An error of fn leaves the database as it was. This process must have closed
// it, too.
func Exclusive(ctx context.Context, raw string, fn func(Conn) error) error {
	t, err := parseURL(raw)
	if err != nil {
		return err
	}
	conns, begin, err := t.openExclusive()
	if err != nil {
		return err
	}
	defer func() { _ = conns.Close() }()
	conn, err := conns.Conn(ctx)
	if err != nil {
		return t.notAlone(err)
	}
	defer func() { _ = conn.Close() }()
	if err := t.claim(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return t.notAlone(err)
	}
	defer rollback(ctx, conn)
	if err := fn(Conn{conn, t.dialect}); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return Err("commit", err)
}

// openExclusive opens a pool for one connection, and says how its transaction
// begins.
func (t target) openExclusive() (conns *sql.DB, begin string, err error) {
	if t.dialect == PostgreSQL {
		return openPostgres(t.unbounded(), 1), "BEGIN ISOLATION LEVEL REPEATABLE READ", nil
	}
	if conns, err = sql.Open("sqlite", exclusiveDSN(t.path)); err != nil {
		return nil, "", fmt.Errorf("open database %s: %w", t.path, err)
	}
	conns.SetMaxOpenConns(1)
	return conns, "BEGIN EXCLUSIVE", nil
}

// rollback ends what was not committed; after a commit there is nothing to
// undo, which is an error that nobody needs.
func rollback(ctx context.Context, conn *sql.Conn) {
	_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
}

// unbounded are the parameters of a connection whose statements may take long.
func (t target) unbounded() *pgx.ConnConfig {
	cfg := t.pg.Copy()
	for _, timeout := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		cfg.RuntimeParams[timeout] = "0"
	}
	for _, way := range []string{"enable_hashjoin", "enable_mergejoin"} { // many rows are joined
		cfg.RuntimeParams[way] = "on"
	}
	cfg.RuntimeParams["application_name"] = maintainer
	return cfg
}

// exclusiveDSN opens a SQLite file for one connection that keeps all others
// out. A journal beside the file takes the place of the write-ahead log, which
// can be left only by who is alone.
func exclusiveDSN(path string) string {
	q := url.Values{
		"_pragma":      {fmt.Sprintf("busy_timeout(%d)", inUsePatience.Milliseconds()), "synchronous(FULL)", "trusted_schema(0)"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_texttotime":  {"1"},
		"_dqs":         {"0"},
		"_error_rc":    {"1"},
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// claim makes sure that nobody else has the database open. On SQLite nobody
// can open it from here on; on PostgreSQL servers are known by the name of
// their connections.
func (t target) claim(ctx context.Context, conn *sql.Conn) error {
	if t.dialect == SQLite {
		var mode string
		for _, pragma := range []string{"locking_mode=EXCLUSIVE", "journal_mode=DELETE"} {
			if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&mode); err != nil {
				return t.notAlone(err)
			}
		}
		if mode != "delete" {
			return fmt.Errorf("database %s is %w", t.shown, ErrInUse)
		}
		return nil
	}
	for until := time.Now().Add(inUsePatience); ; { //nolint:forbidigo // a stopped clock would never end it
		var n int
		err := conn.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name IN ($1, $2) AND pid <> pg_backend_pid()`,
			t.pg.RuntimeParams["application_name"], maintainer).Scan(&n)
		switch {
		case err != nil:
			return Err("look who has the database open", err)
		case n == 0:
			return nil
		case time.Now().After(until): //nolint:forbidigo // as above
			return fmt.Errorf("database %s is %w", t.shown, ErrInUse)
		}
		time.Sleep(inUsePatience / 30)
	}
}

// notAlone tells a lock that another program holds from other errors.
func (t target) notAlone(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && (e.Code()&0xff == lib.SQLITE_BUSY || e.Code()&0xff == lib.SQLITE_LOCKED) {
		return fmt.Errorf("database %s is %w", t.shown, ErrInUse)
	}
	return t.explain(err)
}

// Rebind writes the placeholders ? of a statement as the dialect has them. The
// statement has no ? of another meaning.
func (c Conn) Rebind(statement string) string {
	if c.Dialect == SQLite {
		return statement
	}
	var b strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			fmt.Fprintf(&b, "$%d", i)
		}
		b.WriteString(part)
	}
	return b.String()
}
