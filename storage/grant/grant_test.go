package grant_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

// world is a database with one approved client, one account and its session.
type world struct {
	testing.TB
	db     *storage.DB
	clock  *storagetest.StoppedClock
	grants *grant.Store
	made   int
}

func newWorld(t testing.TB, db *storage.DB) *world {
	t.Helper()
	w := &world{TB: t, db: db, clock: storagetest.Clock(db), grants: grant.New(db, storagetest.Keys(t))}
	w.populate()
	return w
}

func (w *world) populate() {
	w.Helper()
	now := w.clock.Now()
	w.exec(`INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		VALUES ('c1', 'oidc', 'Client', 'approved', '{}', '[]', '', ?, '', ?, ?)`, now, now, now)
	w.exec(`INSERT INTO accounts (id, username, username_key, password_hash, permissions, claims, created_at, updated_at, password_changed_at)
		VALUES ('a1', 'ada', 'ada', '', '[]', '{"email":"ada@example.test"}', ?, ?, ?)`, now, now, now)
	w.exec(`INSERT INTO sessions (id, hash, account_id, account_epoch, auth_time, acr, amr, ip, user_agent, created_at, last_seen_at, expires_at)
		VALUES ('s1', ?, 'a1', 0, ?, '', '[]', '', '', ?, ?, ?)`, []byte("hash"), now, now, now, now.Add(time.Hour))
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if err := w.db.With(w.Context()).Exec(query, args...).Error; err != nil {
		w.Fatal(err)
	}
}

// edition is that of the client.
func (w *world) edition() (e grant.Edition) {
	w.Helper()
	w.must(w.db.With(w.Context()).Raw(`SELECT version, updated_at FROM clients WHERE id = 'c1'`).Scan(&e).Error)
	return e
}

func (w *world) newCode(offline bool) grant.Answer {
	w.made++
	now := w.clock.Now()
	return grant.Answer{
		Code: seal.NewToken(seal.AuthorizationCode),
		Grant: grant.Grant{
			ID: fmt.Sprintf("g%d", w.made), Kind: "authorization_code", ClientID: "c1", AccountID: "a1", SessionID: "s1",
			Subject: "a1", Scope: "openid profile", Nonce: "n", AuthTime: &now, Offline: offline, ExpiresAt: now.Add(24 * time.Hour),
		},
		RedirectURI: "https://rp.example/cb", CodeChallenge: "challenge", CodeChallengeMethod: "S256",
		CodeExpiresAt: now.Add(time.Minute),
	}
}

func (w *world) issueCode(offline bool) (code string) {
	w.Helper()
	n := w.newCode(offline)
	w.must(w.grants.Authorize(w.Context(), n))
	return n.Code
}

func (w *world) issue() grant.Issue {
	now := w.clock.Now()
	return grant.Issue{
		AccessToken: seal.NewToken(seal.AccessToken), AccessTokenExpiresAt: now.Add(10 * time.Minute), Scope: "openid",
		RefreshToken: seal.NewToken(seal.RefreshToken), RefreshTokenExpiresAt: now.Add(time.Hour),
	}
}

// tokens redeems a new code for tokens.
func (w *world) tokens() grant.Issue {
	w.Helper()
	i := w.issue()
	w.must(w.grants.Redeem(w.Context(), w.issueCode(true), i))
	return i
}

// onlineToken redeems a new code for a token that is bound to the session.
func (w *world) onlineToken() grant.Issue {
	w.Helper()
	i := w.issue()
	i.RefreshToken = ""
	w.must(w.grants.Redeem(w.Context(), w.issueCode(false), i))
	return i
}

// rotate replaces a refresh token and returns the new tokens.
func (w *world) rotate(old string) grant.Issue {
	w.Helper()
	i := w.issue()
	i.RefreshToken = w.grants.Successor(old)
	w.must(w.grants.Rotate(w.Context(), old, i))
	return i
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(err, target error) {
	w.Helper()
	if !errors.Is(err, target) {
		w.Errorf("got error %v; want %v", err, target)
	}
}

// isLive reports what reading the access token says.
func (w *world) isLive(token string) bool {
	w.Helper()
	_, err := w.grants.AccessToken(w.Context(), token)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		w.Fatal(err)
	}
	return err == nil
}

