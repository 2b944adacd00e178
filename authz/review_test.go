package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// What a stranger sends is not kept: the log says that a signature was refused,
// and why, and nothing of what was signed.
func TestRefusedSignaturesAreNotLogged(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		s := begin(a)
		s.secret, s.oauth["oauth_verifier"] = "wrong", "verifier-of-somebody"
		s.path += "?password=hunter2-of-somebody&x=" + strings.Repeat("!", 10_000)
		w.wantProblem("wrong", w.do(w.signed(s)), 401, "signature_invalid")
		logged := w.logged.String()
		if !strings.Contains(logged, "signature refused") || !strings.Contains(logged, a.ID) {
			w.Errorf("the refusal is not logged: %s", logged)
		}
		for _, secret := range []string{"hunter2", "verifier-of-somebody", "!!!", "%21"} {
			if strings.Contains(logged, secret) {
				w.Errorf("%s is logged", secret)
			}
		}
	})
}

// A secret that a person typed can be guessed, but not quickly.
func TestGuessingSecretsOfOAuth1IsSlowedDown(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		b := w.consumer("Other", clientstore.Metadata{RedirectURIs: []string{callback}})
		for n := range 52 {
			s := begin(a)
			s.secret = fmt.Sprint("guess", n)
			res := w.do(w.signed(s))
			if want := map[bool]int{true: 401, false: 429}[n < 50]; res.StatusCode != want || (want == 429) != (res.Header.Get("Retry-After") != "") {
				w.Fatalf("guess %d: %s", n+1, res.Status)
			}
		}
		if res := w.do(w.signed(begin(b))); res.StatusCode != http.StatusOK {
			w.Errorf("another consumer: %s %s", res.Status, res.body)
		}
		w.clock.Advance(time.Second)
		if res := w.do(w.signed(begin(a))); res.StatusCode != http.StatusOK {
			w.Errorf("a second later: %s %s", res.Status, res.body)
		}
	})
}

// An edit is effective at once, also for requests that wait.
func TestOAuth1CallbackThatIsTakenAway(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback, "https://rp.example/new"}})
		token, _, err := w.dghubble(a, nil).RequestToken()
		w.must(err)
		m := a.Metadata
		m.RedirectURIs = []string{"https://rp.example/new"}
		_, err = w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &m, Version: a.Version})
		w.must(err)
		b := w.browse()
		res := w.open(b, "/oauth1/authorize?oauth_token="+url.QueryEscape(token))
		w.wantPage(w.open(b, res.Header.Get("Location")), "E-OAUTH1-CALLBACK")
	})
}

// The page says how long an application of OAuth 1.0a has access, and what it
// learns.
func TestConsentByOAuth1SaysWhatIsGiven(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, _, err := w.dghubble(a, nil).RequestToken()
		w.must(err)
		b := w.browse()
		res := w.open(b, "/oauth1/authorize?oauth_token="+url.QueryEscape(token))
		for range 2 {
			res = w.open(b, res.Header.Get("Location"))
		}
		for _, want := range []string{"Up to 2 hours, also while you are away", "Recognise you when you come back", "username"} {
			if !strings.Contains(res.body, want) {
				w.Errorf("the page lacks %q: %s", want, res.body)
			}
		}
	})
}

// Strangers' origins are looked up so often and no more; those of applications
// go on.
func TestStrangeOriginsAreNotLookedUpForEver(t *testing.T) {
	each(t, func(w *world) {
		w.wantShared("before", w.from("https://rp.example", "GET", "/userinfo"), "https://rp.example")
		counter := storagetest.CountStatements(w.db)
		for n := range 200 {
			w.from(fmt.Sprintf("https://evil%d.example", n), "GET", "/userinfo")
		}
		if n := counter.Count(); n > 60 {
			w.Errorf("200 strange origins took %d statements", n)
		}
		w.wantShared("after", w.from("https://rp.example", "GET", "/userinfo"), "https://rp.example")
		_, err := w.clients.Disapprove(w.Context(), admin, w.web.ID, "")
		w.must(err)
		_, err = w.clients.Disapprove(w.Context(), admin, w.native.ID, "")
		w.must(err)
		w.wantShared("disapproved", w.from("https://rp.example", "GET", "/userinfo"), "")
	})
}

// RFC 9126, section 3: what is pushed beside a request object counts for
// nothing.
func TestPushedRequestObjectIsAll(t *testing.T) {
	each(t, func(w *world) {
		a := w.signer(func(m *clientstore.Metadata) { m.RedirectURIs = []string{callback, callback + "/2"} })
		object := testKeys()["ES256"].sign(w.T, w.object(a, map[string]any{"redirect_uri": nil}), nil)
		w.wantError(w.post("/par", a, url.Values{"request": {object}, "redirect_uri": {callback}}), 400, "invalid_request")
	})
}

