package tryout

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// assertionType is that of client assertions (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// New returns a test of the client that has not begun.
func New(c *clientstore.Client, flow Flow, redirectURI string) *Run {
	run := &Run{
		Flow: flow, ClientID: c.ID, RedirectURI: redirectURI, AuthMethod: c.Metadata.TokenEndpointAuthMethod,
		Pushes: c.Metadata.RequirePushedAuthorizationRequests,
	}
	if flow == OAuth1 {
		run.AuthMethod = signatureMethod(c)
	}
	if flow == Code {
		run.State, run.Nonce, run.Verifier = rand.Text(), rand.Text(), rand.Text()+rand.Text()
	}
	return run
}

// Begin takes the first step.
func (p *Party) Begin(run *Run) error {
	switch run.Flow {
	case Code:
		return p.authorize(run)
	case Device:
		return p.beginDevice(run)
	case ClientCredentials:
		form := url.Values{"grant_type": {clientstore.GrantClientCredentials}}
		return p.getTokens(run, "token", withScope(form, run))
	default:
		return p.requestToken(run)
	}
}

func withScope(form url.Values, run *Run) url.Values {
	if run.Scope != "" {
		form.Set("scope", run.Scope)
	}
	return form
}

// authorize writes the authorization request, or pushes it where the client
// does.
func (p *Party) authorize(run *Run) error {
	challenge := sha256.Sum256([]byte(run.Verifier))
	request := withScope(url.Values{
		"response_type": {"code"}, "client_id": {run.ClientID}, "redirect_uri": {run.RedirectURI}, "state": {run.State}, "nonce": {run.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}, run)
	if run.Claims != "" {
		request.Set("claims", run.Claims)
	}
	if run.Pushes {
		a, err := p.post(run, "push", "/par", request)
		if err != nil || !a.ok() {
			return err
		}
		request = url.Values{"client_id": {run.ClientID}, "request_uri": {a.str("request_uri")}}
	}
	run.Steps = append(run.Steps, Step{Kind: "authorize", Request: &Message{Line: "GET " + p.Issuer + "/authorize", Fields: fields(request)}})
	run.Address, run.Next = p.Issuer+"/authorize?"+request.Encode(), Browser
	return nil
}

// Answer takes what the browser came back with. It reports whether it answers
// this test: whatever else a browser brings changes nothing.
func (p *Party) Answer(run *Run, q url.Values) bool {
	if run.Next != Browser {
		return false
	}
	name, want := "state", run.State
	if run.Flow == OAuth1 {
		name, want = "oauth_token", run.Token
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(q.Get(name)), []byte(want)) != 1 {
		return false
	}
	s := Step{Kind: "answer", Response: &Message{Line: "GET " + run.RedirectURI, Fields: fields(q)}, Checks: []Check{{name, true}}}
	run.Code = q.Get("code")
	if run.Flow == OAuth1 {
		run.Code = q.Get("oauth_verifier")
	} else { // RFC 9207, section 2.4
		s.Checks = append(s.Checks, Check{"iss", q.Get("iss") == p.Issuer})
	}
	s.Failed = run.Code == "" || s.refuted()
	run.Next, run.Address = Exchange, ""
	if s.Failed {
		run.Next = Nothing
	}
	run.Steps = append(run.Steps, s)
	return true
}

// refuted reports whether a check failed.
func (s *Step) refuted() bool {
	for _, c := range s.Checks {
		if !c.OK {
			return true
		}
	}
	return false
}

// Exchange exchanges what the browser brought, and looks at all that comes of
// it.
func (p *Party) Exchange(run *Run) error {
	code := run.Code
	run.Code = ""
	if run.Flow == OAuth1 {
		return p.accessToken(run, code)
	}
	return p.getTokens(run, "token", url.Values{
		"grant_type": {clientstore.GrantAuthorizationCode}, "code": {code}, "redirect_uri": {run.RedirectURI}, "code_verifier": {run.Verifier},
	})
}

// beginDevice asks for a pair of codes (RFC 8628, section 3.1).
func (p *Party) beginDevice(run *Run) error {
	a, err := p.post(run, "device", "/device_authorization", withScope(url.Values{}, run))
	if err != nil || !a.ok() {
		return err
	}
	run.DeviceCode, run.UserCode, run.Address, run.Next = a.str("device_code"), a.str("user_code"), a.str("verification_uri_complete"), Poll
	return nil
}

// Poll asks for the device's tokens. Of answers that say to wait the last is
// kept.
func (p *Party) Poll(run *Run) error {
	if last := len(run.Steps) - 1; run.Steps[last].Kind == "poll" {
		run.Steps = run.Steps[:last]
	}
	err := p.getTokens(run, "poll", url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {run.DeviceCode}})
	for _, f := range run.Steps[len(run.Steps)-1].Response.Fields {
		if f.Name == "error" && (f.Value == "authorization_pending" || f.Value == "slow_down") {
			run.Next = Poll
		}
	}
	return err
}