func (w *world) count(table string) (n int64) {
	w.Helper()
	w.must(w.db.With(w.Context()).Table(table).Count(&n).Error)
	return n
}

func TestCodeIsReadAsItWasIssued(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		n := w.newCode(true)
		w.must(w.grants.Authorize(t.Context(), n))
		got, err := w.grants.Code(t.Context(), n.Code)
		w.must(err)
		if !got.Live || got.SpentAt != nil || got.RedirectURI != n.RedirectURI || got.CodeChallenge != n.CodeChallenge ||
			got.CodeChallengeMethod != n.CodeChallengeMethod || !got.ExpiresAt.Equal(n.CodeExpiresAt) {
			t.Errorf("code = %+v; want %+v", got, n)
		}
		g := got.Grant
		if g.ID != n.Grant.ID || g.ClientID != "c1" || g.AccountID != "a1" || g.SessionID != "s1" || g.Scope != n.Grant.Scope ||
			g.Nonce != "n" || !g.Offline || !g.AuthTime.Equal(*n.Grant.AuthTime) || !g.ExpiresAt.Equal(n.Grant.ExpiresAt) {
			t.Errorf("grant = %+v; want %+v", g, n.Grant)
		}
		_, err = w.grants.Code(t.Context(), seal.NewToken(seal.AuthorizationCode))
		w.want(err, storage.ErrNotFound)
	})
}

// What an administrator, an account or a logout ends, is ended for codes and
// tokens alike, though none of their rows changes.
func TestWhatAGrantDependsOnDecides(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		for _, tt := range []struct {
			name, do, undo string
			// dead tells which tokens die, and revived which live again.
			online, offline, revived bool
		}{
			{"LC-16 client pending", `UPDATE clients SET status = 'pending'`, `UPDATE clients SET status = 'approved'`, true, true, true},
			{"LC-17 client disapproved", `UPDATE clients SET status = 'disapproved', epoch = epoch + 1`, `UPDATE clients SET status = 'approved'`, true, true, false},
			{"client removed", `DELETE FROM clients`, ``, true, true, false},
			{"LC-23 account disabled", `UPDATE accounts SET disabled_at = created_at, epoch = epoch + 1`, `UPDATE accounts SET disabled_at = NULL`, true, true, false},
			{"password changed", `UPDATE accounts SET epoch = epoch + 1`, ``, true, true, false},
			{"account removed", `DELETE FROM accounts`, ``, true, true, false},
			{"INV-23 signed out", `UPDATE sessions SET ended_at = created_at`, ``, true, false, false},
			{"session purged", `DELETE FROM sessions`, ``, true, false, false},
			{"grant revoked", `UPDATE grants SET revoked_at = created_at`, ``, true, true, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := &world{TB: t, db: db, clock: storagetest.Clock(db), grants: grant.New(db, storagetest.Keys(t))}
				w.exec(`DELETE FROM grants`)
				w.exec(`DELETE FROM sessions`)
				w.exec(`DELETE FROM accounts`)
				w.exec(`DELETE FROM clients`)
				w = newWorld(t, db)
				code, online, offline := w.issueCode(false), w.onlineToken(), w.tokens()
				if !w.isLive(online.AccessToken) || !w.isLive(offline.AccessToken) {
					t.Fatal("tokens are dead before anything happened")
				}
				w.exec(tt.do)
				if w.isLive(online.AccessToken) == tt.online || w.isLive(offline.AccessToken) == tt.offline {
					t.Errorf("online token live: %t, offline token live: %t", w.isLive(online.AccessToken), w.isLive(offline.AccessToken))
				}
				if c, err := w.grants.Code(t.Context(), code); err == nil && c.Live {
					t.Error("code is live")
				}
				if err := w.grants.Redeem(t.Context(), code, w.issue()); err == nil {
					t.Error("code was redeemed")
				}
				if r, err := w.grants.Refresh(t.Context(), offline.RefreshToken); err == nil && r.Live == tt.offline {
					t.Errorf("refresh token live: %t", r.Live)
				}
				if tt.undo == "" {
					return
				}
				w.exec(tt.undo)
				if w.isLive(offline.AccessToken) != tt.revived {
					t.Errorf("after approving again, token live: %t; want %t", !tt.revived, tt.revived)
				}
			})
		}
	})
}

