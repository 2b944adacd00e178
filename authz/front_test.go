package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/clientstore"
)

// every is a client with all response types of its kind.
func (w *world) every(t clientstore.Type) app {
	w.Helper()
	r := registration("Every " + string(t))
	r.Type = t
	r.Metadata.ResponseTypes = []string{"code", "code id_token", "code token", "code id_token token", "id_token", "id_token token"}
	if t == clientstore.OAuth2 {
		r.Metadata.ResponseTypes, r.Metadata.Scope = []string{"code", "token"}, "read write"
	}
	return w.register(r)
}

// delivered is what the client gets: from the query, the fragment or the form.
func (w *world) delivered(a answer) (mode string, parameters url.Values) {
	w.Helper()
	if a.StatusCode == http.StatusOK {
		return "form_post", w.posted(a)
	}
	u, err := url.Parse(a.Header.Get("Location"))
	w.must(err)
	if !strings.HasPrefix(u.String(), callback) {
		w.Errorf("sent to %q", u)
	}
	if u.RawQuery != "" {
		return "query", u.Query()
	}
	parameters, err = url.ParseQuery(u.EscapedFragment())
	w.must(err)
	return "fragment", parameters
}

// posted reads the form of the page that brings the answer.
func (w *world) posted(a answer) url.Values {
	w.Helper()
	doc, err := html.Parse(strings.NewReader(a.body))
	w.must(err)
	got := url.Values{}
	for n := range doc.Descendants() {
		at := map[string]string{}
		for _, x := range n.Attr {
			at[x.Key] = x.Val
		}
		if n.Data == "form" && (at["action"] != callback || at["method"] != "post") {
			w.Errorf("form %v", at)
		}
		if n.Data == "input" {
			got.Set(at["name"], at["value"])
		}
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://rp.example;") || strings.Contains(csp, "unsafe") {
		w.Errorf("Content-Security-Policy %q", csp)
	}
	return got
}

func half(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:16])
}

// Each response type in each response mode (OAuth 2.0 Multiple Response Type
// Encoding Practices; OpenID Connect Core 1.0, sections 3.2 and 3.3). AZ-09: the
// order of its words is no matter.
func TestResponseTypesAndModes(t *testing.T) {
	each(t, func(w *world) {
		oidc, plain := w.every(clientstore.OIDC), w.every(clientstore.OAuth2)
		for responseType, want := range map[string]string{
			"code": "code", "id_token": "id_token", "token": "access_token",
			"id_token token": "access_token id_token", "token id_token": "access_token id_token",
			"code id_token": "code id_token", "code token": "access_token code",
			"code id_token token": "access_token code id_token", "token code id_token": "access_token code id_token",
		} {
			for _, mode := range []string{"", "query", "fragment", "form_post"} {
				a, scope := oidc, "openid profile"
				if responseType == "token" {
					a, scope = plain, "read"
				}
				res := w.authorize(a.ask("response_type", responseType, "response_mode", mode, "scope", scope))
				got, parameters := w.delivered(res)
				if w.wantDelivery(responseType, mode, want, got, parameters) {
					w.wantCredentials(a, parameters)
				}
			}
		}
	})
}

// wantDelivery reports whether credentials were to be delivered at all.
func (w *world) wantDelivery(responseType, asked, want, mode string, got url.Values) bool {
	w.Helper()
	front := responseType != "code"
	expected := asked
	if asked == "" && !front {
		expected = "query"
	}
	if front && (asked == "" || asked == "query") {
		expected = "fragment"
	}
	if mode != expected || got.Get("state") != "st&a te" || got.Get("iss") != w.issuer {
		w.Errorf("%s, mode %q: by %s: %v", responseType, asked, mode, got)
	}
	if front && asked == "query" { // AZ-30
		if got.Get("error") != "invalid_request" || got.Has("access_token") || got.Has("id_token") {
			w.Errorf("%s by query: %v", responseType, got)
		}
		return false
	}
	var credentials []string
	for _, name := range []string{"access_token", "code", "id_token"} {
		if got.Has(name) {
			credentials = append(credentials, name)
		}
	}
	if strings.Join(credentials, " ") != want {
		w.Errorf("%s: %v; want %s", responseType, got, want)
	}
	return len(credentials) > 0
}

// wantCredentials uses what was delivered.
func (w *world) wantCredentials(a app, got url.Values) {
	w.Helper()
	token := got.Get("access_token")
	if token != "" {
		if !w.active(a, token) || got.Get("token_type") != "Bearer" || got.Get("expires_in") != "600" {
			w.Errorf("access token: %v", got)
		}
	}
	if got.Has("id_token") {
		claims := w.verify(a, got.Get("id_token"))
		hashes := map[string]string{"at_hash": token, "c_hash": got.Get("code"), "s_hash": got.Get("state")}
		for name, value := range hashes {
			if (value != "" && claims[name] != half(value)) || (value == "" && claims[name] != nil) {
				w.Errorf("CD-15 %s = %v for %q", name, claims[name], value)
			}
		}
		// Without an access token the claims of the scope come in the ID token.
		if alone := token == "" && !got.Has("code"); (claims["name"] == "Ada Lovelace") != alone || claims["nonce"] != "n-0S6_WzA2Mj" {
			w.Errorf("ID token: %v", claims)
		}
	}
	if got.Has("code") {
		res := w.post("/token", a, redemption(got.Get("code")))
		if res.StatusCode != http.StatusOK || (got.Has("id_token") && w.verify(a, res.str("id_token"))["sub"] != w.user.ID) {
			w.Errorf("code: %s %s", res.Status, res.body)
		}
	}
}

