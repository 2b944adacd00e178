package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/storage/session"
	"countersign/storage/storagetest"
)

const farewell = "https://rp.example/bye"

// leaving is a client that registered where people go after signing out.
func (w *world) leaving() app {
	w.Helper()
	r := registration("Leaving")
	r.Metadata.PostLogoutRedirectURIs = []string{farewell, farewell + "?a=b"}
	return w.register(r)
}

func (w *world) endSession(parameters ...string) answer {
	w.Helper()
	return w.get("/end_session?" + with(url.Values{}, parameters...).Encode())
}

// confirm sends the form of a page that asks whether to sign out.
func (w *world) confirm(asked answer) answer {
	w.Helper()
	form := url.Values{}
	for part := range strings.SplitSeq(asked.body, `<input type="hidden" name="`) {
		name, rest, ok := strings.Cut(part, `" value="`)
		if value, _, closed := strings.Cut(rest, `">`); ok && closed && !strings.ContainsAny(name, "<> ") {
			form.Set(name, strings.ReplaceAll(strings.ReplaceAll(value, "&amp;", "&"), "&#43;", "+"))
		}
	}
	return w.submit(form)
}

// submit sends the form that signs out.
func (w *world) submit(form url.Values) answer {
	w.Helper()
	r := w.request(http.MethodPost, "/logout", formType, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if w.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
	}
	return w.do(r)
}

func (w *world) signedIn() bool {
	w.Helper()
	res := w.get("/")
	return res.StatusCode == http.StatusOK
}

// wantAsked checks that the person is asked, stays signed in meanwhile, and
// after their word is signed out without being led away.
func (w *world) wantAsked(name string, res answer) {
	w.Helper()
	if res.StatusCode != http.StatusOK || res.Header.Get("Location") != "" || !strings.Contains(res.body, "Sign out?") {
		w.Errorf("%s: %s, Location %q, %.300s; want to be asked", name, res.Status, res.Header.Get("Location"), res.body)
	}
	if !w.signedIn() {
		w.Fatalf("%s: signed out without being asked", name)
	}
}

func (w *world) wantSignedOut(name string, res answer, location string) {
	w.Helper()
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != location {
		w.Errorf("%s: %s, Location %q; want %q. %.300s", name, res.Status, res.Header.Get("Location"), location, res.body)
	}
	if w.signedIn() {
		w.Errorf("%s: still signed in", name)
	}
}

// LO-08 among them: state comes back, and only to a registered address.
func TestRPInitiatedLogout(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		state := strings.Repeat("s&+", 42) + "st" // 128 characters
		for name, tt := range map[string]struct {
			change []string
			want   string
		}{
			"oidcc-rp-initiated-logout":          {[]string{"state", state}, farewell + "?" + url.Values{"state": {state}}.Encode()},
			"oidcc-rp-initiated-logout-no-state": {nil, farewell},
			"with client_id":                     {[]string{"client_id", a.ID}, farewell},
			"a registered query":                 {[]string{"post_logout_redirect_uri", farewell + "?a=b", "state", "x"}, farewell + "?a=b&state=x"},
			"no address":                         {[]string{"post_logout_redirect_uri", "", "state", "x"}, "/logout"},
		} {
			w.signIn()
			tokens := w.tokens(a, "scope", "openid")
			query := with(url.Values{"id_token_hint": {tokens.str("id_token")}, "post_logout_redirect_uri": {farewell}}, tt.change...)
			res := w.get("/end_session?" + query.Encode())
			w.wantSignedOut(name, res, tt.want)
			if cookie := res.Header.Get("Set-Cookie"); !strings.Contains(cookie, "cs_session=;") {
				w.Errorf("%s: cookie %q", name, cookie)
			}
			// LO-09, LG-05: the cookie and the online family are dead.
			w.wantRefusal(w.authorize(a.ask("prompt", "none")), "login_required", "st&a te")
			if w.active(a, tokens.str("access_token")) {
				w.Errorf("%s: the access token lives on", name)
			}
			// Again, with nobody signed in: the person still gets where they were to go.
			w.wantSignedOut(name+", again", w.get("/end_session?"+query.Encode()), tt.want)
		}
	})
}

