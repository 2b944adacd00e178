package interaction_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/interaction"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

func create(t *testing.T, s *interaction.Store, browser string) *interaction.Interaction {
	t.Helper()
	i, err := s.Create(t.Context(), interaction.Waiting{
		ClientID: "client", ResumePath: "/authorize/resume", Browser: browser,
		Request: url.Values{"scope": {"openid"}, "state": {"a\x00<&\"é"}, "claims": {`{"id_token":{}}`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestCreateAndGet(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, browser := interaction.New(db, storagetest.Keys(t)), seal.NewToken(seal.BrowserCookie)
		made := create(t, s, browser)
		got, err := s.Get(t.Context(), made.ID, browser)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, made) || !got.ExpiresAt.Equal(got.CreatedAt.Add(30*time.Minute)) {
			t.Errorf("Get() = %+v; want %+v", got, made)
		}
		empty, err := s.Create(t.Context(), interaction.Waiting{ClientID: "client", Browser: browser})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), empty.ID, browser); err != nil || len(got.Request) != 0 {
			t.Errorf("Get() = %+v, %v; want an empty request", got, err)
		}
	})
}

// TestBrowserBinding is case AZ-38: an interaction is of no use in another
// browser than the one that started it.
func TestBrowserBinding(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := interaction.New(db, storagetest.Keys(t))
		mine, theirs := seal.NewToken(seal.BrowserCookie), seal.NewToken(seal.BrowserCookie)
		bound, open := create(t, s, mine), create(t, s, "")
		tests := []struct {
			name, id, browser string
			want              error
		}{
			{"AZ-38 another browser", bound.ID, theirs, storage.ErrNotFound},
			{"no browser", bound.ID, "", storage.ErrNotFound},
			{"malformed browser", bound.ID, "x", storage.ErrNotFound},
			{"session cookie as browser", bound.ID, seal.NewToken(seal.SessionCookie), storage.ErrNotFound},
			{"its own browser", bound.ID, mine, nil},
			{"unclaimed, and no browser", open.ID, "", storage.ErrNotFound},
			{"unclaimed", open.ID, theirs, nil},
			{"claimed, by another browser", open.ID, mine, storage.ErrNotFound},
			{"claimed, by the same browser", open.ID, theirs, nil},
			{"unknown", strings.Repeat("A", 26), mine, storage.ErrNotFound},
			{"empty", "", mine, storage.ErrNotFound},
			{"NUL", "\x00" + bound.ID[1:], mine, storage.ErrNotFound},
			{"a megabyte", strings.Repeat("A", 1<<20), mine, storage.ErrNotFound},
			{"another case", strings.ToLower(bound.ID), mine, storage.ErrNotFound},
		}
		for _, tt := range tests {
			if _, err := s.Get(t.Context(), tt.id, tt.browser); !errors.Is(err, tt.want) {
				t.Errorf("%s: Get() = %v; want %v", tt.name, err, tt.want)
			}
		}
	})
}

func TestOneBrowserClaims(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := interaction.New(db, storagetest.Keys(t))
		i := create(t, s, "")
		var winners atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := s.Get(t.Context(), i.ID, seal.NewToken(seal.BrowserCookie))
				switch {
				case err == nil:
					winners.Add(1)
				case !errors.Is(err, storage.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%d browsers claimed it; want 1", n)
		}
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, browser, clock := interaction.New(db, storagetest.Keys(t)), seal.NewToken(seal.BrowserCookie), storagetest.Clock(db)
		i, open := create(t, s, browser), create(t, s, "")
		clock.Advance(30*time.Minute - time.Microsecond)
		if _, err := s.Get(t.Context(), i.ID, browser); err != nil {
			t.Errorf("Get() = %v before it expires", err)
		}
		clock.Advance(time.Microsecond)
		for _, id := range []string{i.ID, open.ID} {
			if got, err := s.Get(t.Context(), id, browser); !errors.Is(err, interaction.ErrExpired) || got == nil || got.ClientID != "client" {
				t.Errorf("Get() = %v, %v; want ErrExpired with the interaction", got, err)
			}
		}
		if got, err := s.Get(t.Context(), i.ID, seal.NewToken(seal.BrowserCookie)); !errors.Is(err, storage.ErrNotFound) || got != nil {
			t.Errorf("Get() in another browser = %v, %v; want ErrNotFound", got, err)
		}
		if err := s.Consented(t.Context(), i.ID, "ada", "openid"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Consented() = %v; want ErrNotFound", err)
		}
		if n, err := s.Purge(t.Context(), 10); err != nil || n != 0 {
			t.Errorf("Purge() = %d, %v; want none within an hour", n, err)
		}
		clock.Advance(time.Hour)
		live := create(t, s, browser)
		for _, want := range []int64{1, 1, 0} {
			if n, err := s.Purge(t.Context(), 1); err != nil || n != want {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
		if _, err := s.Get(t.Context(), i.ID, browser); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get() of a purged one = %v; want ErrNotFound", err)
		}
		if _, err := s.Get(t.Context(), live.ID, browser); err != nil {
			t.Errorf("Get() of a live one = %v", err)
		}
	})
}

