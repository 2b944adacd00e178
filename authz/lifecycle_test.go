package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
)

// fall is a way in which a client stops being approved.
type fall struct {
	name string
	do   func(w *world, a app)
	// code is what a client with a secret is told at the token endpoint.
	status int
	code   string
	page   string // that a person at the browser is shown
}

var falls = []fall{
	{"disapproved", func(w *world, a app) {
		_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "It asks for too much.")
		w.must(err)
	}, 400, "unauthorized_client", "It asks for too much."},
	{"ended", func(w *world, a app) { w.until(a, time.Second); w.clock.Advance(time.Second) }, 400, "unauthorized_client", "The approval ended on"},
	{"removed", func(w *world, a app) { w.must(w.clients.Remove(w.Context(), admin, a.ID)) }, 401, "invalid_client", "E-CLIENT-UNKNOWN"},
}

// The table of the contract: what a client that is no longer approved gets,
// from the next request on, wherever it stands.
func TestLC01ToLC18ClientLosesApproval(t *testing.T) {
	each(t, func(w *world) {
		for _, f := range falls {
			for kind, r := range map[string]clientstore.Registration{"confidential": registration("C"), "public": public("P")} {
				a := w.register(r)
				code, tokens := w.code(a), w.tokens(a)
				waiting := w.authorize(a.ask("prompt", "login")).Header.Get("Location")
				f.do(w, a)
				w.wantFallen(f, a, kind, code, tokens)
				resumed := w.get(strings.Replace(waiting, "/login", "/authorize/resume", 1)) // LC-12, in another browser: nothing
				w.wantPage(resumed, "E-INTERACTION-UNKNOWN")
				if f.name == "removed" {
					continue
				}
				w.approveOn(a, clientstore.Conditions{})
				if res := w.userinfo(tokens.str("access_token")); res.StatusCode != http.StatusUnauthorized {
					w.Errorf("%s: approved again, and the old token lives: %s", kind, res.Status)
				}
				w.wantError(w.refresh(a, tokens.str("refresh_token")), 400, "invalid_grant") // LC-17
				w.wantError(w.post("/token", a, redemption(code)), 400, "invalid_grant")
				if fresh := w.tokens(a); w.userinfo(fresh.str("access_token")).StatusCode != http.StatusOK {
					w.Errorf("%s: approved again, and new tokens do not work", kind)
				}
			}
		}
	})
}

// wantFallen checks every endpoint.
func (w *world) wantFallen(f fall, a app, kind, code string, tokens answer) {
	w.Helper()
	status, told := f.status, f.code
	if kind == "public" { // proves nothing, is told nothing
		status, told = 401, "invalid_client"
	}
	for name, res := range map[string]answer{
		"LC-14 code":    w.post("/token", a, redemption(code)),
		"LC-17 refresh": w.refresh(a, tokens.str("refresh_token")),
		"introspect":    w.post("/introspect", a, url.Values{"token": {tokens.str("access_token")}}),
		"revoke":        w.post("/revoke", a, url.Values{"token": {tokens.str("access_token")}}),
	} {
		if res.StatusCode != status || res.str("error") != told {
			w.Errorf("%s, %s, %s: %s %s; want %d %s", f.name, kind, name, res.Status, res.body, status, told)
		}
	}
	if told == "unauthorized_client" {
		// Who does not prove to be the client is told what strangers are told.
		stranger := w.post("/token", app{a.Client, "wrong"}, redemption(code))
		unknown := w.post("/token", app{&clientstore.Client{ID: "nobody"}, "wrong"}, redemption(code))
		if stranger.body != unknown.body || stranger.StatusCode != unknown.StatusCode {
			w.Errorf("DENY-EQ: %s %s", stranger.Status, stranger.body)
		}
	}
	res := w.userinfo(tokens.str("access_token")) // LC-04
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("WWW-Authenticate"), "invalid_token") {
		w.Errorf("%s: userinfo: %s %q", f.name, res.Status, res.Header.Get("WWW-Authenticate"))
	}
	gateway := registration("Gateway")
	gateway.Metadata.IntrospectionScope = clientstore.IntrospectAll
	if w.active(w.register(gateway), tokens.str("access_token")) { // LC-03
		w.Errorf("%s: the token is active", f.name)
	}
	page := w.follow(w.authorize(a.ask()))
	w.wantPage(page, f.page) // LC-01
}