// RFC 9101, section 4: an object says whose it is. OpenID Connect lets it be
// said beside it.
func TestRequestObjectSaysWhoseItIs(t *testing.T) {
	each(t, func(w *world) {
		plain := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Plain", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "api", JWKS: allKeys(w.T),
		}})
		for name, tt := range map[string]struct {
			client string
			good   bool
		}{"its own": {plain.ID, true}, "none": {"", false}} {
			change := map[string]any{"client_id": tt.client, "scope": "api", "nonce": nil}
			if tt.client == "" {
				change["client_id"] = nil
			}
			object := testKeys()["ES256"].sign(w.T, w.object(plain, change), nil)
			sent := w.authorize(url.Values{"client_id": {plain.ID}, "redirect_uri": {callback}, "request": {object}}).sent()
			if sent.Has("code") != tt.good || (sent.Get("error") == "invalid_request_object") == tt.good {
				w.Errorf("%s: %v", name, sent)
			}
		}
	})
}

// Dynamic Registration 1.0, section 2: who registers no algorithm may use any
// that both sides have.
func TestRequestObjectsUnderTheSecret(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "HMAC", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "openid profile offline_access", TokenEndpointAuthMethod: clientstore.AuthSecretJWT,
		}})
		object := signer{jose.HS256, []byte(a.secret), ""}.sign(w.T, w.object(a, nil), nil)
		if sent := w.authorize(a.outside(object)).sent(); sent.Get("state") != "inside" || !sent.Has("code") {
			w.Errorf("%v", sent)
		}
	})
}

// A session joins no subjects that are apart, and names its end to each client.
func TestSessionsAreNamedByClient(t *testing.T) {
	each(t, func(w *world) {
		one, two := w.pairwise("one.example"), w.pairwise("two.example")
		seen := map[any]string{}
		for _, a := range []app{one, two, w.web} {
			code := w.authorize(a.at()).fragment().Get("code")
			claims := w.verify(a, w.post("/token", a, redemption(code, "redirect_uri", a.Metadata.RedirectURIs[0])).str("id_token"))
			if other := seen[claims["sid"]]; other != "" || claims["sid"] == w.session.ID || claims["sid"] == nil {
				w.Errorf("%s has the sid %v, as %q has", a.Name, claims["sid"], other)
			}
			seen[claims["sid"]] = a.Name
		}
		home := func(name string) app {
			return w.register(clientstore.Registration{Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{
				RedirectURIs: []string{"http://127.0.0.1/cb"}, SubjectType: "pairwise",
			}})
		}
		if a, b := home("a"), home("b"); a.Sector() == b.Sector() {
			w.Errorf("everybody's machine is one sector: %s", a.Sector())
		}
	})
}

// RFC 9068, section 2.1: RS256 is to be had.
func TestAlgorithmOfJWTAccessTokens(t *testing.T) {
	each(t, func(w *world) {
		a := w.writesJWT(func(r *clientstore.Registration) { r.Metadata.AccessTokenSignedResponseAlg = "RS256" })
		if payload := w.signedBy(w.tokens(a).str("access_token"), "RS256"); !strings.Contains(payload, a.ID) {
			w.Errorf("payload %s", payload)
		}
	})
}

// What strangers guess through a resource server is no reason to refuse those
// who sign rightly there: it says who sent a request, or nobody is held back.
func TestGuessesAtAResourceServerLockNobodyOut(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		rs := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "RS", Metadata: clientstore.Metadata{
			GrantTypes: []string{"client_credentials"}, IntrospectionScope: clientstore.IntrospectAll,
		}})
		token := w.credentials(a)
		verify := func(secret, from string) answer {
			r := w.signed(signing{method: http.MethodGet, path: "/x", app: a, token: token.Token, secret: secret, host: "https://rs.example"})
			form := url.Values{"method": {"GET"}, "url": {"https://rs.example/x"}, "authorization": {r.Header.Get("Authorization")}}
			if from != "" {
				form.Set("client_address", from)
			}
			return w.post("/oauth1/verify", rs, form)
		}
		for _, tt := range []struct {
			name, secret, from string
			times, status      int
		}{
			{"guesses of nobody knows whom", "wrong", "", 60, 401},
			{"the consumer", token.TokenSecret, "", 1, 200},
			{"guesses from one network", "wrong", "203.0.113.7", 50, 401},
			{"one more from there", "wrong", "203.0.113.8", 1, 429},
			{"the consumer from elsewhere", token.TokenSecret, "198.51.100.1", 1, 200},
			{"the consumer from somewhere", token.TokenSecret, "", 1, 200},
			{"no address", token.TokenSecret, "rs.example:80", 1, 400},
		} {
			for range tt.times {
				if res := verify(tt.secret, tt.from); res.StatusCode != tt.status {
					w.Fatalf("%s: %s %s; want %d", tt.name, res.Status, res.body, tt.status)
				}
			}
		}
	})
}
