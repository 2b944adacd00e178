package storage_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"countersign/storage"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		db := storagetest.OpenURL(t, url)
		old, ok := errors.AsType[*storage.SchemaError](db.CheckSchema(t.Context()))
		if !ok || old.Database != 0 || !strings.Contains(old.Error(), "countersign migrate up") {
			t.Errorf("CheckSchema() of an empty database = %v; want a SchemaError with a remedy", old)
		}
		before, err := db.Migrations(t.Context())
		if err != nil || len(before) == 0 || !before[0].AppliedAt.IsZero() {
			t.Errorf("Migrations() = %v, %v; want pending ones", before, err)
		}
		for range 2 {
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
		after, err := db.Migrations(t.Context())
		if err != nil || len(after) != len(before) {
			t.Fatalf("Migrations() = %v, %v", after, err)
		}
		for _, m := range after {
			if age := db.Now().Sub(m.AppliedAt); age < -2e9 || age > 600e9 {
				t.Errorf("migration %s was applied at %v; want just now", m.Name, m.AppliedAt)
			}
		}
	})
}

func TestMigrateFromSeveralServersAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				db, err := storage.Open(t.Context(), storage.Config{URL: url})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(db.Migrate(t.Context()), db.CheckSchema(t.Context()), db.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// newer makes the schema that of a later release, which serves programs from
// oldest on.
func newer(t *testing.T, db *storage.DB, oldest int64) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, ` +
			map[storage.Dialect]string{storage.SQLite: "1", storage.PostgreSQL: "true"}[db.Dialect()] + `)`,
		fmt.Sprintf(`UPDATE schema_support SET oldest = %d`, oldest),
	} {
		if err := db.With(t.Context()).Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
}

// A later release that took away what this one needs is refused, and a server
// that runs stops.
func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		was, err := db.Installation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newer(t, db, 99999)
		for name, err := range map[string]error{
			"Migrate": db.Migrate(t.Context()), "CheckSchema": db.CheckSchema(t.Context()), "CheckStill": db.CheckStill(t.Context(), was),
		} {
			refused, ok := errors.AsType[*storage.SchemaError](err)
			if !ok || refused.Database != 99999 || refused.Oldest != 99999 || !strings.Contains(err.Error(), "newer release") || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%s() = %v; want a SchemaError with a remedy", name, err)
			}
		}
	})
}

// A later release that only added something leaves this one serving (INV-21).
func TestNewerSchemaThatOnlyAdds(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		was, err := db.Installation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newer(t, db, 70)
		for name, err := range map[string]error{
			"Migrate": db.Migrate(t.Context()), "CheckSchema": db.CheckSchema(t.Context()), "CheckStill": db.CheckStill(t.Context(), was),
		} {
			if err != nil {
				t.Errorf("%s() = %v", name, err)
			}
		}
		if _, ok := errors.AsType[*storage.SchemaError](db.CheckSameSchema(t.Context())); !ok {
			t.Error("CheckSameSchema() takes a schema of which this program does not know all")
		}
	})
}

func TestInstallation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		if err := db.CheckKey(t.Context(), storagetest.Keys(t)); err != nil {
			t.Fatal(err)
		}
		was, err := db.Installation(t.Context())
		if err != nil || was.RestoredAt != nil || was.MovedAt != nil || db.CheckStill(t.Context(), was) != nil || db.CheckHere(t.Context()) != nil {
			t.Fatalf("Installation() = %+v, %v", was, err)
		}
		if err := db.With(t.Context()).Exec(`UPDATE installation SET restored_at = ?`, db.Now()).Error; err != nil {
			t.Fatal(err)
		}
		if _, ok := errors.AsType[*storage.ReplacedError](db.CheckStill(t.Context(), was)); !ok {
			t.Error("a server may go on although its database was restored")
		}
		if err := db.With(t.Context()).Exec(`UPDATE installation SET moved_at = ?`, db.Now()).Error; err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{"CheckStill": db.CheckStill(t.Context(), was), "CheckHere": db.CheckHere(t.Context())} {
			if _, ok := errors.AsType[*storage.MovedError](err); !ok {
				t.Errorf("%s() = %v; want a MovedError", name, err)
			}
		}
	})
}

func TestMigrateOnAFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		db := storagetest.OpenURL(t, url)
		restore := storagetest.FailStatements(db, nil)
		for name, err := range map[string]error{"Migrate": db.Migrate(t.Context()), "CheckSchema": db.CheckSchema(t.Context())} {
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s() = %v; want ErrUnavailable", name, err)
			}
		}
		restore()
		if err := db.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		keys := storagetest.Keys(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := db.CheckKey(t.Context(), keys); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		read := func() (check []byte) {
			var row struct{ KeyCheck []byte }
			if err := db.With(t.Context()).Raw(`SELECT key_check FROM installation`).Scan(&row).Error; err != nil {
				t.Error(err)
			}
			return row.KeyCheck
		}
		before := read()
		err := db.CheckKey(t.Context(), otherKeys(t))
		if _, ok := errors.AsType[*storage.KeyError](err); !ok || !strings.Contains(err.Error(), "COUNTERSIGN_SECRET_FILE") {
			t.Errorf("CheckKey() of another key = %v; want a KeyError with a remedy", err)
		}
		if !bytes.Equal(before, read()) {
			t.Error("another key changed the database")
		}
		storagetest.FailStatements(db, nil)
		if err := db.CheckKey(t.Context(), keys); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("CheckKey() of a failing database = %v; want ErrUnavailable", err)
		}
	})
}

func otherKeys(t *testing.T) *seal.Keys {
	t.Helper()
	kek := make([]byte, seal.KeySize)
	_, _ = rand.Read(kek) // never fails
	keys, err := seal.New(kek)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
