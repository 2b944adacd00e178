package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// browserApplication is an application that runs in the browser: npm's
// oidc-client-ts on a page of its own origin.
type browserApplication struct {
	origin string
	client *client
}

// browserUser is what the application knows of who signed in.
type browserUser struct {
	Profile struct {
		Subject string `json:"sub"`
		Email   string `json:"email"`
	} `json:"profile"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	SessionState string `json:"session_state"`
}

// newBrowserApplication serves the application on a host that is this machine,
// and registers it.
func newBrowserApplication(s *server, host, scope string) *browserApplication {
	s.t.Helper()
	a := &browserApplication{}
	files := http.NewServeMux()
	for _, path := range []string{"/{$}", "/cb", "/left"} {
		files.HandleFunc("GET "+path, file("node/browser/app.html"))
	}
	files.HandleFunc("GET /app.js", file("node/browser/app.js"))
	files.HandleFunc("GET /oidc-client-ts.min.js", file("node/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"))
	files.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"authority": s.issuer, "client_id": a.client.ID, "scope": scope}) // the browser reports
	})
	web := httptest.NewUnstartedServer(files)
	s.t.Cleanup(web.Close)
	scheme := "http://"
	if strings.HasSuffix(host, homeDomain) {
		scheme, web.TLS = "https://", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		web.StartTLS()
	} else {
		web.Start()
	}
	u, _ := url.Parse(web.URL) // httptest made it
	a.origin = scheme + host + ":" + u.Port()
	a.client = s.register("--public", "--redirect-uri", a.origin+"/cb", "--set", "application_type=web",
		"--set", `post_logout_redirect_uris=["`+a.origin+`/left"]`, "--scope", "openid profile email offline_access", "--approve")
	return a
}

func file(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.FromSlash(path)) }
}

// shown returns what the application shows as an element.
func (b *tab) shown(s *server, id string, v any) {
	b.t.Helper()
	b.await("#" + id + ", #failed")
	if b.has("#failed") {
		b.t.Fatalf("the application at %s failed: %s", b.location(), b.evaluate(`document.querySelector("#failed").textContent`))
	}
	if err := json.Unmarshal([]byte(b.evaluate(`document.querySelector("#`+id+`").textContent`)), v); err != nil {
		b.t.Fatal(err)
	}
	if u, ok := v.(*browserUser); ok {
		s.canaries.add("access token", u.AccessToken)
		s.canaries.add("refresh token", u.RefreshToken)
		s.canaries.add("ID token", u.IDToken)
	}
}

// press presses a button and waits for nothing: the page stays where it is, or
// goes on through others by itself.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.await(selector)
	b.evaluate(`(setTimeout(() => document.querySelector(` + quote(selector) + `).click()), "")`)
}

// enter signs in to the application.
func (a *browserApplication) enter(s *server, b *tab, u *user) browserUser {
	s.t.Helper()
	b.open(a.origin + "/")
	b.await("#ready")
	b.click("#sign-in")
	b.signIn(u.Username, u.password)
	b.click(allowButton)
	var got browserUser
	b.shown(s, "signed-in", &got)
	if got.Profile.Subject != u.ID || got.Profile.Email != u.email || got.SessionState == "" {
		s.t.Errorf("the application knows %+v; want %s, %s, and a session_state", got, u.ID, u.email)
	}
	return got
}

// TestBrowserApplication is npm's oidc-client-ts in Chromium, on the server's
// site: sign-in by redirect, token and userinfo by script, renewal in a hidden
// frame, and a session that ends at the server.
func TestBrowserApplication(t *testing.T) {
	t.Parallel()
	s, b := startAtHome(t, sqlite), newTab(t)
	u := s.User()
	a := newBrowserApplication(s, "app."+homeDomain, "openid profile email")
	first := a.enter(s, b, u)

	var renewed browserUser
	b.press("#renew")
	b.shown(s, "renewed", &renewed)
	if renewed.Profile.Subject != u.ID || renewed.AccessToken == first.AccessToken || renewed.AccessToken == "" {
		t.Errorf("renewed to %+v", renewed.Profile)
	}

	// Somebody signs out at the server, in another tab.
	server := b.secondTab()
	server.open(s.issuer + "/logout")
	server.click(signInButton)
	b.await("#session-ended")
}

// TestBrowserApplicationSignsOut revokes its tokens, and signs out at the
// server by redirect.
func TestBrowserApplicationSignsOut(t *testing.T) {
	t.Parallel()
	s, b := shared(t, postgres), newTab(t)
	u := s.User()
	a := newBrowserApplication(s, "127.0.0.1", "openid profile email offline_access")
	a.enter(s, b, u)
	var ended struct {
		Status    int
		Challenge string
	}
	b.press("#revoke")
	b.shown(s, "revoked", &ended)
	if ended.Status != http.StatusUnauthorized || !strings.Contains(ended.Challenge, "invalid_token") {
		t.Errorf("a revoked token is answered %d to the script, with the challenge %q", ended.Status, ended.Challenge)
	}
	b.click("#sign-out")
	b.await("#left")
	b.open(s.issuer + "/login")
	b.await(usernameField)
}

// TestBrowserApplicationOfAnotherSite is the same on another site than the
// server's. Its frames get no cookie of the server, so that renewal in a frame
// is told that nobody is signed in; with a refresh token it goes on.
func TestBrowserApplicationOfAnotherSite(t *testing.T) {
	t.Parallel()
	s, b := shared(t, sqlite), newTab(t)
	u := s.User()
	a := newBrowserApplication(s, "localhost", "openid profile email")
	a.enter(s, b, u)
	b.press("#renew")
	b.await("#failed")
	if got := b.evaluate(`document.querySelector("#failed").textContent`); got != "login_required" {
		t.Errorf("renewal in a frame of another site ends with %q; want login_required", got)
	}

	a, b = newBrowserApplication(s, "localhost", "openid profile email offline_access"), newTab(t)
	first := a.enter(s, b, u)
	var renewed browserUser
	b.press("#renew")
	b.shown(s, "renewed", &renewed)
	if renewed.RefreshToken == "" || renewed.RefreshToken == first.RefreshToken || renewed.Profile.Subject != u.ID {
		t.Errorf("renewed to %+v", renewed.Profile)
	}
}
