package conformance

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// unsigned is a request object that nobody signed.
func unsigned(claims map[string]any) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(asJSON(claims))) + "."
}

// object are the parameters of a request as claims of its request object.
func (p *party) object(q url.Values) map[string]any {
	claims := map[string]any{"iss": p.id, "aud": p.r.op.issuer}
	for name := range q {
		claims[name] = q.Get(name)
	}
	return claims
}

// without is a request without some of its parameters.
func without(q url.Values, names ...string) url.Values {
	rest := maps.Clone(q)
	for _, name := range names {
		rest.Del(name)
	}
	return rest
}

// noneIsNotOffered: the certification skips modules with unsigned request
// objects then. What it advertises must say so.
func (r *run) noneIsNotOffered() {
	r.Helper()
	r.want(!slices.Contains(list(r.op.metadata, "request_object_signing_alg_values_supported"), "none"), "the metadata lists none")
	for _, member := range []string{"request_parameter_supported", "request_uri_parameter_supported"} {
		r.want(r.op.metadata[member] == true, "%s is %v, and both work", member, r.op.metadata[member])
	}
	r.outcome = refused
}

func unsignedRequestURI(r *run) {
	r.noneIsNotOffered()
	p, metadata := r.newParty()
	address := p.site.local("/request.jwt")
	p.enrol(metadata, map[string]any{"request_uris": []string{address}})
	q := p.request()
	p.site.serves("/request.jwt", "application/jwt", unsigned(p.object(q)))
	q.Set("request_uri", address)
	p.wantError(r.browse().authorize(q), q, "request_uri_not_supported", "invalid_request_object", "invalid_request_uri")
}

func unsignedRequest(r *run) {
	r.noneIsNotOffered()
	p := r.register(nil)
	q := p.request()
	q.Set("request", unsigned(p.object(p.request())))
	p.wantError(r.browse().authorize(q), q, "request_not_supported", "invalid_request_object")
}

func requestObjectRedirectURI(r *run) {
	r.noneIsNotOffered()
	p := r.register(nil)
	q := p.request()
	beside := without(q, "state", "nonce")
	beside.Set("redirect_uri", p.redirectURI+"/elsewhere")
	beside.Set("request", unsigned(p.object(q)))
	r.wantErrorPage(r.browse().authorize(beside), "request object")
	beside.Set("request", p.sign(p.object(q)))
	p.receive(r.browse().authorize(beside), q)
	r.outcome = refused
}

// renewable registers a client that may refresh, and goes the whole way.
func (r *run) renewable(more map[string]any) (*party, *result) {
	r.Helper()
	p, metadata := r.newParty()
	grants, _ := metadata["grant_types"].([]string) // newParty made it
	metadata["grant_types"] = append(grants, "refresh_token")
	p.enrol(metadata, more)
	b := r.browse()
	f := p.flow(b, p.request("scope", "openid offline_access", "prompt", "consent"))
	r.want(slices.Contains(b.shown, consentPage), "nobody was asked for consent: %q", b.shown)
	if text(f.tokens, "refresh_token") == "" {
		r.Fatalf("no refresh token: %v", f.tokens)
	}
	return p, f
}

func refreshToken(r *run) {
	r.want(slices.Contains(list(r.op.metadata, "grant_types_supported"), "refresh_token"), "the metadata does not list refresh_token")
	p, f := r.renewable(nil)
	r.sleep(1100 * time.Millisecond) // iat counts seconds
	p.renews(f)
	_, other := r.renewable(nil)
	r.wantRefusal(p.token("grant_type", "refresh_token", "refresh_token", text(other.tokens, "refresh_token")), "invalid_grant")
}

// renews spends the refresh token of a flow and checks what comes of it
// (OpenID Connect Core 1.0, section 12.2).
func (p *party) renews(f *result) {
	r := p.r
	r.Helper()
	token := text(f.tokens, "refresh_token")
	r.want(entropy(token) >= 96 && len(token)*6 >= 128, "the refresh token %q is too short, or has too little entropy", token)
	r.want(!strings.ContainsFunc(token, notVSCHAR), "the refresh token has characters that RFC 6749, A.17, does not allow")
	a := p.token("grant_type", "refresh_token", "refresh_token", token, "scope", "openid offline_access")
	if a.Status != http.StatusOK {
		r.Fatalf("refreshing answers %d %s", a.Status, a.Body)
	}
	r.checkTokenResponse(a)
	r.want(text(a.JSON, "access_token") != f.access, "the access token is the same")
	access := text(a.JSON, "access_token")
	claims := p.checkIDToken(text(a.JSON, "id_token"), url.Values{}, expectation{access: access, refreshed: true})
	for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time"} {
		r.want(asJSON(claims[name]) == asJSON(f.back[name]), "%s was %v and is %v", name, f.back[name], claims[name])
	}
	r.want(number(claims, "iat") > number(f.back, "iat"), "iat was %v and is %v", f.back["iat"], claims["iat"])
	p.claims(access, claims)
}
