package pushed_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/pushed"
	"countersign/storage/storagetest"
)

// newStore returns a store with the clients that push to it.
func newStore(t *testing.T, db *storage.DB) *pushed.Store {
	t.Helper()
	for _, id := range []string{"client", "other", "public"} {
		exec(t, db, `INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
			VALUES (@id, 'oidc', 'Alice', 'approved', '{}', '[]', '', @now, 'x', @now, @now)`, map[string]any{"id": id, "now": db.Now()})
	}
	return pushed.New(db, storagetest.Keys(t))
}

func exec(t *testing.T, db *storage.DB, query string, args ...any) {
	t.Helper()
	if err := db.With(t.Context()).Exec(query, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func TestPushGetUse(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, clock := newStore(t, db), storagetest.Clock(db)
		ref, err := s.Push(t.Context(), pushed.Client{ID: "client"}, url.Values{"scope": {"openid"}})
		if err != nil || !strings.HasPrefix(ref, pushed.Prefix) {
			t.Fatal(ref, err)
		}
		r, err := s.Get(t.Context(), "client", ref)
		if err != nil || r.Request.Get("scope") != "openid" || strings.Contains(ref, r.Mark()) {
			t.Fatalf("Get() = %+v, %v", r, err)
		}
		for name, tt := range map[string]struct{ client, ref string }{
			"another client": {"other", ref}, "unknown": {"client", ref[:len(ref)-1] + "_"}, "short": {"client", pushed.Prefix},
			"another case": {"client", strings.ToUpper(ref)}, "NUL": {"client", ref[:len(ref)-1] + "\x00"},
		} {
			if _, err := s.Get(t.Context(), tt.client, tt.ref); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: %v; want ErrNotFound", name, err)
			}
		}
		for _, tt := range []struct {
			by   string
			want error
		}{{"i", nil}, {"i", nil}, {"j", pushed.ErrUsed}, {"", pushed.ErrUsed}} {
			if err := s.Use(t.Context(), r.Mark(), tt.by); !errors.Is(err, tt.want) {
				t.Errorf("Use(%q) = %v; want %v", tt.by, err, tt.want)
			}
		}
		if _, err := s.Get(t.Context(), "client", ref); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get() of a used one = %v", err)
		}
		late, _ := s.Push(t.Context(), pushed.Client{ID: "client"}, url.Values{})
		clock.Advance(time.Minute)
		if _, err := s.Get(t.Context(), "client", late); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get() of an expired one = %v", err)
		}
		clock.Advance(time.Hour)
		for _, want := range []int64{1, 1, 0} {
			if n, err := s.Purge(t.Context(), 1); n != want || err != nil {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
		if err := s.Use(t.Context(), "x", ""); !errors.Is(err, pushed.ErrUsed) {
			t.Errorf("Use() of no mark = %v", err)
		}
	})
}

func TestOneOfTwentyUsesIt(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := newStore(t, db)
		ref, _ := s.Push(t.Context(), pushed.Client{ID: "client"}, url.Values{})
		r, err := s.Get(t.Context(), "client", ref)
		if err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if s.Use(t.Context(), r.Mark(), "") == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d used it; want 1", won.Load())
		}
		storagetest.FailStatements(db, nil)
		_, pushErr := s.Push(t.Context(), pushed.Client{ID: "client"}, url.Values{})
		_, getErr := s.Get(t.Context(), "client", ref)
		_, purgeErr := s.Purge(t.Context(), 1)
		for _, err := range []error{pushErr, getErr, purgeErr, s.Use(t.Context(), r.Mark(), "")} {
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%v; want ErrUnavailable", err)
			}
		}
	})
}

// JR-10: what one client leaves waiting is bounded; what was answered or has
// expired does not count, nor does what others push.
func TestWaitingRequestsAreBounded(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s, clock := newStore(t, db), storagetest.Clock(db)
		push := func(client, network string) error {
			_, err := s.Push(t.Context(), pushed.Client{ID: client, Network: network}, url.Values{"scope": {"openid"}})
			return err
		}
		first, err := s.Push(t.Context(), pushed.Client{ID: "public", Network: "192.0.2.0/24"}, url.Values{})
		if err != nil {
			t.Fatal(err)
		}
		for range pushed.MaxWaitingPublic - 1 {
			if err := push("public", "192.0.2.0/24"); err != nil {
				t.Fatal(err)
			}
		}
		if err := push("public", "192.0.2.0/24"); !errors.Is(err, pushed.ErrTooMany) {
			t.Errorf("one more: %v; want ErrTooMany", err)
		}
		for name, who := range map[string][2]string{
			"another network": {"public", "198.51.100.0/24"}, "another client": {"other", "192.0.2.0/24"}, "one that proved who it is": {"public", ""},
		} {
			if err := push(who[0], who[1]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		r, err := s.Get(t.Context(), "public", first)
		if err != nil || s.Use(t.Context(), r.Mark(), "") != nil {
			t.Fatal(err)
		}
		if err := push("public", "192.0.2.0/24"); err != nil {
			t.Errorf("after one was answered: %v", err)
		}
		if err := push("public", "192.0.2.0/24"); !errors.Is(err, pushed.ErrTooMany) {
			t.Errorf("full again: %v; want ErrTooMany", err)
		}
		clock.Advance(pushed.Lifetime)
		if err := push("public", "192.0.2.0/24"); err != nil {
			t.Errorf("after the others expired: %v", err)
		}
	})
}

// A disapproval or removal of the client ends what it pushed, for good, in
// whatever order the two are stored.
func TestDisapprovalEndsWhatWasPushed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := newStore(t, db)
		want := func(what, ref string, live bool) {
			t.Helper()
			r, err := s.Get(t.Context(), "client", ref)
			if (err == nil) != live || err != nil && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
		push := func(epoch int64) string {
			t.Helper()
			ref, err := s.Push(t.Context(), pushed.Client{ID: "client", Epoch: epoch}, url.Values{})
			if err != nil {
				t.Fatal(err)
			}
			return ref
		}
		before := push(0)
		begun, err := s.Get(t.Context(), "client", before)
		if err != nil {
			t.Fatal(err)
		}
		older := push(0)
		exec(t, db, `UPDATE pushed_requests SET client_epoch = NULL WHERE hash <> ?`, begun.Hash) // as an older release keeps it
		exec(t, db, `UPDATE clients SET epoch = epoch + 1 WHERE id = 'client'`)
		want("pushed before", before, false)
		want("pushed before, kept after", push(0), false)
		want("pushed to an older release", older, true)
		want("pushed after", push(1), true)
		if err := s.Use(t.Context(), begun.Mark(), "i"); !errors.Is(err, pushed.ErrUsed) {
			t.Errorf("Use() of what was begun with before = %v; want ErrUsed", err)
		}
		last := push(1)
		exec(t, db, `DELETE FROM clients WHERE id = 'client'`)
		want("of a client that was removed", last, false)
	})
}
