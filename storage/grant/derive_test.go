package grant_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

// child derives a grant for the client c2 from an access token of c1.
func (w *world) child(token, parent string) (grant.Issue, error) {
	w.Helper()
	w.made++
	i := w.issue()
	g := grant.Grant{
		ID: "child " + i.AccessToken, Kind: "exchange", ClientID: "c2", Subject: "a1", Scope: i.Scope, Offline: true,
		ExpiresAt: i.AccessTokenExpiresAt, ParentID: parent,
	}
	if token != "" {
		g.ParentHash = w.grants.Hash(token)
	}
	return i, w.grants.Derive(w.Context(), g, i)
}

// parent is a grant of c1 with tokens, and its identifier.
func (w *world) parent() (grant.Issue, string) {
	w.Helper()
	i := w.tokens()
	t, err := w.grants.AccessToken(w.Context(), i.AccessToken)
	w.must(err)
	return i, t.Grant.ID
}

func newFamily(t *testing.T, db *storage.DB) *world {
	t.Helper()
	w := newWorld(t, db)
	now := db.Now()
	w.exec(`INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		VALUES ('c2', 'oidc', 'Next', 'approved', '{"scope":"openid"}', '[]', '', ?, '', ?, ?)`, now, now, now)
	return w
}

func TestDerivedGrantHoldsAsLongAsItsParent(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newFamily(t, db)
		for name, end := range map[string]func(token, parent string){
			"token revoked":  func(token, _ string) { w.must(w.grants.RevokeAccessToken(t.Context(), token)) },
			"parent revoked": func(_, parent string) { w.must(w.grants.Revoke(t.Context(), parent)) },
			"parent expired": func(_, parent string) {
				w.exec(`UPDATE grants SET expires_at = ? WHERE id = ?`, w.clock.Now(), parent)
			},
			"parent purged": func(_, parent string) { w.exec(`DELETE FROM grants WHERE id = ?`, parent) },
		} {
			tokens, parent := w.parent()
			i, err := w.child(tokens.AccessToken, parent)
			w.must(err)
			before := w.isLive(i.AccessToken)
			end(tokens.AccessToken, parent)
			if !before || w.isLive(i.AccessToken) {
				w.Errorf("%s: before %t, after %t", name, before, w.isLive(i.AccessToken))
			}
			if _, err := w.child(tokens.AccessToken, parent); err == nil {
				w.Errorf("%s: another child came of it", name)
			}
		}
		w.clock.Advance(10 * time.Minute)
		if _, err := w.grants.Purge(t.Context(), 100); err != nil {
			w.Fatal(err)
		}
		if n := w.count("grants WHERE parent_id IS NOT NULL"); n != 0 {
			w.Errorf("%d children are left after their time", n)
		}
	})
}

func TestNoGrantIsDerivedFromWhatMayNot(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newFamily(t, db)
		tokens, parent := w.parent()
		other, _ := w.parent()
		i, err := w.child(tokens.AccessToken, parent)
		w.must(err)
		c, err := w.grants.AccessToken(t.Context(), i.AccessToken)
		w.must(err)
		for name, of := range map[string][2]string{
			"another grant's token": {other.AccessToken, parent}, "a refresh token": {tokens.RefreshToken, parent},
			"no token": {"x", parent}, "no grant": {"", "x"}, "a child": {i.AccessToken, c.Grant.ID}, "a child's credentials": {"", c.Grant.ID},
		} {
			if _, err := w.child(of[0], of[1]); err == nil {
				w.Errorf("derived from %s", name)
			}
		}
		w.exec(`UPDATE clients SET status = 'disapproved' WHERE id = 'c2'`)
		_, err = w.child(tokens.AccessToken, parent)
		w.want(err, grant.ErrNotPermitted)
		w.want(w.grants.Narrow(t.Context(), i.AccessToken, w.issue()), grant.ErrNotPermitted)
		w.want(w.grants.Narrow(t.Context(), tokens.RefreshToken, w.issue()), grant.ErrNotPermitted)
		w.must(w.grants.Narrow(t.Context(), tokens.AccessToken, w.issue()))
	})
}

// What decides on a token is found by indexes alone, its parent too.
func TestTokensAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newFamily(t, db)
		for name, kind := range map[string]seal.Kind{"an access token": seal.AccessToken, "a refresh token": seal.RefreshToken} {
			query, args := w.grants.TokenQuery(kind, "x")
			w.wantNoScan(name, false, query, args)
		}
		query, args := w.grants.ChildQuery("x")
		w.wantNoScan("an exchanged token", true, query, args)
		query, args = w.grants.SignerQuery("x")
		w.wantNoScan("token credentials", false, query, args)
	})
}

// wantNoScan asks the database how it would run the query, and whether it would
// look for a parent. PostgreSQL reads small tables whole unless it is told not
// to.
func (w *world) wantNoScan(name string, parent bool, query string, args map[string]any) { //nolint:revive // one plan or the other
	w.Helper()
	var plan []string
	w.must(w.db.InTx(w.Context(), func(ctx context.Context) error {
		if w.db.Dialect() == storage.PostgreSQL {
			if err := w.db.With(ctx).Exec(`SET LOCAL enable_seqscan = off`).Error; err != nil {
				return err
			}
			return w.db.With(ctx).Raw(`EXPLAIN `+query, args).Scan(&plan).Error
		}
		var steps []struct{ Detail string }
		err := w.db.With(ctx).Raw(`EXPLAIN QUERY PLAN `+query, args).Scan(&steps).Error
		for _, s := range steps {
			plan = append(plan, s.Detail)
		}
		return err
	}))
	text := strings.Join(plan, "\n")
	if strings.Contains(text, "SCAN ") || strings.Contains(text, "Seq Scan") || strings.Contains(text, "pg") != parent {
		w.Errorf("%s:\n%s", name, text)
	}
}
