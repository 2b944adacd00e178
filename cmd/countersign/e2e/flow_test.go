package e2e

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// request is an authorization request that a test sends.
type request struct {
	url.Values
	s        *server
	verifier string
}

// Request returns a valid authorization request of the client for the code
// flow with PKCE. Tests change its values.
func (s *server) Request(c *client) *request {
	s.t.Helper()
	verifier := s.canaries.add("code verifier", newVerifier())
	return &request{s: s, verifier: verifier, Values: url.Values{
		"client_id":             {c.ID},
		"redirect_uri":          {c.RedirectURIs[0]},
		"response_type":         {"code"},
		"scope":                 {"openid profile email offline_access"},
		"state":                 {"st " + rand.Text()},
		"nonce":                 {rand.Text()},
		"code_challenge":        {challenge(verifier)},
		"code_challenge_method": {"S256"},
	}}
}

// With returns the request with a value changed, or left out when it is "".
func (r *request) With(name, value string) *request {
	changed := *r
	changed.Values = url.Values{}
	for n, v := range r.Values {
		changed.Values[n] = v
	}
	changed.Set(name, value)
	if value == "" {
		changed.Del(name)
	}
	return &changed
}

// URL is the address that the client sends the browser to.
func (r *request) URL() string {
	return r.s.endpoint("authorization_endpoint") + "?" + r.Encode()
}

// answer is an answer of a machine endpoint.
type answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any // nil when the body is no JSON object
}

func (a answer) str(member string) string {
	v, _ := a.JSON[member].(string) // "" is what a missing member reads as
	return v
}

// machine sends requests as an application does.
var machine = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
}

// client is what requests reach the server with.
func (s *server) client() *http.Client {
	if s.via == nil {
		return machine
	}
	client := *machine
	client.Transport = s.via
	return &client
}

// do sends a request and reads its answer.
func (s *server) do(req *http.Request) answer {
	s.t.Helper()
	if s.from != "" {
		req.Header.Set("X-Forwarded-For", s.from)
	}
	res, err := s.client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}
	_ = json.Unmarshal(body, &a.JSON) // a body that is no JSON leaves it nil
	if a.Status >= 500 && !s.expectFaults {
		s.t.Errorf("G-3: %s %s answers %d: %s", req.Method, req.URL.Path, a.Status, a.Body)
	}
	for _, secret := range []string{"access_token", "refresh_token", "id_token"} {
		s.canaries.add(secret, a.str(secret))
	}
	return a
}

// newRequest builds a request or fails the test.
func (s *server) newRequest(method, address, body string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return req
}

// Post sends a form to a machine endpoint, authenticated as the client in the
// way that it registered; a nil client sends the form as it is.
func (s *server) Post(address string, c *client, form url.Values) answer {
	s.t.Helper()
	return s.do(s.postRequest(address, c, form))
}

func (s *server) postRequest(address string, c *client, form url.Values) *http.Request {
	s.t.Helper()
	values := url.Values{}
	for n, v := range form {
		values[n] = v
	}
	if c != nil && c.AuthMethod != "client_secret_basic" {
		values.Set("client_id", c.ID)
		if c.Secret != "" {
			values.Set("client_secret", c.Secret)
		}
	}
	req := s.newRequest(http.MethodPost, address, values.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c != nil && c.AuthMethod == "client_secret_basic" {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749, section 2.3.1
	}
	return req
}

// Exchange redeems a code at the token endpoint.
func (s *server) Exchange(c *client, code string, r *request) answer {
	s.t.Helper()
	return s.Post(s.endpoint("token_endpoint"), c, r.exchange(code))
}

// exchange is the form of a token request for the code of this request.
func (r *request) exchange(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {r.Get("redirect_uri")}, "code_verifier": {r.verifier},
	}
}

// Refresh spends a refresh token.
func (s *server) Refresh(c *client, token string) answer {
	s.t.Helper()
	return s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// Introspect asks about a token.
func (s *server) Introspect(c *client, token string) answer {
	s.t.Helper()
	return s.Post(s.endpoint("introspection_endpoint"), c, url.Values{"token": {token}})
}

// Revoke revokes a token.
func (s *server) Revoke(c *client, token string) answer {
	s.t.Helper()
	return s.Post(s.endpoint("revocation_endpoint"), c, url.Values{"token": {token}})
}

// Userinfo asks for the claims that the access token allows.
func (s *server) Userinfo(token string) answer {
	s.t.Helper()
	req := s.newRequest(http.MethodGet, s.endpoint("userinfo_endpoint"), "")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(req)
}

// Code goes through sign-in and consent and returns the code.
func (s *server) Code(b *browser, r *request, u *user) string {
	s.t.Helper()
	p := b.Authorize(r.URL(), u)
	if p.Callback == nil || p.Callback.Query().Get("code") == "" {
		s.t.Fatalf("no code: %s (%d): %s%s", p.URL, p.Status, p.Text(), p.where())
	}
	return p.Callback.Query().Get("code")
}

// tokens is what a client got for a code.
type tokens struct{ access, refresh, id string }

// Tokens goes through the whole flow and returns what the client got.
func (s *server) Tokens(c *client, u *user) tokens {
	s.t.Helper()
	return s.tokensFor(c, u, s.Request(c))
}

func (s *server) tokensFor(c *client, u *user, r *request) tokens {
	s.t.Helper()
	a := s.Exchange(c, s.Code(s.browse(), r, u), r)
	if a.Status != http.StatusOK || a.str("access_token") == "" {
		s.t.Fatalf("no tokens: %d %s", a.Status, a.Body)
	}
	return tokens{a.str("access_token"), a.str("refresh_token"), a.str("id_token")}
}

// wantError asserts the answer JSON(status, code) of the catalogue: status,
// content type, no-store, error code, and a challenge with a 401 to Basic.
func wantError(t testing.TB, a answer, status int, code string) {
	t.Helper()
	if a.Status != status || a.str("error") != code {
		t.Errorf("got %d %s; want %d %s", a.Status, a.Body, status, code)
	}
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type is %q; want application/json", got)
	}
	if got := a.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control is %q; want no-store", got)
	}
	for _, member := range []string{"access_token", "refresh_token", "id_token"} {
		if a.JSON[member] != nil {
			t.Errorf("an error holds %s: %s", member, a.Body)
		}
	}
}

