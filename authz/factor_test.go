package authz_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// phone is an authenticator application that was given a key.
type phone struct{ key string }

// code is what it shows at a moment, reckoned apart from the server's code (RFC
// 6238).
func (p phone) code(at time.Time) string {
	secret, _ := base32.StdEncoding.DecodeString(strings.ReplaceAll(p.key, " ", ""))
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], uint64(at.Unix()/30))
	h := hmac.New(sha1.New, secret)
	h.Write(step[:])
	sum := h.Sum(nil)
	at4 := sum[19] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at4:at4+4])&0x7fffffff%1_000_000)
}

var (
	shownKey    = regexp.MustCompile(`id="key">([A-Z2-7 ]+)</p>`)
	shownCode   = regexp.MustCompile(`<li>([A-Z]{5}-[A-Z]{5})</li>`)
	sealedField = regexp.MustCompile(`name="enrolment" value="([^"]+)"`)
)

// signInAs signs in by password on the page, as far as that leads.
func (v visitor) signInAs(path string, a *account.Account) answer {
	v.w.Helper()
	form := url.Values{"username": {a.Username}, "password": {password}}
	if u, err := url.Parse(path); err == nil && u.Query().Has("interaction") {
		form.Set("interaction", u.Query().Get("interaction"))
	}
	return v.submit("/login", form)
}

// enrol sets an authenticator application up in the browser, and returns it
// with the recovery codes.
func (v visitor) enrol() (phone, []string) {
	v.w.Helper()
	page := v.get("/account/authenticator")
	key, sealed := shownKey.FindStringSubmatch(page.body), sealedField.FindStringSubmatch(page.body)
	if key == nil || sealed == nil {
		v.w.Fatalf("no key is shown: %s %q %s", page.Status, page.Header.Get("Location"), page.body)
	}
	p := phone{key[1]}
	done := v.submit("/account/authenticator", url.Values{"enrolment": {html.UnescapeString(sealed[1])}, "code": {p.code(v.w.clock.Now())}})
	var codes []string
	for _, c := range shownCode.FindAllStringSubmatch(done.body, -1) {
		codes = append(codes, c[1])
	}
	if done.StatusCode != http.StatusOK || len(codes) != 10 {
		v.w.Fatalf("enrolled: %s, %d codes: %s", done.Status, len(codes), done.body)
	}
	return p, codes
}

func TestAuthenticator(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		_, away, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch})
		w.must(err)
		me, before := w.me(), w.cookie
		w.wantShown(me.get("/account/security"), "Set up an authenticator app", "Off")
		page := me.get("/account/authenticator")
		w.wantShown(page, "QR code for the app", "Code that the app shows")
		wrong := me.submit("/account/authenticator", url.Values{"enrolment": {html.UnescapeString(sealedField.FindStringSubmatch(page.body)[1])}, "code": {"000000"}})
		if wrong.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(wrong.body, shownKey.FindStringSubmatch(page.body)[1]) {
			w.Errorf("a wrong code: %s, or another key than before: %s", wrong.Status, wrong.body)
		}
		app, codes := me.enrol()
		if me.jar["cs_session"] == before {
			w.Error("LG-01: the cookie is the one of before")
		}
		s, err := w.sessions.Get(w.Context(), me.jar["cs_session"])
		w.must(err)
		if !s.SecondFactor() || s.ID != w.session.ID || s.ACR != "urn:countersign:acr:mfa" || !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
			w.Errorf("the session is %+v", s)
		}
		if _, err := w.sessions.Get(w.Context(), away); err == nil {
			w.Error("LG-18: a session without the factor lives on")
		}
		w.wantShown(me.get("/account/security"), "10 left", "Remove")
		w.wantShown(me.get("/account/activity"), "You set up an authenticator app.")
		if strings.Contains(w.logged.String(), strings.ReplaceAll(app.key, " ", "")) || strings.Contains(w.logged.String(), codes[0]) {
			w.Error("a secret is in the log")
		}
		w.clock.Advance(time.Hour)
		w.wantSecondStep(app, codes)
	})
}