func TestNoCodeForWhoMayNot(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		for name, statement := range map[string]string{
			"client pending":      `UPDATE clients SET status = 'pending'`,
			"account disabled":    `UPDATE accounts SET disabled_at = created_at`,
			"LG-20 session ended": `UPDATE sessions SET ended_at = created_at`,
			"password changed":    `UPDATE accounts SET epoch = epoch + 1`,
		} {
			err := w.db.InTx(t.Context(), func(ctx context.Context) error {
				if err := w.db.With(ctx).Exec(statement).Error; err != nil {
					return err
				}
				err := w.grants.Authorize(ctx, w.newCode(false))
				if !errors.Is(err, grant.ErrNotPermitted) {
					t.Errorf("%s: Authorize: %v; want %v", name, err, grant.ErrNotPermitted)
				}
				return errUndo
			})
			w.want(err, errUndo)
		}
		if n := w.count("grants") + w.count("authorization_codes"); n != 0 {
			t.Errorf("%d rows were left behind", n)
		}
	})
}

var errUndo = errors.New("undo")

func TestCD02CodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		code := w.issueCode(true)
		w.must(w.grants.Redeem(t.Context(), code, w.issue()))
		w.want(w.grants.Redeem(t.Context(), code, w.issue()), grant.ErrSpent)
		if w.count("access_tokens") != 1 || w.count("refresh_tokens") != 1 {
			t.Error("the second redemption issued tokens")
		}
	})
}

// Whoever comes late is refused, and is no thief.
func TestCD01ExpiredCodeIsNotRedeemed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		code := w.issueCode(true)
		w.clock.Advance(time.Minute + time.Second)
		w.want(w.grants.Redeem(t.Context(), code, w.issue()), grant.ErrNotPermitted)
		if w.count("access_tokens") != 0 {
			t.Error("tokens were issued")
		}
	})
}

func TestBurntCodeIsNotRedeemed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		code := w.issueCode(true)
		w.must(w.grants.BurnCode(t.Context(), code))
		w.want(w.grants.Redeem(t.Context(), code, w.issue()), grant.ErrSpent)
	})
}

// race runs f n times at once and returns how often it did not fail. Errors
// other than the expected one fail the test.
func (w *world) race(n int, expected error, f func() error) (succeeded int) {
	w.Helper()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	start := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-start
			err := f()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				succeeded++
			case !errors.Is(err, expected):
				w.Errorf("a loser got %v; want %v", err, expected)
			}
		})
	}
	close(start)
	wg.Wait()
	return succeeded
}

func TestINV02FiftyRedemptionsHaveOneWinner(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		code := w.issueCode(true)
		won := w.race(50, grant.ErrSpent, func() error { return w.grants.Redeem(t.Context(), code, w.issue()) })
		if won != 1 || w.count("access_tokens") != 1 || w.count("refresh_tokens") != 1 {
			t.Errorf("%d won, %d access and %d refresh tokens; want one of each", won, w.count("access_tokens"), w.count("refresh_tokens"))
		}
	})
}

func TestINV04FiftyRotationsHaveOneWinner(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		old := w.tokens().RefreshToken
		won := w.race(50, grant.ErrSpent, func() error {
			i := w.issue()
			i.RefreshToken = w.grants.Successor(old)
			return w.grants.Rotate(t.Context(), old, i)
		})
		if won != 1 || w.count("refresh_tokens") != 2 {
			t.Errorf("%d won, %d refresh tokens; want 1 and 2", won, w.count("refresh_tokens"))
		}
	})
}

func TestRT13LostAnswerIsRepeated(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		first := w.tokens().RefreshToken
		w.want(w.grants.Repeat(t.Context(), first, w.issue()), grant.ErrNotPermitted) // nothing to repeat yet
		second := w.rotate(first)
		again := w.issue()
		w.must(w.grants.Repeat(t.Context(), first, again))
		if !w.isLive(again.AccessToken) || w.count("refresh_tokens") != 2 {
			t.Error("the repetition forked the family or issued nothing")
		}
		if second.RefreshToken != w.grants.Successor(first) {
			t.Error("the successor is another one the second time")
		}
		w.rotate(second.RefreshToken) // another window was quick
		w.must(w.grants.Repeat(t.Context(), first, w.issue()))
		if w.count("refresh_tokens") != 3 {
			t.Error("INV-04: the family forked")
		}
	})
}