// delivered is what a redirect brings the client, in its query or its fragment.
func delivered(callback *url.URL) url.Values {
	if callback.RawQuery != "" {
		return callback.Query()
	}
	fragment, _ := url.ParseQuery(callback.EscapedFragment()) // what cannot be read is nothing
	return fragment
}

// wantRedirectError asserts the answer REDIR(code): a 303 to the registered
// redirect URI with the error, the state and the issuer, and nothing issued.
func wantRedirectError(t testing.TB, p *page, r *request, code string) {
	t.Helper()
	if p.Callback == nil {
		t.Errorf("got a page (%d: %s); want a redirect with %s", p.Status, p.Text(), code)
		return
	}
	registered, _ := url.Parse(r.Get("redirect_uri")) // it is the client's
	q := delivered(p.Callback)
	got := *p.Callback
	got.RawQuery, got.Fragment, got.RawFragment = "", "", ""
	if got.String() != registered.String() {
		t.Errorf("redirected to %s; want %s", got.String(), registered)
	}
	if p.RedirectStatus != http.StatusSeeOther {
		t.Errorf("redirect status is %d; want 303", p.RedirectStatus)
	}
	if q.Get("error") != code {
		t.Errorf("error is %q (%s); want %q", q.Get("error"), q.Get("error_description"), code)
	}
	if q.Get("state") != r.Get("state") {
		t.Errorf("state is %q; want %q", q.Get("state"), r.Get("state"))
	}
	if q.Get("iss") != r.s.issuer {
		t.Errorf("iss is %q; want %q", q.Get("iss"), r.s.issuer)
	}
	for _, issued := range []string{"code", "access_token", "id_token"} {
		if q.Has(issued) {
			t.Errorf("an error response holds %s", issued)
		}
	}
}

// wantPage asserts the answer PAGE: an error page of the server itself, which
// leads nowhere else and may not be stored, framed or scripted.
func wantPage(t testing.TB, p *page, status int) {
	t.Helper()
	if p.Callback != nil {
		t.Errorf("redirected to %s; want a page", p.Callback)
		return
	}
	if p.Status != status {
		t.Errorf("status is %d; want %d: %s", p.Status, status, p.Text())
	}
	if got := p.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("Content-Type is %q; want text/html", got)
	}
	wantPageHeaders(t, p)
	if f := p.formWith("username"); f != nil {
		t.Errorf("an error page has a sign-in form")
	}
}

// wantPageHeaders asserts the headers of every page (1.15).
func wantPageHeaders(t testing.TB, p *page) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
	} {
		if got := p.Header.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	csp := p.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %s", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy %q is unsafe", csp)
	}
}

// wantInactive asserts the answer INACTIVE: exactly that, and no more (RFC
// 7662, section 2.2).
func wantInactive(t testing.TB, a answer) {
	t.Helper()
	if a.Status != http.StatusOK || strings.TrimSpace(a.Body) != `{"active":false}` {
		t.Errorf("got %d %s; want exactly {\"active\":false}", a.Status, a.Body)
	}
}

// wantActive asserts that the token is live.
func wantActive(t testing.TB, a answer) {
	t.Helper()
	if a.Status != http.StatusOK || a.JSON["active"] != true {
		t.Errorf("got %d %s; want an active token", a.Status, a.Body)
	}
}

// wantBearerError asserts the answer BEARER(status, code): a challenge with
// the error, "" for none, and no claims (RFC 6750, section 3).
func wantBearerError(t testing.TB, a answer, status int, code string) {
	t.Helper()
	challenge := a.Header.Get("WWW-Authenticate")
	if a.Status != status || !strings.HasPrefix(challenge, "Bearer") {
		t.Errorf("got %d with challenge %q; want %d with Bearer", a.Status, challenge, status)
	}
	if got := strings.Contains(challenge, "error="); got != (code != "") {
		t.Errorf("challenge %q; want error %q", challenge, code)
	}
	if code != "" && !strings.Contains(challenge, `error="`+code+`"`) {
		t.Errorf("challenge %q; want error %q", challenge, code)
	}
	if a.JSON["sub"] != nil {
		t.Errorf("a refusal tells claims: %s", a.Body)
	}
}

// wantTokens asserts a successful token response that may not be stored.
func wantTokens(t testing.TB, a answer) {
	t.Helper()
	if a.Status != http.StatusOK || a.str("access_token") == "" || !strings.EqualFold(a.str("token_type"), "bearer") {
		t.Errorf("got %d %s; want tokens", a.Status, a.Body)
	}
	if got := a.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control is %q; want no-store", got)
	}
}