func TestNotes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, browser, clock := interaction.New(db, storagetest.Keys(t)), seal.NewToken(seal.BrowserCookie), storagetest.Clock(db)
		i, other := create(t, s, browser), create(t, s, browser)
		clock.Advance(time.Minute)
		if err := s.Authenticated(t.Context(), i.ID, "session"); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a page that is sent twice
			if err := s.Consented(t.Context(), i.ID, "ada", "openid email"); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Get(t.Context(), i.ID, browser)
		if err != nil || got.SessionID != "session" || got.AuthenticatedAt == nil || *got.AuthenticatedAt != db.Now() ||
			got.ConsentedBy != "ada" || got.ConsentedScope != "openid email" || got.DeniedAt != nil {
			t.Errorf("Get() = %+v, %v", got, err)
		}
		if err := s.Denied(t.Context(), i.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Consented(t.Context(), i.ID, "eve", "all"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Consented() after Denied() = %v; want ErrNotFound", err)
		}
		got, err = s.Get(t.Context(), i.ID, browser)
		if err != nil || got.DeniedAt == nil || *got.DeniedAt != db.Now() || got.ConsentedBy != "ada" {
			t.Errorf("Get() = %+v, %v", got, err)
		}
		for range 2 {
			if err := s.Remove(t.Context(), i.ID); err != nil {
				t.Errorf("Remove() = %v", err)
			}
		}
		for name, err := range map[string]error{
			"Authenticated": s.Authenticated(t.Context(), i.ID, "x"), "Consented": s.Consented(t.Context(), i.ID, "x", "x"), "Denied": s.Denied(t.Context(), i.ID),
			"malformed": s.Denied(t.Context(), "\x00"),
		} {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s() of a removed one = %v; want ErrNotFound", name, err)
			}
		}
		if err := s.Remove(t.Context(), "\x00"); err != nil {
			t.Errorf("Remove() of a malformed one = %v", err)
		}
		if got, err := s.Get(t.Context(), other.ID, browser); err != nil || got.SessionID != "" || got.DeniedAt != nil {
			t.Errorf("another interaction is %+v, %v; want it untouched", got, err)
		}
	})
}

func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, browser := interaction.New(db, storagetest.Keys(t)), seal.NewToken(seal.BrowserCookie)
		open := create(t, s, "")
		restore := storagetest.FailStatements(db, storagetest.Containing("UPDATE"))
		if _, err := s.Get(t.Context(), open.ID, browser); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Get() that cannot claim = %v; want ErrUnavailable", err)
		}
		restore()
		storagetest.FailStatements(db, nil)
		calls := map[string]func() error{
			"Create":        func() error { _, err := s.Create(t.Context(), interaction.Waiting{}); return err },
			"Get":           func() error { _, err := s.Get(t.Context(), open.ID, browser); return err },
			"Purge":         func() error { _, err := s.Purge(t.Context(), 1); return err },
			"Authenticated": func() error { return s.Authenticated(t.Context(), open.ID, "x") },
			"Consented":     func() error { return s.Consented(t.Context(), open.ID, "x", "x") },
			"Denied":        func() error { return s.Denied(t.Context(), open.ID) },
			"Remove":        func() error { return s.Remove(t.Context(), open.ID) },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s() = %v; want ErrUnavailable", name, err)
			}
		}
	})
}
