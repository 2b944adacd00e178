package storage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// Writers of SQLite wait without a connection: while one writes, and more want
// to than there are connections, others read.
func TestWhoWaitsToWriteKeepsNobodyFromReading(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	const insert = `INSERT INTO notes (n) VALUES (@n)`
	if _, err := db.Exec(t.Context(), `CREATE TABLE notes (n INTEGER PRIMARY KEY)`, nil); err != nil {
		t.Fatal(err)
	}
	const writers = 20 // of each kind
	var (
		group sync.WaitGroup
		came  = arrivals(db)
	)
	release := occupy(t, db)
	for n := range writers {
		group.Go(func() {
			if _, err := db.Exec(t.Context(), insert, map[string]any{"n": n}); err != nil {
				t.Errorf("statement %d: %v", n, err)
			}
		})
		group.Go(func() {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				return db.With(ctx).Exec(`REPLACE INTO notes (n) VALUES (?)`, writers+n).Error
			})
			if err != nil {
				t.Errorf("transaction %d: %v", n, err)
			}
		})
		group.Go(func() {
			if err := db.With(t.Context()).Exec(`INSERT INTO notes (n) VALUES (?)`, 2*writers+n).Error; err != nil {
				t.Errorf("statement of gorm %d: %v", n, err)
			}
		})
	}
	for came() < 1+3*writers {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := storage.Select[int64](ctx, db, `SELECT count(*) FROM notes`, nil); err != nil {
		t.Errorf("read while %d wait to write: %v", 3*writers, err)
	}
	release()
	group.Wait()
	kept, err := storage.Select[int64](t.Context(), db, `SELECT count(*) FROM notes`, nil)
	if err != nil || kept[0] != 3*writers {
		t.Errorf("%d of %d were kept, %v", kept, 3*writers, err)
	}
}

// Who came first writes first.
func TestWritersHaveTheirTurn(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	const writers = 50
	var (
		group sync.WaitGroup
		order []int
		came  = arrivals(db)
	)
	release := occupy(t, db)
	for n := range writers {
		group.Go(func() {
			err := db.InTx(t.Context(), func(context.Context) error {
				order = append(order, n)
				return nil
			})
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
		for came() < n+2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond) // it has come, and now it waits
	}
	release()
	group.Wait()
	if len(order) != writers {
		t.Fatalf("in the order %v", order)
	}
	for place, n := range order {
		if max(place-n, n-place) > writers/5 { // of two that come at once either may be first
			t.Fatalf("number %d was number %d: %v", n, place, order)
		}
	}
}

// occupy begins a transaction that lasts until release.
func occupy(t *testing.T, db *storage.DB) (release func()) {
	t.Helper()
	begun, over, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- db.InTx(t.Context(), func(context.Context) error {
			close(begun)
			<-over
			return nil
		})
	}()
	<-begun
	return func() {
		t.Helper()
		close(over)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// arrivals counts who begins to write, as the hook sees it.
func arrivals(db *storage.DB) (came func() int) {
	var n atomic.Int64
	db.SetHook(func(_ context.Context, statement string) error {
		if statement == "BEGIN" || strings.HasPrefix(statement, "INSERT") {
			n.Add(1)
		}
		return nil
	})
	return func() int { return int(n.Load()) }
}

// Who gives up waiting is told so, and leaves the line to the others.
func TestWhoGivesUpWaitingToWrite(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	release := occupy(t, db)
	late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for what, write := range writes(db) {
		if err := write(late); err == nil || late.Err() == nil {
			t.Errorf("%s: %v beside a transaction", what, err)
		}
	}
	release()
	for what, write := range writes(db) {
		if err := write(t.Context()); err != nil {
			t.Errorf("%s after it: %v", what, err)
		}
	}
}

// writes are the ways to write.
func writes(db *storage.DB) map[string]func(context.Context) error {
	const statement = `UPDATE clients SET name = 'x' WHERE id = @none`
	none := map[string]any{"none": ""}
	return map[string]func(context.Context) error{
		"Exec": func(ctx context.Context) error {
			_, err := db.Exec(ctx, statement, none)
			return err
		},
		"Select": func(ctx context.Context) error {
			_, err := storage.Select[string](ctx, db, statement+` RETURNING id`, none)
			return err
		},
		"With":   func(ctx context.Context) error { return db.With(ctx).Exec(statement, none).Error },
		"InTx":   func(ctx context.Context) error { return db.InTx(ctx, func(context.Context) error { return nil }) },
		"Vacuum": db.Vacuum,
	}
}

// SQLite's joined transactions do not wait for one another: all that comes
// while one is under way is aboard the next. PostgreSQL has two beside one
// another.
func TestFlightsOfEachDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		want := map[storage.Dialect]string{storage.SQLite: "[1 9]", storage.PostgreSQL: "[1 1 8]"}
		var (
			mu       sync.Mutex
			sizes    []int
			released = make(chan struct{})
		)
		j := storage.NewJoiner(db, func(_ context.Context, all []int) ([]bool, error) {
			mu.Lock()
			sizes = append(sizes, len(all))
			mu.Unlock()
			<-released
			return make([]bool, len(all)), nil
		})
		aboard := func() (n int) {
			mu.Lock()
			defer mu.Unlock()
			for _, size := range sizes {
				n += size
			}
			return n
		}
		var group sync.WaitGroup
		for n := range 10 {
			group.Go(func() { _, _ = j.Keep(t.Context(), n) })
			for aboard()+j.Waiting() < n+1 || aboard() < min(n+1, j.Flights()) {
				time.Sleep(time.Millisecond)
			}
		}
		close(released)
		group.Wait()
		if got := fmt.Sprint(sizes); got != want[db.Dialect()] {
			t.Errorf("transactions of %s; want %s", got, want[db.Dialect()])
		}
	})
}

