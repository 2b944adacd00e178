package authz_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"countersign/clientstore"
)

func TestClientAuthentication(t *testing.T) {
	each(t, func(w *world) {
		post := registration("Post")
		post.Metadata.TokenEndpointAuthMethod = "client_secret_post"
		byPost := w.register(post)
		typed := registration("Typed")
		typed.Secret = "a secret/with:+% signs, typed"
		byHand := w.register(typed)
		for name, tt := range map[string]struct {
			basic  []string // user and password, as they are sent
			form   url.Values
			status int
			code   string
		}{
			"basic":                        {[]string{w.web.ID, w.web.secret}, nil, 400, "invalid_grant"},
			"basic, not encoded":           {[]string{byHand.ID, byHand.secret}, nil, 400, "invalid_grant"},
			"basic, percent-encoded":       {[]string{byHand.ID, url.QueryEscape(byHand.secret)}, nil, 400, "invalid_grant"},
			"post":                         {nil, url.Values{"client_id": {byPost.ID}, "client_secret": {byPost.secret}}, 400, "invalid_grant"},
			"none":                         {nil, url.Values{"client_id": {w.native.ID}}, 400, "invalid_grant"},
			"basic and its client_id":      {[]string{w.web.ID, w.web.secret}, url.Values{"client_id": {w.web.ID}}, 400, "invalid_grant"},
			"CA-01 wrong secret":           {[]string{w.web.ID, byPost.secret}, nil, 401, "invalid_client"},
			"CA-01 empty secret":           {[]string{w.web.ID, ""}, nil, 401, "invalid_client"},
			"CA-02 unknown client":         {[]string{"nobody", w.web.secret}, nil, 401, "invalid_client"},
			"CA-03 two methods":            {[]string{byPost.ID, byPost.secret}, url.Values{"client_id": {byPost.ID}, "client_secret": {byPost.secret}}, 400, "invalid_request"},
			"CA-04 two clients":            {[]string{w.web.ID, w.web.secret}, url.Values{"client_id": {w.native.ID}}, 400, "invalid_request"},
			"CA-05 post for basic":         {nil, url.Values{"client_id": {w.web.ID}, "client_secret": {w.web.secret}}, 401, "invalid_client"},
			"CA-05 basic for post":         {[]string{byPost.ID, byPost.secret}, nil, 401, "invalid_client"},
			"CA-05 none for basic":         {nil, url.Values{"client_id": {w.web.ID}}, 401, "invalid_client"},
			"CA-05 basic for none":         {[]string{w.native.ID, "x"}, nil, 401, "invalid_client"},
			"CA-05 assertion":              {nil, url.Values{"client_id": {w.web.ID}, "client_assertion": {"x.y.z"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}, 401, "invalid_client"},
			"nobody at all":                {nil, nil, 401, "invalid_client"},
			"another client's good secret": {[]string{w.web.ID, byHand.secret}, nil, 401, "invalid_client"},
		} {
			form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}
			for k, v := range tt.form {
				form[k] = v
			}
			r := w.request(http.MethodPost, "/token", formType, form.Encode())
			if tt.basic != nil {
				r.SetBasicAuth(tt.basic[0], tt.basic[1])
			}
			res := w.do(r)
			if res.StatusCode != tt.status || res.str("error") != tt.code {
				w.Errorf("%s: %s %s; want %d %s", name, res.Status, res.body, tt.status, tt.code)
			}
			w.wantError(res, tt.status, tt.code)
		}
		for _, header := range []string{"Basic", "Basic !!!", "Basic " + "bm9jb2xvbg==", "Bearer x", "Digest x"} { // CA-08
			r := w.request(http.MethodPost, "/token", formType, "grant_type=authorization_code&code=x")
			r.Header.Set("Authorization", header)
			w.wantError(w.do(r), 401, "invalid_client")
		}
	})
}