// Requests that nobody can be believed to have made: the person is asked, and
// never led to an address (OpenID Connect RP-Initiated Logout 1.0, sections 2
// and 3).
func TestLogoutRequestsThatAreAsked(t *testing.T) {
	each(t, func(w *world) {
		a, other := w.leaving(), w.leaving()
		hint := w.tokens(a, "scope", "openid").str("id_token")
		head, rest, _ := strings.Cut(hint, ".")
		for name, parameters := range map[string][]string{
			"oidcc-rp-initiated-logout-no-params":                         nil,
			"oidcc-rp-initiated-logout-only-state":                        {"state", "x"},
			"oidcc-rp-initiated-logout-no-id-token-hint":                  {"post_logout_redirect_uri", farewell, "state", "x"},
			"LO-02 client_id alone":                                       {"client_id", a.ID, "post_logout_redirect_uri", farewell},
			"oidcc-rp-initiated-logout-bad-id-token-hint":                 {"id_token_hint", head + "." + rest[:len(rest)-8] + "AAAAAAAA", "post_logout_redirect_uri", farewell},
			"oidcc-rp-initiated-logout-modified-id-token-hint (alg none)": {"id_token_hint", "eyJhbGciOiJub25lIn0." + strings.Split(rest, ".")[0] + ".", "post_logout_redirect_uri", farewell},
			"not a token":                       {"id_token_hint", "x", "post_logout_redirect_uri", farewell},
			"an access token":                   {"id_token_hint", w.tokens(a).str("access_token"), "post_logout_redirect_uri", farewell},
			"a client_id of nobody, no hint":    {"client_id", "nobody", "post_logout_redirect_uri", farewell},
			"another client's address, no hint": {"client_id", other.ID, "post_logout_redirect_uri", farewell},
		} {
			asked := w.endSession(parameters...)
			w.wantAsked(name, asked)
			if strings.Contains(asked.body, "Leaving") {
				w.Errorf("%s: the page says that an application asks", name)
			}
			w.wantSignedOut(name, w.confirm(asked), "/logout")
			w.signIn()
		}
	})
}

// A hint that is good, with what it does not vouch for.
func TestLogoutAddressesThatAreNotRegistered(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		for name, uri := range map[string]string{
			"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri":            "https://evil.example/bye",
			"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": farewell + "?foo=bar",
			"a redirect URI": callback, "a path more": farewell + "/x", "another case": strings.ToUpper(farewell), "a slash": farewell + "/",
		} {
			hint := w.tokens(a, "scope", "openid").str("id_token")
			asked := w.endSession("id_token_hint", hint, "post_logout_redirect_uri", uri, "state", "x")
			w.wantAsked(name, asked)
			if !strings.Contains(asked.body, "cannot be trusted. You will stay here.") {
				w.Errorf("%s: the page does not say that the address was wrong: %.500s", name, asked.body)
			}
			w.wantSignedOut(name, w.confirm(asked), "/logout")
			w.signIn()
		}
	})
}

// LO-05, LO-06: the hint may be old, and says whose session is meant.
func TestLogoutOfAnotherSession(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		hint := w.tokens(a, "scope", "openid").str("id_token")
		w.clock.Advance(20 * time.Minute) // LO-05: expired
		first, firstID := w.cookie, w.session.ID
		w.signIn() // the same person, another session
		asked := w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell, "state", "x")
		w.wantAsked("LO-06 sid of another session", asked)
		if !strings.Contains(asked.body, "Leaving") || !strings.Contains(asked.Header.Get("Content-Security-Policy"), "form-action 'self' https://rp.example;") {
			w.Errorf("asked by nobody, or nowhere to go: %s %.500s", asked.Header.Get("Content-Security-Policy"), asked.body)
		}
		w.wantSignedOut("LO-06 confirmed", w.confirm(asked), farewell+"?state=x")

		bob, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		_, w.cookie, err = w.sessions.Start(w.Context(), session.SignIn{AccountID: bob.ID, AccountEpoch: bob.Epoch})
		w.must(err)
		w.wantAsked("LO-06 another user", w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell))

		w.cookie = first
		if s, err := w.sessions.Get(w.Context(), first); err != nil || s.ID != firstID {
			w.Errorf("the session that nobody ended: %v, %v", s, err)
		}
		w.wantSignedOut("LO-05 an expired hint", w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell), farewell)
	})
}