// A connection is opened while another one writes: a command beside the server
// reads at once, as does a server whose pool grows.
func TestOpenBesideAWriter(t *testing.T) {
	t.Parallel()
	url := storagetest.SQLiteURL(t)
	db := storagetest.OpenURL(t, url)
	if _, err := db.Exec(t.Context(), `CREATE TABLE notes (n INTEGER PRIMARY KEY)`, nil); err != nil {
		t.Fatal(err)
	}
	release := occupy(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	beside, err := storage.Open(ctx, storage.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Select[int64](ctx, beside, `SELECT count(*) FROM notes`, nil); err != nil {
		t.Error(err)
	}
	release()
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	mode, err := storage.Select[int64](t.Context(), db, `SELECT auto_vacuum FROM pragma_auto_vacuum`, nil)
	if err != nil || mode[0] != 2 {
		t.Errorf("auto_vacuum is %v, %v; want 2, which is incremental", mode, err)
	}
}

// What another process writes is waited for, and what this one writes without
// end leaves the other one its turn.
func TestTwoProcessesWrite(t *testing.T) {
	t.Parallel()
	url := storagetest.SQLiteURL(t)
	server, command := storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)
	if err := server.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, write := range writes(server) {
		release := occupy(t, command)
		written := make(chan error)
		go func() { written <- write(t.Context()) }()
		select {
		case err := <-written:
			t.Errorf("%s beside a transaction of another process: %v", what, err)
			release()
			continue
		case <-time.After(5 * time.Millisecond):
		}
		release()
		if err := <-written; err != nil {
			t.Errorf("%s after a transaction of another process: %v", what, err)
		}
	}
	if _, err := server.Exec(t.Context(), `CREATE TABLE notes (n INTEGER PRIMARY KEY)`, nil); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for ctx.Err() == nil {
				_, err := server.Exec(ctx, `INSERT INTO notes DEFAULT VALUES`, nil)
				if err != nil && ctx.Err() == nil {
					t.Errorf("the server: %v", err)
				}
			}
		})
	}
	for server.WriteWait() == 0 { // until they wait for one another
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		for what, write := range writes(command) {
			if err := write(t.Context()); err != nil {
				t.Errorf("%s beside a server that writes without end: %v", what, err)
			}
		}
	}
	end()
	group.Wait()
}
