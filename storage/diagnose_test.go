package storage_test

import (
	"errors"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d, err := db.Diagnose(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.Version == "" || d.Skew.Abs() > 5*time.Second {
			t.Errorf("Diagnose() = %+v; want a version and about the same time", d)
		}
		if db.Dialect() == storage.SQLite && d.Journal != "wal" {
			t.Errorf("journal mode %q; want wal", d.Journal)
		}
		storagetest.FailStatements(db, storagetest.Containing("UPDATE installation"))
		if _, err := db.Diagnose(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Diagnose() of a database that cannot be written = %v; want ErrUnavailable", err)
		}
	})
}
