package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

// tryout is an administrator's test of a client.
type tryout struct {
	*browser
	client *client
	user   *user
	page   *page
}

// tryout signs an administrator in and opens the test of a client.
func (s *server) tryout(c *client) *tryout {
	s.t.Helper()
	t := &tryout{browser: s.browse(), client: c, user: s.administrator()}
	p := t.Open(s.settings("/oauth-clients/" + c.ID + "/test"))
	t.page = t.SignIn(p, t.user.Username, t.user.password)
	return t
}

// begin sends the form that begins the test.
func (t *tryout) begin(form url.Values) {
	t.t.Helper()
	f := t.page.formWith("flow")
	if f == nil {
		t.t.Fatalf("there is nothing to begin: %s", t.page.Text())
	}
	t.page = t.Submit(t.page, f, form)
	t.learnSecrets()
}

// decide presses a button of the test.
func (t *tryout) decide(decision string) {
	t.t.Helper()
	t.page = t.Decide(t.page, decision)
	t.learnSecrets()
}

// ownFlow chooses the client credentials.
func ownFlow(form url.Values) url.Values {
	if form == nil {
		form = url.Values{}
	}
	form.Set("flow", "client_credentials")
	return form
}

// travel goes where the test sends the browser, and allows what is asked.
func (t *tryout) travel() {
	t.t.Helper()
	t.page = t.Authorize(t.link(t.s.issuer), t.user)
	t.learnSecrets()
}

// link is the address of the page's link that begins with that, but is none of
// Settings.
func (t *tryout) link(prefix string) string {
	t.t.Helper()
	for _, a := range e2etest.Elements(t.page.doc, "a") {
		if to := e2etest.Attr(a, "href"); strings.HasPrefix(to, prefix+"/") && !strings.HasPrefix(to, t.s.settings("")) {
			return to
		}
	}
	t.t.Fatalf("the page has no link that leads to the server: %s", t.page.Text())
	return ""
}

// hidden are the values that the page hides, by name; the last one counts.
func (t *tryout) hidden() map[string]string {
	found := map[string]string{}
	for _, d := range e2etest.Elements(t.page.doc, "details") {
		if e2etest.Attr(d, "class") == "peek" {
			name, _, _ := strings.Cut(strings.TrimPrefix(e2etest.Text(d), "Hidden : "), " ")
			for _, code := range e2etest.Elements(d, "code") {
				found[name] = strings.TrimSpace(e2etest.Text(code))
			}
		}
	}
	return found
}

// learnSecrets has the logs searched for what the test showed.
func (t *tryout) learnSecrets() {
	for name, value := range t.hidden() {
		if name != "request_uri" { // the browser carries it in an address
			t.s.canaries.add("of a test: "+name, value)
		}
	}
}

// shows fails unless the page says so, in this order.
func (t *tryout) shows(words ...string) {
	t.t.Helper()
	rest := t.page.Text()
	for _, w := range words {
		_, after, found := strings.Cut(rest, w)
		if !found {
			t.t.Errorf("the page at %s lacks %q after what comes before it:\n%s", t.page.URL, w, t.page.Text())
			return
		}
		rest = after
	}
}

// isOver fails unless the test is, and nothing of it works any more.
func (t *tryout) isOver() {
	t.t.Helper()
	t.shows("The test is over")
	if token := t.hidden()["access_token"]; token != "" {
		if a := t.s.Userinfo(token); a.Status != http.StatusUnauthorized {
			t.t.Errorf("a token of a test that is over answers %d", a.Status)
		}
	}
	if strings.Contains(t.s.CLI("", "client", "show", t.client.ID, "-o", "json"), "/settings/test/") {
		t.t.Error("the redirect URI of the test is registered")
	}
}

// TestTryoutCode tests clients with the authorization code, in each way by
// which a client proves itself.
func TestTryoutCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		for _, method := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "none"} {
			c := s.Client("--set", "token_endpoint_auth_method="+method, "--set", "require_pushed_authorization_requests="+map[bool]string{true: "true", false: "false"}[method == "client_secret_post"])
			u := s.tryout(c)
			u.begin(nil)
			if method == "client_secret_post" {
				u.shows("The request is pushed", "201 Created")
			}
			u.shows("The browser is sent to the server", "What comes next", "Go to the server")
			u.travel()
			u.shows("The browser is back", "The state is that of the request", "RFC 9207", "Exchange it")
			if strings.Contains(u.page.URL.String(), "code") {
				t.Errorf("the code stays in the address: %s", u.page.URL)
			}
			u.decide("exchange")
			u.shows("Tokens are asked for", "200 OK", "signed by a key that the server publishes", "ID token, decoded", `"nonce"`,
				"Userinfo is read", "200 OK", "refreshed", "200 OK", "revoked", "200 OK")
			if text := u.page.Text(); strings.Contains(text, "Wrong") || strings.Contains(text, "Refused") {
				t.Errorf("%s: something is wrong:\n%s", method, text)
			}
			u.isOver()
		}
	})
}

