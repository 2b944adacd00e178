package clientstore

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const redirect = "https://rp.example/cb"

// registered is a client as the rules leave it.
func registered(t *testing.T, typ Type, m Metadata) *Client {
	t.Helper()
	c := &Client{Type: typ, Name: "App", Metadata: m}
	if err := c.complete(Default); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRegistrationDefaults(t *testing.T) {
	t.Parallel()
	uris := []string{redirect}
	tests := []struct {
		name string
		typ  Type
		give Metadata
		want Metadata
	}{
		{"OpenID Connect", OIDC, Metadata{RedirectURIs: uris}, Metadata{
			RedirectURIs: uris, GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			Scope: "openid profile email address phone offline_access", TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web,
			IDTokenSignedResponseAlg: "RS256",
		}},
		{"OAuth 2.0", OAuth2, Metadata{RedirectURIs: uris}, Metadata{
			RedirectURIs: uris, GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web,
		}},
		{"OAuth 1.0a", OAuth1, Metadata{RedirectURIs: uris}, Metadata{
			RedirectURIs: uris, ApplicationType: Web, OAuth1SignatureMethods: []string{"HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"},
		}},
		{"a service", OAuth2, Metadata{GrantTypes: []string{GrantClientCredentials}, Scope: " b  a b "}, Metadata{
			GrantTypes: []string{GrantClientCredentials}, Scope: "b a", TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web,
		}},
		{"response types alone", OIDC, Metadata{RedirectURIs: uris, ResponseTypes: []string{"token id_token  code", "code id_token token"}}, Metadata{
			RedirectURIs: uris, GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code id_token token"},
			Scope: "openid profile email address phone offline_access", TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web,
			IDTokenSignedResponseAlg: "RS256",
		}},
		{"implicit alone", OIDC, Metadata{RedirectURIs: uris, ResponseTypes: []string{"id_token"}, GrantTypes: []string{GrantImplicit}}, Metadata{
			RedirectURIs: uris, ResponseTypes: []string{"id_token"},
			Scope: "openid profile email address phone", TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web, IDTokenSignedResponseAlg: "RS256",
		}},
		{"grant types alone", OAuth2, Metadata{RedirectURIs: uris, GrantTypes: []string{"password", "authorization_code"}}, Metadata{
			RedirectURIs: uris, GrantTypes: []string{"password", "authorization_code"}, ResponseTypes: []string{"code"},
			TokenEndpointAuthMethod: AuthBasic, ApplicationType: Web,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := registered(t, tt.typ, tt.give)
			if !reflect.DeepEqual(c.Metadata, tt.want) {
				t.Errorf("got  %+v\nwant %+v", c.Metadata, tt.want)
			}
			again := *c
			if err := again.complete(Default); err != nil || !reflect.DeepEqual(again, *c) {
				t.Errorf("completed twice: %+v, %v", again.Metadata, err)
			}
		})
	}
}

func TestApplicationTypeIsDerived(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want string
		uris []string
	}{
		{Native, []string{"http://127.0.0.1/cb"}},
		{Native, []string{"http://[::1]/cb", "http://localhost:7/cb", "com.example.app:/cb"}},
		{Web, []string{"https://rp.example/cb"}},
		{Web, []string{"https://rp.example/cb", "http://127.0.0.1/cb"}},
		{Web, []string{"http://rp.example/cb"}},
	}
	for _, tt := range tests {
		if got := registered(t, OAuth2, Metadata{RedirectURIs: tt.uris}).Metadata.ApplicationType; got != tt.want {
			t.Errorf("%q: %s; want %s", tt.uris, got, tt.want)
		}
	}
}

