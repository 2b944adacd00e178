package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

var administrator = audit.Actor{Name: "root", Via: audit.ViaCLI}

// stage is a server, and an administrator who works on its database beside it.
type stage struct {
	*server
	clients  *clientstore.Store
	accounts *account.Store
	auditor  *client // may introspect every token
	initial  string  // an initial access token
	plays    atomic.Uint32
}

// newStage starts a server that is told by a proxy where requests come from:
// each run comes from elsewhere, or the failing ones would slow the others down.
func newStage(t *testing.T, database string) *stage {
	t.Helper()
	s := prepare(t, database)
	s.set("SECRET_FILE", s.keyFile())
	s.set("TRUSTED_PROXIES", "127.0.0.0/8")
	s.Start()
	t.Cleanup(s.finish)
	db, keys := s.database(), s.sealKeys()
	events := audit.New(db)
	g := &stage{
		server: s, auditor: s.Client("--set", "introspection_scope=all"),
		clients:  clientstore.New(db, clientstore.Config{Keys: keys, Audit: events, Policy: clientstore.Default}),
		accounts: account.New(db, account.Config{Keys: keys, Audit: events, Cost: cheap}),
	}
	var err error
	_, g.initial, err = g.clients.CreateInitialToken(t.Context(), administrator, clientstore.InitialGrant{Name: "table", Lifetime: time.Hour, Uses: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// sealKeys returns the keys of the server, from the last file that it was told.
func (s *server) sealKeys() *seal.Keys {
	s.t.Helper()
	path := filepath.Join(s.dir, "data", "secret")
	for _, variable := range s.env {
		if value, ok := strings.CutPrefix(variable, "COUNTERSIGN_SECRET_FILE="); ok {
			path = value
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	kek, err := seal.ParseKey(strings.TrimSpace(string(content)))
	if err != nil {
		s.t.Fatal(err)
	}
	keys, err := seal.New(kek)
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// course is one run of a flow, as far as it has come.
type course struct {
	*stage
	t       *testing.T
	flow    *flow
	c       *client
	u       *user
	browser *browser
	page    *page
	request *request

	reference, code        string
	deviceCode, deviceURL  string
	tokens                 tokens
	registration, manageAt string // registration access token and where it is for
}

// play runs the flow up to the moment, lets the event happen, and holds what
// is left of the flow against the table.
func (g *stage) play(t *testing.T, f *flow, e event, moment int) {
	t.Helper()
	n := g.plays.Add(1)
	s := *g.server
	s.t, s.from = t, fmt.Sprintf("10.%d.%d.1", n>>8, n&0xff)
	own := &stage{server: &s, clients: g.clients, accounts: g.accounts, auditor: g.auditor, initial: g.initial}
	r := &course{stage: own, t: t, flow: f, browser: s.browse()}
	r.cast()
	if e.name != pending {
		r.approve()
	}
	for at, step := range f.steps[:moment] {
		if got := step.does(r); got != f.usual(at) {
			t.Fatalf("%s, before anything happened: %s", step.name, got)
		}
	}
	e.does(r)
	r.checkTokens(e)
	for at := moment; at < len(f.steps); at++ {
		want := f.expect(e, moment, at)
		if got := f.steps[at].does(r); got != want {
			t.Fatalf("%s: %s; want %s", f.steps[at].name, got, want)
		}
		if want != f.usual(at) {
			return
		}
	}
}

func (r *course) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// cast makes the account and the client of a run.
func (r *course) cast() {
	r.t.Helper()
	name, password := "ada"+strings.ToLower(rand.Text()[:12]), r.canaries.add("password", "pw "+rand.Text())
	a, err := r.accounts.Create(r.t.Context(), administrator, account.Registration{Username: name, Password: password})
	r.must(err)
	r.u = &user{ID: a.ID, Username: name, password: password}
	if r.flow.registers {
		r.register()
	} else {
		c, secret, err := r.clients.Register(r.t.Context(), administrator, clientstore.Registration{Type: clientstore.OIDC, Name: "Modeler", Metadata: r.flow.metadata()})
		r.must(err)
		r.c = &client{ID: c.ID, Secret: r.canaries.add("client secret", secret), AuthMethod: c.Metadata.TokenEndpointAuthMethod, RedirectURIs: []string{webRedirect}}
	}
	r.request = r.Request(r.c)
	for name, value := range r.flow.asks {
		r.request = r.request.With(name, value)
	}
}

// register has the client register itself.
func (r *course) register() {
	r.t.Helper()
	a := r.json(http.MethodPost, r.endpoint("registration_endpoint"), r.initial)
	if a.Status != http.StatusCreated {
		r.t.Fatalf("register: %d %s", a.Status, a.Body)
	}
	r.c = &client{ID: a.str("client_id"), RedirectURIs: []string{webRedirect}}
	r.registration, r.manageAt = r.canaries.add("registration access token", a.str("registration_access_token")), a.str("registration_client_uri")
}

// json sends a registration with a token.
func (r *course) json(method, address, token string) answer {
	r.t.Helper()
	body := ""
	if method != http.MethodGet {
		members := map[string]any{"client_name": "Modeler " + rand.Text()[:4], "redirect_uris": []string{webRedirect}}
		if r.c != nil {
			members["client_id"] = r.c.ID
		}
		encoded, _ := json.Marshal(members) // texts
		body = string(encoded)
	}
	req := r.newRequest(method, address, body)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return r.do(req)
}

func (r *course) approve() {
	r.t.Helper()
	_, err := r.clients.Approve(r.t.Context(), administrator, r.c.ID)
	r.must(err)
}

func (r *course) disapprove() {
	r.t.Helper()
	_, err := r.clients.Disapprove(r.t.Context(), administrator, r.c.ID, "")
	r.must(err)
}

func (r *course) disable() {
	r.t.Helper()
	r.must(r.accounts.Disable(r.t.Context(), administrator, r.u.ID))
}

// checkTokens asks about the tokens that were issued before the event.
func (r *course) checkTokens(e event) {
	r.t.Helper()
	alive := r.flow.lives(e)
	for name, token := range map[string]string{"access": r.tokens.access, "refresh": r.tokens.refresh} {
		if token == "" {
			continue
		}
		if a := r.Introspect(r.auditor, token); a.Status != http.StatusOK || a.JSON["active"] != alive {
			r.t.Errorf("the %s token of before: %d %s; want active %t", name, a.Status, a.Body, alive)
		}
	}
}

// outcome says what an answer of a machine endpoint is, and keeps its tokens.
func (r *course) outcome(a answer) string {
	if a.Status < 300 {
		for _, kept := range []struct {
			member string
			in     *string
		}{{"access_token", &r.tokens.access}, {"refresh_token", &r.tokens.refresh}, {"id_token", &r.tokens.id}} {
			if value := a.str(kept.member); value != "" {
				*kept.in = value
			}
		}
		return done
	}
	name := a.str("error")
	if _, challenge, ok := strings.Cut(a.Header.Get("WWW-Authenticate"), `error="`); ok && name == "" {
		name, _, _ = strings.Cut(challenge, `"`)
	}
	return fmt.Sprintf("%d %s", a.Status, name)
}

// shown says what the browser shows.
func (r *course) shown() string {
	switch p := r.page; {
	case p.Callback != nil:
		return "redirected " + delivered(p.Callback).Get("error")
	case p.asksToSignIn():
		return signInPage
	case p.asksForConsent():
		return "the consent page"
	default:
		return leadsNowhere
	}
}

// send posts a form as the client.
func (r *course) send(endpoint string, form url.Values) string {
	r.t.Helper()
	return r.outcome(r.sendFor(endpoint, form))
}

func (r *course) sendFor(endpoint string, form url.Values) answer {
	r.t.Helper()
	var key jose.SigningKey
	switch r.c.AuthMethod {
	case clientstore.AuthPrivateKeyJWT:
		key = clientKey()
	case clientstore.AuthSecretJWT:
		key = jose.SigningKey{Algorithm: jose.HS256, Key: []byte(r.c.Secret)}
	default:
		return r.Post(r.endpoint(endpoint), r.c, form)
	}
	form = maps.Clone(form)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", r.sign(key, map[string]any{"sub": r.c.ID, "jti": rand.Text()}))
	return r.Post(r.endpoint(endpoint), nil, form)
}

// sign makes a JWT of the client for this server.
func (r *course) sign(key jose.SigningKey, claims map[string]any) string {
	r.t.Helper()
	now := time.Now().Unix()
	maps.Copy(claims, map[string]any{"iss": r.c.ID, "aud": r.issuer, "exp": now + 60, "iat": now})
	payload, _ := json.Marshal(claims) // texts and numbers
	signer, err := jose.NewSigner(key, nil)
	r.must(err)
	signed, err := signer.Sign(payload)
	r.must(err)
	text, err := signed.CompactSerialize()
	r.must(err)
	return text
}

// clientKey is the key of all clients that have one.
var clientKey = sync.OnceValue(func() jose.SigningKey {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never fails
	return jose.SigningKey{Algorithm: jose.ES256, Key: key}
})

func clientKeys() json.RawMessage {
	key := clientKey().Key.(*ecdsa.PrivateKey)
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}}) // always encodes
	return set
}

func (r *course) push() string {
	a := r.sendFor("pushed_authorization_request_endpoint", r.request.Values)
	r.reference = a.str("request_uri")
	return r.outcome(a)
}

// open sends the browser to the authorization endpoint.
func (r *course) open() string {
	q := r.request.Values
	switch {
	case r.reference != "":
		q = url.Values{"client_id": {r.c.ID}, "request_uri": {r.reference}}
	case q.Get("request") != "":
		claims := map[string]any{}
		for name, values := range r.request.Values {
			claims[name] = values[0]
		}
		delete(claims, "request")
		q = url.Values{"client_id": {r.c.ID}, "response_type": {"code"}, "scope": {"openid"}, "request": {r.sign(clientKey(), claims)}}
	}
	r.page = r.browser.Open(r.endpoint("authorization_endpoint") + "?" + q.Encode())
	return r.expects(signInPage)
}

// expects is done when the browser shows what the flow goes on with.
func (r *course) expects(next string) string {
	if got := r.shown(); got != next {
		return got
	}
	return done
}

func (r *course) signIn() string {
	r.page = r.browser.SignIn(r.page, r.u.Username, r.u.password)
	return r.expects("the consent page")
}

func (r *course) consent() string {
	r.page = r.browser.Decide(r.page, "allow")
	if r.page.Callback == nil {
		return r.shown()
	}
	got := delivered(r.page.Callback)
	r.code, r.tokens.access, r.tokens.id = got.Get("code"), r.canaries.add("access token", got.Get("access_token")), got.Get("id_token")
	if r.code == "" && r.tokens.access == "" && r.tokens.id == "" {
		return r.shown()
	}
	return done
}

func (r *course) redeem() string { return r.send("token_endpoint", r.request.exchange(r.code)) }

func (r *course) refresh() string {
	return r.send("token_endpoint", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.tokens.refresh}})
}

func (r *course) logIn() string {
	return r.send("token_endpoint", url.Values{
		"grant_type": {"password"}, "username": {r.u.Username}, "password": {r.u.password}, "scope": {"openid offline_access"},
	})
}

func (r *course) ownToken() string {
	return r.send("token_endpoint", url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
}

// exchange gets a token for the one that it has.
func (r *course) exchange() string {
	return r.send("token_endpoint", url.Values{
		"grant_type": {clientstore.GrantTokenExchange}, "subject_token": {r.tokens.access},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "scope": {"openid"},
	})
}

func (r *course) begin() string {
	a := r.sendFor("device_authorization_endpoint", url.Values{"scope": {"openid offline_access"}})
	r.deviceCode, r.deviceURL = r.canaries.add("device code", a.str("device_code")), a.str("verification_uri_complete")
	return r.outcome(a)
}

func (r *course) visit() string {
	r.page = r.browser.Open(r.deviceURL)
	return r.expects(signInPage)
}

func (r *course) allow() string {
	r.page = r.browser.Decide(r.page, "allow")
	if strings.Contains(r.page.Text(), "connected") {
		return done
	}
	return r.shown()
}

func (r *course) poll() string {
	return r.send("token_endpoint", url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {r.deviceCode}})
}

func (r *course) introspect() string {
	a := r.sendFor("introspection_endpoint", url.Values{"token": {r.tokens.access}})
	if a.Status == http.StatusOK && a.JSON["active"] != true {
		return inactive
	}
	return r.outcome(a)
}

func (r *course) revoke() string {
	return r.send("revocation_endpoint", url.Values{"token": {r.tokens.access}})
}

func (r *course) userinfo() string { return r.outcome(r.Userinfo(r.tokens.access)) }

// signOut sends the browser to sign out, with an ID token as the hint.
func (r *course) signOut() string {
	r.page = r.browser.Open(r.endpoint("end_session_endpoint") + "?" +
		url.Values{"id_token_hint": {r.tokens.id}, "post_logout_redirect_uri": {farewell}}.Encode())
	if r.page.Callback != nil && r.page.Callback.String() == farewell {
		return done
	}
	return r.shown()
}

func (r *course) readRegistration() string {
	return r.outcome(r.json(http.MethodGet, r.manageAt, r.registration))
}

func (r *course) updateRegistration() string {
	return r.outcome(r.json(http.MethodPut, r.manageAt, r.registration))
}
