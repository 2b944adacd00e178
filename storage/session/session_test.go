package session_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// world is a store with a stopped clock and two accounts, ada and bob.
type world struct {
	*session.Store
	db    *storage.DB
	clock *storagetest.StoppedClock
}

func newWorld(t *testing.T, db *storage.DB) *world {
	t.Helper()
	w := &world{db: db, clock: storagetest.Clock(db)}
	w.Store = session.New(db, session.Config{Keys: storagetest.Keys(t), Idle: 30 * time.Minute, Absolute: 12 * time.Hour})
	for _, id := range []string{"ada", "bob"} {
		w.exec(t, `INSERT INTO accounts (id, username, username_key, password_hash, permissions, claims, created_at, updated_at, password_changed_at)
			VALUES (?, ?, ?, '', '[]', '{}', ?, ?, ?)`, id, id, id, db.Now(), db.Now(), db.Now())
	}
	return w
}

func (w *world) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if err := w.db.With(t.Context()).Exec(statement, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func (w *world) start(t *testing.T, account, replaces string) (sess *session.Session, cookie string) {
	t.Helper()
	sess, cookie, err := w.Start(t.Context(), session.SignIn{
		AccountID: account, ACR: "acr", AMR: []string{"pwd"}, IP: "192.0.2.1", UserAgent: "browser", Replaces: replaces,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sess, cookie
}

func (w *world) wantLive(t *testing.T, cookie string) *session.Session {
	t.Helper()
	sess, err := w.Get(t.Context(), cookie)
	if err != nil {
		t.Fatalf("Get() = %v; want a live session", err)
	}
	if !w.Live(sess) {
		t.Error("Live() = false for a session that Get found")
	}
	return sess
}

func (w *world) wantDead(t *testing.T, cookie string) {
	t.Helper()
	if sess, err := w.Get(t.Context(), cookie); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Get() = %v, %v; want ErrNotFound", sess, err)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		sess, cookie := w.start(t, "ada", "")
		got := w.wantLive(t, cookie)
		if got.ID != sess.ID || got.AccountID != "ada" || got.ACR != "acr" || len(got.AMR) != 1 || got.AMR[0] != "pwd" ||
			got.IP != "192.0.2.1" || got.UserAgent != "browser" || got.AuthTime != db.Now() || got.ExpiresAt != db.Now().Add(12*time.Hour) {
			t.Errorf("Get() = %+v", got)
		}
		if !seal.WellFormed(seal.SessionCookie, cookie) || strings.Contains(string(got.Hash), cookie) {
			t.Errorf("cookie %s is not one of ours, or kept", cookie)
		}
		var n int
		if err := db.With(t.Context()).Raw(`SELECT count(*) FROM sessions WHERE id LIKE '%' || ? || '%'`, cookie).Scan(&n).Error; err != nil || n != 0 {
			t.Errorf("the cookie is in the database: %d, %v", n, err)
		}
	})
}

func TestStartTakesWhatABrowserSays(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		_, cookie, err := w.Start(t.Context(), session.SignIn{AccountID: "ada", UserAgent: "a\x00b\xff\x1b[2J" + strings.Repeat("é", 4096)})
		if err != nil {
			t.Fatal(err)
		}
		if ua := w.wantLive(t, cookie).UserAgent; len(ua) > 256 || !strings.HasPrefix(ua, "a\uFFFDb\uFFFD\uFFFD[2J") || !strings.HasSuffix(ua, "é") {
			t.Errorf("user agent is %q", ua)
		}
		_, _, err = w.Start(t.Context(), session.SignIn{AccountID: "nobody"})
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Start() for an account that is gone = %v; want ErrNotFound", err)
		}
	})
}

