package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// party is a relying party that registered itself.
type party struct {
	r                     *run
	site                  *site
	id, secret            string
	clientURI, clientAuth string // where it manages itself, and the token for that
	redirectURI           string
	auth                  string // how it authenticates
	key                   jose.JSONWebKey
	registered            map[string]any
}

// The keys of relying parties: making one takes long.
var (
	firstKey  = sync.OnceValue(func() jose.JSONWebKey { return newSigningKey("first") })
	secondKey = sync.OnceValue(func() jose.JSONWebKey { return newSigningKey("second") })
)

func newSigningKey(name string) jose.JSONWebKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048) // never fails
	return jose.JSONWebKey{Key: key, KeyID: name + " " + rand.Text(), Algorithm: "RS256", Use: "sig"}
}

// publicKeys is a key set with the public half of a key.
func publicKeys(key jose.JSONWebKey) jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
}

// newParty returns a relying party that has not registered yet, and what it
// registers: what the certification's clients do.
func (r *run) newParty() (*party, map[string]any) {
	r.Helper()
	p := &party{r: r, site: newSite(), auth: r.auth, key: firstKey()}
	p.redirectURI = p.site.url("/cb")
	if p.auth == "" {
		p.auth = "client_secret_basic"
	}
	grants := []string{}
	if r.has("code") {
		grants = append(grants, "authorization_code")
	}
	if r.front() {
		grants = append(grants, "implicit")
	}
	return p, map[string]any{
		"client_name": "Conformance " + rand.Text()[:6], "contacts": []string{"certification@example.test"}, "grant_types": grants,
		"response_types": []string{r.responseType}, "redirect_uris": []string{p.redirectURI},
		"token_endpoint_auth_method": p.auth, "jwks": publicKeys(p.key),
	}
}

// register registers a relying party, with further or other members; a member
// that is nil is left out.
func (r *run) register(more map[string]any) *party {
	r.Helper()
	p, metadata := r.newParty()
	p.enrol(metadata, more)
	return p
}

// registration posts a registration with the initial access token.
func (r *run) registration(metadata map[string]any) answer {
	r.Helper()
	body, err := json.Marshal(metadata)
	if err != nil {
		r.Fatal(err)
	}
	return r.op.send(r, newRequest(r, http.MethodPost, r.op.endpoint(r, "registration_endpoint"), string(body),
		"Content-Type", "application/json", "Authorization", "Bearer "+r.op.initialToken))
}

// merged are the members with others in their place; nil takes one away.
func merged(metadata, more map[string]any) map[string]any {
	all := maps.Clone(metadata)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func (p *party) enrol(metadata, more map[string]any) {
	r := p.r
	r.Helper()
	if auth := text(more, "token_endpoint_auth_method"); auth != "" {
		p.auth = auth
	}
	wanted := merged(metadata, more)
	a := r.registration(wanted)
	if a.Status != http.StatusCreated {
		r.Fatalf("registration answers %d %s", a.Status, a.Body)
	}
	p.registered, p.id, p.secret = a.JSON, text(a.JSON, "client_id"), text(a.JSON, "client_secret")
	p.clientURI, p.clientAuth = text(a.JSON, "registration_client_uri"), text(a.JSON, "registration_access_token")
	r.checkRegistration(a, wanted)
	r.Cleanup(p.remove)
}

// checkRegistration holds a registration response against OpenID Connect
// Dynamic Client Registration 1.0, section 3.2, and RFC 7592, section 3.
func (r *run) checkRegistration(a answer, wanted map[string]any) {
	r.Helper()
	r.want(a.contentType() == "application/json", "registration answers with %q", a.Header.Get("Content-Type"))
	r.want(text(a.JSON, "client_id") != "", "no client_id: %s", a.Body)
	_, hasSecret := a.JSON["client_secret"]
	_, hasExpiry := a.JSON["client_secret_expires_at"].(float64)
	r.want(!hasSecret || hasExpiry, "client_secret without client_secret_expires_at")
	for _, member := range []string{"registration_client_uri", "registration_access_token"} {
		r.want(text(a.JSON, member) != "", "no %s", member)
	}
	r.want(strings.HasPrefix(text(a.JSON, "registration_client_uri"), "https://"), "registration_client_uri is not https")
	for name, value := range wanted {
		if name == "jwks" || name == "grant_types" { // brought into another form
			continue
		}
		sent, got := asJSON(value), asJSON(a.JSON[name])
		r.want(sameMembers(sent, got), "registered %s %s as %s", name, sent, got)
	}
}

func asJSON(v any) string {
	encoded, _ := json.Marshal(v) // what came from or goes to JSON
	return string(encoded)
}

// sameMembers compares JSON; the words of a response type have no order.
func sameMembers(a, b string) bool {
	canonical := func(s string) []string {
		words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(`[]", `, r) })
		slices.Sort(words)
		return words
	}
	return slices.Equal(canonical(a), canonical(b))
}

// remove is what the certification does at the end of each module.
func (p *party) remove() {
	a := p.r.op.send(p.r, newRequest(p.r, http.MethodDelete, p.clientURI, "", "Authorization", "Bearer "+p.clientAuth))
	p.r.want(a.Status == http.StatusNoContent, "removing the client answers %d %s", a.Status, a.Body)
}

// request is an authorization request of the relying party, with further or
// other parameters; one that is empty is left out.
func (p *party) request(more ...string) url.Values {
	q := url.Values{
		"client_id": {p.id}, "redirect_uri": {p.redirectURI}, "response_type": {p.r.responseType}, "scope": {"openid"},
		"state": {longState()}, "nonce": {rand.Text()},
	}
	if p.r.formPost {
		q.Set("response_mode", "form_post")
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return q
}

// longState is a state of 128 characters.
func longState() string {
	var b strings.Builder
	for b.Len() < 128 {
		b.WriteString(rand.Text())
	}
	return b.String()[:128]
}

// authenticated is a token request as the client sends it.
func (p *party) authenticated(form url.Values) *http.Request {
	p.r.Helper()
	endpoint := p.r.op.endpoint(p.r, "token_endpoint")
	form = maps.Clone(form)
	switch p.auth {
	case "client_secret_post":
		form.Set("client_id", p.id)
		form.Set("client_secret", p.secret)
	case "private_key_jwt":
		if !form.Has("client_assertion") {
			form.Set("client_assertion", p.assertion(endpoint))
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	}
	req := newRequest(p.r, http.MethodPost, endpoint, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
	if p.auth == "client_secret_basic" {
		req.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret)) // RFC 6749, section 2.3.1
	}
	return req
}

// assertion is a client assertion (OpenID Connect Core 1.0, section 9).
func (p *party) assertion(audience string) string {
	now := time.Now()
	return p.sign(map[string]any{
		"iss": p.id, "sub": p.id, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
}

// sign signs claims with the relying party's key.
func (p *party) sign(claims map[string]any) string {
	p.r.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.key}, nil)
	if err != nil {
		p.r.Fatal(err)
	}
	signed, err := signer.Sign([]byte(asJSON(claims)))
	if err != nil {
		p.r.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		p.r.Fatal(err)
	}
	return compact
}

// token sends a token request.
func (p *party) token(pairs ...string) answer {
	p.r.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return p.r.op.send(p.r, p.authenticated(form))
}

// exchange redeems a code.
func (p *party) exchange(code string, more ...string) answer {
	p.r.Helper()
	return p.token(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", p.redirectURI}, more...)...)
}
