package conformance

import (
	"crypto/rand"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
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

var dynamic = plan{
	name: "oidcc-dynamic-certification-test-plan", title: "Dynamic",
	variants: []variant{
		{responseType: "code", auth: "private_key_jwt"},
		{responseType: "id_token", auth: "private_key_jwt"},
		{responseType: "id_token token", auth: "private_key_jwt"},
		{responseType: "code id_token", auth: "private_key_jwt"},
	},
	modules: []module{
		{"oidcc-idtoken-rs256", "A client that registers RS256 gets it, with a kid.", registeredRS256, nil, false},
		{"oidcc-idtoken-unsigned", "Unsigned ID tokens are what a client registered for, or are not offered.", idTokenUnsigned, onlyCode, false},
		{"oidcc-userinfo-rs256", "Userinfo is a signed JWT for a client that registers so, with iss and aud and without a nonce.", userinfoRS256, withUserinfo, false},
		{"oidcc-ensure-redirect-uri-in-authorization-request", "A client with two redirect URIs that names none gets an error page.", redirectURIMissing, nil, false},
		{"oidcc-redirect-uri-query-OK", "A registered redirect URI keeps its query.", redirectQuery, nil, false},
		{"oidcc-redirect-uri-query-mismatch", "Another query than the registered one gets an error page.", func(r *run) { redirectQueryDiffers(r, "?bar=foo", "?foo=bar") }, nil, false},
		{"oidcc-redirect-uri-query-added", "A query that was not registered gets an error page.", func(r *run) { redirectQueryDiffers(r, "", "?foo=bar") }, nil, false},
		{"oidcc-redirect-uri-regfrag", "A redirect URI with a fragment is not registered.", redirectFragment, nil, false},
		config.modules[0],
		{"oidcc-server", "A whole flow works for a client that authenticates by private_key_jwt.", server, nil, false},
		{"oidcc-registration-logo-uri", "A page shows the client's logo.", registrationLogo, nil, false},
		{"oidcc-registration-policy-uri", "A page links to the client's policy.", func(r *run) { registrationLink(r, "policy_uri") }, nil, false},
		{"oidcc-registration-tos-uri", "A page links to the client's terms.", func(r *run) { registrationLink(r, "tos_uri") }, nil, false},
		{"oidcc-registration-jwks-uri", "The client's keys are fetched from jwks_uri.", registrationKeys, withCode, false},
		{"oidcc-registration-sector-uri", "A client registers pairwise subjects with a sector_identifier_uri that lists its redirect URIs.", sectorURI, nil, false},
		{"oidcc-registration-sector-bad", "One whose sector document lacks a redirect URI is refused.", sectorBad, nil, false},
		{"oidcc-server-rotate-keys", "After a rotation of keys the key set has a new one, and the old one still.", rotateKeys, onlyCode, false},
		{"oidcc-refresh-token-rp-key-rotation", "A client that replaced its keys at jwks_uri authenticates with the new one a minute later.", partyRotatesKeys, withCode, true},
		{"oidcc-request-uri-unsigned", "An unsigned request object at request_uri is taken, or refused and not advertised.", unsignedRequestURI, nil, false},
		{"oidcc-request-uri-signed-rs256", "A request object at request_uri, registered with a hash for a fragment and signed with RS256, is taken.", signedRequestURI, nil, false},
		{"oidcc-ensure-request-object-with-redirect-uri", "The redirect URI inside a request object counts, not the one beside it. (Seen with a signed one; unsigned ones are refused.)", requestObjectRedirectURI, nil, false},
		{"oidcc-refresh-token", "Refresh tokens renew access and ID token, and are good for their client alone.", refreshToken, withCode, false},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", "A client assertion may be for the issuer.", issuerAudience, withCode, false},
	},
}

func TestDynamic(t *testing.T) { dynamic.test(t) }

func registeredRS256(r *run) {
	p := r.register(map[string]any{"id_token_signed_response_alg": "RS256"})
	f := p.flow(r.browse(), p.request())
	header, _ := r.verify(f.idToken)
	r.want(header.Algorithm == "RS256" && header.KeyID != "", "the header is %+v", header)
}

func userinfoRS256(r *run) {
	r.want(slices.Contains(list(r.op.metadata, "userinfo_signing_alg_values_supported"), "RS256"), "the metadata does not list RS256")
	p := r.register(map[string]any{"userinfo_signed_response_alg": "RS256"})
	q := p.request("scope", "openid profile")
	params := p.response(r.browse().authorize(q), q)
	access := params.Get("access_token")
	if code := params.Get("code"); code != "" {
		access = text(p.exchange(code).JSON, "access_token")
	}
	a := r.op.get(r, r.op.endpoint(r, "userinfo_endpoint"), "Authorization", "Bearer "+access)
	if a.Status != http.StatusOK || a.contentType() != "application/jwt" {
		r.Fatalf("userinfo answers %d %q %s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	header, claims := r.verify(strings.TrimSpace(a.Body))
	r.want(header.Algorithm == "RS256", "signed with %s", header.Algorithm)
	r.want(text(claims, "iss") == r.op.issuer && slices.Contains(audience(claims), p.id), "iss %v, aud %v", claims["iss"], claims["aud"])
	r.want(text(claims, "sub") != "" && text(claims, "name") == "Ada Lovelace", "claims %v", claims)
	_, there := claims["nonce"]
	r.want(!there, "userinfo has a nonce")
	r.checkStandardClaims(claims)
}

func redirectURIMissing(r *run) {
	p, metadata := r.newParty()
	p.enrol(metadata, map[string]any{"redirect_uris": []string{p.redirectURI, p.site.url("/other")}})
	r.wantErrorPage(r.browse().authorize(p.request("redirect_uri", "")), "redirect URI")
}

func redirectQuery(r *run) {
	p, metadata := r.newParty()
	p.redirectURI += "?bar=foo"
	p.enrol(metadata, map[string]any{"redirect_uris": []string{p.redirectURI}})
	p.flow(r.browse(), p.request())
}

func redirectQueryDiffers(r *run, registered, sent string) {
	p, metadata := r.newParty()
	p.enrol(metadata, map[string]any{"redirect_uris": []string{p.redirectURI + registered}})
	r.wantErrorPage(r.browse().authorize(p.request("redirect_uri", p.redirectURI+sent)), "not registered")
}

func redirectFragment(r *run) {
	p, metadata := r.newParty()
	a := r.registration(merged(metadata, map[string]any{"redirect_uris": []string{p.redirectURI + "#foobar"}}))
	r.wantRefusal(a, "invalid_redirect_uri", "invalid_client_metadata")
}

// lookAtConsent opens an authorization request and stops where the person is
// asked for consent.
func (p *party) lookAtConsent() *visit {
	r := p.r
	r.Helper()
	b := r.browse()
	v := b.open(r.op.endpoint(r, "authorization_endpoint") + "?" + p.request().Encode())
	f := v.formWith("username", "")
	if f == nil {
		r.Fatalf("no sign-in page: %s", v)
	}
	v = b.submit(v, f, "username", r.op.username, "password", r.op.password)
	if v.formWith("", "allow") == nil {
		r.Fatalf("no page asks for consent: %s", v)
	}
	return v
}

func registrationLogo(r *run) {
	p, metadata := r.newParty()
	var file strings.Builder
	if err := png.Encode(&file, image.NewPaletted(image.Rect(0, 0, 64, 32), color.Palette{color.White})); err != nil {
		r.Fatal(err)
	}
	p.site.serves("/logo.png", "image/png", file.String())
	p.enrol(metadata, map[string]any{"logo_uri": p.site.local("/logo.png")})
	var v *visit
	var src string
	for deadline := time.Now().Add(15 * time.Second); src == "" && time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		v = p.lookAtConsent()
		for _, n := range e2etest.Elements(v.doc, "img") {
			src = e2etest.Attr(n, "src")
		}
	}
	r.want(strings.Contains(src, "/logo/") && strings.Contains(v.Header.Get("Content-Security-Policy"), "img-src 'self';"), "the page does not show the logo: %s", v.Body)
	address, err := v.URL.Parse(src)
	if err != nil {
		r.Fatal(err)
	}
	shown := r.browse().open(address.String())
	m, err := png.Decode(strings.NewReader(shown.Body))
	r.want(err == nil && m.Bounds().Size() == image.Pt(64, 32), "%s is not the logo: %v, %v", src, m, err)
	r.outcome = seen
}

func registrationLink(r *run, member string) {
	p, metadata := r.newParty()
	address := p.site.url("/" + member)
	p.enrol(metadata, map[string]any{member: address})
	v := p.lookAtConsent()
	linked := slices.ContainsFunc(e2etest.Elements(v.doc, "a"), func(n *html.Node) bool { return e2etest.Attr(n, "href") == address })
	r.want(linked, "the page does not link to %s: %s", address, v.Body)
	r.outcome = seen
}

// keysAt registers a client whose keys are at its site.
func (r *run) keysAt(more map[string]any) (*party, map[string]any) {
	r.Helper()
	p, metadata := r.newParty()
	metadata = merged(metadata, more)
	p.site.serves("/jwks.json", "application/json", asJSON(publicKeys(p.key)))
	metadata["jwks"], metadata["jwks_uri"] = nil, p.site.local("/jwks.json")
	return p, metadata
}

func registrationKeys(r *run) {
	p, metadata := r.keysAt(nil)
	p.enrol(metadata, nil)
	p.flow(r.browse(), p.request())
}

func sectorURI(r *run) {
	r.want(slices.Contains(list(r.op.metadata, "subject_types_supported"), "pairwise"), "the metadata does not list pairwise")
	p, metadata := r.newParty()
	p.site.serves("/redirect_uris.json", "application/json", asJSON([]string{p.redirectURI, p.site.url("/other")}))
	p.enrol(metadata, map[string]any{"subject_type": "pairwise", "sector_identifier_uri": p.site.local("/redirect_uris.json")})
	public := r.register(nil)
	b := r.browse()
	mine, theirs := p.flow(b, p.request()), public.flow(b, public.request())
	r.want(mine.identity()["sub"] != theirs.identity()["sub"], "a pairwise subject is the public one")
}

func sectorBad(r *run) {
	p, metadata := r.newParty()
	p.site.serves("/redirect_uris.json", "application/json", asJSON([]string{p.site.url("/other")}))
	a := r.registration(merged(metadata, map[string]any{"subject_type": "pairwise", "sector_identifier_uri": p.site.local("/redirect_uris.json")}))
	r.wantRefusal(a, "invalid_client_metadata")
}

// signingKeys are the names of the published keys for RS256.
func (r *run) signingKeys() []string {
	r.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(r.op.get(r, r.op.endpoint(r, "jwks_uri")).Body), &set); err != nil {
		r.Fatal(err)
	}
	var names []string
	for _, key := range set.Keys {
		if key.Algorithm == "RS256" && key.Use == "sig" {
			names = append(names, key.KeyID)
		}
	}
	return names
}

func rotateKeys(r *run) {
	before := r.signingKeys()
	r.op.cli(r, "", "keys", "rotate", "--alg", "RS256")
	after := r.signingKeys()
	for deadline := time.Now().Add(30 * time.Second); len(after) <= len(before) && time.Now().Before(deadline); after = r.signingKeys() {
		r.sleep(500 * time.Millisecond) // servers keep keys in memory for some seconds
	}
	r.want(len(after) > len(before), "the key set has no new key: %q, then %q", before, after)
	for _, kid := range before {
		r.want(slices.Contains(after, kid), "the key %s was taken away", kid)
	}
	p := r.register(nil)
	p.flow(r.browse(), p.request())
}

func partyRotatesKeys(r *run) {
	p, metadata := r.keysAt(nil)
	grants, _ := metadata["grant_types"].([]string) // newParty made it
	p.enrol(metadata, map[string]any{"grant_types": append(grants, "refresh_token")})
	f := p.flow(r.browse(), p.request("scope", "openid offline_access", "prompt", "consent"))
	p.key = secondKey()
	p.site.serves("/jwks.json", "application/json", asJSON(publicKeys(p.key)))
	r.sleep(61 * time.Second) // as the certification does
	p.renews(f)
}

func signedRequestURI(r *run) {
	r.want(r.op.metadata["request_uri_parameter_supported"] == true, "request_uri_parameter_supported is %v", r.op.metadata["request_uri_parameter_supported"])
	r.want(slices.Contains(list(r.op.metadata, "request_object_signing_alg_values_supported"), "RS256"), "RS256 is not listed")
	p, metadata := r.newParty()
	address := p.site.local("/request.jwt") + "#" + strings.ToLower(rand.Text())
	p.enrol(metadata, map[string]any{"request_uris": []string{address}, "request_object_signing_alg": "RS256"})
	q := p.request("state", longState(), "nonce", rand.Text())
	p.site.listens("/request.jwt", "application/jwt", p.sign(p.object(q)))
	reference := url.Values{}
	for _, name := range []string{"client_id", "response_type", "scope", "redirect_uri"} {
		reference.Set(name, q.Get(name))
	}
	reference.Set("request_uri", address)
	p.receive(r.browse().authorize(reference), q)
	got := r.heard(p.site, "/request.jwt")
	r.want(got != nil && got.method == http.MethodGet, "the request object was fetched by %+v", got)
}

func issuerAudience(r *run) {
	p := r.register(nil)
	q := p.request()
	params := p.response(r.browse().authorize(q), q)
	a := p.exchange(params.Get("code"), "client_assertion", p.assertion(r.op.issuer))
	r.want(a.Status == http.StatusOK, "answers %d %s", a.Status, a.Body)
}