func TestKeptRefreshTokenStaysAndMovesItsExpiry(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		token := w.tokens().RefreshToken
		w.clock.Advance(30 * time.Minute)
		i := w.issue()
		w.must(w.grants.Keep(t.Context(), token, i))
		got, err := w.grants.Refresh(t.Context(), token)
		w.must(err)
		if !w.isLive(i.AccessToken) || got.UsedAt != nil || !got.ExpiresAt.Equal(i.RefreshTokenExpiresAt) || w.count("refresh_tokens") != 1 {
			t.Errorf("refresh token = %+v", got)
		}
		w.clock.Advance(2 * time.Hour)
		w.want(w.grants.Keep(t.Context(), token, w.issue()), grant.ErrSpent)
	})
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		one, two := w.tokens(), w.tokens()
		w.must(w.grants.RevokeAccessToken(t.Context(), one.AccessToken))
		w.must(w.grants.RevokeAccessToken(t.Context(), one.AccessToken))
		if w.isLive(one.AccessToken) || !w.isLive(two.AccessToken) {
			t.Error("RV-01: not this token alone was revoked")
		}
		got, err := w.grants.Refresh(t.Context(), two.RefreshToken)
		w.must(err)
		w.must(w.grants.Revoke(t.Context(), got.Grant.ID))
		if w.isLive(two.AccessToken) {
			t.Error("RV-02: an access token outlives its grant")
		}
		w.want(w.grants.Rotate(t.Context(), two.RefreshToken, w.issue()), grant.ErrNotPermitted)
	})
}

func TestAccessTokenCarriesItsAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		i := w.tokens()
		got, err := w.grants.AccessToken(t.Context(), i.AccessToken)
		w.must(err)
		if got.Username != "ada" || got.AccountClaims != `{"email":"ada@example.test"}` || got.Scope != "openid" ||
			got.Grant.Scope != "openid profile" || got.Kind != seal.AccessToken {
			t.Errorf("token = %+v", got)
		}
		w.clock.Advance(11 * time.Minute)
		if w.isLive(i.AccessToken) {
			t.Error("the token outlives its time")
		}
	})
}

// A database that does not answer decides nothing, whichever statement fails.
func TestSL07FailingDatabaseIsNeverAVerdict(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		code, tokens := w.issueCode(true), w.tokens()
		calls := map[string]func() error{
			"Authorize":    func() error { return w.grants.Authorize(t.Context(), w.newCode(false)) },
			"Code":         func() error { _, err := w.grants.Code(t.Context(), code); return err },
			"Redeem":       func() error { return w.grants.Redeem(t.Context(), code, w.issue()) },
			"BurnCode":     func() error { return w.grants.BurnCode(t.Context(), code) },
			"Refresh":      func() error { _, err := w.grants.Refresh(t.Context(), tokens.RefreshToken); return err },
			"Rotate":       func() error { return w.grants.Rotate(t.Context(), tokens.RefreshToken, w.issue()) },
			"Keep":         func() error { return w.grants.Keep(t.Context(), tokens.RefreshToken, w.issue()) },
			"Narrow":       func() error { return w.grants.Narrow(t.Context(), tokens.AccessToken, w.issue()) },
			"Derive":       func() error { return w.grants.Derive(t.Context(), grant.Grant{ID: "d", ParentID: "g1"}, w.issue()) },
			"Repeat":       func() error { return w.grants.Repeat(t.Context(), tokens.RefreshToken, w.issue()) },
			"AccessToken":  func() error { _, err := w.grants.AccessToken(t.Context(), tokens.AccessToken); return err },
			"RevokeAccess": func() error { return w.grants.RevokeAccessToken(t.Context(), tokens.AccessToken) },
			"Revoke":       func() error { return w.grants.Revoke(t.Context(), "g1") },
			"Consent":      func() error { _, err := w.grants.Consent(t.Context(), "a1", "c1"); return err },
			"Remember":     func() error { return w.grants.RememberConsent(t.Context(), "a1", "c1", "openid", "d") },
			"Withdraw":     func() error { return w.grants.WithdrawConsent(t.Context(), "a1", "c1") },
			"Purge":        func() error { _, err := w.grants.Purge(t.Context(), 10); return err },
		}
		for name, call := range calls {
			// Fail the first statement, then the second, until none is left.
			for nth := 1; ; nth++ {
				seen := 0
				restore := storagetest.FailStatements(db, func(statement string) bool {
					if statement == "ROLLBACK" {
						return false
					}
					seen++
					return seen == nth
				})
				err := call()
				restore()
				if seen < nth {
					break
				}
				if !errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("%s with statement %d failing: %v; want %v", name, nth, err, storage.ErrUnavailable)
				}
			}
		}
	})
}

