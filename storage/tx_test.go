package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// put inserts a throttle; how many there are is what a transaction left.
func put(ctx context.Context, db *storage.DB) error {
	return storage.Err("put", db.With(ctx).Exec(`INSERT INTO sign_in_throttles (failures, key, blocked_until, expires_at) VALUES (1, ?, ?, ?)`,
		[]byte("a"), db.Now(), db.Now()).Error)
}

func wantRows(t *testing.T, db *storage.DB, want int) {
	t.Helper()
	var n int
	if err := db.With(t.Context()).Raw(`SELECT count(*) FROM sign_in_throttles`).Scan(&n).Error; err != nil || n != want {
		t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}

func TestInTx(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	type key struct{}
	tests := []struct {
		name string
		fn   func(ctx context.Context, cancel func(), db *storage.DB) error
		fail string // statements that fail
		want error
		rows int
	}{
		{"commits", func(ctx context.Context, _ func(), db *storage.DB) error { return put(ctx, db) }, "", nil, 1},
		{"rolls back, and returns the error as it is", func(ctx context.Context, _ func(), db *storage.DB) error {
			return errors.Join(put(ctx, db), errMine)
		}, "", errMine, 0},
		{"a nested call joins", func(ctx context.Context, _ func(), db *storage.DB) error {
			if err := db.Tx().InTx(ctx, func(ctx context.Context) error { return put(ctx, db) }); err != nil {
				return err
			}
			return errMine
		}, "", errMine, 0},
		{"the caller hangs up", func(ctx context.Context, cancel func(), db *storage.DB) error {
			cancel()
			return put(ctx, db)
		}, "", nil, 1},
		{"values of the context are kept", func(ctx context.Context, _ func(), _ *storage.DB) error {
			if ctx.Value(key{}) != "kept" {
				return errMine
			}
			return nil
		}, "", nil, 0},
		{"no connection", func(ctx context.Context, _ func(), db *storage.DB) error { return put(ctx, db) }, "BEGIN", storage.ErrUnavailable, 0},
		{"commit fails", func(ctx context.Context, _ func(), db *storage.DB) error { return put(ctx, db) }, "COMMIT", storage.ErrUnavailable, 0},
		{"second statement fails", func(ctx context.Context, _ func(), db *storage.DB) error {
			if err := put(ctx, db); err != nil {
				return err
			}
			return put(ctx, db)
		}, "", storage.ErrConflict, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, db *storage.DB) {
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
				defer cancel()
				if tt.fail != "" {
					storagetest.FailStatements(db, storagetest.Containing(tt.fail))
				}
				err := db.InTx(ctx, func(ctx context.Context) error {
					if !db.InTransaction(ctx) {
						t.Error("not in a transaction")
					}
					return tt.fn(ctx, cancel, db)
				})
				if !errors.Is(err, tt.want) {
					t.Errorf("InTx() = %v; want %v", err, tt.want)
				}
				db.SetHook(nil)
				wantRows(t, db, tt.rows)
				if open := db.Pool().Stats().InUse; open != 0 {
					t.Errorf("%d connections are still in use", open)
				}
			})
		})
	}
}

func TestInTxPanics(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		func() {
			defer func() {
				if recover() != "mine" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.InTx(t.Context(), func(ctx context.Context) error {
				if err := put(ctx, db); err != nil {
					t.Error(err)
				}
				panic("mine")
			})
		}()
		wantRows(t, db, 0)
	})
}

func TestInTxOfACallerThatIsGone(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := db.InTx(ctx, func(context.Context) error {
			t.Error("the transaction began")
			return nil
		})
		if !errors.Is(err, context.Canceled) && !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("InTx() = %v; want ErrUnavailable", err)
		}
		wantRows(t, db, 0)
	})
}

// TestInTxOfAnotherDatabase holds two databases apart in one context.
func TestInTxOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	db, other := storagetest.Open(t), storagetest.Open(t)
	errMine := errors.New("mine")
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		return errors.Join(put(ctx, db), put(ctx, other), errMine)
	})
	if !errors.Is(err, errMine) {
		t.Errorf("InTx() = %v", err)
	}
	wantRows(t, db, 0)
	wantRows(t, other, 1)
}

// TestOnceUnderContention is what single use rests on.
func TestOnceUnderContention(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		if err := put(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					res := db.With(ctx).Exec(`UPDATE sign_in_throttles SET failures = 2 WHERE key = ? AND failures = 1`, []byte("a"))
					winners.Add(int32(res.RowsAffected))
					return res.Error
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%d winners; want 1", n)
		}
	})
}

func TestWatchSeesStatementsAndWhatComesOfThem(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		var seen []string
		db.SetWatch(func(_ context.Context, statement string) func(error) {
			return func(err error) { seen = append(seen, fmt.Sprint(fmt.Sprintf("%-6.6s", statement), err == nil)) }
		})
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			var n int
			if err := db.With(ctx).Raw("SELECT ? + 1", 1).Scan(&n).Error; err != nil || n != 2 {
				t.Errorf("%d, %v", n, err)
			}
			return db.With(ctx).Exec("DELETE FROM nothing WHERE id = ?", "secret").Error
		})
		if err == nil {
			t.Error("a table that does not exist is deleted from")
		}
		if err := db.InTx(t.Context(), func(ctx context.Context) error { return db.With(ctx).Exec("SELECT 1").Error }); err != nil {
			t.Error(err)
		}
		want := []string{"BEGIN true", "SELECTtrue", "DELETEfalse", "BEGIN true", "SELECTtrue", "COMMITtrue"}
		if !slices.Equal(seen, want) {
			t.Errorf("seen %q; want %q", seen, want)
		}
		db.SetWatch(nil)
		if err := db.Ping(t.Context()); err != nil || len(seen) != len(want) {
			t.Errorf("%v, %q", err, seen)
		}
	})
}
