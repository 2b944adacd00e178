package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestIDToken sees what is in an ID token (OpenID Connect Core 1.0, section 2)
// and what the claims parameter adds (section 5.5).
func TestIDToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		r := s.Request(c).With("claims", `{"id_token":{"email":null},"userinfo":{"name":{"essential":true}}}`).With("scope", "openid").With("max_age", "600")
		got := s.tokensFor(c, u, r)
		claims, header := jwtClaims(t, got.id), jwtHeader(t, got.id)
		for name, want := range map[string]any{
			"iss": s.issuer, "sub": u.ID, "aud": c.ID, "nonce": r.Get("nonce"), "acr": "urn:countersign:acr:pwd", "email": u.email,
		} {
			if name == "aud" {
				if sprintAudience(claims["aud"]) != c.ID+" " {
					t.Errorf("aud is %v; want %s", claims["aud"], c.ID)
				}
				continue
			}
			if claims[name] != want {
				t.Errorf("%s is %v; want %v", name, claims[name], want)
			}
		}
		for _, name := range []string{"exp", "iat", "auth_time", "at_hash"} {
			if claims[name] == nil {
				t.Errorf("%s is missing", name)
			}
		}
		if claims["name"] != nil {
			t.Error("the name was asked of userinfo, and is in the ID token")
		}
		if header["alg"] != "RS256" || header["kid"] == nil || header["kid"] == "" {
			t.Errorf("the header is %v", header)
		}
		if info := s.Userinfo(got.access); info.JSON["name"] != "Ada Lovelace" || info.JSON["email"] != nil {
			t.Errorf("userinfo says %s; want the name that was asked, and no address", info.Body)
		}
	})
}

