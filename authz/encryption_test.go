package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// recipients are the keys that an application has its tokens encrypted to, by
// the first half of the algorithms' names.
var recipients = sync.OnceValue(func() map[string]jose.JSONWebKey {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	return map[string]jose.JSONWebKey{
		"RSA":  {Key: rsaKey, KeyID: "enc-r", Use: "enc"},
		"ECDH": {Key: ecKey, KeyID: "enc-e", Use: "enc"},
	}
})

// theirKeys are the public keys of an application: those that it signs with,
// which nothing is encrypted to, and those for encryption.
func (w *world) theirKeys() json.RawMessage {
	w.Helper()
	var set jose.JSONWebKeySet
	w.must(json.Unmarshal(allKeys(w.T), &set))
	for _, k := range recipients() {
		set.Keys = append(set.Keys, k.Public())
	}
	b, err := json.Marshal(set)
	w.must(err)
	return b
}

// private is the key that opens what the algorithm encrypted.
func private(alg string) jose.JSONWebKey {
	if strings.HasPrefix(alg, "RSA") {
		return recipients()["RSA"]
	}
	return recipients()["ECDH"]
}

// opened decrypts what the server encrypted to an application.
func (w *world) opened(jwe, alg, enc, cty string) string {
	w.Helper()
	parsed, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.ContentEncryption(enc)})
	if err != nil {
		w.Fatalf("%s %s: %v: %.60s", alg, enc, err, jwe)
	}
	if parsed.Header.KeyID != private(alg).KeyID || (parsed.Header.ExtraHeaders["cty"] == "JWT") != (cty == "JWT") {
		w.Errorf("%s: header %+v", alg, parsed.Header)
	}
	content, err := parsed.Decrypt(private(alg).Key)
	w.must(err)
	return string(content)
}

// sealing registers a client that has encryption keys.
func (w *world) sealing(change func(*clientstore.Metadata)) app {
	w.Helper()
	r := registration("Sealing")
	r.Metadata.JWKS, r.Metadata.ResponseTypes = w.theirKeys(), []string{"code", "id_token", "code id_token"}
	change(&r.Metadata)
	return w.register(r)
}

// Core 1.0, section 10.2: ID tokens are signed and then encrypted, in every
// flow.
func TestEncryptedIDTokens(t *testing.T) {
	each(t, func(w *world) {
		for n, alg := range clientstore.EncryptionAlgs {
			enc := clientstore.ContentAlgs[n%len(clientstore.ContentAlgs)]
			a := w.sealing(func(m *clientstore.Metadata) {
				m.IDTokenEncryptedResponseAlg, m.IDTokenEncryptedResponseEnc = alg, enc
				m.IDTokenSignedResponseAlg = []string{"RS256", "ES256", "PS256", "EdDSA"}[n%4]
			})
			tokens := w.tokens(a)
			refreshed := w.refresh(a, tokens.str("refresh_token"))
			hybrid := w.authorize(a.ask("response_type", "code id_token")).fragment()
			for name, raw := range map[string]string{
				"code": tokens.str("id_token"), "refreshed": refreshed.str("id_token"), "hybrid": hybrid.Get("id_token"),
				"implicit": w.authorize(a.ask("response_type", "id_token")).fragment().Get("id_token"),
			} {
				claims := w.verify(a, w.opened(raw, alg, enc, "JWT"))
				if claims["sub"] != w.user.ID || claims["aud"] != a.ID {
					w.Errorf("%s %s: %v", alg, name, claims)
				}
			}
			// Only the client can open it: it brings back what it opened.
			w.wantRefusal(w.authorize(a.ask("id_token_hint", tokens.str("id_token"))), "invalid_request", "st&a te")
			hint := w.opened(tokens.str("id_token"), alg, enc, "JWT")
			if sent := w.authorize(a.ask("id_token_hint", hint, "prompt", "none")).sent(); sent.Get("code") == "" {
				w.Errorf("%s: hint: %v", alg, sent)
			}
		}
	})
}

