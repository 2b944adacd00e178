package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// part has a column of every kind that the rows of the token path have.
type part struct {
	Name   string
	Number int64
	Yes    bool
	Bytes  []byte
	At     time.Time
	Later  *time.Time
	Text   *string
	Words  []string `gorm:"serializer:json"`
	Inner  inner    `gorm:"embedded;embeddedPrefix:inner_"`
}

type inner struct {
	Name string
	At   *time.Time
}

func TestSelect(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		at := time.Date(2026, 11, 26, 8, 9, 10, 123456000, time.UTC)
		timestamp := "TIMESTAMP"
		if db.Dialect() == storage.PostgreSQL {
			timestamp = "TIMESTAMPTZ"
		}
		execute(t, db, `CREATE TABLE parts (name TEXT UNIQUE, number BIGINT, yes BOOLEAN, bytes `+map[storage.Dialect]string{storage.SQLite: "BLOB", storage.PostgreSQL: "BYTEA"}[db.Dialect()]+`,
			at `+timestamp+`, later `+timestamp+`, text TEXT, words TEXT)`)
		const insert = `INSERT INTO parts (name, number, yes, bytes, at, later, text, words)
			VALUES (@name, @number, @yes, @bytes, @at, @later, @text, '["a@b", "c"]')`
		full := map[string]any{"name": "full", "number": int64(7), "yes": true, "bytes": []byte{0, 1}, "at": at, "later": &at, "text": "x"}
		empty := map[string]any{"name": "empty", "number": int64(0), "yes": false, "bytes": nil, "at": at, "later": (*time.Time)(nil), "text": nil}
		for _, args := range []map[string]any{full, empty} {
			if n, err := db.Exec(t.Context(), insert, args); n != 1 || err != nil {
				t.Fatalf("insert %v: %d rows, %v", args["name"], n, err)
			}
		}
		if _, err := db.Exec(t.Context(), insert, full); !errors.Is(storage.Err("insert", err), storage.ErrConflict) {
			t.Errorf("a name that is taken: %v; want a conflict", err)
		}
		x := "x"
		words := []string{"a@b", "c"}
		want := []part{
			{Name: "empty", At: at, Words: words, Inner: inner{Name: "empty"}},
			{"full", 7, true, []byte{0, 1}, at, &at, &x, words, inner{"full", &at}},
		}
		const query = `SELECT name, number, yes, bytes, at, later, text, words, name AS inner_name, later AS inner_at FROM parts
			WHERE number = @n OR number = @n + 7 ORDER BY name`
		args := map[string]any{"n": int64(0)}
		for range 3 { // SQLite runs it as it is, then compiled
			got, err := storage.Select[part](t.Context(), db, query, args)
			if err != nil || !slices.EqualFunc(got, want, same) {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
			err = db.InTx(t.Context(), func(ctx context.Context) error {
				got, err := storage.Select[part](ctx, db, query, args)
				if !slices.EqualFunc(got, want, same) {
					t.Errorf("in a transaction: %+v; want %+v", got, want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			storage.WaitPrepared(db)
		}
		numbers, err := storage.Select[int64](t.Context(), db, `SELECT number FROM parts ORDER BY number`, nil)
		if err != nil || !slices.Equal(numbers, []int64{0, 7}) {
			t.Errorf("numbers: %v, %v", numbers, err)
		}
	})
}

func same(a, b part) bool {
	at := func(x, y *time.Time) bool { return (x == nil) == (y == nil) && (x == nil || x.Equal(*y)) }
	return a.Name == b.Name && a.Number == b.Number && a.Yes == b.Yes && slices.Equal(a.Bytes, b.Bytes) && a.At.Equal(b.At) && a.At.Location() == time.UTC &&
		at(a.Later, b.Later) && (a.Text == nil) == (b.Text == nil) && (a.Text == nil || *a.Text == *b.Text) && slices.Equal(a.Words, b.Words) &&
		a.Inner.Name == b.Inner.Name && at(a.Inner.At, b.Inner.At)
}

// What a statement does in a transaction is undone with it.
func TestExecInTransaction(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		execute(t, db, `CREATE TABLE numbers (n BIGINT)`)
		undo := errors.New("undo")
		for range 2 { // compiled, the second time
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				if n, err := db.Exec(ctx, `INSERT INTO numbers (n) VALUES (@n)`, map[string]any{"n": 1}); n != 1 || err != nil {
					t.Errorf("insert: %d rows, %v", n, err)
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
			storage.WaitPrepared(db)
		}
		left, err := storage.Select[int64](t.Context(), db, `SELECT count(*) FROM numbers`, nil)
		if err != nil || left[0] != 0 {
			t.Errorf("%v rows are left, %v", left, err)
		}
	})
}

func TestStatementMistakes(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		for name, call := range map[string]func() error{
			"no value": func() error {
				_, err := db.Exec(t.Context(), `SELECT @n`, nil)
				return err
			},
			"no field": func() error {
				_, err := storage.Select[part](t.Context(), db, `SELECT 1 AS nothing`, nil)
				return err
			},
			"failing": func() error {
				defer storagetest.FailStatements(db, nil)()
				_, err := storage.Select[int64](t.Context(), db, `SELECT 1`, nil)
				return err
			},
		} {
			if call() == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

func execute(t *testing.T, db *storage.DB, statement string) {
	t.Helper()
	if err := db.With(t.Context()).Exec(statement).Error; err != nil {
		t.Fatal(err)
	}
}