// TestTypesHaveTheirLists is the table of what each type may have.
func TestTypesHaveTheirLists(t *testing.T) {
	t.Parallel()
	responses := []string{"code", "token", "code id_token", "code id_token token", "code token", "id_token", "id_token token", "none"}
	allowed := map[Type][]string{
		OAuth2: {"code", "token"},
		OIDC:   {"code", "code id_token", "code id_token token", "code token", "id_token", "id_token token"},
	}
	for typ, want := range allowed {
		for _, r := range responses {
			c := &Client{Type: typ, Name: "App", Metadata: Metadata{RedirectURIs: []string{redirect}, ResponseTypes: []string{r}}}
			if err := c.complete(Default); (err == nil) != slices.Contains(want, r) {
				t.Errorf("%s with response type %q: %v", typ, r, err)
			}
		}
		for _, g := range append(slices.Clone(grantTypes), "urn:ietf:params:oauth:grant-type:saml2-bearer") {
			grants := []string{g}
			if g == GrantRefreshToken {
				grants = append(grants, GrantPassword)
			}
			c := &Client{Type: typ, Name: "App", Metadata: Metadata{RedirectURIs: []string{redirect}, GrantTypes: grants}}
			if g == GrantJWTBearer {
				c.Metadata.GrantTypes, c.Metadata.JWKSURI = append(grants, GrantAuthorizationCode), "https://rp.example/jwks"
			}
			if err := c.complete(Default); (err == nil) != slices.Contains(grantTypes, g) {
				t.Errorf("%s with grant type %q: %v", typ, g, err)
			}
		}
	}
}

