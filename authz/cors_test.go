package authz_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// browserApplication registers a public client whose pages are at the origin.
func (w *world) browserApplication(redirectURIs ...string) {
	w.Helper()
	w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Browser application", Metadata: clientstore.Metadata{
		RedirectURIs: redirectURIs, Scope: "openid", TokenEndpointAuthMethod: "none", ApplicationType: "web",
	}})
}

// from sends a request as a script of an origin does; preflight asks whether it
// may (Fetch Standard, section 4.8).
func (w *world) from(origin, method, path string) answer {
	w.Helper()
	r := w.request(method, path, formType, "")
	r.Header.Set("Origin", origin)
	return w.do(r)
}

func (w *world) preflight(origin, method, path string) answer {
	w.Helper()
	r := w.request(http.MethodOptions, path, "", "")
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", method)
	r.Header.Set("Access-Control-Request-Headers", "authorization")
	return w.do(r)
}

// wantShared checks who may read an answer. Nobody may with cookies.
func (w *world) wantShared(name string, a answer, origin string) {
	w.Helper()
	if got := a.Header.Get("Access-Control-Allow-Origin"); got != origin {
		w.Errorf("%s: Access-Control-Allow-Origin is %q; want %q", name, got, origin)
	}
	if got := a.Header.Values("Access-Control-Allow-Credentials"); got != nil {
		w.Errorf("%s: Access-Control-Allow-Credentials is %q", name, got)
	}
}

// What scripts of applications use, and how.
var scriptRoutes = map[string]string{
	"/token": "POST", "/par": "POST", "/revoke": "POST", "/userinfo": "GET",
	"/oauth1/request_token": "POST", "/oauth1/access_token": "POST", "/oauth1/verify": "GET", "/oauth1/register": "POST",
}

// TK-19, UI-10: scripts read what is answered to the origins of approved
// clients, errors included, and nobody else's scripts do.
func TestScriptsOfRegisteredOrigins(t *testing.T) {
	each(t, func(w *world) {
		const origin = "https://app.example:8443"
		w.browserApplication(origin + "/cb?x=1")
		w.browserApplication("https://bare.example", "https://explicit.example:443/cb", "http://plain.example:80/cb", "http://127.0.0.1:5173/cb")
		known := []string{origin, "https://bare.example", "https://explicit.example", "http://plain.example", "http://127.0.0.1:5173"}
		unknown := []string{
			"https://evil.example", "null", "https://app.example", "http://app.example:8443", origin + "0", origin + "/", "https://app.example:844",
			"https://app.example:8443.evil.example", "https://a%.example:8443", "https://___.example:8443", "https://bare.example.evil", "https://explicit.example:443",
			"HTTPS://APP.EXAMPLE:8443", "com.example.app://", "https://" + strings.Repeat("a", 5000) + ".example", "https://bare.example\u00e9", "https://\xff.example", "*", "http://127.0.0.1:5174",
		}
		for path, method := range scriptRoutes {
			for _, o := range known {
				ask, a := w.preflight(o, method, path), w.from(o, method, path)
				w.wantShared(path+" from "+o, a, o)
				w.wantShared(path+" preflight from "+o, ask, o)
				if ask.StatusCode != http.StatusNoContent || !strings.Contains(ask.Header.Get("Access-Control-Allow-Methods"), method) ||
					!strings.Contains(ask.Header.Get("Access-Control-Allow-Headers"), "Authorization") || ask.body != "" {
					w.Errorf("%s preflight: %s %v", path, ask.Status, ask.Header)
				}
				if a.StatusCode < 400 || !slices.Contains(a.Header.Values("Vary"), "Origin") || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
					w.Errorf("%s without anything: %s %v", path, a.Status, a.Header)
				}
			}
			for _, o := range unknown {
				w.wantShared(path+" from "+o, w.from(o, method, path), "")
				ask := w.preflight(o, method, path)
				w.wantShared(path+" preflight from "+o, ask, "")
				if ask.StatusCode != http.StatusMethodNotAllowed {
					w.Errorf("%s preflight from %s: %s", path, o, ask.Status)
				}
			}
		}
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/oslc/rootservices"} {
			w.wantShared(path, w.from("https://evil.example", "GET", path), "*")
			w.wantShared(path, w.preflight("https://evil.example", "GET", path), "*")
		}
		for _, path := range []string{ // AZ-23
			"/authorize", "/authorize/resume", "/login", "/consent", "/device", "/logout", "/end_session", "/", "/introspect", "/register", "/register/x", "/device_authorization", "/oauth1/authorize", "/oauth1/resume",
		} {
			w.wantShared(path, w.preflight(origin, "GET", path), "")
			w.wantShared(path, w.preflight(origin, "POST", path), "")
			w.wantShared(path, w.from(origin, "GET", path), "")
			w.wantShared(path, w.from(origin, "POST", path), "")
		}
	})
}