// wantSecondStep signs in by password and a code, and by password and a
// recovery code, each once.
func (w *world) wantSecondStep(app phone, codes []string) {
	w.Helper()
	for name, tt := range map[string]struct {
		field, value, said string
	}{
		"code":          {"code", app.code(w.clock.Now()), "by password and one-time code"},
		"recovery code": {"recovery", strings.ToLower(codes[3]), "by password and recovery code"},
	} {
		v := visitor{w, map[string]string{}}
		to := v.get("/authorize?" + w.web.ask().Encode()).Header.Get("Location")
		second := v.signInAs(to, w.user).Header.Get("Location")
		if !strings.HasPrefix(second, "/login/second?interaction=") || v.jar["cs_session"] != "" || v.jar["cs_device"] != "" {
			w.Fatalf("%s: the password led to %q with the session %q", name, second, v.jar["cs_session"])
		}
		w.wantShown(v.get(second), "One more step", "Web", "Code from your authenticator app")
		form := with(interactionOf(second), tt.field, tt.value)
		resume := v.submit("/login/second", form).Header.Get("Location")
		code := v.get(resume).sent().Get("code")
		if code == "" || v.jar["cs_step"] != "" || v.jar["cs_device"] == "" {
			w.Fatalf("%s: led to %q, and no answer", name, resume)
		}
		claims := w.verify(w.web, w.post("/token", w.web, redemption(code)).str("id_token"))
		if claims["acr"] != "urn:countersign:acr:mfa" || fmt.Sprint(claims["amr"]) != "[pwd otp mfa]" {
			w.Errorf("%s: ID token: %v", name, claims)
		}
		w.wantShown(v.get("/account/activity"), tt.said)

		again := visitor{w, map[string]string{}}
		again.signInAs("", w.user)
		if res := again.submit("/login/second", url.Values{tt.field: {tt.value}}); res.StatusCode != http.StatusUnprocessableEntity || again.jar["cs_session"] != "" || !strings.Contains(res.body, "That code did not work") {
			w.Errorf("LG-21: the same %s again: %s", name, res.Status)
		}
	}
}

func interactionOf(location string) url.Values {
	u, _ := url.Parse(location)
	return url.Values{"interaction": {u.Query().Get("interaction")}}
}

// LG-16: the second step without the first, with an empty form, or replayed,
// begins nothing.
func TestLG16SecondStepIsNotSkipped(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		app, _ := w.me().enrol()
		w.clock.Advance(time.Minute)
		v := visitor{w, map[string]string{}}
		to := v.get("/authorize?" + w.web.ask().Encode()).Header.Get("Location")
		form := interactionOf(to)
		for name, res := range map[string]answer{
			"GET without the first":  v.get("/login/second?" + form.Encode()),
			"POST without the first": v.submit("/login/second", with(interactionOf(to), "code", app.code(w.clock.Now()))),
		} {
			if res.Header.Get("Location") != to {
				w.Errorf("%s: %s %q; want %q", name, res.Status, res.Header.Get("Location"), to)
			}
		}
		v.signInAs(to, w.user)
		proof := v.jar["cs_step"]
		if res := v.submit("/login/second", interactionOf(to)); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, "Something is missing") {
			w.Errorf("an empty form: %s", res.Status)
		}
		if res := v.get(strings.Replace(to, "/login", "/authorize/resume", 1)); res.Header.Get("Location") != to {
			w.Errorf("resumed without the second step: %s %q", res.Status, res.Header.Get("Location"))
		}
		if res := v.get("/"); res.Header.Get("Location") != "/login" {
			w.Errorf("the first step alone opens %s", res.Status)
		}
		v.submit("/login/second", with(interactionOf(to), "code", app.code(w.clock.Now())))
		if v.jar["cs_session"] == "" {
			w.Fatal("the code signs nobody in")
		}
		// The password changes: what the first step was worth is gone.
		w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, nextPassword))
		late := visitor{w, map[string]string{"cs_step": proof}}
		w.clock.Advance(time.Minute)
		if res := late.submit("/login/second", url.Values{"code": {app.code(w.clock.Now())}}); res.Header.Get("Location") != "/login" || late.jar["cs_session"] != "" {
			w.Errorf("a first step under the old password: %s %q", res.Status, res.Header.Get("Location"))
		}
	})
}

// LG-34, decision 8: an account with a second factor cannot use the password grant.
func TestPasswordGrantAsksForNoSecondFactor(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(passwordRegistration("Login"))
		w.me().enrol()
		res := w.login(a)
		w.wantError(res, 400, "invalid_grant")
		if !strings.Contains(res.str("error_description"), "second factor") {
			w.Errorf("the reason: %s", res.body)
		}
		if wrong := w.login(a, "password", "wrong"); strings.Contains(wrong.body, "second factor") {
			w.Errorf("LG-07: a wrong password learns of the second factor: %s", wrong.body)
		}
		w.must(w.accounts.RemoveFactors(w.Context(), admin, w.user.ID))
		if res := w.login(a); res.StatusCode != http.StatusOK {
			w.Errorf("without the factor: %s %s", res.Status, res.body)
		}
	})
}

