package conformance

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// accepted are the algorithms by which a provider may sign.
var accepted = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// publicKey returns the provider's key of that name. A name that is not known
// has the key set read again, as a relying party does.
func (op *provider) publicKey(t testing.TB, kid string) any { //nolint:ireturn // each kind of key has its own type
	t.Helper()
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.keys[kid] == nil {
		var set jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(op.get(t, op.endpoint(t, "jwks_uri")).Body), &set); err != nil {
			t.Fatal(err)
		}
		for _, key := range set.Keys {
			op.keys[key.KeyID] = key.Key
		}
	}
	return op.keys[kid]
}

// verify checks the signature of what the provider signed, and returns its
// header and claims.
func (r *run) verify(raw string) (jose.Header, map[string]any) {
	r.Helper()
	signed, err := jose.ParseSignedCompact(raw, accepted)
	if err != nil {
		r.Fatalf("%v: %s", err, raw)
	}
	header := signed.Signatures[0].Protected
	if header.KeyID == "" {
		r.Fatalf("the header has no kid: %+v", header)
	}
	key := r.op.publicKey(r, header.KeyID)
	if key == nil {
		r.Fatalf("the key set has no key %q", header.KeyID)
	}
	payload, err := signed.Verify(key)
	if err != nil {
		r.Fatalf("the signature does not verify: %v", err)
	}
	return header, decode(r, string(payload))
}

// expectation is what came with an ID token.
type expectation struct {
	code, access string
	front        bool // it came from the authorization endpoint
	refreshed    bool
}

// plain are the claims that an ID token may have without being asked.
var plain = []string{
	"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "nbf", "jti", "sid", "txn",
}

// checkIDToken holds an ID token against OpenID Connect Core 1.0, sections 2,
// 3.1.3.6 and 3.3.2.11, and returns its claims.
func (p *party) checkIDToken(raw string, q url.Values, e expectation) map[string]any {
	r := p.r
	r.Helper()
	if raw == "" {
		r.Fatal("no ID token")
	}
	header, claims := r.verify(raw)
	now := float64(time.Now().Unix())
	r.want(text(claims, "iss") == r.op.issuer, "iss is %v", claims["iss"])
	r.want(slices.Contains(audience(claims), p.id), "aud is %v; want %s", claims["aud"], p.id)
	r.want(text(claims, "sub") != "" && len(text(claims, "sub")) <= 255, "sub is %v", claims["sub"])
	issued, expires := number(claims, "iat"), number(claims, "exp")
	r.want(math.Abs(issued-now) < 300 && expires > now, "issued %v, expires %v, now %v", issued, expires, now)
	if _, ok := claims["auth_time"]; ok {
		at := number(claims, "auth_time")
		r.want(at <= now+1 && at > now-365*24*3600, "auth_time is %v, now %v", at, now)
	}
	if acr, ok := claims["acr"]; ok {
		r.want(text(claims, "acr") != "", "acr is %v", acr)
	}
	wantNonce := q.Get("nonce")
	if e.refreshed {
		wantNonce = text(claims, "nonce") // it may be left out
	}
	r.want(text(claims, "nonce") == wantNonce, "nonce is %v; want %q", claims["nonce"], wantNonce)
	p.checkHashes(header, claims, q, e)
	r.checkStandardClaims(claims)
	r.checkAsked(claims, q)
	return claims
}

// checkHashes looks at what the ID token binds.
func (p *party) checkHashes(header jose.Header, claims map[string]any, q url.Values, e expectation) {
	r := p.r
	r.Helper()
	for name, bound := range map[string]struct {
		value string
		must  bool
	}{
		"at_hash": {e.access, e.front && e.access != ""},
		"c_hash":  {e.code, e.front && e.code != ""},
		"s_hash":  {q.Get("state"), false},
	} {
		got, there := claims[name]
		r.want(there || !bound.must, "%s is missing", name)
		r.want(!there || got == leftHalf(header.Algorithm, bound.value), "%s is %v; want %s", name, got, leftHalf(header.Algorithm, bound.value))
	}
}

