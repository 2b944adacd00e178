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
			if err := s.Use(t.Context(), tt.client, tt.jti, replay.Window{Since: db.Now(), Until: until}); !errors.Is(err, tt.want) {
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
				err := s.Use(t.Context(), "client", "jti", replay.Window{Since: db.Now(), Until: db.Now().Add(time.Minute)})
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
		if err := s.Use(t.Context(), "a", "1", replay.Window{}); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, replay.ErrUsed) {
			t.Errorf("Use() = %v; want ErrUnavailable", err)
		}
		if _, err := s.Purge(t.Context(), 1); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Purge() = %v; want ErrUnavailable", err)
		}
	})
}

// What was used between a backup and its restoring is forgotten, and can be
// used no more all the same.
func TestNothingFromBeforeARestoreIsUsed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, keys, clock := replay.New(db, storagetest.Keys(t)), storagetest.Keys(t), storagetest.Clock(db)
		if err := db.CheckKey(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		before, until := db.Now(), db.Now().Add(time.Hour)
		challenge := s.NewChallenge("p", until)
		clock.Advance(time.Second)
		restored := db.Now()
		if err := db.With(t.Context()).Exec(`UPDATE installation SET restored_at = ?`, restored).Error; err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"identifier": s.Use(t.Context(), "c", "1", replay.Window{Since: before, Until: until}),
			"nonce":      s.UseNonce(t.Context(), replay.Nonce{ClientID: "c", Value: "1"}, replay.Window{Since: before, Until: until}),
			"challenge":  s.UseChallenge(t.Context(), "p", challenge),
		} {
			if !errors.Is(err, replay.ErrUsed) {
				t.Errorf("%s of before the restore: %v; want ErrUsed", name, err)
			}
		}
		for name, err := range map[string]error{
			"identifier": s.Use(t.Context(), "c", "1", replay.Window{Since: restored, Until: until}),
			"nonce":      s.UseNonce(t.Context(), replay.Nonce{ClientID: "c", Value: "1"}, replay.Window{Since: restored, Until: until}),
			"challenge":  s.UseChallenge(t.Context(), "p", s.NewChallenge("p", until)),
		} {
			if err != nil {
				t.Errorf("%s of after the restore: %v", name, err)
			}
		}
	})
}
