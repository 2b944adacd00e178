package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// me is the browser in which the user is signed in.
func (w *world) me() visitor { return visitor{w, map[string]string{"cs_session": w.cookie}} }

// install makes the server one that has been set up.
func (w *world) install() {
	w.Helper()
	w.must(w.db.CheckKey(w.Context(), storagetest.Keys(w.T)))
	w.must(w.db.With(w.Context()).Exec("UPDATE installation SET bootstrapped_at = ?", w.db.Now()).Error)
}

// submit sends a form of a page of ours.
func (v visitor) submit(path string, form url.Values) answer {
	v.w.Helper()
	r := v.w.request(http.MethodPost, path, formType, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(r)
}

// wantShown checks that a page was shown that says all of this.
func (w *world) wantShown(a answer, words ...string) {
	w.Helper()
	if a.StatusCode != http.StatusOK {
		w.Errorf("status %s, Location %q: %.400s", a.Status, a.Header.Get("Location"), a.body)
	}
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			w.Errorf("the page lacks %q: %s", word, a.body)
		}
	}
}

// recorded is how many changes of this kind the audit record has of the user.
func (w *world) recorded(action string) int {
	w.Helper()
	events, err := audit.New(w.db).List(w.Context(), audit.Filter{Action: action, TargetType: "account", TargetID: w.user.ID})
	w.must(err)
	return len(events)
}

// LG-35 and LC-19: every type of application is listed, and stops at its next request when its
// access is removed.
func TestRemovingAnApplicationEndsEverythingOfIt(t *testing.T) {
	each(t, func(w *world) {
		plain := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Plain", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "models", GrantTypes: []string{"authorization_code", "refresh_token"},
		}})
		bridge := w.consumer("Bridge", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
		web, other := w.tokens(w.web), w.tokens(plain, "scope", "models", "nonce", "")
		credential := w.credentials(bridge)
		wantVerified := func(want int, when string) {
			w.Helper()
			res := w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: bridge, token: credential.Token, secret: credential.TokenSecret}))
			if res.StatusCode != want {
				w.Errorf("OAuth 1.0a, %s: %s %s; want %d", when, res.Status, res.body, want)
			}
		}
		wantVerified(http.StatusOK, "before")
		pendingCode := w.code(w.web)
		me := w.me()
		w.wantShown(me.get("/account/applications"), "Web", "OpenID Connect", "Plain", "OAuth 2.0", "Bridge", "OAuth 1.0a", "See your email address", "models", "just now", "Has access")
		for _, a := range []app{w.web, plain, bridge} {
			ask := "/account/applications/remove?client=" + url.QueryEscape(a.ID)
			w.wantShown(me.get(ask), "Remove the access of", a.Name, `name="client" value="`+a.ID+`"`)
			res := me.submit("/account/applications/remove", url.Values{"client": {a.ID}})
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/account/applications?done=removed" {
				w.Errorf("%s: %s %q %.300s", a.Name, res.Status, res.Header.Get("Location"), res.body)
			}
			if res := me.get(ask); res.StatusCode != http.StatusNotFound || !strings.Contains(res.body, "E-NOT-CONNECTED") {
				w.Errorf("%s, removed: %s %.300s", a.Name, res.Status, res.body)
			}
			if res := me.submit("/account/applications/remove", url.Values{"client": {a.ID}}); res.StatusCode != http.StatusNotFound {
				w.Errorf("%s, removed twice: %s", a.Name, res.Status)
			}
		}
		w.wantShown(me.get("/account/applications?done=removed"), "no access to your account any more")
		wantVerified(http.StatusUnauthorized, "after")
		if w.active(w.web, web.str("access_token")) || w.active(plain, other.str("access_token")) {
			w.Error("an access token outlives the removal")
		}
		w.wantError(w.refresh(w.web, web.str("refresh_token")), 400, "invalid_grant")
		w.wantError(w.refresh(plain, other.str("refresh_token")), 400, "invalid_grant")
		w.wantError(w.post("/token", w.web, redemption(pendingCode)), 400, "invalid_grant")
		if res := me.get("/authorize?" + w.web.ask().Encode()); !strings.HasPrefix(res.Header.Get("Location"), "/consent") {
			w.Errorf("the application is not asked about again: %s %q", res.Status, res.Header.Get("Location"))
		}
		if n := w.recorded("account.remove_application"); n != 3 {
			w.Errorf("%d removals are recorded; want 3", n)
		}
	})
}