// TestTryoutOthers tests clients with the flows that are left.
func TestTryoutOthers(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, s *server) {
		own := s.tryout(s.Client("--type", "oauth2", "--grant", "client_credentials", "--scope", "metrics:write"))
		own.begin(ownFlow(nil))
		own.shows("Tokens are asked for", "client_credentials", "200 OK", "is introspected", `true`, "revoked")
		own.isOver()

		device := s.tryout(s.Client("--grant", deviceGrant))
		device.begin(url.Values{"flow": {"device"}})
		device.shows("A device asks for codes", "user_code", "Ask for the tokens")
		asking := device.page
		device.decide("poll")
		device.shows("authorization_pending", "Ask for the tokens")
		device.page = asking
		device.page = device.Open(device.link(s.issuer))
		for device.page.formDeciding("allow") != nil {
			device.page = device.Decide(device.page, "allow")
		}
		device.page = device.Open(asking.URL.String())
		device.decide("poll")
		device.isOver()

		consumer := s.tryout(s.registerConsumer("--redirect-uri", webRedirect))
		consumer.begin(nil)
		consumer.shows("A request token is asked for", "200 OK", "Go to the server")
		consumer.travel()
		consumer.shows("The browser is back", "oauth_verifier")
		consumer.decide("exchange")
		consumer.shows("The access token is asked for", "200 OK", "A signed request is verified", "200 OK", consumer.user.Username)
		consumer.isOver()
	})
}

// TestTryoutOfAPendingClient shows the refusals, which are the answer then.
func TestTryoutOfAPendingClient(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	web := s.Client()
	s.disapprove(web)
	u := s.tryout(web)
	u.shows("Disapproved", "shows how it is refused")
	u.begin(nil)
	u.travel()
	if u.page.Callback != nil || u.page.Status != http.StatusForbidden {
		t.Errorf("the browser comes to %s with %d: %s", u.page.URL, u.page.Status, u.page.Text())
	}
	own := s.Client("--type", "oauth2", "--grant", "client_credentials", "--scope", "metrics:write")
	s.disapprove(own)
	u = s.tryout(own)
	u.begin(ownFlow(nil))
	u.shows("Refused", "unauthorized_client", "The test is over")
	consumer := s.registerConsumer()
	s.disapprove(consumer)
	u = s.tryout(consumer)
	u.begin(nil)
	u.shows("A request token is asked for", "Refused", "oauth_problem", "The test is over")
}

// TestTryoutWithATypedSecret shows whether that one works, and makes none.
func TestTryoutWithATypedSecret(t *testing.T) {
	t.Parallel()
	s := shared(t, postgres)
	c := s.Client("--type", "oauth2", "--grant", "client_credentials", "--scope", "metrics:write")
	for secret, want := range map[string]string{c.Secret: "revoked", "not the secret": "invalid_client"} {
		u := s.tryout(c)
		u.begin(ownFlow(url.Values{"credentials": {"typed"}}))
		u.shows("Type the secret of the client")
		u.begin(ownFlow(url.Values{"credentials": {"typed"}, "secret": {secret}}))
		u.shows("Tokens are asked for", want)
		u.isOver()
	}
}

// TestTryoutLendsToNobodyElse is AD-31: it goes at the redirect URI of a test, which is not
// registered: it is the test's, for its client, its administrator, its browser
// and its one answer.
func TestTryoutLendsToNobodyElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, other := s.Client(), s.Client()
		u := s.tryout(c)
		u.begin(nil)
		lent := u.page.URL.String()
		request := u.link(s.issuer)
		mismatches := func(when string, p *page) {
			t.Helper()
			if p.Callback != nil || p.Status != http.StatusBadRequest || !strings.Contains(p.Text(), "does not match") {
				t.Errorf("%s: %d at %s: %s", when, p.Status, p.URL, p.Text())
			}
		}
		mismatches("another client", u.Open(s.Request(other).With("redirect_uri", lent).URL()))
		mismatches("a longer address", u.Open(s.Request(c).With("redirect_uri", lent+"/").URL()))
		mismatches("another test", u.Open(s.Request(c).With("redirect_uri", s.settings("/test/")+strings.Repeat("A", 26)).URL()))
		mismatches("another origin", u.Open(s.Request(c).With("redirect_uri", strings.Replace(lent, "//", "//evil.example/", 1)).URL()))
		somebody := s.browse()
		mismatches("somebody else", somebody.Authorize(request, s.User()))

		for who, administrator := range map[string]*user{"a colleague": s.administrator(), "another browser of the administrator": u.user} {
			b := s.browse()
			p := b.SignIn(b.Open(lent), administrator.Username, administrator.password)
			if p.Status != http.StatusNotFound || !strings.Contains(p.Text(), "E-TEST") {
				t.Errorf("%s sees the test: %d %s", who, p.Status, p.Text())
			}
		}
		for _, answer := range []string{"?code=x&state=made-up", "?code=x", "?state=&code=x"} {
			if p := u.Open(lent + answer); p.Status != http.StatusBadRequest || !strings.Contains(p.Text(), "E-TEST-ANSWER") {
				t.Errorf("%s: %d %s", answer, p.Status, p.Text())
			}
		}
		first := u.Authorize(request, u.user)
		if !strings.Contains(first.Text(), "Exchange it") {
			t.Fatalf("the answer is not taken: %s", first.Text())
		}
		if p := u.Open(request); p.Status != http.StatusBadRequest || !strings.Contains(p.Text(), "E-TEST-ANSWER") {
			t.Errorf("a second answer: %d %s", p.Status, p.Text())
		}
		u.page = first
		u.decide("end")
		u.isOver()
		mismatches("a test that is over", u.Open(request))
		pushed := s.Post(s.endpoint("pushed_authorization_request_endpoint"), c, s.Request(c).With("redirect_uri", lent).Values)
		if pushed.Status != http.StatusBadRequest {
			t.Errorf("pushed with the redirect URI of a test that is over: %d %s", pushed.Status, pushed.Body)
		}
	})
}