// The keys at a jwks_uri are fetched as those of assertions are; nothing goes
// out in clear when there is none, and nothing is spent.
func TestEncryptionKeysAtAnAddress(t *testing.T) {
	each(t, func(w *world) {
		var set atomic.Value
		set.Store("{}")
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			text, _ := set.Load().(string)
			_, _ = io.WriteString(rw, text)
		}))
		defer server.Close()
		a := w.sealing(func(m *clientstore.Metadata) {
			m.JWKS, m.JWKSURI, m.IDTokenEncryptedResponseAlg, m.UserinfoEncryptedResponseAlg = nil, server.URL, "ECDH-ES", "RSA-OAEP"
		})
		code := w.code(a)
		for name, keys := range map[string]string{"no keys": "{}", "keys that only sign": string(allKeys(w.T))} {
			set.Store(keys)
			w.clock.Advance(20e9)
			res := w.post("/token", a, redemption(code))
			w.wantError(res, 503, "temporarily_unavailable")
			if res.Header.Get("Retry-After") == "" || strings.Contains(res.body, "eyJ") {
				w.Errorf("%s: %s", name, res.body)
			}
			front := w.authorize(a.ask("response_type", "id_token")).fragment()
			if front.Get("error") != "temporarily_unavailable" || front.Has("id_token") {
				w.Errorf("%s: %v", name, front)
			}
		}
		set.Store(string(w.theirKeys()))
		code = w.code(a)
		w.clock.Advance(59e9) // the last attempt to fetch is a minute ago
		tokens := w.post("/token", a, redemption(code))
		if tokens.StatusCode != http.StatusOK {
			w.Fatalf("%s", tokens.body)
		}
		w.verify(a, w.opened(tokens.str("id_token"), "ECDH-ES", "A128CBC-HS256", "JWT"))
		res := w.userinfo(tokens.str("access_token"))
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/jwt" {
			w.Errorf("userinfo: %s %s", res.Status, res.body)
		}
	})
}

// UI-08 and oidcc-userinfo-rs256: userinfo that is signed, encrypted, or both.
func TestUserinfoAsJWT(t *testing.T) {
	each(t, func(w *world) {
		for n, alg := range []string{"RS256", "ES256", "PS256", "EdDSA", ""} {
			for _, enc := range []string{"", clientstore.EncryptionAlgs[n]} {
				if alg == "" && enc == "" {
					continue
				}
				a := w.sealing(func(m *clientstore.Metadata) {
					m.UserinfoSignedResponseAlg, m.UserinfoEncryptedResponseAlg = alg, enc
				})
				res := w.userinfo(w.tokens(a).str("access_token"))
				if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/jwt" || res.Header.Get("Cache-Control") != "no-store" {
					w.Fatalf("%s %s: %s %v", alg, enc, res.Status, res.Header)
				}
				content := res.body
				if enc != "" {
					content = w.opened(content, enc, "A128CBC-HS256", map[bool]string{true: "JWT"}[alg != ""])
				}
				claims := map[string]any{}
				if alg != "" {
					content = w.signedBy(content, alg)
				}
				w.must(json.Unmarshal([]byte(content), &claims))
				if claims["iss"] != w.issuer || claims["aud"] != a.ID || claims["sub"] != w.user.ID || claims["name"] != "Ada Lovelace" || claims["nonce"] != nil {
					w.Errorf("%s %s: %v", alg, enc, claims)
				}
			}
		}
		a := w.sealing(func(m *clientstore.Metadata) { m.UserinfoSignedResponseAlg = "RS256" })
		token := w.tokens(a).str("access_token")
		// It is no ID token, and nobody takes it for one.
		w.wantRefusal(w.authorize(a.ask("id_token_hint", w.userinfo(token).body)), "invalid_request", "st&a te")
		w.wantError(w.userinfo(token+"x"), 401, "invalid_token")
		w.down(func() { w.wantError(w.userinfo(token), 503, "temporarily_unavailable") })
	})
}

// signedBy checks a JWT with the published key of the algorithm, and returns
// its payload.
func (w *world) signedBy(jwt, alg string) string {
	w.Helper()
	var set jose.JSONWebKeySet
	w.must(json.Unmarshal([]byte(w.get("/.well-known/jwks.json").body), &set))
	parsed, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	w.must(err)
	keys := set.Key(parsed.Signatures[0].Protected.KeyID)
	if len(keys) != 1 || keys[0].Algorithm != alg {
		w.Fatalf("%s: keys %v", alg, keys)
	}
	payload, err := parsed.Verify(keys[0])
	w.must(err)
	return string(payload)
}

// Back-Channel Logout 1.0, section 2.4: logout tokens are encrypted like ID
// tokens.
func TestEncryptedLogoutTokens(t *testing.T) {
	each(t, func(w *world) {
		keys := w.theirKeys()
		p := w.listening(func(m *clientstore.Metadata) {
			m.JWKS, m.IDTokenEncryptedResponseAlg, m.IDTokenEncryptedResponseEnc = keys, "ECDH-ES+A256KW", "A256GCM"
		})
		idToken := w.opened(w.tokens(p.app).str("id_token"), "ECDH-ES+A256KW", "A256GCM", "JWT")
		sid := w.session.ID
		w.endSession("id_token_hint", idToken)
		w.deliverLogouts()
		heard := p.heard()
		if len(heard) != 1 {
			w.Fatalf("%d logout tokens", len(heard))
		}
		token := w.opened(heard[0].Get("logout_token"), "ECDH-ES+A256KW", "A256GCM", "JWT")
		if claims := w.logoutToken(p, url.Values{"logout_token": {token}}); claims["sid"] != w.subjects.Session(p.ID, sid) {
			w.Errorf("%v", claims)
		}
	})
}