// LG-35: a consent that has not been answered yet is taken back with the rest.
func TestRemovalTakesBackWhatWaits(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(registration("Waiting"))
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		me := w.me()
		resume := me.consent(me.consentForm(a.ask())).Header.Get("Location")
		if res := me.submit("/account/applications/remove", url.Values{"client": {a.ID}}); res.StatusCode != http.StatusSeeOther {
			w.Fatalf("remove: %s %.300s", res.Status, res.body)
		}
		if res := me.get(resume); res.sent().Has("code") {
			w.Error("LG-35: a code is issued on a consent that was withdrawn")
		}
	})
}

// The application that loses its access is told that the person is signed out
// of it, once.
func TestRemovalTellsTheApplication(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		w.tokens(p.app)
		if res := w.me().submit("/account/applications/remove", url.Values{"client": {p.ID}}); res.StatusCode != http.StatusSeeOther {
			w.Fatalf("remove: %s %.300s", res.Status, res.body)
		}
		w.deliverLogouts()
		w.wantHeard("removed", p, w.session.ID)
		w.must(w.sessions.End(w.Context(), w.session.ID))
		w.deliverLogouts()
		w.wantSilence("signed out afterwards", p)
	})
}

// Nobody removes what is another's, or without saying so on the page.
func TestRemovalIsTheOwnersAlone(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		tokens := w.tokens(w.web)
		bob, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		_, cookie, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: bob.ID, AccountEpoch: bob.Epoch})
		w.must(err)
		other := visitor{w, map[string]string{"cs_session": cookie}}
		if res := other.submit("/account/applications/remove", url.Values{"client": {w.web.ID}}); res.StatusCode != http.StatusNotFound {
			w.Errorf("another's: %s", res.Status)
		}
		if res := other.submit("/account/sessions", url.Values{"session": {w.session.ID}}); res.StatusCode != http.StatusSeeOther {
			w.Errorf("another's session: %s", res.Status)
		}
		r := w.request(http.MethodPost, "/account/applications/remove", formType, url.Values{"client": {w.web.ID}}.Encode())
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if res := w.me().do(r); res.StatusCode != http.StatusForbidden {
			w.Errorf("LG-03: from another site: %s", res.Status)
		}
		if res := (visitor{w, map[string]string{}}).submit("/account/applications/remove", url.Values{"client": {w.web.ID}}); res.Header.Get("Location") != "/login" {
			w.Errorf("nobody: %s %q", res.Status, res.Header.Get("Location"))
		}
		if !w.active(w.web, tokens.str("access_token")) {
			w.Error("the access has ended all the same")
		}
		w.wantShown(w.me().get("/account/applications"), "Has access")
	})
}

func TestSessionsPage(t *testing.T) {
	each(t, func(w *world) {
		second, away, err := w.sessions.Start(w.Context(), session.SignIn{
			AccountID: w.user.ID, AccountEpoch: w.user.Epoch, AMR: []string{"pwd", "otp", "mfa"}, IP: "198.51.100.7",
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		})
		w.must(err)
		_, third, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch})
		w.must(err)
		me := w.me()
		w.wantShown(me.get("/account/sessions"), "Firefox on Linux", "198.51.100.7", "password and one-time code", "This browser", "Sign out all others")
		live := func(cookie string) bool { _, err := w.sessions.Get(w.Context(), cookie); return err == nil }
		for range 2 { // a form that is sent twice
			if res := me.submit("/account/sessions", url.Values{"session": {second.ID}}); res.Header.Get("Location") != "/account/sessions?done=signed-out" {
				w.Errorf("one: %s %q", res.Status, res.Header.Get("Location"))
			}
		}
		if live(away) || !live(third) || !live(w.cookie) {
			w.Error("LG-19: another session ended than the one that was named")
		}
		if res := me.submit("/account/sessions", url.Values{"session": {"no\x00ne"}}); res.StatusCode != http.StatusSeeOther {
			w.Errorf("none: %s", res.Status)
		}
		w.wantPage(me.submit("/account/sessions", url.Values{}), "E-SESSION")
		for range 2 { // the second time there are none, and nothing to record
			me.submit("/account/sessions", url.Values{"others": {"yes"}})
		}
		if live(third) || !live(w.cookie) {
			w.Error("not all others ended, or this one did")
		}
		if one, all := w.recorded("account.end_session"), w.recorded("account.end_sessions"); one != 1 || all != 1 {
			w.Errorf("recorded %d and %d; want 1 and 1", one, all)
		}
	})
}