// follow follows redirects within the server, in a browser that keeps cookies.
func (w *world) follow(a answer) answer {
	w.Helper()
	jar := map[string]string{"cs_session": w.cookie}
	for a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/") {
		for _, c := range a.Cookies() {
			jar[c.Name] = c.Value
		}
		r := w.request(http.MethodGet, a.Header.Get("Location"), "", "")
		for name, value := range jar {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		a = w.do(r)
	}
	return a
}

func public(name string) clientstore.Registration {
	r := registration(name)
	r.Metadata.TokenEndpointAuthMethod, r.Metadata.ApplicationType = "none", "web"
	return r
}

func TestPendingClientWaitsAndResumesByItself(t *testing.T) {
	each(t, func(w *world) {
		c, secret, err := w.clients.Register(w.Context(), admin, registration("Pending"))
		w.must(err)
		a := app{c, secret}
		w.wantError(w.post("/token", a, redemption("x")), 400, "unauthorized_client")
		// Before anybody signed in, it looks like any request.
		cookie := w.cookie
		w.cookie = ""
		if to := w.authorize(a.ask()).Header.Get("Location"); !strings.HasPrefix(to, "/login?interaction=") {
			w.Errorf("a stranger is sent to %q", to)
		}
		w.cookie = cookie
		first := w.authorize(a.ask())
		resume, jar := first.Header.Get("Location"), first.Cookies()
		again := func() answer {
			r := w.request(http.MethodGet, resume, "", "")
			r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
			for _, c := range jar {
				r.AddCookie(c)
			}
			return w.do(r)
		}
		page := again()
		if page.StatusCode != http.StatusForbidden || !strings.Contains(page.body, `http-equiv="refresh"`) || !strings.Contains(page.body, "admin@example.test") {
			w.Errorf("waiting page: %s %.800s", page.Status, page.body)
		}
		c, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		if to := again().Header.Get("Location"); !strings.HasPrefix(to, "/consent?interaction=") {
			w.Errorf("approved, and sent to %q", to)
		}
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
		if again().sent().Get("code") == "" {
			w.Error("approved and consented, and no code")
		}
	})
}

// LC-23: the same for the person.
func TestAccountLosesItsStanding(t *testing.T) {
	each(t, func(w *world) {
		for name, do := range map[string]func(){
			"RT-08 disabled": func() { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) },
			"RT-08 password changed": func() {
				w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, "another horse, another battery"))
			},
			"INV-23 signed out": func() { w.must(w.sessions.End(w.Context(), w.session.ID)) },
			"removed":           func() { w.must(w.accounts.Remove(w.Context(), admin, w.user.ID)) },
		} {
			w.revive()
			code, online, offline := w.code(w.web, "scope", "openid"), w.tokens(w.web, "scope", "openid"), w.tokens(w.web)
			do()
			survives := name == "INV-23 signed out" // offline access is for when nobody is there
			if w.active(w.web, online.str("access_token")) || w.active(w.web, offline.str("access_token")) != survives {
				w.Errorf("%s: an online token lives, or the offline one: %t", name, !survives)
			}
			w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant")
			if res := w.refresh(w.web, offline.str("refresh_token")); (res.StatusCode == http.StatusOK) != survives {
				w.Errorf("%s: refresh: %s %s", name, res.Status, res.body)
			}
			if to := w.authorize(w.web.ask()).Header.Get("Location"); !strings.HasPrefix(to, "/login?") {
				w.Errorf("%s: sent to %q", name, to)
			}
		}
	})
}

// revive gives the world a user who is signed in and has consented.
func (w *world) revive() {
	w.Helper()
	var err error
	w.user, err = w.accounts.Create(w.Context(), admin, accountOf(w))
	w.must(err)
	w.signIn()
	w.must(w.grants.RememberConsent(w.Context(), w.user.ID, w.web.ID, w.web.Metadata.Scope, w.web.ConsentDigest))
}