// LG-33: sensitive changes need a sign-in that is not long
// ago, by the second factor where there is one.
func TestFactorsNeedAFreshSignIn(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		me := w.me()
		app, _ := me.enrol()
		w.clock.Advance(11 * time.Minute)
		paths := []string{"/account/authenticator", "/account/authenticator/remove", "/account/recovery-codes"}
		for _, path := range paths {
			for method, res := range map[string]answer{"GET": me.get(path), "POST": me.submit(path, url.Values{})} {
				if !strings.HasPrefix(res.Header.Get("Location"), "/login?interaction=") {
					w.Errorf("%s %s: %s %q; want to be asked", method, path, res.Status, res.Header.Get("Location"))
				}
			}
		}
		if f, err := w.accounts.Factors(w.Context(), w.user.ID); err != nil || f.TOTP == nil || f.RecoveryCodes != 10 {
			w.Errorf("changed all the same: %+v, %v", f, err)
		}
		to := me.get("/account/authenticator/remove").Header.Get("Location")
		w.wantShown(me.get(to), "Confirm that it is you", `value="ada"`)
		second := me.signInAs(to, w.user).Header.Get("Location")
		back := me.submit("/login/second", with(interactionOf(second), "code", app.code(w.clock.Now()))).Header.Get("Location")
		if !strings.HasPrefix(back, "/account/authenticator/remove?interaction=") {
			w.Fatalf("led back to %q", back)
		}
		w.wantShown(me.get(back), "Remove the authenticator app?", "your password alone signs you in")
		if res := me.submit("/account/authenticator/remove", url.Values{}); res.Header.Get("Location") != "/account/security?done=factor-removed" {
			w.Errorf("removed: %s %q", res.Status, res.Header.Get("Location"))
		}
		v := visitor{w, map[string]string{}}
		if res := v.signInAs("", w.user); res.Header.Get("Location") != "/" {
			w.Errorf("signed in by password alone: %s %q", res.Status, res.Header.Get("Location"))
		}
	})
}

// LG-33: a session that was begun by password alone changes no factor of an account
// that has one meanwhile.
func TestFactorsNeedTheFactor(t *testing.T) {
	each(t, func(w *world) {
		w.me().enrol()
		_, weak, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch, AMR: []string{"pwd"}})
		w.must(err)
		v := visitor{w, map[string]string{"cs_session": weak}}
		if res := v.submit("/account/authenticator/remove", url.Values{}); !strings.HasPrefix(res.Header.Get("Location"), "/login?interaction=") {
			w.Errorf("removed by password alone: %s %q", res.Status, res.Header.Get("Location"))
		}
	})
}

func TestRecoveryCodesPage(t *testing.T) {
	each(t, func(w *world) {
		me := w.me()
		if res := me.get("/account/recovery-codes"); res.Header.Get("Location") != "/account/security" {
			w.Errorf("without a factor: %s %q", res.Status, res.Header.Get("Location"))
		}
		_, old := me.enrol()
		w.wantShown(me.get("/account/recovery-codes"), "10 codes are left")
		res := me.submit("/account/recovery-codes", url.Values{})
		w.wantShown(res, "They are not shown again", "data-downloads")
		if got := shownCode.FindAllString(res.body, -1); len(got) != 10 || strings.Contains(res.body, old[0]) {
			w.Errorf("%d new codes", len(got))
		}
		v := visitor{w, map[string]string{}}
		v.signInAs("", w.user)
		if res := v.submit("/login/second", url.Values{"recovery": {old[0]}}); res.StatusCode != http.StatusUnprocessableEntity {
			w.Errorf("an old code: %s", res.Status)
		}
		for range 6 {
			v.submit("/login/second", url.Values{"recovery": {"BCDFG-HJKLM"}})
		}
		if res := v.submit("/login/second", url.Values{"code": {"123456"}}); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			w.Errorf("LG-11: guesses: %s", res.Status)
		}
	})
}

// Whichever statement fails while a factor is added, there is none, and the
// session is what it was.
func TestAddingAFactorWithFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		me := w.me()
		page := me.get("/account/authenticator")
		app := phone{shownKey.FindStringSubmatch(page.body)[1]}
		form := url.Values{"enrolment": {html.UnescapeString(sealedField.FindStringSubmatch(page.body)[1])}, "code": {app.code(w.clock.Now())}}
		for n := 1; ; n++ {
			res, failed := w.failingAt(n, func() answer { return me.submit("/account/authenticator", form) })
			if !failed {
				w.wantShown(res, "Your recovery codes")
				return
			}
			if has, err := w.accounts.HasSecondFactor(w.Context(), w.user.ID); res.StatusCode != http.StatusServiceUnavailable || has || err != nil {
				w.Fatalf("with statement %d failing: %s, has a factor %v, %v", n, res.Status, has, err)
			}
			if _, err := w.sessions.Get(w.Context(), w.cookie); err != nil {
				w.Fatalf("with statement %d failing: the session is gone: %v", n, err)
			}
		}
	})
}

