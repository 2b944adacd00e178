package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// sqliteConns is how many read beside the one that writes.
const sqliteConns = 8

// sqliteDSN names the file with what a server needs: a write-ahead log, every
// commit on disk before it is answered, writers that wait at BEGIN instead of
// failing half-way, times as sortable UTC text, and a misspelt column an error
// instead of a string. SQLite itself waits so long for other writers. What is
// to be said before all that comes first.
func sqliteDSN(path string, wait time.Duration, first ...string) string {
	q := url.Values{
		"_pragma": append(first,
			fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)",
			"foreign_keys(1)", "trusted_schema(0)",
		),
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_texttotime":  {"1"},
		"_dqs":         {"0"},
		"_defensive":   {"1"},
		"_error_rc":    {"1"},
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// openSQLite opens the file for those who read and for the one who writes, who
// waits by other means: see [line].
func openSQLite(path string) (conns, writes *sql.DB, err error) {
	if conns, err = sql.Open("sqlite", sqliteDSN(path, busyTimeout)); err == nil {
		writes, err = sql.Open("sqlite", sqliteDSN(path, 0))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open database %s: %w", path, err)
	}
	limit(conns, sqliteConns)
	limit(writes, 1)
	return conns, writes, nil
}

// checkSQLite makes the file if need be and reads the schema, which shows that
// the file is a database.
func (db *DB) checkSQLite(ctx context.Context, log *slog.Logger) error {
	path := db.target.path
	if err := createPrivate(path, log); err != nil {
		return explainFile(path, err)
	}
	if err := initialize(ctx, path); err != nil {
		return db.target.explain(err)
	}
	err := db.readSchema(ctx)
	if err == nil {
		err = db.beginOnce(ctx)
	}
	if err != nil {
		return db.target.explain(err)
	}
	return nil
}

// beginOnce fails where the file can be read and not written to, which the
// operator shall hear when the program starts.
func (db *DB) beginOnce(ctx context.Context) error {
	tx, err := db.writes.BeginTx(ctx, nil)
	if isBusy(err) { // another process writes, and so could this one
		return nil
	}
	if err != nil {
		return err
	}
	// To begin is enough only where the file may be written to: elsewhere
	// SQLite begins to read. What is said here is undone.
	_, err = tx.ExecContext(ctx, `PRAGMA user_version = 0`)
	return errors.Join(err, tx.Rollback())
}

// initialize makes of an empty file a database that can give space of deleted
// rows back, which must be said before anything else is. It is not said to
// other databases, because it takes the turn to write: each connection would
// wait for it when it is opened. A file with a journal may be empty again once
// SQLite has undone what the journal is of.
func initialize(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if _, undone := os.Stat(path + "-journal"); info.Size() > 0 && undone != nil {
		return nil
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, busyTimeout, "auto_vacuum(INCREMENTAL)"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	err = db.PingContext(ctx)
	if isBusy(err) { // see readSchema
		return nil // another process does it
	}
	return err
}

// readSchema asks again where others give the new file its write-ahead log at
// the same moment: SQLite lets nobody wait who has read the file before, and
// answers SQLITE_BUSY at once, again and again until one of them is alone.
func (db *DB) readSchema(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	return patiently(patience, func() error {
		var n int
		return db.conns.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&n)
	})
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == lib.SQLITE_BUSY
}

// createPrivate makes the database file readable by its owner only, who is the
// folder's, before the driver would create it with the process's umask. The
// files beside it take its mode and owner. A file that is there is not opened:
// to close it would end the locks that this process's connections hold on it
// (fcntl(2)).
func createPrivate(path string, log *slog.Logger) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err == nil {
		return errors.Join(GiveToFolder(f), f.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	}
	if info.Mode().Perm()&0o077 != 0 && log != nil {
		log.Warn("others may read the database file: restrict it with chmod 600", slog.String("path", path), slog.String("mode", info.Mode().Perm().String()))
	}
	return nil
}

func explainFile(path string, err error) error {
	folder := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &openError{fmt.Sprintf("database %s cannot be created: the folder %s does not exist; create it, or name another file", path, folder)}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &openError{fmt.Sprintf("database %s cannot be written to; this user must be able to write to the file and to the folder %s", path, folder)}
	}
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return &openError{fmt.Sprintf("database %s cannot be opened: %s; name a file that this user can write to", path, err)}
}

func (t target) explainSQLite(err error) (cause, remedy string) {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return "cannot be opened: " + err.Error(), "check the file"
	}
	switch e.Code() & 0xff { // without what only SQLite's authors can use
	case lib.SQLITE_NOTADB:
		return "is not a SQLite database, or is encrypted", "nothing was changed: name another file, or restore a backup"
	case lib.SQLITE_CORRUPT:
		return "is damaged", "nothing was changed: restore a backup, or save what can be read with `sqlite3 FILE .recover`"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return "cannot be written to", "this user must be able to write to the file, to those beside it (-wal, -shm) and to the folder " + filepath.Dir(t.path)
	case lib.SQLITE_FULL:
		return "cannot grow: the disk is full", "make room; nothing was lost"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return "is locked by another program", "end what holds it, such as a sqlite3 shell with an open transaction"
	default:
		return "cannot be opened: " + e.Error(), "check the disk"
	}
}