func TestActivityPage(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{}}
		for range 2 {
			v.submit("/login", url.Values{"username": {"ada"}, "password": {"wrong"}})
		}
		w.wantShown(w.me().get("/account/activity"), "2 attempts to sign in have failed", "An administrator created this account")
		if res := v.submit("/login", url.Values{"username": {"ada"}, "password": {password}}); res.Header.Get("Location") != "/" {
			w.Fatalf("sign in: %s %q", res.Status, res.Header.Get("Location"))
		}
		me := visitor{w, map[string]string{"cs_session": v.jar["cs_session"]}}
		w.wantShown(me.get("/account/activity"), "You signed in by password.", "2 wrong passwords were tried before.")
		a := w.register(registration("Modeler"))
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		me.consent(me.consentForm(a.ask()))
		me.submit("/account/applications/remove", url.Values{"client": {a.ID}})
		w.wantShown(me.get("/account/activity"), "You allowed an application", "Modeler", "You removed the access of an application.")
		if res := me.get("/"); !strings.Contains(res.body, "You removed the access") {
			w.Errorf("the first page shows nothing of it: %s", res.body)
		}
	})
}

// What is noted of an account is bounded by number and by age.
func TestActivitiesAreBounded(t *testing.T) {
	each(t, func(w *world) {
		for range 105 {
			w.must(w.accounts.Note(w.Context(), accountActivity(w.user.ID)))
		}
		w.must(w.accounts.Note(w.Context(), accountActivity(w.user.ID)))
		list, err := w.accounts.Activities(w.Context(), w.user.ID)
		w.must(err)
		var kept int64
		w.must(w.db.With(w.Context()).Raw(`SELECT count(*) FROM account_activities`).Scan(&kept).Error)
		if len(list) != 100 || kept != 100 {
			w.Errorf("%d are shown and %d kept; want 100", len(list), kept)
		}
		w.clock.Advance(91 * 24 * time.Hour)
		if n, err := w.accounts.Purge(w.Context(), 60); err != nil || n != 60 {
			w.Errorf("Purge() = %d, %v; want 60", n, err)
		}
	})
}

// Whichever statement fails, nothing is half done and the page says so.
func TestAccountPagesWithFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		me := w.me()
		failures := 0
		for n := 1; ; n++ {
			res, failed := w.failingAt(n, func() answer {
				return me.submit("/account/applications/remove", url.Values{"client": {w.web.ID}})
			})
			if !failed {
				if res.StatusCode != http.StatusSeeOther || w.active(w.web, tokens.str("access_token")) {
					w.Errorf("without a failure: %s", res.Status)
				}
				break
			}
			failures++
			if res.StatusCode != http.StatusServiceUnavailable || !w.active(w.web, tokens.str("access_token")) {
				w.Errorf("with statement %d failing: %s", n, res.Status)
			}
		}
		if failures < 8 {
			w.Errorf("only %d statements were made to fail", failures)
		}
		w.down(func() {
			for _, path := range []string{"/", "/account/applications", "/account/sessions", "/account/activity", "/account/applications/remove?client=x"} {
				if res := me.get(path); res.StatusCode != http.StatusServiceUnavailable {
					w.Errorf("%s: %s; want 503", path, res.Status)
				}
			}
		})
	})
}

