package clientstore

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzParseKeys reads key sets: of what is accepted each key is public, strong
// enough and written without anything else, and is accepted again.
func FuzzParseKeys(f *testing.F) {
	for _, s := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","use":"sig","alg":"EdDSA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AA"}]}`, `{"keys":[]}`, `{"keys":null}`, `{"keys":[null]}`, `{"keys":[1]}`, `null`, `[]`, `{"Keys":[{}]}`,
		`{"keys":[{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","D":"AA"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, set []byte) {
		keys, err := ParseKeys(set)
		fit, fitErr := FitKeys(set)
		if err != nil {
			return
		}
		if fitErr != nil || len(fit) != len(keys) || len(keys) == 0 || len(keys) > maxKeys {
			t.Fatalf("%q: %d keys, of which %d are fit, %v", set, len(keys), len(fit), fitErr)
		}
		for _, key := range keys {
			if !key.IsPublic() || !key.Valid() || keyFault(key.Key) != "" || len(key.Certificates) > 0 {
				t.Fatalf("%q: accepted %+v", set, key)
			}
		}
		again, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatalf("%q: what was accepted cannot be written: %v", set, err)
		}
		if _, err := ParseKeys(again); err != nil {
			t.Fatalf("%q: what was kept of it is refused: %s: %v", set, again, err)
		}
	})
}

// FuzzLogoutURIs registers addresses for logout: what is accepted is an
// absolute address that Go reads as it is written.
func FuzzLogoutURIs(f *testing.F) {
	for _, s := range []string{
		"https://rp.example/out", "https://rp.example/out?x=y", "http://127.0.0.1:8080/out", "http://rp.example/out", "https://rp.example/out?sid=x", "https://rp.example/#x",
		"https://[::1]/out", "https://a@rp.example/", "javascript:alert(1)", "https://rp.example/?%73id=1", "https://rp.example/?a;sid=1", "//rp.example", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		for field, set := range map[string]func(m *Metadata){
			"post_logout_redirect_uris": func(m *Metadata) { m.PostLogoutRedirectURIs = []string{uri} },
			"backchannel_logout_uri":    func(m *Metadata) { m.BackchannelLogoutURI = uri },
			"frontchannel_logout_uri": func(m *Metadata) {
				m.FrontchannelLogoutURI = uri
				p := splitURI(uri)
				m.RedirectURIs = []string{p.scheme + "://" + p.authority + "/cb"}
			},
		} {
			c := &Client{Type: OIDC}
			set(&c.Metadata)
			if err := c.completeLogout(Default); err != nil {
				if fault, ok := errors.AsType[*MetadataError](err); !ok || fault.Field != field || fault.Reason == "" {
					t.Fatalf("%s %q: %v", field, uri, err)
				}
				continue
			}
			if uri == "" {
				continue
			}
			u, err := url.Parse(uri)
			if err != nil || u.String() != uri || !u.IsAbs() || u.User != nil || strings.Contains(uri, "#") {
				t.Fatalf("%s: %q was accepted and Go reads %v (%v)", field, uri, u, err)
			}
			if field != "post_logout_redirect_uris" && u.Scheme != "https" && !loops(u.Hostname()) {
				t.Fatalf("%s: %q was accepted without TLS", field, uri)
			}
			if q := u.Query(); field == "frontchannel_logout_uri" && (q.Has("iss") || q.Has("sid")) {
				t.Fatalf("%s: %q has what the page is given", field, uri)
			}
		}
	})
}

// loops reports whether a host is this machine whatever a resolver says.
func loops(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// FuzzMetadata completes whatever a client may register: what is accepted is
// accepted again as it is kept, and stays what it is.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{
		`{"redirect_uris":["https://rp.example/cb"]}`, `{"redirect_uris":["https://rp.example/cb"],"response_types":["token id_token","code"],"scope":"openid  email"}`,
		`{"grant_types":["client_credentials"]}`, `{"redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"none"}`,
		`{"redirect_uris":["http://127.0.0.1/cb"],"application_type":"native","default_max_age":5}`, `{"redirect_uris":["https://a/"],"jwks":{"keys":[]}}`,
		`{"redirect_uris":["https://a/"],"jwks_uri":"https://a/jwks","token_endpoint_auth_method":"private_key_jwt"}`, `{"contacts":["a"],"logo_uri":"https://a/"}`,
		`{"redirect_uris":["https://a/"],"request_uris":["https://a/r#x"],"require_signed_request_object":true}`, `{"id_token_signed_response_alg":"none"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, kind := range []Type{OIDC, OAuth2} {
			c := &Client{Type: kind, Name: "App"}
			if json.Unmarshal(raw, &c.Metadata) != nil || c.complete(Default) != nil {
				continue
			}
			kept, err := json.Marshal(c.Metadata)
			if err != nil {
				t.Fatalf("%q: accepted and cannot be kept: %v", raw, err)
			}
			again := &Client{Type: kind, Name: "App"}
			if err := json.Unmarshal(kept, &again.Metadata); err != nil {
				t.Fatalf("%q: kept as %s, which cannot be read: %v", raw, kept, err)
			}
			if err := again.complete(Default); err != nil {
				t.Fatalf("%q: kept as %s, which is refused: %v", raw, kept, err)
			}
			if twice, _ := json.Marshal(again.Metadata); string(twice) != string(kept) {
				t.Fatalf("%q: kept as %s, and then as %s", raw, kept, twice)
			}
		}
	})
}