// getTokens asks the token endpoint, and follows up on what it issues.
func (p *Party) getTokens(run *Run, kind string, form url.Values) error {
	run.Next = Nothing
	a, err := p.post(run, kind, "/token", form)
	if err != nil || !a.ok() {
		return err
	}
	t := p.take(run, a)
	if err := p.decode(run, t); err != nil {
		return err
	}
	for _, follow := range []func(*Run, tokens) error{p.userinfo, p.introspect} {
		if err := follow(run, t); err != nil {
			return err
		}
	}
	return p.refreshAndRevoke(run, t)
}

// tokens are what was issued.
type tokens struct{ access, refresh, id, scope string }

// take notes what was issued, so that it ends with the test.
func (*Party) take(run *Run, a *response) tokens {
	t := tokens{a.str("access_token"), a.str("refresh_token"), a.str("id_token"), a.str("scope")}
	for _, one := range []string{t.access, t.refresh} {
		if one != "" {
			run.Tokens = append(run.Tokens, one)
		}
	}
	return t
}

// userinfo asks for the claims that the access token opens (OpenID Connect Core
// 1.0, section 5.3).
func (p *Party) userinfo(run *Run, t tokens) error {
	if t.id == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(p.For.Context(), http.MethodGet, p.Issuer+"/userinfo", http.NoBody)
	if err != nil {
		return fmt.Errorf("write request of the test: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+t.access)
	a, err := p.ask(run, "userinfo", req)
	if err == nil && strings.HasPrefix(a.header.Get("Content-Type"), "application/jwt") {
		last := &run.Steps[len(run.Steps)-1]
		if d, ok := decoded("userinfo", a.body.String()); ok {
			last.Decoded = append(last.Decoded, d)
		}
	}
	return err
}

// introspect asks what the access token is worth (RFC 7662), which only who
// proves to be a client may.
func (p *Party) introspect(run *Run, t tokens) error {
	if run.AuthMethod == clientstore.AuthNone || !run.provesAgain() {
		return nil
	}
	_, err := p.post(run, "introspect", "/introspect", url.Values{"token": {t.access}})
	return err
}

// refreshAndRevoke uses the refresh token if there is one, and ends what was
// issued (RFC 7009).
func (p *Party) refreshAndRevoke(run *Run, t tokens) error {
	if !run.provesAgain() {
		return nil
	}
	last := t.access
	if t.refresh != "" {
		a, err := p.post(run, "refresh", "/token", url.Values{"grant_type": {clientstore.GrantRefreshToken}, "refresh_token": {t.refresh}})
		if err != nil {
			return err
		}
		renewed := p.take(run, a)
		if last = t.refresh; renewed.refresh != "" {
			last = renewed.refresh
		}
	}
	_, err := p.post(run, "revoke", "/revoke", url.Values{"token": {last}})
	return err
}

// provesAgain reports whether the client can prove itself another time: an
// assertion that was typed works once.
func (run *Run) provesAgain() bool { return run.AuthMethod != clientstore.AuthPrivateKeyJWT }

// post sends a form to an endpoint, with what the client proves itself by in
// the way that it is registered for.
func (p *Party) post(run *Run, kind, path string, form url.Values) (*response, error) {
	basic := false
	switch run.AuthMethod {
	case clientstore.AuthBasic:
		basic = true
	case clientstore.AuthPost:
		form.Set("client_id", run.ClientID)
		form.Set("client_secret", run.Secret)
	case clientstore.AuthSecretJWT:
		assertion, err := p.assertion(run)
		if err != nil {
			return nil, err
		}
		proveBy(form, assertion)
	case clientstore.AuthPrivateKeyJWT:
		proveBy(form, run.Assertion)
	default:
		form.Set("client_id", run.ClientID)
	}
	req, err := http.NewRequestWithContext(p.For.Context(), http.MethodPost, p.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("write request of the test: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth(url.QueryEscape(run.ClientID), url.QueryEscape(run.Secret)) // RFC 6749, section 2.3.1
	}
	return p.ask(run, kind, req)
}

func proveBy(form url.Values, assertion string) {
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
}

// assertionLifetime is how long a client assertion of a test is good.
const assertionLifetime = time.Minute

// assertion is signed with the client's secret (OpenID Connect Core 1.0,
// section 9).
func (p *Party) assertion(run *Run) (string, error) {
	now := p.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": run.ClientID, "sub": run.ClientID, "aud": p.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode client assertion: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(run.Secret)}, nil)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	return signed.CompactSerialize()
}
