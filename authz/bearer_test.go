package authz_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
)

// absent is a client that may act for people who are not there.
func (w *world) absent(change ...func(*clientstore.Registration)) app {
	w.Helper()
	r := clientstore.Registration{Type: clientstore.OIDC, Name: "Nightly", Metadata: clientstore.Metadata{
		GrantTypes: []string{clientstore.GrantAuthorizationCode, clientstore.GrantJWTBearer}, RedirectURIs: []string{callback},
		Scope: "openid profile email models", JWKS: allKeys(w.T),
	}}
	for _, f := range change {
		f(&r)
	}
	return w.register(r)
}

// named is what the client signs: a good assertion about the user, but for what
// changes it.
func (w *world) named(a app, change map[string]any) string {
	w.Helper()
	claims := map[string]any{"sub": w.user.ID}
	maps.Copy(claims, change)
	return testKeys()["ES256"].sign(w.T, w.assertion(a.ID, claims), nil)
}

func (w *world) bear(a app, assertion string, change ...string) answer {
	w.Helper()
	return w.post("/token", a, with(url.Values{"grant_type": {clientstore.GrantJWTBearer}, "assertion": {assertion}}, change...))
}

func TestJWTBearer(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent()
		res := w.bear(a, w.named(a, nil))
		if res.StatusCode != http.StatusOK || res.str("scope") != "openid profile email models" || res.str("token_type") != "Bearer" ||
			res.json["expires_in"] != float64(600) || res.json["refresh_token"] != nil || res.json["id_token"] != nil || res.Header.Get("Cache-Control") != "no-store" {
			w.Fatalf("%s %s", res.Status, res.body)
		}
		got := w.about(a, res.str("access_token"))
		if got.json["active"] != true || got.str("sub") != w.user.ID || got.str("username") != "ada" || got.str("client_id") != a.ID ||
			got.json["acr"] != nil || got.json["auth_time"] != nil {
			w.Errorf("introspection: %s", got.body)
		}
		if info := w.userinfo(res.str("access_token")); info.str("sub") != w.user.ID {
			w.Errorf("userinfo: %s", info.body)
		}
		less := w.bear(a, w.named(a, map[string]any{"aud": w.issuer + "/token"}), "scope", "models")
		if less.str("scope") != "models" || w.about(a, less.str("access_token")).str("scope") != "models" {
			w.Errorf("less: %s", less.body)
		}
		for alg, s := range testKeys() {
			if res := w.bear(a, s.sign(w.T, w.assertion(a.ID, map[string]any{"sub": w.user.ID}), map[string]any{"typ": "authorization-grant+jwt"})); res.StatusCode != http.StatusOK {
				w.Errorf("%s: %s", alg, res.body)
			}
		}
		if !strings.Contains(w.logged.String(), `msg="assertion accepted"`) {
			w.Error("the log has no line about the assertion")
		}
	})
}

// Access tokens are what the client is registered for, whoever is there.
func TestJWTBearerForJWT(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent(func(r *clientstore.Registration) { r.Metadata.AccessTokenFormat = clientstore.FormatJWT })
		_, claims := w.readJWT(w.bear(a, w.named(a, nil), "scope", "models").str("access_token"), a.ID)
		if claims["sub"] != w.user.ID || claims["client_id"] != a.ID || claims["scope"] != "models" || claims["auth_time"] != nil {
			w.Errorf("claims: %v", claims)
		}
	})
}