// leftHalf is the left half of the hash that goes with a signature algorithm
// (OpenID Connect Core 1.0, section 3.1.3.6).
func leftHalf(algorithm, value string) string {
	sum := sha256.Sum256([]byte(value))
	half := sum[:len(sum)/2]
	if algorithm == string(jose.EdDSA) {
		long := sha512.Sum512([]byte(value))
		half = long[:len(long)/2]
	}
	return base64.RawURLEncoding.EncodeToString(half)
}

// checkAsked refuses claims about the person that nobody asked for in the ID
// token.
func (r *run) checkAsked(claims map[string]any, q url.Values) {
	r.Helper()
	allowed := slices.Clone(plain)
	if q.Get("response_type") == "id_token" {
		for _, scope := range strings.Fields(q.Get("scope")) {
			allowed = append(allowed, scopeClaims[scope]...)
		}
	}
	if q.Has("claims") {
		asked, _ := decode(r, q.Get("claims"))["id_token"].(map[string]any) // nil asks for none
		for name := range asked {
			allowed = append(allowed, name)
		}
	}
	for name := range claims {
		r.want(slices.Contains(allowed, name), "the ID token has %s, which nobody asked for", name)
	}
}

func audience(claims map[string]any) []string {
	if one := text(claims, "aud"); one != "" {
		return []string{one}
	}
	return list(claims, "aud")
}

func number(claims map[string]any, name string) float64 {
	n, ok := claims[name].(float64)
	if !ok {
		return math.NaN() // which is true of nothing
	}
	return n
}

// scopeClaims are the claims that a scope stands for (OpenID Connect Core 1.0,
// section 5.4).
var scopeClaims = map[string][]string{
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

var (
	birthdate  = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}|\d{4})$`)
	addressOf  = []string{"formatted", "street_address", "locality", "region", "postal_code", "country"}
	flagClaims = []string{"email_verified", "phone_number_verified"}
)

// checkStandardClaims checks the type of each standard claim (OpenID Connect
// Core 1.0, section 5.1): what is not known is left out, and never empty.
func (r *run) checkStandardClaims(claims map[string]any) {
	r.Helper()
	for _, names := range scopeClaims {
		for _, name := range names {
			if value, ok := claims[name]; ok {
				r.want(fits(name, value), "the claim %s is %#v", name, value)
			}
		}
	}
}

func fits(name string, value any) bool {
	switch {
	case slices.Contains(flagClaims, name):
		_, ok := value.(bool)
		return ok
	case name == "updated_at":
		n, ok := value.(float64)
		return ok && n > 0
	case name == "address":
		members, ok := value.(map[string]any)
		for part, content := range members {
			ok = ok && slices.Contains(addressOf, part) && filled(content)
		}
		return ok && len(members) > 0
	case name == "birthdate":
		s, ok := value.(string)
		return ok && birthdate.MatchString(s)
	default:
		return filled(value)
	}
}

func filled(value any) bool {
	s, ok := value.(string)
	return ok && s != "" && s != "null"
}

// claims asks the UserInfo endpoint and checks its answer against OpenID
// Connect Core 1.0, section 5.3, and against the ID token, if there is one.
func (p *party) claims(access string, identity map[string]any) map[string]any {
	p.r.Helper()
	return p.r.checkUserinfo(p.r.op.get(p.r, p.r.op.endpoint(p.r, "userinfo_endpoint"), "Authorization", "Bearer "+access), identity)
}

func (r *run) checkUserinfo(a answer, identity map[string]any) map[string]any {
	r.Helper()
	if a.Status != http.StatusOK || a.contentType() != "application/json" {
		r.Fatalf("userinfo answers %d %q %s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	r.want(text(a.JSON, "sub") != "", "userinfo has no sub: %s", a.Body)
	r.want(identity == nil || a.JSON["sub"] == identity["sub"], "userinfo is about %v, the ID token about %v", a.JSON["sub"], identity["sub"])
	r.checkStandardClaims(a.JSON)
	return a.JSON
}

// entropy is how many bits the characters of a text hold, if each was drawn
// as often as it is there (Shannon).
func entropy(s string) float64 {
	counts := map[rune]float64{}
	for _, c := range s {
		counts[c]++
	}
	bits := 0.0
	for _, n := range counts {
		bits -= n * math.Log2(n/float64(len(s)))
	}
	return bits
}