func TestRegistrationRefusals(t *testing.T) {
	t.Parallel()
	code := []string{GrantAuthorizationCode}
	age := func(n int64) *int64 { return &n }
	off := new(bool)
	tests := []struct {
		name  string
		typ   Type
		give  Metadata
		field string
	}{
		{"unknown type", "saml", Metadata{}, "type"},
		{"no redirect URI", OIDC, Metadata{RedirectURIs: []string{}}, "redirect_uris"},
		{"DC-08 code without its grant", OIDC, Metadata{ResponseTypes: []string{"code"}, GrantTypes: []string{GrantPassword}}, "grant_types"},
		{"DC-08 grant without its code", OIDC, Metadata{ResponseTypes: []string{"id_token"}, GrantTypes: code}, "response_types"},
		{"DC-08 implicit without a token", OIDC, Metadata{ResponseTypes: []string{"code"}, GrantTypes: []string{GrantAuthorizationCode, GrantImplicit}}, "grant_types"},
		{"DC-08 implicit alone", OIDC, Metadata{GrantTypes: []string{GrantImplicit}}, "grant_types"},
		{"refresh tokens from nowhere", OAuth2, Metadata{GrantTypes: []string{GrantRefreshToken}}, "grant_types"},
		{"thousands of grant types", OAuth2, Metadata{GrantTypes: make([]string, 5000)}, "grant_types"},
		{"a public client for itself", OAuth2, Metadata{TokenEndpointAuthMethod: AuthNone, GrantTypes: []string{GrantClientCredentials}}, "grant_types"},
		{"unknown authentication", OAuth2, Metadata{TokenEndpointAuthMethod: "tls_client_auth"}, "token_endpoint_auth_method"},
		{"private_key_jwt without keys", OAuth2, Metadata{TokenEndpointAuthMethod: AuthPrivateKeyJWT}, "jwks_uri"},
		{"OAuth 1.0a with grant types", OAuth1, Metadata{GrantTypes: code}, "grant_types"},
		{"OAuth 1.0a with response types", OAuth1, Metadata{ResponseTypes: []string{"code"}}, "response_types"},
		{"OAuth 1.0a with a scope", OAuth1, Metadata{Scope: "openid"}, "scope"},
		{"OAuth 1.0a without a secret", OAuth1, Metadata{TokenEndpointAuthMethod: AuthNone}, "token_endpoint_auth_method"},
		{"scope with a quotation mark", OAuth2, Metadata{Scope: `a"b`}, "scope"},
		{"scope with a line break", OAuth2, Metadata{Scope: "a\nb"}, "scope"},
		{"scope beyond ASCII", OAuth2, Metadata{Scope: "é"}, "scope"},
		{"scope of 1 MiB", OAuth2, Metadata{Scope: strings.Repeat("a", 1<<20)}, "scope"},
		{"10,000 scopes", OAuth2, Metadata{Scope: strings.Repeat("a ", 10_000)}, "scope"},
		{"openid for OAuth 2.0", OAuth2, Metadata{Scope: "openid"}, "scope"},
		{"ID tokens without openid", OIDC, Metadata{Scope: "profile", ResponseTypes: []string{"id_token"}}, "scope"},
		{"JW-02 unsigned ID tokens", OIDC, Metadata{IDTokenSignedResponseAlg: "none"}, "id_token_signed_response_alg"},
		{"JW-02 ID tokens under the secret", OIDC, Metadata{IDTokenSignedResponseAlg: "HS256"}, "id_token_signed_response_alg"},
		{"ID token algorithm for OAuth 2.0", OAuth2, Metadata{IDTokenSignedResponseAlg: "RS256"}, "id_token_signed_response_alg"},
		{"negative age", OIDC, Metadata{DefaultMaxAge: age(-1)}, "default_max_age"},
		{"endless age", OIDC, Metadata{DefaultMaxAge: age(1 << 60)}, "default_max_age"},
		{"age for OAuth 2.0", OAuth2, Metadata{DefaultMaxAge: age(1)}, "default_max_age"},
		{"unknown application type", OIDC, Metadata{ApplicationType: "desktop"}, "application_type"},
		{"web with a scheme of its own", OIDC, Metadata{ApplicationType: Web, RedirectURIs: []string{"com.example.app:/cb"}}, "application_type"},
		{"unknown introspection", OAuth2, Metadata{IntrospectionScope: "most"}, "introspection_scope"},
		{"audience of a client without assertions", OAuth2, Metadata{ClientAssertionAudience: AudienceIssuer}, "client_assertion_audience"},
		{"algorithm of opaque tokens", OAuth2, Metadata{AccessTokenSignedResponseAlg: "RS256"}, "access_token_signed_response_alg"},
		{"unknown algorithm of access tokens", OAuth2, Metadata{AccessTokenFormat: FormatJWT, AccessTokenSignedResponseAlg: "none"}, "access_token_signed_response_alg"},
		{"a grant that is not there", OAuth2, Metadata{GrantTypes: []string{"urn:ietf:params:oauth:grant-type:saml2-bearer"}}, "grant_types"},
		{"JWT bearer without keys", OAuth2, Metadata{GrantTypes: []string{GrantAuthorizationCode, GrantJWTBearer}}, "jwks_uri"},
		{"JWT bearer that nobody can allow", OAuth2, Metadata{GrantTypes: []string{GrantJWTBearer}, JWKSURI: "https://rp.example/jwks"}, "grant_types"},
		{"JWT bearer of a public client", OAuth2, Metadata{GrantTypes: []string{GrantAuthorizationCode, GrantJWTBearer}, JWKSURI: "https://rp.example/jwks", TokenEndpointAuthMethod: AuthNone}, "grant_types"},
		{"JWT bearer for pairwise subjects", OIDC, Metadata{GrantTypes: []string{GrantAuthorizationCode, GrantJWTBearer}, JWKSURI: "https://rp.example/jwks", SubjectType: SubjectPairwise}, "subject_type"},
		{"unknown audience of assertions", OAuth2, Metadata{TokenEndpointAuthMethod: AuthSecretJWT, ClientAssertionAudience: "any"}, "client_assertion_audience"},
		{"a public client that reads all tokens", OAuth2, Metadata{TokenEndpointAuthMethod: AuthNone, IntrospectionScope: IntrospectAll}, "introspection_scope"},
		{"a public client that keeps its refresh token", OAuth2, Metadata{TokenEndpointAuthMethod: AuthNone, RefreshTokenRotation: off}, "refresh_token_rotation"},
		{"logo that is a script", OIDC, Metadata{LogoURI: "javascript:alert(1)"}, "logo_uri"},
		{"home page with a user", OIDC, Metadata{ClientURI: "https://a@evil.example"}, "client_uri"},
		{"terms that are no address", OIDC, Metadata{TosURI: "see below"}, "tos_uri"},
		{"policy without a host", OIDC, Metadata{PolicyURI: "https:///x"}, "policy_uri"},
		{"empty contact", OIDC, Metadata{Contacts: []string{" "}}, "contacts"},
		{"too many contacts", OIDC, Metadata{Contacts: make([]string, 21)}, "contacts"},
		{"software with a line break", OIDC, Metadata{SoftwareID: "a\r\nb"}, "software_id"},
		{"software version of 1 KiB", OIDC, Metadata{SoftwareVersion: strings.Repeat("1", 1024)}, "software_version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.give.RedirectURIs == nil {
				tt.give.RedirectURIs = []string{redirect}
			}
			c := &Client{Type: tt.typ, Name: "App", Metadata: tt.give}
			err := c.complete(Default)
			fault, ok := errors.AsType[*MetadataError](err)
			if !ok || fault.Field != tt.field || len(fault.Reason) > 400 {
				t.Errorf("got %v; want a refusal of %s", err, tt.field)
			}
		})
	}
}

func TestStrictPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		give  Metadata
		field string // "" when it is accepted
	}{
		{"authorization code", Metadata{}, ""},
		{"password", Metadata{GrantTypes: []string{GrantPassword}}, "grant_types"},
		{"access token in the answer", Metadata{ResponseTypes: []string{"code token"}}, "response_types"},
		{"ID token in the answer", Metadata{ResponseTypes: []string{"id_token"}}, "response_types"},
		{"http redirect", Metadata{RedirectURIs: []string{"http://rp.example/cb"}}, "redirect_uris"},
		{"loopback redirect", Metadata{RedirectURIs: []string{"http://127.0.0.1/cb"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.give.RedirectURIs == nil {
				tt.give.RedirectURIs = []string{redirect}
			}
			lax := &Client{Type: OIDC, Name: "App", Metadata: tt.give}
			if err := lax.complete(Default); err != nil {
				t.Errorf("refused by the default policy: %v", err)
			}
			if warned := len(lax.riskyFlows()) > 0; warned != (tt.field != "") {
				t.Errorf("warnings of the default policy: %q", lax.Warnings())
			}
			strict := &Client{Type: OIDC, Name: "App", Metadata: tt.give}
			err := strict.complete(Strict)
			fault, _ := errors.AsType[*MetadataError](err)
			if (err != nil) != (tt.field != "") || fault != nil && fault.Field != tt.field {
				t.Errorf("strict policy: %v; want a refusal of %q", err, tt.field)
			}
		})
	}
}

// riskyFlows are the warnings, without the one that a client never registered
// has no secret.
func (c *Client) riskyFlows() []string {
	var list []string
	for _, w := range c.Warnings() {
		if !strings.Contains(w.String(), "no secret") {
			list = append(list, w.String())
		}
	}
	return list
}

