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

// A database goes from one test to the next, as it was made; one with another
// schema does not.
func TestDatabasesAreUsedAgain(t *testing.T) {
	name := func(db *storage.DB) (name string) {
		if err := db.With(t.Context()).Raw(`SELECT current_database()`).Scan(&name).Error; err != nil {
			t.Fatal(err)
		}
		return name
	}
	rows := func(db *storage.DB) (n int) {
		if err := db.With(t.Context()).Raw(`SELECT (SELECT count(*) FROM sign_in_throttles) + 10 * (SELECT count(*) FROM schema_support)`).Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n
	}
	var used []string
	for _, statement := range []string{
		`INSERT INTO sign_in_throttles (failures, key, blocked_until, expires_at) VALUES (1, 'a', now(), now())`,
		`DELETE FROM schema_support`,
		`ALTER TABLE sign_in_throttles ADD COLUMN more TEXT`,
		`SELECT 1`,
	} {
		t.Run(statement, func(t *testing.T) {
			db := OpenPostgres(t)
			if n := rows(db); n != 10 {
				t.Errorf("a new database has %d rows", n)
			}
			used = append(used, name(db))
			if err := db.With(t.Context()).Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		})
	}
	if used[0] != used[1] || used[1] != used[2] || used[2] == used[3] {
		t.Errorf("used %v; want the first three alike and the last another", used)
	}
}