// LC-08: an origin is one of its clients only while they are approved, and as
// they are registered now.
func TestLC08OriginsOfClientsThatAreNotApproved(t *testing.T) {
	each(t, func(w *world) {
		const origin = "https://app.example"
		check := func(name, path, want string) {
			w.Helper()
			w.wantShared(name, w.from(origin, "POST", path), want)
			w.wantShared(name+", preflight", w.preflight(origin, "POST", path), want)
		}
		a, _, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OIDC, Name: "App", Metadata: clientstore.Metadata{
			RedirectURIs: []string{origin + "/cb"}, Scope: "openid", TokenEndpointAuthMethod: "none",
		}})
		w.must(err)
		check("pending", "/token", "")
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		check("approved", "/token", origin)
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "")
		w.must(err)
		check("disapproved", "/token", "")
		c, err := w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		check("approved again", "/token", origin)
		moved := c.Metadata
		moved.RedirectURIs = []string{"https://moved.example/cb"}
		_, err = w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &moved, Version: c.Version})
		w.must(err)
		check("moved", "/token", "")
		w.must(w.clients.Remove(w.Context(), admin, a.ID))
		w.wantShared("removed", w.from("https://moved.example", "POST", "/token"), "")
	})
}

// An application in the browser goes on after the redirect: token, userinfo,
// refresh and revocation, each readable.
func TestScriptUsesTokens(t *testing.T) {
	each(t, func(w *world) {
		const origin = "https://rp.example" // of the world's clients
		send := func(path string, form url.Values, bearer string) answer {
			w.Helper()
			form.Set("client_id", w.native.ID)
			r := w.request(http.MethodPost, path, formType, form.Encode())
			r.Header.Set("Origin", origin)
			if bearer != "" {
				r = w.request(http.MethodGet, path, "", "")
				r.Header.Set("Origin", origin)
				r.Header.Set("Authorization", "Bearer "+bearer)
			}
			a := w.do(r)
			w.wantShared(path, a, origin)
			if a.StatusCode != http.StatusOK {
				w.Errorf("%s: %s %s", path, a.Status, a.body)
			}
			return a
		}
		tokens := send("/token", redemption(w.code(w.native)), "")
		send("/userinfo", url.Values{}, tokens.str("access_token"))
		refreshed := send("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.str("refresh_token")}}, "")
		send("/revoke", url.Values{"token": {refreshed.str("refresh_token")}}, "")
		ended := w.request(http.MethodGet, "/userinfo", "", "")
		ended.Header.Set("Origin", origin)
		ended.Header.Set("Authorization", "Bearer "+refreshed.str("access_token"))
		w.wantShared("401", w.do(ended), origin)
	})
}

// A statement finds the origin, and only where a script of another one asks.
func TestOriginStatements(t *testing.T) {
	each(t, func(w *world) {
		counter := storagetest.CountStatements(w.db)
		for origin, want := range map[string]int{"https://rp.example": 1, "https://evil.example": 1, "null": 0, w.issuer: 0, "nonsense": 0} {
			counter.Reset()
			w.from(origin, "GET", "/userinfo")
			if got := counter.Count(); got != want {
				w.Errorf("from %s: %d statements; want %d: %q", origin, got, want, counter.Statements())
			}
		}
		w.down(func() {
			w.wantError(w.from("https://rp.example", "POST", "/token"), 503, "temporarily_unavailable")
			w.wantError(w.preflight("https://rp.example", "POST", "/token"), 503, "temporarily_unavailable")
		})
	})
}