// CN-08: names that a page would not show as they are.
func TestClientNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give string
		ok   bool
	}{
		{"Modeler", true},
		{"  Modeler ", true},
		{"Größe & <b>Söhne</b> 模型", true},
		{"نرم\u200cافزار", true},
		{strings.Repeat("é", 200), true},
		{strings.Repeat("é", 201), false},
		{"", false},
		{" \t ", false},
		{"App\x00", false},
		{"App\r\nX", false},
		{"App\x1b[31m", false},
		{"App\u202egnp.exe", false},
		{"App\u2066", false},
		{"App\u200b", false},
		{"App\ufeff", false},
		{"App\u2028line", false},
		{"App\xff", false},
	}
	for _, tt := range tests {
		c := &Client{Type: OAuth2, Name: tt.give, Metadata: Metadata{RedirectURIs: []string{redirect}}}
		err := c.complete(Default)
		fault, _ := errors.AsType[*MetadataError](err)
		if (err == nil) != tt.ok || err != nil && fault.Field != "client_name" {
			t.Errorf("%q: %v; want ok %v", tt.give, err, tt.ok)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	secrets := []Secret{{ID: "s"}}
	tests := []struct {
		name string
		give Client
		want []string // a fragment of each
	}{
		{"nothing risky", Client{Type: OIDC, Secrets: secrets, Metadata: Metadata{RedirectURIs: []string{redirect}}}, nil},
		{"no secret", Client{Type: OIDC, Metadata: Metadata{RedirectURIs: []string{redirect}}}, []string{"no secret"}},
		{"no openid", Client{Type: OIDC, Secrets: secrets, Metadata: Metadata{Scope: "api", RedirectURIs: []string{redirect}}}, []string{"lacks openid"}},
		{"reads all", Client{Type: OAuth2, Secrets: secrets, Metadata: Metadata{IntrospectionScope: "all", RedirectURIs: []string{redirect}}}, []string{"every token"}},
		{"tokens in the address", Client{Type: OIDC, Secrets: secrets, Metadata: Metadata{ResponseTypes: []string{"id_token token"}, RedirectURIs: []string{redirect}}}, []string{"access tokens into", "ID tokens, with"}},
		{"fixed loopback port", Client{Type: OIDC, Secrets: secrets, Metadata: Metadata{RedirectURIs: []string{redirect, "http://127.0.0.1/cb"}}}, []string{"with its port"}},
		{"claimable scheme", Client{Type: OIDC, Metadata: Metadata{TokenEndpointAuthMethod: AuthNone, RedirectURIs: []string{"com.example.app:/cb"}}}, []string{"claim the scheme"}},
		{"password over http", Client{Type: OAuth2, Secrets: secrets, Metadata: Metadata{
			GrantTypes: []string{GrantPassword, GrantAuthorizationCode}, RedirectURIs: []string{"http://rp.example/cb"},
		}}, []string{"password grant", "not protected by TLS"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.give
			c.Name = "App"
			if err := c.complete(Default); err != nil {
				t.Fatal(err)
			}
			got := c.Warnings()
			if len(got) != len(tt.want) {
				t.Fatalf("got %q; want %q", got, tt.want)
			}
			for i, w := range tt.want {
				if !strings.Contains(got[i].String(), w) || !strings.HasSuffix(got[i].String(), ".") {
					t.Errorf("got %q; want a sentence with %q", got[i].String(), w)
				}
			}
		})
	}
}

// CN-05: what a resource owner's remembered consent depends on.
func TestConsentDigest(t *testing.T) {
	t.Parallel()
	base := func() *Client {
		return registered(t, OIDC, Metadata{RedirectURIs: []string{redirect, "https://rp.example/2"}, Scope: "openid email"})
	}
	same := base()
	slices.Reverse(same.Metadata.RedirectURIs)
	same.Metadata.Contacts, same.Metadata.IDTokenSignedResponseAlg = []string{"ada@rp.example"}, "ES256"
	if same.consentDigest() != base().ConsentDigest {
		t.Error("the digest depends on what no resource owner trusts")
	}
	for name, change := range map[string]func(*Client){
		"name":         func(c *Client) { c.Name = "Other" },
		"type":         func(c *Client) { c.Type = OAuth2 },
		"redirect URI": func(c *Client) { c.Metadata.RedirectURIs[1] = "https://rp.example/3" },
		"scope":        func(c *Client) { c.Metadata.Scope = "openid email profile" },
		"home page":    func(c *Client) { c.Metadata.ClientURI = "https://rp.example" },
		"policy":       func(c *Client) { c.Metadata.PolicyURI = "https://rp.example/policy" },
		"terms":        func(c *Client) { c.Metadata.TosURI = "https://rp.example/tos" },
	} {
		c := base()
		change(c)
		if c.consentDigest() == base().ConsentDigest {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

func TestDocumentIsRFC7591(t *testing.T) {
	t.Parallel()
	c := registered(t, OIDC, Metadata{RedirectURIs: []string{redirect}, ResponseTypes: []string{"code id_token"}, Scope: "openid"})
	c.ID, c.Status, c.Secrets = "key", Pending, []Secret{{ID: "one", Prefix: "cs_cs_abcd", Algorithm: KeyedHash, Value: []byte("hidden")}}
	b, err := json.Marshal(c.Document().WithSecret("shown"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"client_id":"key","client_secret":"shown","client_secret_expires_at":0,"client_id_issued_at":-62135596800,` +
		`"client_name":"App","type":"oidc","status":"pending","redirect_uris":["https://rp.example/cb"],` +
		`"grant_types":["authorization_code","refresh_token","implicit"],"response_types":["code id_token"],"scope":"openid",` +
		`"token_endpoint_auth_method":"client_secret_basic","application_type":"web","id_token_signed_response_alg":"RS256",` +
		`"secrets":[{"id":"one","prefix":"cs_cs_abcd","algorithm":"hmac-sha256","created_at":"0001-01-01T00:00:00Z"}],` +
		`"version":0,"created_by":"","updated_at":"0001-01-01T00:00:00Z","status_at":"0001-01-01T00:00:00Z"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	empty := (&Client{Type: OAuth1}).Document().WithSecret("")
	if b, err = json.Marshal(empty); err != nil || !strings.Contains(string(b), `"redirect_uris":[],"grant_types":[],"response_types":[]`) {
		t.Errorf("got %s, %v; want the empty lists written", b, err)
	}
}
