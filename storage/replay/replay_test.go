package replay_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/replay"
	"countersign/storage/storagetest"
)

func TestUse(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, clock := replay.New(db, storagetest.Keys(t)), storagetest.Clock(db)
		until := db.Now().Add(time.Minute)
		for _, tt := range []struct {
			name, client, jti string
			want              error
		}{
			{"first", "a", "1", nil},
			{"again", "a", "1", replay.ErrUsed},
			{"another identifier", "a", "2", nil},
			{"another client", "b", "1", nil},
			{"a name that runs into the identifier", "a\x001", "", nil},
		} {
			if err := s.Use(t.Context(), tt.client, tt.jti, until); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
			}
		}
		if n, err := s.Purge(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("Purge() = %d, %v before anything expired", n, err)
		}
		clock.Advance(time.Minute)
		for _, want := range []int64{3, 1, 0} {
			if n, err := s.Purge(t.Context(), 3); n != want || err != nil {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
	})
}

// CA-15: of fifty at once one succeeds.
func TestOneOfFiftyGetsIt(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := replay.New(db, storagetest.Keys(t))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := s.Use(t.Context(), "client", "jti", db.Now().Add(time.Minute))
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, replay.ErrUsed):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%d got it; want 1", n)
		}
	})
}

func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := replay.New(db, storagetest.Keys(t))
		storagetest.FailStatements(db, nil)
		if err := s.Use(t.Context(), "a", "1", db.Now()); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, replay.ErrUsed) {
			t.Errorf("Use() = %v; want ErrUnavailable", err)
		}
		if _, err := s.Purge(t.Context(), 1); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Purge() = %v; want ErrUnavailable", err)
		}
	})
}