// ours is the server's key that an algorithm encrypts to.
func (w *world) ours(alg string) jose.JSONWebKey {
	w.Helper()
	var set struct{ Keys []json.RawMessage }
	w.must(json.Unmarshal([]byte(w.get("/.well-known/jwks.json").body), &set))
	kty := map[bool]string{true: "RSA", false: "EC"}[strings.HasPrefix(alg, "RSA")]
	for _, raw := range set.Keys {
		var members map[string]string
		var key jose.JSONWebKey
		w.must(json.Unmarshal(raw, &members))
		if members["use"] == "enc" && members["kty"] == kty {
			w.must(key.UnmarshalJSON(raw))
			return key
		}
	}
	w.Fatalf("no key for %s", alg)
	return jose.JSONWebKey{}
}

// seal encrypts to the server, as an application does.
func (w *world) seal(alg, enc, content string) string {
	w.Helper()
	key := w.ours(alg)
	maker, err := jose.NewEncrypter(jose.ContentEncryption(enc), jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: key.Key, KeyID: key.KeyID},
		(&jose.EncrypterOptions{}).WithContentType("JWT"))
	w.must(err)
	jwe, err := maker.Encrypt([]byte(content))
	w.must(err)
	text, err := jwe.CompactSerialize()
	w.must(err)
	return text
}

// RFC 9101, section 6.1: encrypted request objects, by value, by reference and
// pushed.
func TestEncryptedRequestObjects(t *testing.T) {
	each(t, func(w *world) {
		var object atomic.Value
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			text, _ := object.Load().(string)
			_, _ = io.WriteString(rw, text)
		}))
		defer server.Close()
		anyhow := w.signer(func(m *clientstore.Metadata) { m.RequestURIs = []string{server.URL} })
		s := testKeys()["ES256"]
		for n, alg := range clientstore.EncryptionAlgs {
			enc := clientstore.ContentAlgs[n%len(clientstore.ContentAlgs)]
			only := w.signer(func(m *clientstore.Metadata) {
				m.RequestObjectEncryptionAlg, m.RequestObjectEncryptionEnc, m.RequestURIs = alg, enc, []string{server.URL}
			})
			for _, a := range []app{anyhow, only} {
				sealed := w.seal(alg, enc, s.sign(w.T, w.object(a, nil), nil))
				object.Store(sealed)
				pushed := w.post("/par", a, url.Values{"request": {sealed}})
				for name, q := range map[string]url.Values{
					"by value": a.outside(sealed), "by reference": with(a.outside(""), "request", "", "request_uri", server.URL),
					"pushed": {"client_id": {a.ID}, "request_uri": {pushed.str("request_uri")}},
				} {
					if sent := w.authorize(q).sent(); sent.Get("code") == "" || sent.Get("state") != "inside" {
						w.Errorf("%s %s %s: %v %s", alg, enc, name, sent, pushed.body)
					}
				}
			}
		}
	})
}

