package grant_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

// connection is the one connection of the account, nil for none.
func (w *world) connection() *grant.Connection {
	w.Helper()
	c, err := w.grants.Connection(w.Context(), "a1", "c1")
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	w.must(err)
	return c
}

func TestConnections(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		if c := w.connection(); c != nil {
			t.Fatalf("nothing was allowed: %+v", c)
		}
		begun := w.clock.Now()
		w.must(w.grants.RememberConsent(t.Context(), "a1", "c1", "openid email", "d"))
		if c := w.connection(); c == nil || c.Active || c.Offline || c.UsedAt != nil || !c.FirstAt.Equal(begun) || !slices.Equal(c.Scope, []string{"openid", "email"}) {
			t.Fatalf("remembered only: %+v", c)
		}
		w.clock.Advance(time.Minute)
		i := w.tokens()
		c := w.connection()
		if !c.Active || !c.Offline || c.UsedAt == nil || !c.UsedAt.Equal(w.clock.Now()) || !c.FirstAt.Equal(begun) || !slices.Equal(c.Scope, []string{"openid", "email", "profile"}) {
			t.Fatalf("with tokens: %+v", c)
		}
		w.clock.Advance(30 * time.Minute)
		w.rotate(i.RefreshToken)
		used := w.clock.Now()
		if c := w.connection(); !c.UsedAt.Equal(used) {
			t.Errorf("refreshed: used at %v; want %v", c.UsedAt, used)
		}
		w.clock.Advance(25 * time.Hour) // all of it is past
		if n, err := w.grants.Purge(t.Context(), 100); err != nil || n == 0 {
			t.Fatalf("Purge() = %d, %v", n, err)
		}
		if c := w.connection(); c.Active || c.UsedAt == nil || !c.UsedAt.Equal(used) {
			t.Errorf("what was purged: %+v; want the use at %v", c, used)
		}
		w.must(w.grants.WithdrawConsent(t.Context(), "a1", "c1"))
		if c := w.connection(); c != nil {
			t.Errorf("withdrawn: %+v", c)
		}
		var uses int64
		if err := db.With(t.Context()).Raw(`SELECT count(*) FROM application_uses`).Scan(&uses).Error; err != nil || uses != 0 {
			t.Errorf("%d uses of a withdrawn consent are kept, %v", uses, err)
		}
	})
}

// A use that is told later than another does not take its place.
func TestPurgeKeepsTheLastUse(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		w.must(w.grants.RememberConsent(t.Context(), "a1", "c1", "openid", "d"))
		first := w.onlineToken()
		w.clock.Advance(time.Minute)
		second := w.onlineToken()
		last := w.clock.Now()
		w.exec(`UPDATE access_tokens SET expires_at = ? WHERE hash = ?`, w.clock.Now(), w.grants.Hash(second.AccessToken))
		for _, token := range []string{second.AccessToken, first.AccessToken} { // in this order
			w.exec(`UPDATE access_tokens SET expires_at = ? WHERE hash = ?`, w.clock.Now(), w.grants.Hash(token))
			if _, err := w.grants.Purge(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		var left int64
		if err := db.With(t.Context()).Raw(`SELECT count(*) FROM access_tokens`).Scan(&left).Error; err != nil || left != 0 {
			t.Errorf("%d tokens are left, %v", left, err)
		}
		if c := w.connection(); c.UsedAt == nil || !c.UsedAt.Equal(last) {
			t.Errorf("used at %v; want %v", c.UsedAt, last)
		}
	})
}