// OpenID Connect Core 1.0, section 5.5.1.1: what a client insists on is met,
// or refused.
func TestEssentialACR(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		const mfa = `{"id_token":{"acr":{"essential":true,"values":["urn:countersign:acr:mfa"]}}}`
		const pwd = `{"id_token":{"acr":{"essential":true,"values":["urn:countersign:acr:pwd"]}}}`
		values := w.get("/.well-known/openid-configuration").json["acr_values_supported"]
		if fmt.Sprint(values) != "[urn:countersign:acr:pwd urn:countersign:acr:mfa]" {
			w.Errorf("acr_values_supported: %v", values)
		}
		me := w.me()
		w.wantRefusal(me.get("/authorize?"+w.web.ask("claims", mfa, "prompt", "none").Encode()), "unmet_authentication_requirements", "st&a te")
		to := me.get("/authorize?" + w.web.ask("claims", mfa).Encode()).Header.Get("Location")
		resume := me.signInAs(to, w.user).Header.Get("Location")
		w.wantRefusal(me.get(resume), "unmet_authentication_requirements", "st&a te") // signed in, and has no second factor
		app, _ := me.enrol()
		claimsOf := func(q url.Values) map[string]any {
			w.Helper()
			res := me.get("/authorize?" + q.Encode())
			return w.verify(w.web, w.post("/token", w.web, redemption(res.sent().Get("code"))).str("id_token"))
		}
		if got := claimsOf(w.web.ask("claims", mfa))["acr"]; got != "urn:countersign:acr:mfa" {
			w.Errorf("acr %v", got)
		}
		if got := claimsOf(w.web.ask("claims", pwd))["acr"]; got != "urn:countersign:acr:pwd" { // more than it asked for, by the name that it knows
			w.Errorf("acr %v", got)
		}
		// A session of before is led to the second step, and then it is met.
		_, weak, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch, ACR: "urn:countersign:acr:pwd", AMR: []string{"pwd"}})
		w.must(err)
		w.clock.Advance(time.Minute)
		v := visitor{w, map[string]string{"cs_session": weak}}
		to = v.get("/authorize?" + w.web.ask("claims", mfa).Encode()).Header.Get("Location")
		second := v.signInAs(to, w.user).Header.Get("Location")
		resume = v.submit("/login/second", with(interactionOf(second), "code", app.code(w.clock.Now()))).Header.Get("Location")
		if v.get(resume).sent().Get("code") == "" {
			w.Error("signed in by two factors, and refused")
		}
	})
}

// A person who may configure the server is told that its pages ask for a second
// factor.
func TestAdministratorsAreLedToASecondFactor(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.AdminSecondFactor = true })
		const said = "The administrators&#39; pages ask for a second factor"
		if res := w.me().get("/account/security"); strings.Contains(res.body, "administrators") {
			w.Error("who may not configure the server is told of its pages")
		}
		w.must(w.accounts.SetPermissions(t.Context(), admin, w.user.ID, []account.Permission{account.ConfigureServer}))
		me := w.me()
		if res := me.get("/account/security"); !strings.Contains(html.UnescapeString(res.body), html.UnescapeString(said)) {
			w.Errorf("not told: %s", res.body)
		}
		me.enrol()
		if res := me.get("/account/security"); strings.Contains(html.UnescapeString(res.body), html.UnescapeString(said)) {
			w.Error("told, with a second factor")
		}
	})
}

// LG-36: a request that was let in waits for its body, and meanwhile the session ends,
// or the account gets a factor that the session lacks: nothing is added.
func TestFactorsNeedTheSessionToTheEnd(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		for name, meanwhile := range map[string]func(*session.Session){
			"signed out": func(s *session.Session) { w.must(w.sessions.End(w.Context(), s.ID)) },
			"a factor": func(*session.Session) {
				_, err := w.accounts.AddPasskey(w.Context(), admin, w.user, account.Passkey{ID: "k", Name: "Laptop", Credential: "{}"})
				w.must(err)
			},
		} {
			s, cookie, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch, AMR: []string{"pwd"}})
			w.must(err)
			me := visitor{w, map[string]string{"cs_session": cookie, "cs_browser": seal.NewToken(seal.BrowserCookie)}}
			page := me.get("/account/authenticator")
			p := phone{shownKey.FindStringSubmatch(page.body)[1]}
			form := url.Values{"enrolment": {html.UnescapeString(sealedField.FindStringSubmatch(page.body)[1])}, "code": {p.code(w.clock.Now())}}
			res := me.submitSlowly("/account/authenticator", form, func() { meanwhile(s) })
			if res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "/login?interaction=") {
				w.Errorf("%s: %s %q", name, res.Status, res.Header.Get("Location"))
			}
			f, err := w.accounts.Factors(w.Context(), w.user.ID)
			w.must(err)
			if f.TOTP != nil {
				w.Fatalf("%s: the authenticator counts", name)
			}
			for _, k := range f.Passkeys {
				w.must(w.accounts.RemovePasskey(w.Context(), admin, w.user, k.ID))
			}
		}
	})
}