// What is encrypted and not signed, or signed and not encrypted as registered,
// is never ignored; every failure of what is encrypted looks the same (JW-10).
func TestEncryptedRequestObjectsAreHeldToIt(t *testing.T) {
	each(t, func(w *world) {
		open := w.signer(nil)
		only := w.signer(func(m *clientstore.Metadata) { m.RequestObjectEncryptionAlg = "RSA-OAEP-256" })
		s := testKeys()["RS256"]
		signed := func(a app) string { return s.sign(w.T, w.object(a, nil), nil) }
		good := w.seal("RSA-OAEP-256", "A128CBC-HS256", signed(only))
		parts := strings.Split(good, ".")
		parts[3] = strings.Repeat("A", len(parts[3]))
		plain, err := json.Marshal(w.object(open, nil))
		w.must(err)
		const notOpened = "is not signed by the client's keys and then encrypted to a key of this server"
		for name, tt := range map[string]struct {
			a           app
			object, why string
		}{
			"not encrypted":                   {only, signed(only), "is not encrypted, as the client is registered to send it"},
			"encrypted by another alg":        {only, w.seal("RSA-OAEP", "A128CBC-HS256", signed(only)), notOpened},
			"encrypted by another enc":        {only, w.seal("RSA-OAEP-256", "A256GCM", signed(only)), notOpened},
			"forged":                          {only, strings.Join(parts, "."), notOpened},
			"signed by nobody":                {open, w.seal("ECDH-ES", "A128GCM", raw(`{"alg":"none"}`, string(plain), nil)), notOpened},
			"not signed at all":               {open, w.seal("ECDH-ES", "A128GCM", string(plain)), notOpened},
			"encrypted twice":                 {open, w.seal("ECDH-ES", "A128GCM", w.seal("ECDH-ES", "A128GCM", signed(open))), notOpened},
			"signed with another typ (JW-07)": {open, w.seal("ECDH-ES", "A128GCM", s.sign(w.T, w.object(open, nil), map[string]any{"typ": "at+jwt"})), notOpened},
			"to a key of theirs":              {open, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"enc-e"}`)) + "..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", notOpened},
			"p2c":                             {open, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AA"}`)) + ".AA.AA.AA.AA", notOpened},
			"another client's":                {open, w.seal("ECDH-ES", "A128GCM", signed(only)), "is not from this client"},
		} {
			sent := w.authorize(tt.a.outside(tt.object)).sent()
			if sent.Get("error") != "invalid_request_object" || !strings.Contains(sent.Get("error_description"), tt.why) {
				w.Errorf("%s: %v", name, sent)
			}
			res := w.post("/par", tt.a, url.Values{"request": {tt.object}})
			w.wantError(res, 400, "invalid_request_object")
		}
		// Who may not come without a request object at all says so otherwise.
		if sent := w.authorize(only.ask()).sent(); sent.Get("code") == "" {
			w.Errorf("without a request object: %v", sent)
		}
		w.down(func() {
			if res := w.authorize(only.outside(good)); res.StatusCode != http.StatusServiceUnavailable {
				w.Errorf("database down: %s", res.Status)
			}
		})
	})
}

// JW-02 and what else of encryption cannot be registered.
func TestRegistrationOfEncryption(t *testing.T) {
	each(t, func(w *world) {
		keys := w.theirKeys()
		for name, tt := range map[string]struct {
			change []any
			ok     bool
		}{
			"ID tokens":                    {[]any{"id_token_encrypted_response_alg", "RSA-OAEP", "jwks", keys}, true},
			"without keys":                 {[]any{"id_token_encrypted_response_alg", "RSA-OAEP"}, false},
			"with keys that only sign":     {[]any{"userinfo_encrypted_response_alg", "ECDH-ES", "jwks", allKeys(w.T)}, false},
			"keys at an address":           {[]any{"userinfo_encrypted_response_alg", "ECDH-ES", "jwks_uri", "https://rp.example/keys"}, true},
			"RSA1_5":                       {[]any{"id_token_encrypted_response_alg", "RSA1_5", "jwks", keys}, false},
			"dir":                          {[]any{"id_token_encrypted_response_alg", "dir", "jwks", keys}, false},
			"enc alone":                    {[]any{"id_token_encrypted_response_enc", "A128GCM", "jwks", keys}, false},
			"enc of no known":              {[]any{"id_token_encrypted_response_alg", "RSA-OAEP", "id_token_encrypted_response_enc", "none", "jwks", keys}, false},
			"userinfo unsigned":            {[]any{"userinfo_signed_response_alg", "none"}, false},
			"userinfo HS256":               {[]any{"userinfo_signed_response_alg", "HS256"}, false},
			"request objects":              {[]any{"request_object_encryption_alg", "ECDH-ES+A128KW", "request_object_encryption_enc", "A256GCM"}, true},
			"request objects by RSA1_5":    {[]any{"request_object_encryption_alg", "RSA1_5"}, false},
			"request objects by p2c":       {[]any{"request_object_encryption_alg", "PBES2-HS256+A128KW"}, false},
			"request objects, enc alone":   {[]any{"request_object_encryption_enc", "A256GCM"}, false},
			"ID tokens of plain OAuth 2.0": {[]any{"type", "oauth2", "id_token_encrypted_response_alg", "RSA-OAEP", "jwks", keys}, false},
			"pairwise of plain OAuth 2.0":  {[]any{"type", "oauth2", "scope", "api", "subject_type", "pairwise"}, false},
		} {
			res := w.send(http.MethodPost, "/register", "", w.encode(wish, tt.change...))
			if tt.ok {
				w.wantStatus(res, http.StatusCreated)
				if name == "ID tokens" && res.str("id_token_encrypted_response_enc") != "A128CBC-HS256" {
					w.Errorf("the default enc is not told: %s", res.body)
				}
				continue
			}
			if res.str("error") != "invalid_client_metadata" {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
	})
}
