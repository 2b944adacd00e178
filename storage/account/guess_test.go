package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// noting is what follows from a right guess here: a note that was taken.
func noting(s *account.Store, id string) storage.Part {
	return s.Noting(account.Activity{AccountID: id, Kind: account.Consented})
}

// DV-08: right guesses cost none of the wrong ones, and give none back; once
// the wrong ones are spent, nothing follows from a right one.
func TestDV08RightGuesses(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		bob := create(t, s, "bob")
		right := func() error { return s.GuessRight(t.Context(), bob.ID, "192.0.2.1", noting(s, bob.ID)) }
		wrong := func() error {
			return s.Guess(t.Context(), bob.ID, "192.0.2.1", func(context.Context) (bool, error) { return false, nil })
		}
		followed := 0
		for n := range 5 {
			for range 3 {
				if err := right(); err != nil {
					t.Fatalf("a right guess after %d wrong ones: %v", n, err)
				}
				followed++
			}
			if err := wrong(); err != nil {
				t.Fatalf("wrong guess %d: %v", n+1, err)
			}
		}
		for range 3 {
			for name, err := range map[string]error{"right": right(), "wrong": wrong()} {
				if throttled, ok := errors.AsType[*account.ThrottledError](err); !ok || throttled.RetryAfter != 2*time.Second {
					t.Errorf("a %s guess after 5 wrong ones: %v; want to wait 2 s", name, err)
				}
			}
		}
		wantNoted(t, s, bob.ID, followed)
		clock.Advance(2 * time.Second)
		if err := right(); err != nil {
			t.Errorf("after the delay: %v", err)
		}
		wantNoted(t, s, bob.ID, followed+1)
	})
}

func wantNoted(t *testing.T, s *account.Store, id string, want int) {
	t.Helper()
	list, err := s.Activities(t.Context(), id)
	if err != nil || len(list) != want {
		t.Errorf("what follows from a right guess was done %d times, %v; want %d", len(list), err, want)
	}
}

// A right guess waits for those that are being counted, so that one that is sent
// among many wrong ones is not let through beside them.
func TestDV08RightGuessTakesItsTurn(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		bob := create(t, s, "bob")
		answer := make(chan error, 1)
		right := func() { answer <- s.GuessRight(t.Context(), bob.ID, "192.0.2.1", noting(s, bob.ID)) }
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			for range 5 {
				if err := s.Guess(ctx, bob.ID, "192.0.2.1", func(context.Context) (bool, error) { return false, nil }); err != nil {
					return err
				}
			}
			go right()
			select {
			case err := <-answer:
				t.Errorf("a right guess did not wait: %v", err)
				answer <- err
			case <-time.After(200 * time.Millisecond):
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := errors.AsType[*account.ThrottledError](<-answer); !ok {
			t.Error("a right guess was let through beside five wrong ones")
		}
		wantNoted(t, s, bob.ID, 0)
	})
}

// A right guess of which nothing can be kept is an outage, and nothing of it is
// kept.
func TestRightGuessWithFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		for _, fragment := range []string{"sign_in_throttles", "account_activities"} {
			restore := storagetest.FailStatements(db, storagetest.Containing(fragment))
			err := s.GuessRight(t.Context(), bob.ID, "192.0.2.1", noting(s, bob.ID))
			restore()
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v; want ErrUnavailable", fragment, err)
			}
		}
		wantNoted(t, s, bob.ID, 0)
	})
}