func accountActivity(id string) account.Activity {
	return account.Activity{AccountID: id, Kind: account.SignedIn, Methods: "pwd", UserAgent: strings.Repeat("é\x00", 300), IP: "192.0.2.1"}
}

// change fills in the page for another password.
func change(current, next string, further ...string) url.Values {
	return with(url.Values{"current_password": {current}, "password": {next}, "password_again": {next}}, further...)
}

const nextPassword = "seven quiet rivers at noon"

// LG-18: another password ends everything else: sessions and what applications hold.
func TestLG18ChangingThePassword(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		_, away, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch})
		w.must(err)
		me, old := w.me(), w.cookie
		w.wantShown(me.get("/account/password"), "At least 8 characters", "Current password")
		res := me.submit("/account/password", change(password, nextPassword))
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/?done=password" || me.jar["cs_session"] == old {
			w.Fatalf("change: %s %q %.500s", res.Status, res.Header.Get("Location"), res.body)
		}
		w.wantShown(me.get("/?done=password"), "Your password is changed", "You changed your password.")
		for name, cookie := range map[string]string{"this browser's old": old, "another browser's": away} {
			if _, err := w.sessions.Get(w.Context(), cookie); err == nil {
				w.Errorf("LG-18: %s session lives on", name)
			}
		}
		if w.active(w.web, tokens.str("access_token")) {
			w.Error("LG-18: an access token lives on")
		}
		w.wantError(w.refresh(w.web, tokens.str("refresh_token")), 400, "invalid_grant")
		kept, err := w.sessions.Get(w.Context(), me.jar["cs_session"])
		w.must(err)
		if kept.ACR != w.session.ACR || len(kept.AMR) != 1 {
			w.Errorf("the session that goes on: %+v", kept)
		}
		v := visitor{w, map[string]string{}}
		if res := v.submit("/login", url.Values{"username": {"ada"}, "password": {nextPassword}}); res.Header.Get("Location") != "/" {
			w.Errorf("signing in with it: %s", res.Status)
		}
		if n := w.recorded("account.set_password"); n != 1 {
			w.Errorf("recorded %d times; want once", n)
		}
	})
}

// Who shows the password has not signed in: the session is as old as it was, so
// that a second factor is asked for again where it has to be fresh.
func TestChangingThePasswordIsNoSignIn(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		me := w.me()
		me.enrol()
		before, err := w.sessions.Get(w.Context(), me.jar["cs_session"])
		w.must(err)
		w.clock.Advance(11 * time.Minute)
		if res := me.submit("/account/password", change(password, nextPassword)); res.StatusCode != http.StatusSeeOther {
			w.Fatalf("change: %s %.500s", res.Status, res.body)
		}
		after, err := w.sessions.Get(w.Context(), me.jar["cs_session"])
		w.must(err)
		if !after.AuthTime.Equal(before.AuthTime) {
			w.Errorf("signed in at %s; want %s", after.AuthTime, before.AuthTime)
		}
		if res := me.get("/account/recovery-codes"); !strings.Contains(res.Header.Get("Location"), "/login") {
			w.Errorf("factors are changed without the factor: %s %q", res.Status, res.Header.Get("Location"))
		}
	})
}

