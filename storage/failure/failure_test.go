package failure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/failure"
	"countersign/storage/storagetest"
)

// client keeps a client as another store would.
func client(t *testing.T, db *storage.DB, id string) {
	t.Helper()
	err := db.With(t.Context()).Exec(`INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		VALUES (@id, 'oauth1', 'Tool', 'approved', '{}', '[]', '', @now, '', @now, @now)`, map[string]any{"id": id, "now": db.Now()}).Error
	if err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, s *failure.Store) (dropped int64) {
	t.Helper()
	dropped, err := s.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dropped
}

func list(t *testing.T, s *failure.Store, id string, limit int) []failure.Failure {
	t.Helper()
	got, err := s.List(t.Context(), id, limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestKeepsTheNewestOfEachClient(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, clock := failure.New(db, storagetest.Keys(t)), storagetest.Clock(db)
		client(t, db, "a")
		client(t, db, "b")
		want := failure.Failure{
			At: db.Now(), ClientID: "b", Endpoint: "/oauth1/request_token", Code: "signature_invalid", Cause: "It does not match.", Remedy: "Look.",
			RequestID: "r", Address: "192.0.2.1", BaseString: "POST&https%3A%2F%2Fas.example%2F&a%3Db",
		}
		s.Note(want)
		for i := range 60 {
			if i == 30 {
				flush(t, s)
			}
			clock.Advance(time.Second)
			s.Note(failure.Failure{ClientID: "a", Cause: fmt.Sprint(i)})
		}
		for _, stranger := range []string{"", "c", "a\x00", "\xff", strings.Repeat("a", 1<<16)} {
			s.Note(failure.Failure{ClientID: stranger, Cause: "x"})
			if got := list(t, s, stranger, 10); len(got) != 0 {
				t.Errorf("%.10q: %v", stranger, got)
			}
		}
		if n := flush(t, s); n != 0 {
			t.Errorf("%d were dropped", n)
		}
		got := list(t, s, "b", 10)
		if len(got) != 1 || len(got[0].Sealed) == 0 || strings.Contains(string(got[0].Sealed), "example") {
			t.Fatalf("b: %+v; want one whose base string is sealed", got)
		}
		got[0].ID, got[0].Sealed = "", nil
		if got[0].At = got[0].At.UTC(); fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("%+v; want %+v", got[0], want)
		}
		got = list(t, s, "a", 100)
		if len(got) != failure.Kept || got[0].Cause != "59" || got[49].Cause != "10" {
			t.Errorf("%d of a, from %q to %q; want the last 50", len(got), got[0].Cause, got[len(got)-1].Cause)
		}
		if got := list(t, s, "a", 3); len(got) != 3 || got[2].Cause != "57" {
			t.Errorf("three of a: %v", got)
		}
		clock.Advance(failure.Lifetime - 30*time.Second)
		for _, want := range []int64{7, 7, 7, 0} { // b's and the older of a's
			n, err := s.Purge(t.Context(), 7)
			if err != nil || n != want {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
	})
}

// A flood costs a bounded queue, and is counted.
func TestFloodIsDropped(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := failure.New(db, storagetest.Keys(t))
		client(t, db, "a")
		counter := storagetest.CountStatements(db)
		for range 2000 {
			s.Note(failure.Failure{ClientID: "a", Cause: strings.Repeat("é", 5000), BaseString: strings.Repeat("x", 100_000)})
		}
		if n := len(counter.Statements()); n != 0 {
			t.Errorf("noting takes %d statements", n)
		}
		if dropped := flush(t, s); dropped != 2000-512 {
			t.Errorf("%d were dropped; want all that did not fit", dropped)
		}
		got := list(t, s, "a", 1000)
		if len(got) != failure.Kept || len(got[0].Cause) > 1100 || len(got[0].BaseString) > 8300 {
			t.Errorf("%d are kept, of %d and %d bytes", len(got), len(got[0].Cause), len(got[0].BaseString))
		}
		if dropped := flush(t, s); dropped != 0 {
			t.Errorf("%d dropped ones are counted again", dropped)
		}
	})
}

// Failures go with their client.
func TestFailuresGoWithTheClient(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := failure.New(db, storagetest.Keys(t))
		client(t, db, "a")
		s.Note(failure.Failure{ClientID: "a"})
		flush(t, s)
		if err := db.With(t.Context()).Exec("DELETE FROM clients").Error; err != nil {
			t.Fatal(err)
		}
		if got := list(t, s, "a", 10); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// A client that is removed while the failures of several are being kept takes
// no others along.
func TestClientThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := failure.New(db, storagetest.Keys(t))
		client(t, db, "a")
		client(t, db, "b")
		s.Note(failure.Failure{ClientID: "a", Cause: "x"})
		s.Note(failure.Failure{ClientID: "b", Cause: "y"})
		var removing atomic.Bool
		deleted, removed := make(chan struct{}), make(chan error, 1)
		restore := storagetest.FailStatements(db, func(statement string) bool {
			if statement != "BEGIN" || removing.Swap(true) {
				return false
			}
			go func() { // they have been looked up, and one is being removed
				removed <- db.InTx(t.Context(), func(ctx context.Context) error {
					err := db.With(ctx).Exec(`DELETE FROM clients WHERE id = 'a'`).Error
					close(deleted)
					time.Sleep(200 * time.Millisecond) // until the others wait for what becomes of it
					return err
				})
			}()
			<-deleted
			return false
		})
		flush(t, s)
		restore()
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
		if a, b := list(t, s, "a", 1), list(t, s, "b", 1); len(a) != 0 || len(b) != 1 {
			t.Errorf("kept %d and %d; want none and one", len(a), len(b))
		}
	})
}

func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := failure.New(db, storagetest.Keys(t))
		client(t, db, "a")
		for _, failing := range []string{"SELECT id FROM clients", "INSERT", "DELETE"} {
			restore := storagetest.FailStatements(db, storagetest.Containing(failing))
			s.Note(failure.Failure{ClientID: "a"})
			if _, err := s.Flush(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("Flush() without %s = %v; want ErrUnavailable", failing, err)
			}
			restore()
		}
		storagetest.FailStatements(db, nil)
		if _, err := s.List(t.Context(), "a", 1); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("List() = %v", err)
		}
		if _, err := s.Purge(t.Context(), 1); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Purge() = %v", err)
		}
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for advice, want := range map[string][2]string{
		"It expired. Ask again. Now.": {"It expired.", "Ask again. Now."},
		"It expired.":                 {"It expired.", ""},
		"":                            {"", ""},
	} {
		if cause, remedy := failure.Split(advice); cause != want[0] || remedy != want[1] {
			t.Errorf("Split(%q) = %q, %q", advice, cause, remedy)
		}
	}
}