func TestTokenRequests(t *testing.T) {
	each(t, func(w *world) {
		for name, tt := range map[string]struct {
			form url.Values
			code string
		}{
			"TK-05 no grant type":       {url.Values{"code": {"x"}}, "invalid_request"},
			"TK-06 unknown grant type":  {url.Values{"grant_type": {"cheese"}}, "unsupported_grant_type"},
			"TK-06 two grant types":     {url.Values{"grant_type": {"authorization_code refresh_token"}}, "unsupported_grant_type"},
			"TK-14 password":            {url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"x"}}, "unauthorized_client"},
			"CD-11 code as refresh":     {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.code(w.web)}}, "invalid_grant"},
			"CD-11 refresh as code":     {url.Values{"grant_type": {"authorization_code"}, "code": {w.tokens(w.web).str("refresh_token")}}, "invalid_grant"},
			"RT-05 garbage as refresh":  {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "invalid_grant"},
			"no refresh token":          {url.Values{"grant_type": {"refresh_token"}}, "invalid_request"},
			"no code":                   {url.Values{"grant_type": {"authorization_code"}}, "invalid_request"},
			"access token as refresh":   {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.tokens(w.web).str("access_token")}}, "invalid_grant"},
			"description is plain text": {url.Values{"grant_type": {"\"\\é<script>"}}, "unsupported_grant_type"},
		} {
			res := w.post("/token", w.web, tt.form)
			if res.StatusCode != http.StatusBadRequest || res.str("error") != tt.code || strings.ContainsAny(res.str("error_description"), "\"\\é") {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		r := registration("Code only")
		r.Metadata.GrantTypes = []string{clientstore.GrantAuthorizationCode}
		codeOnly := w.register(r)
		w.wantError(w.refresh(codeOnly, "x"), 400, "unauthorized_client") // TK-07
		if w.tokens(codeOnly).str("refresh_token") != "" {
			w.Error("RT-16: a refresh token for who cannot use it")
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodOptions} { // TK-01, RV-07, IN-09
			for _, path := range []string{"/token", "/introspect", "/revoke"} {
				res := w.do(w.request(method, path, "", ""))
				if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" || res.Header.Get("Access-Control-Allow-Origin") != "" {
					w.Errorf("%s %s: %s, Allow %q", method, path, res.Status, res.Header.Get("Allow"))
				}
			}
		}
		for _, path := range []string{"//token", "/token/", "/%74oken", "/x/../token", "/TOKEN", "/token;x"} { // HT-08
			if res := w.do(w.request(http.MethodPost, path, formType, "")); res.StatusCode != http.StatusNotFound {
				w.Errorf("%s: %s", path, res.Status)
			}
		}
		w.down(func() { // TK-17
			w.wantError(w.post("/token", w.web, redemption("x")), 503, "temporarily_unavailable")
		})
	})
}

func TestRT10GrantTakenFromTheClient(t *testing.T) {
	each(t, func(w *world) {
		tokens, code := w.tokens(w.web), w.code(w.web)
		m := w.web.Metadata
		m.GrantTypes, m.Scope = []string{clientstore.GrantAuthorizationCode}, "openid"
		c, err := w.clients.Edit(w.Context(), admin, w.web.ID, clientstore.Edit{Metadata: &m, Version: w.web.Version})
		w.must(err)
		w.wantError(w.refresh(w.web, tokens.str("refresh_token")), 400, "unauthorized_client")
		if info := w.userinfo(tokens.str("access_token")); info.json["name"] != nil || info.str("sub") != w.user.ID {
			w.Errorf("userinfo gives what was taken from the client: %s", info.body)
		}
		if got := w.post("/introspect", w.web, url.Values{"token": {tokens.str("access_token")}}).str("scope"); got != "openid" {
			w.Errorf("introspection tells of the scope %q", got)
		}
		w.wantRefusal(w.authorize(w.web.ask()), "invalid_scope", "st&a te")
		m.RedirectURIs = []string{callback + "/new"}
		_, err = w.clients.Edit(w.Context(), admin, w.web.ID, clientstore.Edit{Metadata: &m, Version: c.Version})
		w.must(err)
		w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant") // RU-25
	})
}

func TestCA11GuessingATypedSecretIsSlowedDown(t *testing.T) {
	each(t, func(w *world) {
		typed := w.typed()
		slowed := false
		for range 60 {
			res := w.post("/token", app{typed.Client, "guess"}, redemption("x"))
			if res.StatusCode == http.StatusTooManyRequests {
				slowed = res.Header.Get("Retry-After") != ""
				break
			}
			w.wantError(res, 401, "invalid_client")
		}
		if !slowed {
			w.Error("sixty guesses in a row were judged")
		}
		w.wantError(w.post("/token", w.web, redemption("x")), 400, "invalid_grant") // others are not
	})
}

