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

// A connection that the database ended is not used again, and costs at most the
// statement that found it broken.
func TestSelectOnABrokenConnection(t *testing.T) {
	t.Parallel()
	url := storagetest.PostgresURL(t)
	db, other := storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)
	for range 3 {
		pids, err := storage.Select[int64](t.Context(), db, `SELECT pg_backend_pid()::bigint`, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := storage.Select[bool](t.Context(), other, `SELECT pg_terminate_backend(@pid::int)`, map[string]any{"pid": pids[0]}); err != nil {
			t.Fatal(err)
		}
		_, err = storage.Select[int64](t.Context(), db, `SELECT 1::bigint`, nil)
		if err != nil && !errors.Is(storage.Err("select", err), storage.ErrUnavailable) {
			t.Errorf("on a connection that ended: %v; want an outage or another connection", err)
		}
		one, err := storage.Select[int64](t.Context(), db, `SELECT 1::bigint`, nil)
		if err != nil || !slices.Equal(one, []int64{1}) {
			t.Errorf("after it: %v, %v", one, err)
		}
		wantIdle(t, db)
	}
}

// A statement ends with the request that it is for, and so does its hold on a
// connection.
func TestSelectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenPostgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now() //nolint:forbidigo // the database sleeps in real time
	if _, err := storage.Select[string](ctx, db, `SELECT pg_sleep(10)::text`, nil); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("after %v: %v; want an error at once", time.Since(begun), err)
	}
	if _, err := db.Exec(ctx, `SELECT 1`, nil); err == nil {
		t.Error("a statement of a request that is gone ran")
	}
	if _, err := storage.Select[int64](t.Context(), db, `SELECT 1::bigint`, nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
	wantIdle(t, db)
}

// A type that the token path's rows do not have goes the long way, with the
// same result as in a transaction.
func TestSelectOtherTypes(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenPostgres(t)
	type odd struct {
		Name  string
		Small int8
		Share float64
		Words []string `gorm:"serializer:json"`
		Empty *string
		Never *time.Time
		Bytes []byte
	}
	const query = `SELECT 'a'::name AS name, 7::bigint AS small, 0.5::float8 AS share, '["b"]'::jsonb AS words,
		NULL::text AS empty, NULL::timestamptz AS never, '\x0001'::bytea AS bytes`
	check := func(ctx context.Context) error {
		got, err := storage.Select[odd](ctx, db, query, nil)
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		o := got[0]
		if o.Name != "a" || o.Small != 7 || o.Share != 0.5 || !slices.Equal(o.Words, []string{"b"}) || o.Empty != nil || o.Never != nil || !slices.Equal(o.Bytes, []byte{0, 1}) {
			t.Errorf("got %+v", o)
		}
		return nil
	}
	_ = check(t.Context())
	if err := db.InTx(t.Context(), check); err != nil {
		t.Fatal(err)
	}
}

func wantIdle(t *testing.T, db *storage.DB) {
	t.Helper()
	if open := db.Pool().Stats().InUse; open != 0 {
		t.Errorf("%d connections are still in use", open)
	}
}