// TestReplacing is case LG-01: a cookie from before a sign-in is worth nothing
// after it.
func TestReplacing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		t.Run("LG-01 signing in again renews the session under a new cookie", func(t *testing.T) {
			w := newWorld(t, db)
			before, old := w.start(t, "ada", "")
			w.clock.Advance(20 * time.Minute)
			after, cookie := w.start(t, "ada", old)
			w.wantDead(t, old)
			got := w.wantLive(t, cookie)
			if got.ID != before.ID || after.ID != before.ID {
				t.Errorf("session %s became %s; its tokens would die", before.ID, got.ID)
			}
			if got.AuthTime != db.Now() || got.LastSeenAt != db.Now() || got.ExpiresAt != db.Now().Add(12*time.Hour) || got.CreatedAt != before.CreatedAt {
				t.Errorf("renewed session is %+v", got)
			}

			other, third := w.start(t, "bob", cookie)
			w.wantDead(t, cookie)
			if got := w.wantLive(t, third); got.ID == before.ID || got.ID != other.ID || got.AccountID != "bob" {
				t.Errorf("bob's session is %+v", got)
			}

			fixed := seal.NewToken(seal.SessionCookie) // of the attacker's making
			_, fourth := w.start(t, "ada", fixed)
			w.wantDead(t, fixed)
			w.wantLive(t, fourth)

			w.exec(t, `UPDATE accounts SET epoch = epoch + 1 WHERE id = 'ada'`)
			fifth, _, err := w.Start(t.Context(), session.SignIn{AccountID: "ada", AccountEpoch: 1, Replaces: fourth})
			if err != nil {
				t.Fatal(err)
			}
			if was, err := w.List(t.Context(), "ada"); err != nil || len(was) != 1 || was[0].ID != fifth.ID {
				t.Errorf("after a change of password, sessions are %v, %v; want the new one", was, err)
			}
		})
	})
}

func TestReplacingAnEndedSession(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		ended, old := w.start(t, "ada", "")
		if err := w.End(t.Context(), ended.ID); err != nil {
			t.Fatal(err)
		}
		next, cookie := w.start(t, "ada", old)
		if next.ID == ended.ID {
			t.Error("an ended session came to life")
		}
		w.wantDead(t, old)
		w.wantLive(t, cookie)
	})
}

func TestReplacingAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		_, old := w.start(t, "ada", "")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, _, err := w.Start(t.Context(), session.SignIn{AccountID: "ada", Replaces: old}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.wantDead(t, old)
	})
}

// TestEnd is cases LG-05 and LG-19: an ended session is over on the next
// request, on whichever replica.
func TestEnd(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		replica := session.New(db, session.Config{Keys: storagetest.Keys(t)})
		first, a := w.start(t, "ada", "")
		_, b := w.start(t, "ada", "")
		_, c := w.start(t, "ada", "")
		_, other := w.start(t, "bob", "")
		for range 2 {
			if err := w.End(t.Context(), first.ID); err != nil {
				t.Errorf("LG-05: End() = %v", err)
			}
		}
		w.wantDead(t, a)
		w.wantLive(t, b)
		if err := w.EndAll(t.Context(), "ada"); err != nil {
			t.Errorf("LG-19: EndAll() = %v", err)
		}
		w.wantDead(t, b)
		if _, err := replica.Get(t.Context(), c); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("LG-19: another replica answers %v; want ErrNotFound", err)
		}
		w.wantLive(t, other)
		if list, err := w.List(t.Context(), "ada"); err != nil || len(list) != 0 {
			t.Errorf("List() = %v, %v; want none", list, err)
		}
	})
}

