package storagetest

import (
	"errors"
	"testing"
	"time"

	"countersign/storage"
)

func TestEachGivesAnEmptyMigratedDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		Each(t, func(t *testing.T, db *storage.DB) {
			if err := db.CheckSchema(t.Context()); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := db.With(t.Context()).Raw("SELECT count(*) FROM accounts").Scan(&n).Error; err != nil || n != 0 {
				t.Errorf("%d accounts, %v; want none", n, err)
			}
			if err := db.With(t.Context()).Exec("INSERT INTO installation (id, key_check, created_at) VALUES (1, 'x', ?)", db.Now()).Error; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEachURLGivesADatabaseWithoutTables(t *testing.T) {
	t.Parallel()
	EachURL(t, func(t *testing.T, url string) {
		db := OpenURL(t, url)
		if _, ok := errors.AsType[*storage.SchemaError](db.CheckSchema(t.Context())); !ok {
			t.Error("the database has a schema")
		}
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	db := Open(t)
	clock := Clock(db)
	start := db.Now()
	clock.Advance(time.Hour)
	if got := db.Now().Sub(start); got != time.Hour {
		t.Errorf("the clock moved by %v; want an hour", got)
	}
	clock.Set(start)
	if !db.Now().Equal(start) {
		t.Error("the clock cannot be set")
	}
}

func TestFailStatements(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, db *storage.DB) {
		read := func() error {
			var n int
			return storage.Err("count", db.With(t.Context()).Raw("SELECT count(*) FROM clients").Scan(&n).Error)
		}
		restore := FailStatements(db, Containing("from CLIENTS"))
		if err := read(); !errors.Is(err, ErrInjected) || !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("statement failed with %v", err)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("another statement failed: %v", err)
		}
		restore()
		if err := read(); err != nil {
			t.Errorf("statement still fails: %v", err)
		}
	})
}