// TestForgedTokens is JW-03, JW-04, JW-05 and JW-11 where a JWT of ours is
// read: as id_token_hint, and at userinfo.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		got, b := s.Tokens(c, u), s.browse()
		b.SignIn(b.Open(s.issuer+"/login"), u.Username, u.password)
		header, claims := jwtHeader(t, got.id), jwtClaims(t, got.id)
		keys := s.do(s.newRequest(http.MethodGet, s.endpoint("jwks_uri"), "")).Body
		signed := func(head map[string]any, key []byte) string {
			input := forge(head, claims, nil)
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(strings.TrimSuffix(input, ".")))
			return strings.TrimSuffix(input, ".") + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}
		change := func(member string, value any) map[string]any {
			changed := map[string]any{}
			for n, v := range header {
				changed[n] = v
			}
			changed[member] = value
			return changed
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal([]byte(keys), &set); err != nil {
			t.Fatal(err)
		}
		modulus, _ := set.Keys[0]["n"].(string) // of the RSA key; "" is tried as well
		parts := strings.Split(got.id, ".")
		attacks := map[string]string{
			"JW-03 alg none":                         forge(change("alg", "none"), claims, nil),
			"JW-03 alg NONE":                         forge(change("alg", "NONE"), claims, nil),
			"JW-03 alg nOnE":                         forge(change("alg", "nOnE"), claims, nil),
			"JW-03 no alg":                           forge(map[string]any{"typ": "JWT"}, claims, nil),
			"JW-04 HS256 with the key set as secret": signed(change("alg", "HS256"), []byte(keys)),
			"JW-04 HS256 with the modulus as secret": signed(change("alg", "HS256"), []byte(modulus)),
			"JW-05 key in the header":                signed(change("jwk", set.Keys[0]), []byte("x")),
			"JW-05 key elsewhere":                    signed(change("jku", "https://evil.example/keys"), []byte("x")),
			"JW-11 a thousand segments":              strings.Repeat("a.", 1000),
			"a changed claim":                        parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+s.issuer+`","sub":"`+u.ID+`"}`)) + "." + parts[2],
			"no signature":                           parts[0] + "." + parts[1] + ".",
			"an unknown key":                         forge(change("kid", "../../etc/passwd"), claims, []byte("x")),
			"JW-12 JSON serialisation":               `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
			"another client's secret":                c.Secret,
		}
		for title, token := range attacks {
			t.Run(title, func(t *testing.T) {
				s := s.as(t)
				r := s.Request(c).With("id_token_hint", token).With("prompt", "none")
				wantRedirectError(t, b.Open(r.URL()), r, "invalid_request")
				wantBearerError(t, s.Userinfo(token), http.StatusUnauthorized, "invalid_token")
				wantInactive(t, s.Introspect(c, token))
			})
		}
	})
}

// TestMetadata is section 1.20 as far as it concerns these endpoints: both
// documents say the same, and what they say works.
func TestMetadata(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		openid := s.do(s.newRequest(http.MethodGet, s.issuer+"/.well-known/openid-configuration", ""))
		oauth := s.do(s.newRequest(http.MethodGet, s.issuer+"/.well-known/oauth-authorization-server", ""))
		for name, a := range map[string]answer{"openid-configuration": openid, "oauth-authorization-server": oauth} {
			if a.Status != http.StatusOK || a.JSON["issuer"] != s.issuer {
				t.Errorf("%s: %d, issuer %v; want %s", name, a.Status, a.JSON["issuer"], s.issuer)
			}
			for member, value := range a.JSON {
				if address, ok := value.(string); ok && strings.HasSuffix(member, "_endpoint") && !strings.HasPrefix(address, s.issuer+"/") {
					t.Errorf("MD-03 %s is %s, which is not of the issuer", member, address)
				}
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s cannot be read by applications in browsers", name)
			}
			if a.Header.Get("Cache-Control") == "" || a.Header.Get("ETag") == "" {
				t.Errorf("%s has no caching headers: %v", name, a.Header)
			}
		}
		for _, member := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"} {
			if sprintAny(openid.JSON[member]) != sprintAny(oauth.JSON[member]) {
				t.Errorf("%s differs: %v, %v", member, openid.JSON[member], oauth.JSON[member])
			}
		}
		spoofed := s.newRequest(http.MethodGet, s.issuer+"/.well-known/openid-configuration", "")
		for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host"} {
			spoofed.Header.Set(header, "evil.example")
		}
		if a := s.do(spoofed); a.Body != openid.Body {
			t.Error("MD-04 a header changes the metadata")
		}
		host := s.newRequest(http.MethodGet, s.issuer+"/.well-known/openid-configuration", "")
		host.Host = "evil.example"
		if a := s.do(host); a.Status != http.StatusMisdirectedRequest && a.Status != http.StatusBadRequest || strings.Contains(a.Body, "https://evil") {
			t.Errorf("HT-01 an unknown host gets %d; want 421", a.Status)
		}

		keys := s.do(s.newRequest(http.MethodGet, s.endpoint("jwks_uri"), ""))
		for _, secret := range []string{`"d":`, `"p":`, `"q":`, `"k":`, `"dp":`} {
			if strings.Contains(keys.Body, secret) {
				t.Errorf("the key set holds %s", secret)
			}
		}
		for _, alg := range []string{"RS256", "ES256", "PS256", "EdDSA"} {
			if !strings.Contains(sprintList(s.metadata["id_token_signing_alg_values_supported"]), alg) || !strings.Contains(keys.Body, alg) {
				t.Errorf("%s is not offered with a key", alg)
			}
		}
	})
}

func sprintAny(v any) string {
	text, _ := json.Marshal(v) // it came from JSON
	return string(text)
}

// TestOddPaths is HT-08 and HT-13: no spelling of a path reaches a handler by
// another way, no redirect turns a POST into a GET, nothing internal is public.
func TestOddPaths(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c := s.Client()
		for _, path := range []string{"//token", "/token/", "/%74oken", "/x/../token", "/TOKEN", "/token;x", "/./token", "/token%2f", "/token%00"} {
			req := s.formPost(s.issuer+"/x", nil)
			req.URL.Opaque = "//" + req.URL.Host + path
			req.SetBasicAuth(c.ID, c.Secret)
			a := s.do(req)
			if a.Status != http.StatusNotFound && a.Status != http.StatusBadRequest {
				t.Errorf("POST %s gets %d; want 404", path, a.Status)
			}
		}
		for _, path := range []string{"/debug/pprof/", "/metrics", "/debug/vars", "/.git/config", "/.env", "/admin/..%2f", "/assets/", "/assets/../secret"} {
			req := s.newRequest(http.MethodGet, s.issuer+"/x", "")
			req.URL.Opaque = "//" + req.URL.Host + path
			if a := s.do(req); a.Status != http.StatusNotFound && a.Status != http.StatusBadRequest {
				t.Errorf("HT-13 %s gets %d; want 404", path, a.Status)
			}
		}
		override := s.newRequest(http.MethodGet, s.endpoint("token_endpoint"), "")
		override.Header.Set("X-HTTP-Method-Override", "POST")
		if a := s.do(override); a.Status != http.StatusMethodNotAllowed {
			t.Errorf("HT-09 a method override gets %d; want 405", a.Status)
		}
		for _, path := range []string{"/livez", "/readyz", "/healthz"} {
			if a := s.do(s.newRequest(http.MethodGet, s.issuer+path, "")); a.Status != http.StatusOK {
				t.Errorf("%s gets %d", path, a.Status)
			}
		}
	})
}