func TestChangingThePasswordRefuses(t *testing.T) {
	each(t, func(w *world) {
		me := w.me()
		for name, tt := range map[string]struct {
			form url.Values
			want string
		}{
			"nothing":        {url.Values{}, "Enter the password you have now."},
			"mistyped":       {change(password, nextPassword, "password_again", "x"), "This is not the same password"},
			"LG-22 too easy": {change(password, "password1"), "easy to guess"},
			"LG-22 own name": {change(password, "ada lovelace"), "easy to guess"},
			"too short":      {change(password, "kfj2m"), "at least 8 characters"},
			"the same":       {change(password, password), "This is the password you have now"},
			"wrong":          {change("wrong", nextPassword), "This is not your password"},
		} {
			res := me.submit("/account/password", tt.form)
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, tt.want) || strings.Contains(res.body, nextPassword) {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		for range 8 {
			me.submit("/account/password", change("wrong", nextPassword))
		}
		res := me.submit("/account/password", change(password, nextPassword)) // LG-12: guesses count as those of a sign-in
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(res.body, "Too many attempts") {
			w.Errorf("throttled: %s %.300s", res.Status, res.body)
		}
		if res := (visitor{w, map[string]string{}}).submit("/login", url.Values{"username": {"ada"}, "password": {password}}); res.StatusCode != http.StatusTooManyRequests {
			w.Errorf("LG-12: the sign-in page does not know of the guesses: %s", res.Status)
		}
		if n := w.recorded("account.set_password"); n != 0 {
			w.Errorf("recorded %d changes", n)
		}
	})
}

// eachHashing is a world in which hashing a password takes its time.
func eachHashing(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		test(newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) {
			cfg.Accounts = account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: cfg.Audit, Cost: account.HashCost{Memory: 16 * 1024, Passes: 3}})
		}))
	})
}

// Who is signed out everywhere after the password was shown, while the new one
// is hashed, has no session that goes on.
func TestSignedOutWhileThePasswordIsChanged(t *testing.T) {
	eachHashing(t, func(w *world) {
		me, changed := w.me(), make(chan answer)
		go func() { changed <- me.submit("/account/password", change(password, nextPassword)) }()
		for shown := false; !shown; time.Sleep(time.Millisecond) {
			a, err := w.accounts.Get(w.Context(), w.user.ID)
			w.must(err)
			shown = a.LastSignInAt != nil
		}
		w.must(w.sessions.EndAll(w.Context(), w.user.ID))
		res := <-changed
		if _, err := w.sessions.Get(w.Context(), me.jar["cs_session"]); !errors.Is(err, storage.ErrNotFound) {
			w.Errorf("%s %q: a session goes on (%v)", res.Status, res.Header.Get("Location"), err)
		}
	})
}

// Several windows change the password at once, each from the one that they
// know: one of them does, and its session alone goes on. All have shown the
// password before the first of them changes it.
func TestWindowsThatChangeThePasswordAtOnce(t *testing.T) {
	eachHashing(t, func(w *world) {
		var wg sync.WaitGroup
		cookies := make([]string, 8)
		for i := range cookies {
			_, cookie, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch})
			w.must(err)
			me := visitor{w, map[string]string{"cs_session": cookie, "cs_browser": seal.NewToken(seal.BrowserCookie)}}
			wg.Go(func() {
				res := me.submit("/account/password", change(password, nextPassword+strconv.Itoa(i)))
				if res.Header.Get("Location") == "/?done=password" {
					cookies[i] = me.jar["cs_session"]
				}
			})
		}
		wg.Wait()
		cookies = slices.DeleteFunc(cookies, func(c string) bool { return c == "" })
		if n := w.recorded("account.set_password"); len(cookies) != 1 || n != 1 {
			w.Fatalf("%d windows changed it, %d changes are on record; want one", len(cookies), n)
		}
		if _, err := w.sessions.Get(w.Context(), cookies[0]); err != nil {
			w.Errorf("the session of who changed it: %v", err)
		}
	})
}

// Whichever statement fails, the password is the old one or the session goes on
// under the new one.
func TestChangingThePasswordWithFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		me := w.me()
		for n := 1; ; n++ {
			res, failed := w.failingAt(n, func() answer { return me.submit("/account/password", change(password, nextPassword)) })
			if !failed {
				if res.StatusCode != http.StatusSeeOther {
					w.Errorf("without a failure: %s", res.Status)
				}
				break
			}
			if _, err := w.sessions.Get(w.Context(), w.cookie); res.StatusCode != http.StatusServiceUnavailable || err != nil {
				w.Fatalf("with statement %d failing: %s, the session is gone: %v", n, res.Status, err)
			}
		}
	})
}