func TestFrontChannelErrorsGoWhereTheAnswerWouldHaveGone(t *testing.T) {
	each(t, func(w *world) {
		a := w.every(clientstore.OIDC)
		for name, tt := range map[string]struct {
			change     []string
			mode, code string
		}{
			"AZ-35 no nonce":          {[]string{"response_type", "id_token", "nonce", ""}, "fragment", "invalid_request"},
			"AZ-35 no nonce, hybrid":  {[]string{"response_type", "code id_token", "nonce", ""}, "fragment", "invalid_request"},
			"no openid":               {[]string{"response_type", "id_token", "scope", "profile"}, "fragment", "invalid_request"},
			"scope, by form":          {[]string{"response_type", "id_token token", "scope", "openid x", "response_mode", "form_post"}, "form_post", "invalid_scope"},
			"prompt none, by form":    {[]string{"max_age", "0", "prompt", "none", "response_mode", "form_post"}, "form_post", "login_required"},
			"code by fragment":        {[]string{"scope", "openid x", "response_mode", "fragment"}, "fragment", "invalid_scope"},
			"unknown mode of a token": {[]string{"response_type", "id_token", "response_mode", "cheese"}, "fragment", "invalid_request"},
			"not registered":          {[]string{"response_type", "token"}, "fragment", "unauthorized_client"},
			"AZ-07 unknown":           {[]string{"response_type", "code cheese"}, "query", "unsupported_response_type"},
		} {
			mode, got := w.delivered(w.authorize(a.ask(tt.change...)))
			if mode != tt.mode || got.Get("error") != tt.code || got.Get("state") != "st&a te" || got.Get("iss") != w.issuer {
				w.Errorf("%s: by %s: %v", name, mode, got)
			}
			if slices.ContainsFunc([]string{"code", "access_token", "id_token"}, got.Has) {
				w.Errorf("%s: an error with credentials: %v", name, got)
			}
		}
	})
}

func TestPublicClientNeedsNoProofKeyWithoutACode(t *testing.T) {
	each(t, func(w *world) {
		r := public("Old page")
		r.Metadata.ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token"}
		a := w.register(r)
		none := []string{"code_challenge", "", "code_challenge_method", ""}
		if _, got := w.delivered(w.authorize(a.ask(append(none, "response_type", "id_token")...))); got.Get("id_token") == "" {
			w.Errorf("id_token: %v", got)
		}
		if _, got := w.delivered(w.authorize(a.ask(append(none, "response_type", "code id_token")...))); got.Get("error") != "invalid_request" {
			w.Errorf("PK-01 code id_token: %v", got)
		}
	})
}

func TestNoRefreshTokenFromTheFrontChannel(t *testing.T) {
	each(t, func(w *world) {
		a := w.every(clientstore.OIDC)
		_, got := w.delivered(w.authorize(a.ask("response_type", "id_token token")))
		if got.Has("refresh_token") {
			w.Errorf("got %v", got)
		}
		w.must(w.sessions.End(w.Context(), w.session.ID))
		if w.active(a, got.Get("access_token")) {
			w.Error("INV-23: a token of the front channel outlives the session")
		}
	})
}

func TestClientCredentials(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Robot")
		r.Metadata.GrantTypes = []string{clientstore.GrantClientCredentials, clientstore.GrantAuthorizationCode}
		r.Metadata.Scope = "openid email offline_access read write"
		robot := w.register(r)
		form := url.Values{"grant_type": {"client_credentials"}}
		res := w.post("/token", robot, form)
		if res.StatusCode != http.StatusOK || res.str("scope") != "read write" || res.str("refresh_token") != "" || res.str("id_token") != "" || res.json["expires_in"] != 600.0 {
			w.Errorf("TK-12: %s %s", res.Status, res.body)
		}
		asked := w.post("/introspect", robot, url.Values{"token": {res.str("access_token")}})
		if asked.str("sub") != robot.ID || asked.str("client_id") != robot.ID || asked.str("scope") != "read write" || asked.json["username"] != nil {
			w.Errorf("introspection: %s", asked.body)
		}
		if narrow := w.post("/token", robot, with(form, "scope", "read")); narrow.str("scope") != "read" {
			w.Errorf("narrow: %s", narrow.body)
		}
		w.wantError(w.post("/token", robot, with(form, "scope", "admin")), 400, "invalid_scope")
		form.Del("scope")
		w.wantError(w.post("/token", w.web, form), 400, "unauthorized_client")
		if info := w.userinfo(res.str("access_token")); info.StatusCode != http.StatusForbidden {
			w.Errorf("userinfo: %s", info.Status)
		}
		_, err := w.clients.Disapprove(w.Context(), admin, robot.ID, "")
		w.must(err)
		w.wantError(w.post("/token", robot, form), 400, "unauthorized_client")
		_, err = w.clients.Approve(w.Context(), admin, robot.ID)
		w.must(err)
		if w.active(robot, res.str("access_token")) {
			w.Error("LC-17: approved again, and the old token lives")
		}
	})
}
