package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const password = "correct horse battery staple"

func passwordRegistration(name string) clientstore.Registration {
	return clientstore.Registration{Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{
		GrantTypes: []string{clientstore.GrantPassword, clientstore.GrantRefreshToken}, Scope: "openid profile offline_access api",
	}}
}

// login sends the user's name and a password as the client.
func (w *world) login(a app, change ...string) answer {
	w.Helper()
	return w.post("/token", a, with(url.Values{"grant_type": {"password"}, "username": {w.user.Username}, "password": {password}}, change...))
}

func TestPasswordGrant(t *testing.T) {
	each(t, func(w *world) {
		public := passwordRegistration("Public")
		public.Metadata.TokenEndpointAuthMethod = "none"
		for name, r := range map[string]clientstore.Registration{"confidential": passwordRegistration("C"), "public": public} {
			a := w.register(r)
			tokens := w.login(a, "scope", "openid profile offline_access")
			if tokens.StatusCode != http.StatusOK || tokens.str("refresh_token") == "" || tokens.str("scope") != "openid profile offline_access" {
				w.Fatalf("%s: %s %s", name, tokens.Status, tokens.body)
			}
			claims := w.verify(a, tokens.str("id_token"))
			if claims["sub"] != w.user.ID || claims["acr"] != "urn:countersign:acr:pwd" || claims["auth_time"] != float64(w.clock.Now().Unix()) || claims["at_hash"] == nil {
				w.Errorf("%s: ID token: %v", name, claims)
			}
			if w.userinfo(tokens.str("access_token")).str("name") != "Ada Lovelace" {
				w.Errorf("%s: userinfo does not know the token", name)
			}
			w.clock.Advance(time.Hour)
			if res := w.refresh(a, tokens.str("refresh_token")); res.StatusCode != http.StatusOK || res.str("id_token") == "" {
				w.Errorf("%s: refresh: %s %s", name, res.Status, res.body)
			}
			online := w.login(a, "scope", "openid")
			if online.str("refresh_token") != "" || w.userinfo(online.str("access_token")).StatusCode != http.StatusOK {
				w.Errorf("%s: without offline_access: %s", name, online.body)
			}
			if plain := w.login(a, "scope", "api"); plain.str("id_token") != "" || plain.str("refresh_token") == "" {
				w.Errorf("%s: plain OAuth 2.0: %s", name, plain.body)
			}
		}
	})
}

func TestPasswordGrantRefuses(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(passwordRegistration("Login"))
		w.wantError(w.login(w.web), 400, "unauthorized_client") // TK-14: it is not registered for it
		for name, tt := range map[string]struct {
			change []string
			code   string
		}{
			"no username":          {[]string{"username", ""}, "invalid_request"},
			"no password":          {[]string{"password", ""}, "invalid_request"},
			"scope not registered": {[]string{"scope", "email"}, "invalid_scope"},
			"LG-13 one byte less":  {[]string{"password", password[1:]}, "invalid_grant"},
			"LG-13 a space more":   {[]string{"password", password + " "}, "invalid_grant"},
			"LG-13 too long":       {[]string{"password", strings.Repeat("x", 5000)}, "invalid_grant"},
		} {
			if res := w.login(a, tt.change...); res.StatusCode != http.StatusBadRequest || res.str("error") != tt.code {
				w.Errorf("%s: %s %s; want %s", name, res.Status, res.body, tt.code)
			}
		}
		wrong, unknown := w.login(a, "password", "wrong"), w.login(a, "username", "nobody") // LG-07
		if wrong.body != unknown.body || wrong.StatusCode != unknown.StatusCode {
			w.Errorf("DENY-EQ: wrong %s, unknown %s", wrong.body, unknown.body)
		}
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		if disabled := w.login(a); disabled.body != wrong.body {
			w.Errorf("DENY-EQ: disabled %s", disabled.body)
		}
		w.down(func() { w.wantError(w.login(a), 503, "temporarily_unavailable") })
		w.revive()
		w.failing([]string{"sign_in_throttles", "UPDATE accounts", "INSERT INTO grants", "INSERT INTO access_tokens"}, func() {
			w.wantError(w.login(a), 503, "temporarily_unavailable")
		})
		if res := w.login(a); res.StatusCode != http.StatusOK {
			w.Errorf("after the failures: %s %s", res.Status, res.body)
		}
	})
}

// TK-15, LG-12: guesses count together, wherever they are made.
func TestTK15PasswordGrantSharesTheCounters(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(passwordRegistration("Login"))
		for n := range 6 {
			if n%2 == 0 {
				w.wantError(w.login(a, "password", "wrong"), 400, "invalid_grant")
				continue
			}
			r := w.request(http.MethodPost, "/login", formType, url.Values{"username": {"ADA"}, "password": {"wrong"}}.Encode())
			if res := w.do(r); (res.StatusCode == http.StatusTooManyRequests) != (n >= 5) {
				w.Errorf("attempt %d at the page: %s", n+1, res.Status)
			}
		}
		throttled := w.login(a) // the right one
		if w.wantError(throttled, 400, "invalid_grant"); throttled.Header.Get("Retry-After") == "" {
			w.Errorf("throttled without Retry-After: %s", throttled.body)
		}
		w.clock.Advance(time.Minute)
		if res := w.login(a); res.StatusCode != http.StatusOK {
			w.Errorf("after the delay: %s %s", res.Status, res.body)
		}
	})
}