// TestJB01Assertions are those that prove nothing, or nothing for this.
func TestJB01Assertions(t *testing.T) {
	each(t, func(w *world) {
		a, other, now, key := w.absent(), w.absent(), w.db.Now().Unix(), testKeys()["ES256"]
		claims := func(change map[string]any) string { return w.named(a, change) }
		good := w.assertion(a.ID, map[string]any{"sub": w.user.ID})
		stranger := testKeys()["EdDSA"]
		stranger.kid = "e"
		for name, tt := range map[string]struct{ assertion, says string }{
			"no JWT":                    {"x", "compact"},
			"of a key that is not its":  {stranger.sign(w.T, good, nil), "no key of the client"},
			"by the secret":             {signer{"HS256", []byte(a.secret), ""}.sign(w.T, good, nil), "alg"},
			"unsigned":                  {"eyJhbGciOiJub25lIn0.e30.", "alg"},
			"that authenticates":        {key.sign(w.T, good, map[string]any{"typ": "client-authentication+jwt"}), "typ"},
			"a request object":          {key.sign(w.T, good, map[string]any{"typ": "oauth-authz-req+jwt"}), "typ"},
			"an access token":           {key.sign(w.T, good, map[string]any{"typ": "at+jwt"}), "typ"},
			"with a key of its own":     {key.sign(w.T, good, map[string]any{"jku": "https://attacker.example/jwks"}), "jku"},
			"of another client":         {claims(map[string]any{"iss": other.ID}), "iss"},
			"of nobody":                 {claims(map[string]any{"iss": nil}), "iss"},
			"about nobody":              {claims(map[string]any{"sub": nil}), "no sub"},
			"about the client":          {claims(map[string]any{"sub": a.ID}), "client_credentials"},
			"for another server":        {claims(map[string]any{"aud": "https://attacker.example"}), "aud"},
			"for another server beside": {claims(map[string]any{"aud": []string{w.issuer, "https://attacker.example"}}), "aud"},
			"for nobody":                {claims(map[string]any{"aud": nil}), "aud"},
			"without jti":               {claims(map[string]any{"jti": nil}), "jti"},
			"without exp":               {claims(map[string]any{"exp": nil}), "exp"},
			"expired":                   {claims(map[string]any{"exp": now - 1}), "expired"},
			"for ever":                  {claims(map[string]any{"exp": now + 3600}), "expires too late"},
			"not yet":                   {claims(map[string]any{"nbf": now + 61}), "not valid yet"},
		} {
			res := w.bear(a, tt.assertion)
			if res.StatusCode != http.StatusBadRequest || res.str("error") != "invalid_grant" || !strings.Contains(res.str("error_description"), tt.says) {
				w.Errorf("%s: %s %s; want %q", name, res.Status, res.body, tt.says)
			}
		}
		w.wantError(w.bear(a, ""), 400, "invalid_request")
		// What is good is good for who signed it, and proves no client.
		w.wantError(w.bear(other, claims(nil)), 400, "invalid_grant")
		w.wantError(w.do(w.request(http.MethodPost, "/token", formType, url.Values{"grant_type": {clientstore.GrantJWTBearer}, "assertion": {claims(nil)}, "client_id": {a.ID}}.Encode())), 401, "invalid_client")
		w.wantError(w.postSigned("/token", claims(nil), unknownCode), 401, "invalid_client")
	})
}

// TestJB02AssertionHoldsOnce, be it presented 20 times at once.
func TestJB02AssertionHoldsOnce(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent()
		once := w.named(a, nil)
		// What is refused is not used up.
		w.wantRefused("too much", w.bear(a, once, "scope", "address"), "invalid_scope", "registered")
		if res := w.bear(a, once); res.StatusCode != http.StatusOK {
			w.Fatalf("once: %s", res.body)
		}
		w.wantRefused("twice", w.bear(a, once), "invalid_grant", "used before")
		same := w.named(a, nil)
		w.wantOneOf20("invalid_grant", func() answer { return w.bear(a, same) })
	})
}

// TestJB03OnlyForWhoAllowedIt is CN-12 as well: nobody is acted for who did not
// say so, to the client as it is, and nothing is told of who exists.
func TestJB03OnlyForWhoAllowedIt(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent()
		for name, sub := range map[string]string{"nobody": "nobody", "another's": a.ID + "x", "NUL": "a\x00b", "username": "ada"} {
			w.wantRefused(name, w.bear(a, w.named(a, map[string]any{"sub": sub})), "invalid_grant", "nobody who allowed")
		}
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		w.wantRefused("withdrawn", w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, "openid models", "another"))
		w.wantRefused("another look", w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, "openid models", a.ConsentOf(w.user.Epoch)))
		if res := w.bear(a, w.named(a, nil)); res.str("scope") != "openid models" {
			w.Errorf("all that was allowed: %s", res.body)
		}
		w.wantRefused("more", w.bear(a, w.named(a, nil), "scope", "openid email"), "invalid_scope", "did not allow")
		token := w.bear(a, w.named(a, nil)).str("access_token")
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		if w.active(a, token) {
			w.Error("the token outlives the account")
		}
		w.wantRefused("disabled", w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
	})
}

// TestJB03ConsentEndsWithTheEpoch: whoever knew a password and let their client
// come back is gone with it, as holders of refresh tokens are.
func TestJB03ConsentEndsWithTheEpoch(t *testing.T) {
	each(t, func(w *world) {
		for name, end := range map[string]func(){
			"another password": func() { w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, nextPassword)) },
			"disabled and enabled": func() {
				w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
				w.must(w.accounts.Enable(w.Context(), admin, w.user.ID))
			},
		} {
			a := w.absent()
			if res := w.bear(a, w.named(a, nil)); res.StatusCode != http.StatusOK {
				w.Fatalf("%s, before: %s", name, res.body)
			}
			end()
			w.wantRefused(name, w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
			var err error
			w.user, err = w.accounts.Get(w.Context(), w.user.ID)
			w.must(err)
			w.signIn()
			v := w.me()
			form := v.consentForm(a.ask("scope", "models")) // they are asked again
			v.consent(form)
			if res := w.bear(a, w.named(a, nil)); res.str("scope") != "models" {
				w.Errorf("%s: what was allowed before came back: %s", name, res.body)
			}
		}
	})
}