// typed registers a client whose secret a person typed. What is kept of it
// says how slow it is to check, which is made quick for tests that guess.
func (w *world) typed() app {
	w.Helper()
	r := registration("Typed")
	r.Secret = "typed by an administrator"
	a := w.register(r)
	salt := []byte("sixteen bytes of")
	encode := base64.RawStdEncoding.EncodeToString
	a.Secrets[0].Value = fmt.Appendf(nil, "$argon2id$v=19$m=8,t=1,p=1$%s$%s", encode(salt), encode(argon2.IDKey([]byte(a.secret), salt, 1, 8, 1, 32)))
	w.must(w.db.With(w.Context()).Select("secrets").Updates(a.Client).Error)
	return a
}

// CA-11: who guesses from the same network does not shut out the client itself.
func TestClientIsKnownWhileOthersGuess(t *testing.T) {
	each(t, func(w *world) {
		typed := w.typed()
		w.wantError(w.post("/token", typed, redemption("x")), 400, "invalid_grant")
		for range 60 {
			w.post("/token", app{typed.Client, "guess"}, redemption("x"))
		}
		w.wantError(w.post("/token", typed, redemption("x")), 400, "invalid_grant")
	})
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	each(t, func(w *world) {
		r := w.request(http.MethodPost, "/token", formType, redemption("x").Encode())
		r.SetBasicAuth(w.web.ID, w.web.secret)
		r.Header.Add("Authorization", "Basic bm9ib2R5Ong=")
		w.wantError(w.do(r), 400, "invalid_request")
	})
}

// A header with an identifier and no secret is from a client that has none; it
// proves nothing of one that has.
func TestBasicWithoutASecret(t *testing.T) {
	each(t, func(w *world) {
		for _, tt := range []struct {
			name string
			id   string
			want string
		}{
			{"public", w.native.ID, "invalid_grant"},
			{"confidential", w.web.ID, "invalid_client"},
			{"unknown", "nobody", "invalid_client"},
			{"none", "", "invalid_client"},
		} {
			r := w.request(http.MethodPost, "/token", formType, unknownCode.Encode())
			r.SetBasicAuth(tt.id, "")
			a := w.do(r)
			if a.str("error") != tt.want {
				w.Errorf("%s: %s %s; want %s", tt.name, a.Status, a.body, tt.want)
			}
			if tt.want == "invalid_client" && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic") {
				w.Errorf("%s: 401 without a challenge", tt.name)
			}
		}
		for _, path := range []string{"/introspect", "/revoke", "/par", "/device_authorization"} {
			r := w.request(http.MethodPost, path, formType, "token=x")
			r.SetBasicAuth(w.web.ID, "")
			w.wantError(w.do(r), 401, "invalid_client")
		}
	})
}

// wantSecretUse checks which of the client's secrets it was believed by.
func (w *world) wantSecretUse(id string, used ...bool) {
	w.Helper()
	_, err := w.clients.Purge(w.Context(), 100) // which writes it down
	w.must(err)
	c, err := w.clients.Get(w.Context(), id)
	w.must(err)
	for i, s := range c.Secrets {
		if (s.UsedAt != nil) != used[i] {
			w.Errorf("secret %d was last used at %v", i, s.UsedAt)
		}
	}
}

// An answer without a scope says that all of it was given, and none that nothing
// was (RFC 6749, sections 3.3 and 5.1).
func TestClientIsToldThatNoScopeIsLeft(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Itself")
		r.Metadata.GrantTypes = append(r.Metadata.GrantTypes, clientstore.GrantClientCredentials)
		r.Metadata.Scope = "openid email api"
		a := w.register(r)
		for scope, want := range map[string]string{"openid api": "api", "": "api", "api": "api"} {
			res := w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
			if kept := w.post("/introspect", a, url.Values{"token": {res.str("access_token")}}); kept.str("scope") != want {
				w.Errorf("%q: %s; introspection says %q, want %q", scope, res.body, kept.str("scope"), want)
			}
		}
		w.wantError(w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {"openid email"}}), 400, "invalid_scope")
	})
}
