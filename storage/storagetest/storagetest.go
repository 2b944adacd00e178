// Package storagetest gives tests real databases: an empty one of each dialect
// for every test, a clock to move, and a way to make any statement fail.
package storagetest

import (
	"context"
	"crypto/sha256"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"countersign/storage"
	"countersign/storage/seal"
)

// Each runs a test on every dialect, in sub-tests named "sqlite" and
// "postgres" that run beside one another, each with an empty, migrated
// database of its own.
func Each(t *testing.T, test func(t *testing.T, db *storage.DB)) {
	t.Helper()
	t.Run(string(storage.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, Open(t))
	})
	t.Run(string(storage.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		test(t, OpenPostgres(t))
	})
}

// EachURL is [Each] for tests that open the database themselves. The database
// has no tables yet.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run(string(storage.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, SQLiteURL(t))
	})
	t.Run(string(storage.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		test(t, PostgresURL(t))
	})
}

// Open returns an empty, migrated SQLite database, closed when the test ends.
func Open(tb testing.TB) *storage.DB {
	tb.Helper()
	raw := SQLiteURL(tb)
	file, err := migratedSQLite()
	if err != nil {
		tb.Fatalf("migrate the SQLite database that tests copy: %v", err)
	}
	if err := os.WriteFile(sqlitePath(raw), file, 0o600); err != nil {
		tb.Fatal(err)
	}
	return OpenURL(tb, raw)
}

// OpenPostgres returns an empty, migrated PostgreSQL database, dropped when
// the test ends.
func OpenPostgres(tb testing.TB) *storage.DB {
	tb.Helper()
	return OpenURL(tb, postgres(tb).create(tb, migrated))
}

// OpenURL opens the database as it is and closes it when the test ends.
func OpenURL(tb testing.TB, raw string) *storage.DB {
	tb.Helper()
	db, err := storage.Open(tb.Context(), storage.Config{URL: raw})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close the database: %v", err)
		}
	})
	return db
}

// SQLiteURL returns the URL of a SQLite database that does not exist yet.
func SQLiteURL(tb testing.TB) string {
	tb.Helper()
	return (&url.URL{Scheme: "sqlite", Path: filepath.Join(tb.TempDir(), "countersign.db")}).String()
}

// PostgresURL returns the URL of a PostgreSQL database without tables, dropped
// when the test ends.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	return postgres(tb).create(tb, bare)
}

// Keys returns the keys of a key-encryption key, the same ones each time.
func Keys(tb testing.TB) *seal.Keys {
	tb.Helper()
	kek := sha256.Sum256([]byte("the key-encryption key of tests"))
	keys, err := seal.New(kek[:])
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// migratedSQLite returns the bytes of a migrated, empty database file. Copying
// them is a hundred times faster than migrating.
var migratedSQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	raw := (&url.URL{Scheme: "sqlite", Path: filepath.Join(dir, "template.db")}).String()
	if err := migrate(context.Background(), raw); err != nil {
		return nil, err
	}
	return os.ReadFile(sqlitePath(raw))
})

// migrate brings the schema of a database up to date and closes it, which for
// SQLite moves the write-ahead log into the file.
func migrate(ctx context.Context, raw string) error {
	db, err := storage.Open(ctx, storage.Config{URL: raw, MaxConns: 2})
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		_ = db.Close() // the first error says more
		return err
	}
	return db.Close()
}

func sqlitePath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Path
}