func TestConsent(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		none, err := w.grants.Consent(t.Context(), "a1", "c1")
		w.must(err)
		if none.Covers("d1", nil) {
			t.Error("no consent covers a request")
		}
		w.must(w.grants.RememberConsent(t.Context(), "a1", "c1", "openid email", "d1"))
		w.must(w.grants.RememberConsent(t.Context(), "a1", "c1", "openid profile", "d1"))
		c, err := w.grants.Consent(t.Context(), "a1", "c1")
		w.must(err)
		if c.Scope != "openid email profile" || !c.Covers("d1", []string{"profile", "email"}) || c.Covers("d1", []string{"phone"}) || c.Covers("d2", []string{"email"}) {
			t.Errorf("consent = %+v", c)
		}
		w.must(w.grants.RememberConsent(t.Context(), "a1", "c1", "openid", "d2"))
		c, err = w.grants.Consent(t.Context(), "a1", "c1")
		w.must(err)
		if c.Covers("d2", []string{"email"}) || !c.Covers("d2", []string{"openid"}) {
			t.Errorf("CN-05: consent to what the client was covers what it is: %+v", c)
		}
		i := w.tokens()
		w.must(w.grants.WithdrawConsent(t.Context(), "a1", "c1"))
		if w.isLive(i.AccessToken) {
			t.Error("RT-11: a token outlives its consent")
		}
	})
}

func TestPurgeLeavesWhatLivesAndWhatTellsOfReuse(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		w.issueCode(true)  // never redeemed
		live := w.tokens() // refreshed and alive
		w.clock.Advance(55 * time.Minute)
		next := w.rotate(live.RefreshToken)
		w.clock.Advance(20 * time.Minute)
		for {
			n, err := w.grants.Purge(t.Context(), 1)
			w.must(err)
			if n == 0 {
				break
			}
		}
		if w.count("grants") != 1 || w.count("authorization_codes") != 1 || w.count("access_tokens") != 0 {
			t.Errorf("%d grants, %d codes, %d access tokens; want 1, 1, 0", w.count("grants"), w.count("authorization_codes"), w.count("access_tokens"))
		}
		if r, err := w.grants.Refresh(t.Context(), next.RefreshToken); err != nil || !r.Live {
			t.Errorf("the live refresh token is gone: %v", err)
		}
		w.clock.Advance(48 * time.Hour)
		for {
			n, err := w.grants.Purge(t.Context(), 100)
			w.must(err)
			if n == 0 {
				break
			}
		}
		if n := w.count("grants") + w.count("authorization_codes") + w.count("refresh_tokens"); n != 0 {
			t.Errorf("%d rows are left of what is long over", n)
		}
	})
}

// The authorization endpoint may give an access token beside the code. That
// the code is never redeemed does not end the token (INV-07).
func TestPurgeLeavesTheTokenBesideAnAbandonedCode(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		a := w.newCode(true)
		a.AccessToken, a.AccessTokenExpiresAt = seal.NewToken(seal.AccessToken), w.clock.Now().Add(10*time.Minute)
		w.must(w.grants.Authorize(t.Context(), a))
		for _, step := range []struct {
			wait time.Duration
			live bool
			left int64
		}{{5 * time.Minute, true, 1}, {5 * time.Minute, false, 0}} {
			w.clock.Advance(step.wait)
			_, err := w.grants.Purge(t.Context(), 100)
			w.must(err)
			if live := w.isLive(a.AccessToken); live != step.live || w.count("grants") != step.left {
				t.Errorf("live: %v, %d grants; want %v, %d", live, w.count("grants"), step.live, step.left)
			}
		}
	})
}

// What is granted later comes later in every index, so that an index of ten
// million grants takes a new one at its end.
func TestGrantsAreInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	last := grant.NewID()
	for range 1000 {
		next := grant.NewID()
		if next <= last {
			t.Fatalf("%s came after %s", next, last)
		}
		last = next
	}
}