// TestJB05ConsentToAClientThatMayNotComeBack counts for nothing once it may: the
// page did not say that it would.
func TestJB05ConsentToAClientThatMayNotComeBack(t *testing.T) {
	each(t, func(w *world) {
		a, v := w.absent(), w.me()
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		withheld := clientstore.Conditions{GrantTypes: []string{clientstore.GrantAuthorizationCode}}
		w.approveOn(a, withheld)
		v.consent(v.consentForm(a.ask()))
		stale := v.consentForm(a.ask("prompt", "consent"))
		w.approveOn(a, clientstore.Conditions{})
		w.wantRefused("allowed before", w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
		v.consent(stale) // a page from before
		w.wantRefused("a page from before", w.bear(a, w.named(a, nil)), "invalid_grant", "nobody who allowed")
		v.consent(v.consentForm(a.ask()))
		if res := w.bear(a, w.named(a, nil)); res.StatusCode != http.StatusOK {
			w.Errorf("asked again: %s", res.body)
		}
	})
}

// JB-07: the account page tells that the client may come back, also while it
// holds no token, and for as long as it may.
func TestConnectedApplicationThatMayComeBack(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent()
		w.wantShown(w.me().get("/account/applications"), "Nightly", "Has access", "At any time, also while you are away, until you take it back.")
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, "models", a.ConsentDigest))
		if page := w.me().get("/account/applications"); strings.Contains(page.body, "At any time") || !strings.Contains(page.body, "No access now") {
			w.Errorf("a consent from before: %.2000s", page.body)
		}
	})
}

// TestJB04WhatIsNotThereIsNotGiven: neither what a person has to be there for,
// nor what outlives the assertion's client.
func TestJB04WhatIsNotThereIsNotGiven(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent(func(r *clientstore.Registration) {
			r.Metadata.GrantTypes = append(r.Metadata.GrantTypes, clientstore.GrantRefreshToken)
			r.Metadata.Scope = "openid offline_access accounts:write models"
		})
		res := w.bear(a, w.named(a, nil))
		if res.str("scope") != "openid models" || res.json["refresh_token"] != nil {
			w.Errorf("all: %s", res.body)
		}
		w.wantRefused("offline access alone", w.bear(a, w.named(a, nil), "scope", "offline_access"), "invalid_scope", "while they are away")
		w.wantRefused("administration", w.bear(a, w.named(a, nil), "scope", "accounts:write"), "invalid_scope", "only for people who are there")
		token := res.str("access_token")
		if !w.active(a, token) {
			w.Fatal("not active")
		}
		w.disapprove(a)
		w.wantRefused("disapproved", w.bear(a, w.named(a, nil)), "unauthorized_client", "disapproved")
		w.approve(a.ID)
		if w.active(a, token) {
			w.Error("the token came back with the client")
		}
		again := w.bear(a, w.named(a, nil))
		w.clock.Advance(10 * time.Minute)
		if again.StatusCode != http.StatusOK || w.active(a, again.str("access_token")) {
			w.Errorf("again: %s", again.body)
		}
	})
}

// TestJB05GrantIsRegistered: it is an administrator's to give, and nobody has it
// who did not get it.
func TestJB05GrantIsRegistered(t *testing.T) {
	each(t, func(w *world) {
		w.wantRefused("not registered", w.bear(w.web, w.named(w.web, nil)), "unauthorized_client", "not registered")
		a := w.absent()
		tester, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		w.approveOn(a, clientstore.Conditions{TestAccounts: []string{tester.ID}})
		w.wantRefused("tried out by others", w.bear(a, w.named(a, nil)), "invalid_grant", "tried out")
		w.approveOn(a, clientstore.Conditions{GrantTypes: []string{clientstore.GrantAuthorizationCode}})
		w.wantRefused("withheld", w.bear(a, w.named(a, nil)), "unauthorized_client", "without the grant type")
	})
}

// TestJB06WithdrawalEndsWhatIsIssuedMeanwhile: after a withdrawal was answered,
// no token is left of those that were asked for at the same moment.
func TestJB06WithdrawalEndsWhatIsIssuedMeanwhile(t *testing.T) {
	each(t, func(w *world) {
		a := w.absent()
		for range 10 {
			w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, "models", a.ConsentOf(w.user.Epoch)))
			var (
				wg     sync.WaitGroup
				mu     sync.Mutex
				tokens []string
			)
			for range 8 {
				assertion := w.named(a, nil)
				wg.Go(func() {
					res := w.bear(a, assertion)
					mu.Lock()
					defer mu.Unlock()
					if res.StatusCode == http.StatusOK {
						tokens = append(tokens, res.str("access_token"))
					}
				})
			}
			w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
			wg.Wait()
			for _, token := range tokens {
				if w.active(a, token) {
					w.Fatal("a token outlives the consent")
				}
			}
		}
	})
}
