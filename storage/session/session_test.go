package session_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/signout"
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
	w.Store = session.New(db, session.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Idle: 30 * time.Minute, Absolute: 12 * time.Hour})
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

// root is an administrator.
var root = audit.Actor{AccountID: "root-id", Name: "root", Via: audit.ViaSettings, IP: "203.0.113.9", RequestID: "request-1"}

// listen has an application be used in the session that is to be told of its end.
func (w *world) listen(t *testing.T, sess *session.Session) {
	t.Helper()
	now := w.db.Now()
	w.exec(t, `INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		VALUES ('app', 'oidc', 'App', 'approved', '{"backchannel_logout_uri":"https://rp.example/out"}', '[]', '', ?, '', ?, ?)`, now, now, now)
	w.exec(t, `INSERT INTO session_clients (session_id, client_id, subject, created_at) VALUES (?, 'app', ?, ?)`, sess.ID, sess.AccountID, now)
}

// wantTold refuses another number of applications that are to be told of an end.
func (w *world) wantTold(t *testing.T, want int) {
	t.Helper()
	if due, err := signout.New(w.db).Due(t.Context(), 10); err != nil || len(due) != want {
		t.Errorf("%d applications are told, %v; want %d", len(due), err, want)
	}
}

// wantRecorded refuses a record that has other changes than these, the newest
// first: what they were and what they ended.
func (w *world) wantRecorded(t *testing.T, want ...[2]string) {
	t.Helper()
	events, err := audit.New(w.db).List(t.Context(), audit.Filter{})
	if err != nil || len(events) != len(want) {
		t.Fatalf("%d changes are recorded, %v; want %d", len(events), err, len(want))
	}
	for i, e := range events {
		got := audit.Event{
			ID: e.ID, At: e.At, ActorID: root.AccountID, ActorName: root.Name, Via: root.Via, IP: root.IP, RequestID: root.RequestID,
			TargetType: "account", TargetID: "ada", TargetName: "ada", Action: want[i][0], Before: audit.JSON(want[i][1]),
		}
		if e != got {
			t.Errorf("recorded %+v; want %+v", e, got)
		}
	}
}

// TestSignOut is case AD-13: who ends somebody else's sessions is on record once
// for each time that they ended some, beside what their end owes.
func TestSignOut(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		first, a := w.start(t, "ada", "")
		_, b := w.start(t, "ada", "")
		_, c := w.start(t, "ada", "")
		_, other := w.start(t, "bob", "")
		w.listen(t, first)
		for range 2 { // there is nothing to end the second time
			if err := w.SignOutOf(t.Context(), root, first.ID); err != nil {
				t.Errorf("SignOutOf() = %v", err)
			}
		}
		w.wantDead(t, a)
		w.wantLive(t, b)
		one := [2]string{"account.end_session", `{"session_id":"` + first.ID + `","sessions":1}`}
		w.wantRecorded(t, one)
		w.wantTold(t, 1)
		for range 2 {
			if err := w.SignOut(t.Context(), root, "ada"); err != nil {
				t.Errorf("SignOut() = %v", err)
			}
		}
		w.wantDead(t, b)
		w.wantDead(t, c)
		w.wantLive(t, other)
		w.wantRecorded(t, [2]string{"account.end_sessions", `{"sessions":2}`}, one)
	})
}

// TestSignOutWithoutRecord is case AD-14: what cannot be recorded does not
// happen, and nobody is told of it.
func TestSignOutWithoutRecord(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		sess, cookie := w.start(t, "ada", "")
		w.listen(t, sess)
		restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
		one, all := w.SignOutOf(t.Context(), root, sess.ID), w.SignOut(t.Context(), root, "ada")
		restore()
		if !errors.Is(one, storage.ErrUnavailable) || !errors.Is(all, storage.ErrUnavailable) {
			t.Errorf("SignOutOf() = %v, SignOut() = %v; want ErrUnavailable", one, all)
		}
		w.wantLive(t, cookie)
		w.wantTold(t, 0)
	})
}

// What PostgreSQL takes for no text is nobody's identifier, and no outage.
func TestUnknownSessions(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		sess, cookie := w.start(t, "ada", "")
		for _, id := range []string{"", "unknown", "a\x00b", "a\xff", sess.ID + "\x00", sess.ID + "\xff"} {
			if err := w.End(t.Context(), id); err != nil {
				t.Errorf("End(%q) = %v", id, err)
			}
			if ended, err := w.EndOne(t.Context(), "ada", id); ended || err != nil {
				t.Errorf("EndOne(%q) = %v, %v", id, ended, err)
			}
			if err := w.SignOutOf(t.Context(), root, id); err != nil {
				t.Errorf("SignOutOf(%q) = %v", id, err)
			}
			if err := w.SignOut(t.Context(), root, id); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("SignOut(%q) = %v; want ErrNotFound", id, err)
			}
		}
		w.wantLive(t, cookie)
		w.wantRecorded(t)
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
			"Get":       func(_ *session.Session, cookie string) error { _, err := w.Get(t.Context(), cookie); return err },
			"Touch":     func(sess *session.Session, _ string) error { return w.Touch(t.Context(), sess) },
			"List":      func(*session.Session, string) error { _, err := w.List(t.Context(), "ada"); return err },
			"End":       func(sess *session.Session, _ string) error { return w.End(t.Context(), sess.ID) },
			"EndAll":    func(*session.Session, string) error { return w.EndAll(t.Context(), "ada") },
			"SignOut":   func(*session.Session, string) error { return w.SignOut(t.Context(), root, "ada") },
			"SignOutOf": func(sess *session.Session, _ string) error { return w.SignOutOf(t.Context(), root, sess.ID) },
			"Purge":     func(*session.Session, string) error { _, err := w.Purge(t.Context(), 1); return err },
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