func TestLogoutRequestsThatAreRefused(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		hint := w.tokens(a, "scope", "openid").str("id_token")
		for name, query := range map[string]string{
			"LO-07 client_id is not the audience": url.Values{"id_token_hint": {hint}, "client_id": {w.web.ID}, "post_logout_redirect_uri": {farewell}}.Encode(),
			"a parameter twice":                   "state=a&state=b",
			"a broken escape":                     "state=%zz",
		} {
			res := w.get("/end_session?" + query)
			w.wantPage(res, "E-LOGOUT")
			if res.StatusCode != http.StatusBadRequest || !w.signedIn() {
				w.Errorf("%s: %s", name, res.Status)
			}
		}
		w.down(func() {
			if res := w.endSession("id_token_hint", hint); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Set-Cookie") != "" {
				w.Errorf("without a database: %s", res.Status)
			}
		})
		restore := storagetest.FailStatements(w.db, storagetest.Containing("ended_at"))
		for name, res := range map[string]answer{"hint": w.endSession("id_token_hint", hint), "form": w.submit(nil)} {
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Set-Cookie") != "" {
				w.Errorf("%s, not stored: %s, cookie %q", name, res.Status, res.Header.Get("Set-Cookie"))
			}
		}
		restore()
		if !w.signedIn() {
			w.Error("signed out by what failed")
		}
	})
}

// LC-05, LC-20: who is not approved may not lead anybody anywhere, and the
// person may sign out all the same.
func TestLogoutForClientsThatAreNotApproved(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		hint := w.tokens(a, "scope", "openid").str("id_token")
		_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "")
		w.must(err)
		asked := w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell, "state", "x")
		w.wantAsked("LC-20", asked)
		if strings.Contains(asked.body, "Leaving") {
			w.Error("LC-20: the page says that the application asks")
		}
		w.wantSignedOut("LC-20", w.confirm(asked), "/logout")
		w.signIn()
		w.must(w.clients.Remove(w.Context(), admin, a.ID))
		w.wantAsked("a removed client", w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell))
	})
}

// LO-03: what another site can make a browser send signs nobody out.
func TestLogoutIsNotCrossSite(t *testing.T) {
	each(t, func(w *world) {
		a := w.leaving()
		hint := w.tokens(a, "scope", "openid").str("id_token")
		r := w.request(http.MethodPost, "/logout", formType, "id_token_hint="+hint)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
		if res := w.do(r); res.StatusCode != http.StatusForbidden || !w.signedIn() {
			w.Errorf("a form of another site: %s", res.Status)
		}
		// An image of another site comes without our cookies, and takes none away.
		cookie := w.cookie
		w.cookie = ""
		for _, res := range []answer{w.get("/end_session"), w.get("/logout"), w.endSession("id_token_hint", hint)} {
			if res.Header.Get("Set-Cookie") != "" {
				w.Errorf("takes the cookie away: %q", res.Header.Get("Set-Cookie"))
			}
		}
		w.cookie = cookie
		w.wantAsked("LO-03", w.endSession())

		// The endpoint takes posts: they are led on to where the cookies are.
		form := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {farewell}, "state": {"x"}, "ui_locales": {"de"}, "logout_hint": {"ada"}}
		r = w.request(http.MethodPost, "/end_session", formType, form.Encode())
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res := w.do(r)
		next, err := url.Parse(res.Header.Get("Location"))
		w.must(err)
		form.Del("logout_hint")
		if res.StatusCode != http.StatusSeeOther || next.Path != "/end_session" || next.RawQuery != form.Encode() || !w.signedIn() {
			w.Errorf("post: %s, Location %q", res.Status, res.Header.Get("Location"))
		}
		w.wantSignedOut("post", w.get(next.RequestURI()), farewell+"?state=x")
		for name, body := range map[string]string{"repeated": "state=a&state=b", "long": "state=" + strings.Repeat("x", 8<<10)} {
			w.wantPage(w.do(w.request(http.MethodPost, "/end_session", formType, body)), "E-LOGOUT")
			_ = name
		}
		w.wantPage(w.do(w.request(http.MethodPost, "/end_session", "application/json", "{}")), "E-LOGOUT")
	})
}

// LO-02, LO-03 a link signs nobody out; LG-05 the cookie is dead afterwards.
func TestSignOutPage(t *testing.T) {
	each(t, func(w *world) {
		asked := w.get("/logout")
		w.wantAsked("a link", asked)
		if !strings.Contains(asked.body, "Ada Lovelace") {
			w.Errorf("the page does not say who: %s", asked.body)
		}
		w.wantSignedOut("the form", w.confirm(asked), "/logout")
		if res := w.get("/logout"); !strings.Contains(res.body, "You are signed out") {
			w.Errorf("afterwards: %s", res.body)
		}
		w.wantSignedOut("the form, again", w.submit(nil), "/logout")
		w.signIn()
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		if res := w.get("/logout"); !strings.Contains(res.body, "You are signed out") {
			w.Errorf("LC-23: %s", res.body)
		}
	})
}