// TestClaimsPreview holds what the page says against what the client is told.
func TestClaimsPreview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User("--name", "Grace Hopper", "--email", "grace@example.org")
		admin, b := s.administrator(), s.browse()
		const asked = `{"id_token":{"email":null}}`
		address := s.settings("/oauth-clients/" + c.ID + "/claims?" + url.Values{"account": {u.Username}, "scope": {"openid profile"}, "claims": {asked}}.Encode())
		p := b.SignIn(b.Open(address), admin.Username, admin.password)
		shown := map[string]map[string]any{}
		for _, pre := range e2etest.Elements(p.doc, "pre") {
			shown[e2etest.Attr(pre, "id")] = mustJSON[map[string]any](t, e2etest.Text(pre))
		}
		got := s.tokensFor(c, u, s.Request(c).With("scope", "openid profile").With("claims", asked))
		userinfo := s.Userinfo(got.access).JSON
		wantSame(t, "userinfo", shown["userinfo-claims"], userinfo)
		idToken := payloadOf(t, got.id)
		for _, ofTheSignIn := range []string{"auth_time", "sid", "acr", "amr", "nonce", "at_hash", "iat", "exp"} {
			delete(idToken, ofTheSignIn)
			delete(shown["id-token-claims"], ofTheSignIn)
		}
		wantSame(t, "ID token", shown["id-token-claims"], idToken)
		if idToken["email"] != "grace@example.org" || userinfo["name"] != "Grace Hopper" {
			t.Errorf("the client is told %v and %v", idToken, userinfo)
		}
		for query, want := range map[string]string{
			"account=nobody-of-that-name": "There is no account with this username", "account=" + u.Username + "&scope=root": "not registered",
			"account=" + u.Username + "&scope=openid&claims=%7B": "is not as OpenID Connect",
		} {
			if p := b.Open(s.settings("/oauth-clients/" + c.ID + "/claims?" + query)); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), want) {
				t.Errorf("%s: %d %s", query, p.Status, p.Text())
			}
		}
		// Under conditions the page shows what the client gets under them, and of whom.
		s.CLI("", "client", "approve", c.ID, "--scope", "openid email", "--test-user", u.Username, "--yes")
		conditional := s.settings("/oauth-clients/" + c.ID + "/claims?account=")
		if text := b.Open(conditional + u.Username).Text(); strings.Contains(text, "Grace Hopper") || !strings.Contains(text, "grace@example.org") || !strings.Contains(text, "It was approved without") {
			t.Errorf("approved without profile, it would be told: %s", text)
		}
		if p := b.Open(conditional + u.Username + "&scope=profile"); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "without which the client was approved") {
			t.Errorf("a scope that is withheld: %d %s", p.Status, p.Text())
		}
		if text := b.Open(conditional + admin.Username).Text(); !strings.Contains(text, "Nothing is told") || !strings.Contains(text, admin.Username+" is not among them") {
			t.Errorf("of an account that is not admitted: %s", text)
		}
	})
}

func wantSame(t *testing.T, what string, shown, told map[string]any) {
	t.Helper()
	if len(shown) == 0 || len(shown) != len(told) {
		t.Errorf("%s: the page shows %v; the client is told %v", what, shown, told)
	}
	for name, value := range told {
		if shown[name] != value {
			t.Errorf("%s: the page shows %s as %v; the client is told %v", what, name, shown[name], value)
		}
	}
}

// payloadOf reads a token without judging it.
func payloadOf(t *testing.T, token string) map[string]any {
	t.Helper()
	_, rest, _ := strings.Cut(token, ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return mustJSON[map[string]any](t, string(payload))
}