// LC and LG-12: what loses its ground takes the tokens along.
func TestPasswordGrantLosesItsGround(t *testing.T) {
	each(t, func(w *world) {
		for name, do := range map[string]func(a app){
			"disapproved, and approved again": func(a app) {
				_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "")
				w.must(err)
				w.wantError(w.login(a), 400, "unauthorized_client")
				_, err = w.clients.Approve(w.Context(), admin, a.ID)
				w.must(err)
			},
			"account disabled":  func(app) { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) },
			"consent withdrawn": func(a app) { w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID)) },
			"password changed": func(app) {
				w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, "another horse, another battery"))
			},
		} {
			w.revive()
			a := w.register(passwordRegistration(name))
			tokens := w.login(a, "scope", "openid offline_access")
			do(a)
			if w.userinfo(tokens.str("access_token")).StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: the token lives", name)
			}
			w.wantError(w.refresh(a, tokens.str("refresh_token")), 400, "invalid_grant")
		}
		pending, secret, err := w.clients.Register(w.Context(), admin, passwordRegistration("Pending"))
		w.must(err)
		w.wantError(w.login(app{pending, secret}), 400, "unauthorized_client")
	})
}

// TK-14: the strict policy turns it off for clients that have it from before.
func TestStrictPolicyRefusesThePasswordGrant(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorldUnder(t, db, clientstore.Strict)
		lax := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Policy: clientstore.Default})
		c, secret, err := lax.Register(w.Context(), admin, passwordRegistration("From before"))
		w.must(err)
		_, err = lax.Approve(w.Context(), admin, c.ID)
		w.must(err)
		w.wantError(w.login(app{c, secret}), 400, "unsupported_grant_type")
		if w.advertises(clientstore.GrantPassword) {
			w.Error("the metadata names the password grant")
		}
	})
}

// The strict policy issues no tokens in authorization responses, and answers at
// no address without TLS, whatever was registered before (RFC 9700, sections
// 2.1.2 and 2.6).
func TestStrictPolicyHoldsForClientsFromBefore(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorldUnder(t, db, clientstore.Strict)
		w.signIn()
		lax := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Policy: clientstore.Default})
		register := func(r clientstore.Registration) app {
			c, secret, err := lax.Register(w.Context(), admin, r)
			w.must(err)
			c, err = lax.Approve(w.Context(), admin, c.ID)
			w.must(err)
			w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
			return app{c, secret}
		}
		const plain = "http://rp.example/cb"
		r := registration("From before")
		r.Metadata.ResponseTypes = []string{"code", "id_token", "code id_token token"}
		r.Metadata.RedirectURIs = []string{callback, plain}
		before := register(r)
		for _, responseType := range []string{"id_token", "code id_token token"} {
			res := w.authorize(before.ask("response_type", responseType))
			at, err := url.Parse(res.Header.Get("Location"))
			w.must(err)
			if answer, err := url.ParseQuery(at.Fragment); err != nil || answer.Get("error") != "unauthorized_client" {
				w.Errorf("%s: %s to %s", responseType, res.Status, at)
			}
		}
		w.wantPage(w.authorize(before.ask("redirect_uri", plain)), "E-REDIRECT-MISMATCH")
		if sent := w.authorize(before.ask()).sent(); sent.Get("code") == "" {
			w.Errorf("what is permitted: %v", sent)
		}
		consumer := register(clientstore.Registration{Type: clientstore.OAuth1, Name: "Tool", Metadata: clientstore.Metadata{RedirectURIs: []string{callback, plain}}})
		at := begin(consumer)
		at.oauth["oauth_callback"] = plain
		w.wantProblem("a consumer's address", w.do(w.signed(at)), 400, "parameter_rejected")
		metadata := w.get("/.well-known/openid-configuration").json
		if got := fmt.Sprint(metadata["response_types_supported"]); got != "[code]" || w.advertises(clientstore.GrantImplicit) {
			w.Errorf("the metadata names the response types %s and %v", got, metadata["grant_types_supported"])
		}
	})
}

func TestMetadataNamesTheGrants(t *testing.T) {
	each(t, func(w *world) {
		for _, g := range []string{clientstore.GrantPassword, clientstore.GrantDeviceCode} {
			if !w.advertises(g) {
				w.Errorf("the metadata does not name %s", g)
			}
		}
	})
}

func (w *world) advertises(grantType string) bool {
	w.Helper()
	list, _ := w.get("/.well-known/openid-configuration").json["grant_types_supported"].([]any)
	return slices.Contains(list, any(grantType))
}