func TestAccountEndsItsSessions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"disabled":         `UPDATE accounts SET disabled_at = created_at WHERE id = 'ada'`,
		"password changed": `UPDATE accounts SET epoch = epoch + 1 WHERE id = 'ada'`,
		"removed":          `DELETE FROM accounts WHERE id = 'ada'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, db *storage.DB) {
				w := newWorld(t, db)
				_, cookie := w.start(t, "ada", "")
				w.wantLive(t, cookie)
				w.exec(t, change)
				w.wantDead(t, cookie)
			})
		})
	}
}

// TestLifetime is case LG-06.
func TestLifetime(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		t.Run("LG-06 idle", func(t *testing.T) {
			w := newWorld(t, db)
			_, cookie := w.start(t, "ada", "")
			w.clock.Advance(30*time.Minute - time.Microsecond)
			sess := w.wantLive(t, cookie) // and seen
			w.clock.Advance(30*time.Minute - time.Microsecond)
			w.wantLive(t, cookie)
			w.clock.Advance(30 * time.Minute)
			w.wantDead(t, cookie)
			if w.Live(sess) {
				t.Error("Live() = true for an idle session")
			}

			_, cookie = w.start(t, "ada", "")
			for range 12*2 - 1 { // sliding
				w.clock.Advance(30*time.Minute - time.Second)
				sess = w.wantLive(t, cookie)
			}
			w.clock.Advance(29 * time.Minute)
			w.wantLive(t, cookie)
			w.clock.Advance(2 * time.Minute) // 12 hours and some
			w.wantDead(t, cookie)
			if w.Live(sess) {
				t.Error("LG-06: Live() = true beyond the absolute lifetime")
			}
		})
	})
}

func TestGetWritesAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		_, cookie := w.start(t, "ada", "")
		count := storagetest.CountStatements(db)
		for step, want := range []int{1, 2, 1} { // within the minute, after it, again within
			count.Reset()
			if step == 1 {
				w.clock.Advance(time.Minute)
			}
			w.wantLive(t, cookie)
			if count.Count() != want {
				t.Errorf("step %d: %d statements; want %d: %v", step, count.Count(), want, count.Statements())
			}
		}
	})
}

// TestMalformedCookie is case LG-17: what was never a cookie of ours is no
// cookie, without asking the database.
func TestMalformedCookie(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	w := newWorld(t, db)
	_, cookie := w.start(t, "ada", "")
	storagetest.FailStatements(db, nil)
	for name, value := range map[string]string{
		"empty": "", "NUL": "\x00", "a megabyte": strings.Repeat("a", 1<<20), "cut": cookie[:40], "damaged": cookie[:20] + "_" + cookie[21:],
		"of another kind": seal.NewToken(seal.BrowserCookie), "an access token": seal.NewToken(seal.AccessToken),
	} {
		if _, err := w.Get(t.Context(), value); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("LG-17 %s: Get() = %v; want ErrNotFound", name, err)
		}
		if w.Hash(value) != nil {
			t.Errorf("LG-17 %s: has a hash", name)
		}
	}
}

func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		calls := map[string]func(sess *session.Session, cookie string) error{
			"Get":    func(_ *session.Session, cookie string) error { _, err := w.Get(t.Context(), cookie); return err },
			"Touch":  func(sess *session.Session, _ string) error { return w.Touch(t.Context(), sess) },
			"List":   func(*session.Session, string) error { _, err := w.List(t.Context(), "ada"); return err },
			"End":    func(sess *session.Session, _ string) error { return w.End(t.Context(), sess.ID) },
			"EndAll": func(*session.Session, string) error { return w.EndAll(t.Context(), "ada") },
			"Purge":  func(*session.Session, string) error { _, err := w.Purge(t.Context(), 1); return err },
			"Start": func(_ *session.Session, cookie string) error {
				_, _, err := w.Start(t.Context(), session.SignIn{AccountID: "ada", Replaces: cookie})
				return err
			},
		}
		for name, call := range calls {
			for _, fails := range []string{"", "select", "update", "begin", "commit"} {
				sess, cookie := w.start(t, "ada", "")
				w.clock.Advance(2 * time.Minute)
				restore := storagetest.FailStatements(db, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), fails) })
				err := call(sess, cookie)
				restore()
				if err == nil && fails != "" {
					continue // it needs no such statement
				}
				if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNotFound) {
					t.Errorf("%s while %q fails = %v; want ErrUnavailable", name, fails, err)
				}
				w.wantLive(t, cookie) // nothing happened
			}
		}
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		for range 5 {
			w.start(t, "ada", "")
		}
		w.clock.Advance(12 * time.Hour)
		_, live := w.start(t, "ada", "")
		ended, _ := w.start(t, "bob", "")
		if err := w.End(t.Context(), ended.ID); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{4, 2, 0} {
			if n, err := w.Purge(t.Context(), 4); err != nil || n != want {
				t.Errorf("Purge() = %d, %v; want %d", n, err, want)
			}
		}
		w.wantLive(t, live)
	})
}
