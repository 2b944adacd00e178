package conformance

import (
	"crypto/tls"
	"encoding/base64"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"

	"countersign/cmd/countersign/e2e/e2etest"
)

// logoutVariants are response types with and without a code, and both.
var logoutVariants = []variant{
	{responseType: "code", auth: "client_secret_basic"},
	{responseType: "id_token", auth: "client_secret_basic"},
	{responseType: "code id_token token", auth: "client_secret_basic"},
}

var rpInitiated = plan{
	name: "oidcc-rp-initiated-logout-certification-test-plan", title: "RP-Initiated Logout", variants: logoutVariants,
	modules: []module{
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", "end_session_endpoint is advertised, and https.", func(r *run) { advertises(r) }, nil, false},
		{"oidcc-rp-initiated-logout", "With id_token_hint and a registered address, the person is signed out and sent there with the exact state.", func(r *run) { logoutSucceeds(r, longState()) }, nil, false},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "An address that is not registered is never gone to.", func(r *run) { logoutStays(r, badRedirect, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", "Nor is a registered one on the word of an unsigned hint.", func(r *run) { logoutStays(r, unsignedHint, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-no-id-token-hint", "Nor without a hint: the person is asked.", func(r *run) { logoutStays(r, noHint, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-no-params", "Without parameters the person is asked, and then told to be signed out.", func(r *run) { logoutStays(r, noParams, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "With a hint alone the person is signed out and told so.", func(r *run) { logoutStays(r, onlyHint, "You are signed out") }, nil, false},
		{"oidcc-rp-initiated-logout-no-state", "Without a state none is sent.", func(r *run) { logoutSucceeds(r, "") }, nil, false},
		{"oidcc-rp-initiated-logout-only-state", "With a state alone the person is asked, and told.", func(r *run) { logoutStays(r, onlyState, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", "A registered address with a query added is never gone to.", func(r *run) { logoutStays(r, addedQuery, "Sign out") }, nil, false},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", "Nor is a registered one on the word of a hint that somebody else signed.", func(r *run) { logoutStays(r, foreignHint, "Sign out") }, nil, false},
	},
}

var backChannel = plan{
	name: "oidcc-backchannel-rp-initiated-logout-certification-test-plan", title: "Back-Channel Logout", variants: logoutVariants,
	modules: []module{
		{"oidcc-backchannel-logout-discovery-endpoint-verification", "Back-channel logout with sessions is advertised.", func(r *run) { advertises(r, "backchannel_logout_supported", "backchannel_logout_session_supported") }, nil, false},
		{"oidcc-backchannel-rp-initiated-logout", "A logout token, signed and as specified, is posted alone; then the person is sent on, and signed out.", backChannelLogout, nil, false},
	},
}

var frontChannel = plan{
	name: "oidcc-frontchannel-rp-initiated-logout-certification-test-plan", title: "Front-Channel Logout", variants: logoutVariants,
	modules: []module{
		{"oidcc-frontchannel-logout-discovery-endpoint-verification", "Front-channel logout with sessions is advertised.", func(r *run) { advertises(r, "frontchannel_logout_supported", "frontchannel_logout_session_supported") }, nil, false},
		{"oidcc-frontchannel-rp-initiated-logout", "The client's page is embedded with iss and sid and nothing else; then the person is sent on, and signed out.", frontChannelLogout, nil, false},
	},
}

func TestRPInitiatedLogout(t *testing.T)  { rpInitiated.test(t) }
func TestBackChannelLogout(t *testing.T)  { backChannel.test(t) }
func TestFrontChannelLogout(t *testing.T) { frontChannel.test(t) }

func advertises(r *run, members ...string) {
	r.want(strings.HasPrefix(text(r.op.metadata, "end_session_endpoint"), "https://"), "end_session_endpoint is %v", r.op.metadata["end_session_endpoint"])
	for _, name := range members {
		r.want(r.op.metadata[name] == true, "%s is %v", name, r.op.metadata[name])
	}
}

// leaving is a person who is signed in to a client that wants to sign them out.
type leaving struct {
	*party
	b        *browser
	f        *result
	farewell string // the registered post_logout_redirect_uri
}

func (r *run) leaving(more map[string]any) *leaving {
	r.Helper()
	p, metadata := r.newParty()
	farewell := p.site.url("/post_logout_redirect")
	p.enrol(metadata, merged(map[string]any{"post_logout_redirect_uris": []string{farewell}}, more))
	b := r.browse()
	return &leaving{p, b, p.flow(b, p.request()), farewell}
}

// endSession sends the browser to the end_session_endpoint.
func (l *leaving) endSession(q url.Values) *visit {
	l.r.Helper()
	return l.b.open(l.r.op.endpoint(l.r, "end_session_endpoint") + "?" + q.Encode())
}

// leave is the proper request.
func (l *leaving) leave(state string) url.Values {
	q := url.Values{"id_token_hint": {l.f.idToken}, "post_logout_redirect_uri": {l.farewell}}
	if state != "" {
		q.Set("state", state)
	}
	return q
}

// wantFarewell asserts that the browser arrived where it was to go, with the
// state and nothing else, and that nobody is signed in.
func (l *leaving) wantFarewell(v *visit, state string) {
	r := l.r
	r.Helper()
	if v.callback == nil || v.callback.url.String() != l.farewell {
		r.Fatalf("the browser did not go to %s: %s", l.farewell, v)
	}
	want := url.Values{}
	if state != "" {
		want.Set("state", state)
	}
	r.want(maps.EqualFunc(v.callback.query, want, slices.Equal), "the query is %v; want %v", v.callback.query, want)
	l.wantSignedOut()
}

func (l *leaving) wantSignedOut() {
	l.r.Helper()
	q := l.request("prompt", "none")
	l.wantError(l.b.authorize(q), q, personNeeded...)
}

func logoutSucceeds(r *run, state string) {
	l := r.leaving(nil)
	l.wantFarewell(l.endSession(l.leave(state)), state)
}

// The requests that must not lead to the registered address.

func badRedirect(l *leaving) url.Values {
	q := l.leave(longState())
	q.Set("post_logout_redirect_uri", l.site.url("/elsewhere"))
	return q
}

func addedQuery(l *leaving) url.Values {
	q := l.leave(longState())
	q.Set("post_logout_redirect_uri", l.farewell+"?foo=bar")
	return q
}

func noHint(l *leaving) url.Values  { return without(l.leave(longState()), "id_token_hint") }
func noParams(*leaving) url.Values  { return url.Values{} }
func onlyState(*leaving) url.Values { return url.Values{"state": {longState()}} }

func onlyHint(l *leaving) url.Values { return url.Values{"id_token_hint": {l.f.idToken}} }

func unsignedHint(l *leaving) url.Values {
	q := l.leave(longState())
	payload := strings.Split(l.f.idToken, ".")[1]
	q.Set("id_token_hint", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+payload+".")
	return q
}

func foreignHint(l *leaving) url.Values {
	q := l.leave(longState())
	q.Set("id_token_hint", l.sign(l.f.identity())) // with the client's own key
	return q
}

// logoutStays asserts that the browser stays on a page of the provider, also
// when the person is asked and says yes.
func logoutStays(r *run, ask func(*leaving) url.Values, says string) {
	l := r.leaving(nil)
	v := l.endSession(ask(l))
	if v.callback != nil {
		r.Fatalf("the browser was sent to %s", v)
	}
	r.want(strings.Contains(v.text(), says), "the page does not say %q: %s", says, v.text())
	for _, f := range e2etest.Forms(v.doc) {
		if strings.HasSuffix(f.Action, "/logout") {
			v = l.b.submit(v, &f)
		}
	}
	if v.callback != nil {
		r.Fatalf("the browser was sent to %s", v)
	}
	r.want(v.Status == http.StatusOK && strings.Contains(v.text(), "You are signed out"), "the person is not told: %s", v)
	l.wantSignedOut()
	r.outcome = seen
}

func backChannelLogout(r *run) {
	p, metadata := r.newParty()
	p.site.listens("/backchannel_logout", "text/plain", "")
	metadata["post_logout_redirect_uris"] = []string{p.site.url("/post_logout_redirect")}
	metadata["backchannel_logout_uri"], metadata["backchannel_logout_session_required"] = p.site.local("/backchannel_logout"), true
	p.enrol(metadata, nil)
	b := r.browse()
	l := &leaving{p, b, p.flow(b, p.request()), p.site.url("/post_logout_redirect")}
	state := longState()
	v := l.endSession(l.leave(state))
	got := r.heard(p.site, "/backchannel_logout")
	if got == nil {
		r.Fatal("no logout token comes")
	}
	r.want(got.method == http.MethodPost && strings.HasPrefix(got.contentType, "application/x-www-form-urlencoded"), "a %s of %q", got.method, got.contentType)
	r.want(len(got.form) == 1 && len(got.form["logout_token"]) == 1 && len(got.query) == 0, "the form is %v, the query %v", got.form, got.query)
	r.want(got.tls == tls.VersionTLS13, "TLS version %x", got.tls)
	p.checkLogoutToken(got.form.Get("logout_token"), l.f.identity())
	l.wantFarewell(v, state)
}

// checkLogoutToken holds a logout token against OpenID Connect Back-Channel
// Logout 1.0, section 2.4.
func (p *party) checkLogoutToken(raw string, identity map[string]any) {
	r := p.r
	r.Helper()
	header, claims := r.verify(raw)
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string) // "" is none
	r.want(header.Algorithm == "RS256" && (typ == "" || typ == "logout+jwt"), "the header is %+v", header)
	r.want(text(claims, "iss") == r.op.issuer && slices.Equal(audience(claims), []string{p.id}), "iss %v, aud %v", claims["iss"], claims["aud"])
	now := float64(time.Now().Unix())
	r.want(math.Abs(number(claims, "iat")-now) < 300 && text(claims, "jti") != "", "iat %v, jti %v", claims["iat"], claims["jti"])
	if _, ok := claims["exp"]; ok {
		r.want(number(claims, "exp") > now, "exp %v", claims["exp"])
	}
	r.want(asJSON(claims["events"]) == `{"http://schemas.openid.net/event/backchannel-logout":{}}`, "events %v", claims["events"])
	r.want(text(claims, "sid") != "" && claims["sid"] == identity["sid"], "sid %v; the ID token has %v", claims["sid"], identity["sid"])
	r.want(text(claims, "sub") != "" && claims["sub"] == identity["sub"], "sub %v; the ID token has %v", claims["sub"], identity["sub"])
	_, there := claims["nonce"]
	r.want(!there, "the logout token has a nonce")
}

func frontChannelLogout(r *run) {
	p, metadata := r.newParty()
	p.site.listens("/frontchannel_logout", "text/html", "<!doctype html><title>Signed out</title>")
	metadata["post_logout_redirect_uris"] = []string{p.site.url("/post_logout_redirect")}
	metadata["frontchannel_logout_uri"], metadata["frontchannel_logout_session_required"] = p.site.url("/frontchannel_logout"), true
	p.enrol(metadata, nil)
	b := r.browse()
	l := &leaving{p, b, p.flow(b, p.request()), p.site.url("/post_logout_redirect")}
	state := longState()
	v := l.endSession(l.leave(state))
	frames := e2etest.Elements(v.doc, "iframe")
	if len(frames) != 1 {
		r.Fatalf("%d pages are embedded: %s", len(frames), v.Body)
	}
	r.want(strings.Contains(v.Header.Get("Content-Security-Policy"), "frame-src "+p.site.origin()), "the policy is %s", v.Header.Get("Content-Security-Policy"))
	r.op.get(r, e2etest.Attr(frames[0], "src"))
	got := r.heard(p.site, "/frontchannel_logout")
	want := url.Values{"iss": {r.op.issuer}, "sid": {text(l.f.identity(), "sid")}}
	r.want(got != nil && got.method == http.MethodGet && maps.EqualFunc(got.query, want, slices.Equal), "the page is told %+v; want %v", got, want)
	l.wantFarewell(b.refresh(v), state)
}

// refresh goes where the page leads by itself.
func (b *browser) refresh(v *visit) *visit {
	b.r.Helper()
	for _, n := range e2etest.Elements(v.doc, "meta") {
		if !isRefresh(n) {
			continue
		}
		_, target, _ := strings.Cut(e2etest.Attr(n, "content"), "url=")
		u, err := v.URL.Parse(target)
		if err != nil {
			b.r.Fatal(err)
		}
		if b.r.op.owns(u) {
			return b.open(u.String())
		}
		v.callback = newCallback(http.MethodGet, u, nil)
		return v
	}
	b.r.Fatalf("the page leads nowhere: %s", v.Body)
	return nil
}

func isRefresh(n *html.Node) bool { return strings.EqualFold(e2etest.Attr(n, "http-equiv"), "refresh") }
