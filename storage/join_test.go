package storage_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// What many bring while a transaction is under way goes into few others, each
// is told of its own part, and none is lost.
func TestJoinedTransactions(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const many = 200
		var (
			mu       sync.Mutex
			seen     = map[int]bool{}
			flushes  int
			released = make(chan struct{})
			aboard   atomic.Int64
		)
		j := storage.NewJoiner(db, func(_ context.Context, all []int) ([]bool, error) {
			aboard.Add(int64(len(all)))
			<-released
			mu.Lock()
			defer mu.Unlock()
			flushes++
			kept := make([]bool, len(all))
			for i, n := range all {
				seen[n], kept[i] = true, n%3 != 0
			}
			return kept, nil
		})
		var group sync.WaitGroup
		for n := range many {
			group.Go(func() {
				kept, err := j.Keep(t.Context(), n)
				if err != nil || kept != (n%3 != 0) {
					t.Errorf("%d: kept %v, %v", n, kept, err)
				}
			})
		}
		for int(aboard.Load())+j.Waiting() < many {
			time.Sleep(time.Millisecond)
		}
		close(released)
		group.Wait()
		if len(seen) != many || flushes > many/10 {
			t.Errorf("%d of %d were kept, in %d transactions", len(seen), many, flushes)
		}
		if kept, err := j.Keep(t.Context(), 1); err != nil || !kept {
			t.Errorf("one that comes alone: %v, %v", kept, err)
		}
	})
}

// A transaction that fails is told to all of whom it held something, and is not
// the end: those who come later are served.
func TestJoinedTransactionsThatFail(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		down := errors.New("down")
		fails := true
		j := storage.NewJoiner(db, func(_ context.Context, all []int) ([]bool, error) {
			if fails {
				return nil, down
			}
			return make([]bool, len(all)), nil
		})
		if _, err := j.Keep(t.Context(), 1); !errors.Is(err, down) {
			t.Errorf("the error is %v", err)
		}
		fails = false
		if kept, err := j.Keep(t.Context(), 1); kept || err != nil {
			t.Errorf("after that: %v, %v", kept, err)
		}
	})
}

// A panic is that of each request that it concerns, and the next is served.
func TestJoinedTransactionsThatPanic(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		panics := true
		j := storage.NewJoiner(db, func(_ context.Context, all []int) ([]bool, error) {
			if panics {
				panic("at the disco")
			}
			return make([]bool, len(all)), nil
		})
		func() {
			defer func() {
				if p := recover(); p != "at the disco" {
					t.Errorf("the panic is %v", p)
				}
			}()
			_, _ = j.Keep(t.Context(), 1)
		}()
		panics = false
		if _, err := j.Keep(t.Context(), 1); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// Who hangs up takes nothing of the others along, and knows no outcome.
func TestWhoHangsUpLeavesTheOthers(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		entered, released := make(chan struct{}), make(chan struct{})
		j := storage.NewJoiner(db, func(ctx context.Context, all []int) ([]bool, error) {
			close(entered)
			<-released
			return []bool{ctx.Err() == nil}[:len(all)], ctx.Err()
		})
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := j.Keep(ctx, 1)
			gone <- err
		}()
		<-entered
		hangUp()
		if err := <-gone; !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("who hung up is told %v", err)
		}
		close(released)
	})
}

// In a transaction of the caller it is part of that.
func TestJoinedInATransaction(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		within := false
		j := storage.NewJoiner(db, func(ctx context.Context, _ []int) ([]bool, error) {
			within = db.InTransaction(ctx)
			return []bool{true}, nil
		})
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := j.Keep(ctx, 1)
			return err
		})
		if err != nil || !within {
			t.Errorf("within: %v, %v", within, err)
		}
	})
}