func TestProfile(t *testing.T) {
	each(t, func(w *world) {
		me := w.me()
		w.wantShown(me.get("/account/profile"), `value="Ada Lovelace"`, "Kept by an administrator", "ada@example.test (verified)")
		form := url.Values{"name": {" Ada King "}, "given_name": {"Ada"}, "website": {"https://ada.example/"}, "email": {"eve@example.test"}, "email_verified": {"true"}, "username": {"root"}}
		if res := me.submit("/account/profile", form); res.Header.Get("Location") != "/account/profile?done=profile" {
			w.Fatalf("%s %.400s", res.Status, res.body)
		}
		a, err := w.accounts.Get(w.Context(), w.user.ID)
		w.must(err)
		if c := a.Claims; c.Name != "Ada King" || c.GivenName != "Ada" || c.Website != "https://ada.example/" || c.Email != "ada@example.test" || !c.EmailVerified || a.Username != "ada" {
			w.Errorf("kept %+v of %s", c, a.Username)
		}
		w.wantShown(me.get("/account/profile?done=profile"), "Your profile is saved", "Ada King")
		for n := 0; n < 2; n++ { // what changes nothing is not recorded
			me.submit("/account/profile", form)
		}
		if n := w.recorded("account.set_claims"); n != 1 {
			w.Errorf("recorded %d times; want once", n)
		}
		res := me.submit("/account/profile", url.Values{"name": {"Ada"}, "website": {"javascript:alert(1)"}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, "website-fault") {
			w.Errorf("a website that is none: %s %s", res.Status, res.body)
		}
		if info := w.userinfo(w.tokens(w.web).str("access_token")); info.str("name") != "Ada King" {
			w.Errorf("applications learn %s", info.body)
		}
	})
}

// What an administrator corrects, applications learn with the tokens that they
// have, and the person sees in what happened.
func TestCorrectedProfile(t *testing.T) {
	each(t, func(w *world) {
		token := w.tokens(w.web, "scope", "openid profile email").str("access_token")
		corrected := account.Contact{Name: new("Ada King"), Email: new("king@example.test")}
		w.must(w.accounts.SetContact(w.Context(), admin, w.user.ID, corrected))
		info := w.userinfo(token)
		if info.str("name") != "Ada King" || info.str("email") != "king@example.test" || info.json["email_verified"] != false {
			w.Errorf("applications learn %s", info.body)
		}
		me := w.me()
		w.wantShown(me.get("/account/profile"), `value="Ada King"`, "king@example.test (not verified)")
		w.wantShown(me.get("/account/activity"), "An administrator changed your profile.")
	})
}

// Where people create their accounts, their email address is theirs, and one
// that is new is not verified.
func TestProfileWhereAccountsAreOnesOwn(t *testing.T) {
	eachSignUp(t, func(w *world) {
		me := w.me()
		w.wantShown(me.get("/account/profile"), `name="email"`, "It is verified; another one would not be.")
		me.submit("/account/profile", url.Values{"name": {"Ada"}, "email": {"ada@example.test"}})
		a, err := w.accounts.Get(w.Context(), w.user.ID)
		w.must(err)
		if !a.Claims.EmailVerified {
			w.Error("the same address is not verified any more")
		}
		me.submit("/account/profile", url.Values{"name": {"Ada"}, "email": {"new@example.test"}})
		if a, err = w.accounts.Get(w.Context(), w.user.ID); err != nil || a.Claims.Email != "new@example.test" || a.Claims.EmailVerified {
			w.Errorf("kept %+v, %v", a.Claims, err)
		}
	})
}

// The first administrator's account was created by its owner, who was nobody's
// account yet.
func TestActivityOfTheFirstAdministrator(t *testing.T) {
	each(t, func(w *world) {
		setup := audit.Change{Action: "account.setup", TargetType: "account", TargetID: w.user.ID, TargetName: "ada"}
		w.must(w.db.InTx(w.Context(), func(ctx context.Context) error { return audit.New(w.db).Record(ctx, admin, setup) }))
		w.wantShown(w.me().get("/account/activity"), "You created this account.")
	})
}
