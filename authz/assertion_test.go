package authz_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer signs as a client does.
type signer struct {
	alg jose.SignatureAlgorithm
	key any
	kid string
}

var testKeys = sync.OnceValue(func() map[string]signer {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	return map[string]signer{
		"RS256": {jose.RS256, rsaKey, "r"}, "PS256": {jose.PS256, rsaKey, "r"},
		"ES256": {jose.ES256, ecKey, "e"}, "EdDSA": {jose.EdDSA, edKey, "d"},
	}
})

// jwks is the public part of the keys.
func jwks(t *testing.T, signers ...signer) json.RawMessage {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, s := range signers {
		private, ok := s.key.(crypto.Signer)
		if !ok {
			t.Fatalf("%T is no key pair", s.key)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: s.kid, Use: "sig"})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func allKeys(t *testing.T) json.RawMessage {
	t.Helper()
	k := testKeys()
	return jwks(t, k["RS256"], k["ES256"], k["EdDSA"])
}

// sign makes a JWT; headers are added to alg and kid.
func (s signer) sign(t *testing.T, claims, headers map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return s.signText(t, string(payload), headers)
}

func (s signer) signText(t *testing.T, payload string, headers map[string]any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for name, value := range headers {
		o.WithHeader(jose.HeaderKey(name), value)
	}
	key := any(jose.JSONWebKey{Key: s.key, KeyID: s.kid})
	if s.kid == "" {
		key = s.key
	}
	maker, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := maker.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// assertion is a good one of the client; nil values of change take claims away.
func (w *world) assertion(id string, change map[string]any) map[string]any {
	now := w.db.Now().Unix()
	claims := map[string]any{
		"iss": id, "sub": id, "aud": w.issuer, "exp": now + 60, "iat": now, "jti": rand.Text(),
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// postSigned sends a form with an assertion. What it answers tells how far the
// client came: invalid_grant is beyond authentication.
func (w *world) postSigned(path, jwt string, form url.Values) answer {
	w.Helper()
	form = maps.Clone(form)
	form.Set("client_assertion", jwt)
	form.Set("client_assertion_type", assertionType)
	return w.do(w.request(http.MethodPost, path, formType, form.Encode()))
}

var unknownCode = url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}

func (w *world) keyed(keys json.RawMessage) app {
	w.Helper()
	r := registration("Keyed")
	r.Metadata.TokenEndpointAuthMethod, r.Metadata.JWKS = "private_key_jwt", keys
	a := w.register(r)
	if a.secret != "" || len(a.Secrets) != 0 {
		w.Error("a client with keys was given a secret")
	}
	return a
}

func TestPrivateKeyJWT(t *testing.T) {
	each(t, func(w *world) {
		a := w.keyed(allKeys(w.T))
		for alg, s := range testKeys() {
			w.wantError(w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, nil), nil), unknownCode), 400, "invalid_grant")
			s.kid = ""
			res := w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, nil), nil), unknownCode)
			if res.str("error") != "invalid_grant" {
				w.Errorf("%s without kid: %s", alg, res.body)
			}
		}
		s := testKeys()["ES256"]
		jwt := s.sign(w.T, w.assertion(a.ID, nil), nil)
		res := w.postSigned("/token", jwt, redemption(w.code(a)))
		if res.StatusCode != http.StatusOK {
			w.Fatalf("token: %s %s", res.Status, res.body)
		}
		w.wantError(w.postSigned("/token", jwt, unknownCode), 401, "invalid_client") // CA-15 again
		token := url.Values{"token": {res.str("access_token")}}
		if got := w.postSigned("/introspect", s.sign(w.T, w.assertion(a.ID, nil), nil), token); got.json["active"] != true {
			w.Errorf("introspect: %s", got.body)
		}
		if got := w.postSigned("/revoke", s.sign(w.T, w.assertion(a.ID, nil), nil), token); got.StatusCode != http.StatusOK {
			w.Errorf("revoke: %s", got.body)
		}
		w.wantError(w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, nil), nil), with(maps.Clone(unknownCode), "client_id", a.ID)), 400, "invalid_grant")
	})
}

func TestAssertionClaims(t *testing.T) {
	each(t, func(w *world) {
		a, now, s := w.keyed(allKeys(w.T)), w.db.Now().Unix(), testKeys()["ES256"]
		for name, tt := range map[string]struct {
			change map[string]any
			good   bool
		}{
			"aud issuer":                       {nil, true},
			"aud token endpoint":               {map[string]any{"aud": w.issuer + "/token"}, true},
			"aud list of ours":                 {map[string]any{"aud": []string{w.issuer, w.issuer + "/token"}}, true},
			"CA-12 aud missing":                {map[string]any{"aud": nil}, false},
			"CA-12 aud foreign":                {map[string]any{"aud": "https://attacker.example"}, false},
			"CA-12 aud with an extra one":      {map[string]any{"aud": []string{w.issuer, "https://attacker.example"}}, false},
			"CA-12 aud empty list":             {map[string]any{"aud": []string{}}, false},
			"CA-12 aud number":                 {map[string]any{"aud": 1}, false},
			"CA-12 aud list of numbers":        {map[string]any{"aud": []int{1}}, false},
			"CA-12 aud PAR endpoint elsewhere": {map[string]any{"aud": w.issuer + "/par"}, false},
			"CA-12 aud issuer with slash":      {map[string]any{"aud": w.issuer + "/"}, false},
			"CA-13 iss foreign":                {map[string]any{"iss": "x"}, false},
			"CA-13 sub foreign":                {map[string]any{"sub": w.web.ID}, false},
			"CA-13 both foreign":               {map[string]any{"iss": w.web.ID, "sub": w.web.ID}, false},
			"CA-13 both missing":               {map[string]any{"iss": nil, "sub": nil}, false},
			"CA-14 exp missing":                {map[string]any{"exp": nil}, false},
			"CA-14 exp past":                   {map[string]any{"exp": now - 1}, false},
			"CA-14 exp now":                    {map[string]any{"exp": now}, false},
			"CA-14 exp in five minutes":        {map[string]any{"exp": now + 300}, true},
			"CA-14 exp in six minutes":         {map[string]any{"exp": now + 360}, false},
			"CA-14 exp text":                   {map[string]any{"exp": "9999999999"}, false},
			"CA-14 exp negative":               {map[string]any{"exp": -1}, false},
			"CA-14 exp fraction":               {map[string]any{"exp": float64(now) + 59.5}, true},
			"CA-14 exp year 3026":              {map[string]any{"exp": 33_333_333_333}, false},
			"nbf eight seconds ahead":          {map[string]any{"nbf": now + 8}, true},
			"CA-14 nbf a minute ahead":         {map[string]any{"nbf": now + 61}, false},
			"CA-14 iat a minute ahead":         {map[string]any{"iat": now + 61}, false},
			"no iat":                           {map[string]any{"iat": nil}, true},
			"CA-15 jti missing":                {map[string]any{"jti": nil}, false},
			"CA-15 jti empty":                  {map[string]any{"jti": ""}, false},
			"CA-15 jti of 1 KiB":               {map[string]any{"jti": strings.Repeat("x", 1024)}, false},
			"jti with a NUL":                   {map[string]any{"jti": "a\x00" + rand.Text()}, true},
		} {
			want, status := "invalid_client", 401
			if tt.good {
				want, status = "invalid_grant", 400
			}
			res := w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, tt.change), nil), unknownCode)
			if res.StatusCode != status || res.str("error") != want {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		for name, payload := range map[string]string{
			"CA-14 exp 1e400":  `{"iss":"ID","sub":"ID","aud":"ISS","jti":"1","exp":1e400}`,
			"CA-14 exp NaN":    `{"iss":"ID","sub":"ID","aud":"ISS","jti":"2","exp":NaN}`,
			"JW-13 twice":      `{"iss":"ID","sub":"ID","aud":"x","aud":"ISS","jti":"3","exp":9}`,
			"JW-13 deep":       strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
			"no object":        `null`,
			"claims of a case": `{"ISS":"ID","SUB":"ID","aud":"ISS","jti":"4","exp":9}`,
		} {
			payload = strings.NewReplacer("ID", a.ID, "ISS", w.issuer).Replace(payload)
			if res := w.postSigned("/token", s.signText(w.T, payload, nil), unknownCode); res.StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
	})
}

// CA-12, MX-02: under the strict policy, and for a client that is registered
// so, the issuer alone is an audience.
func TestAssertionsForTheIssuerAlone(t *testing.T) {
	t.Parallel()
	for policy, audience := range map[clientstore.Policy]string{clientstore.Strict: "", clientstore.Default: clientstore.AudienceIssuer} {
		storagetest.Each(t, func(t *testing.T, db *storage.DB) {
			w, s := newWorldUnder(t, db, policy), testKeys()["ES256"]
			a := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "FAPI", Metadata: clientstore.Metadata{
				RedirectURIs: []string{callback}, TokenEndpointAuthMethod: clientstore.AuthPrivateKeyJWT, JWKS: allKeys(t),
				ClientAssertionAudience: audience,
			}})
			for name, aud := range map[string]any{"issuer": w.issuer, "list": []string{w.issuer}, "token endpoint": w.issuer + "/token"} {
				want := map[bool]string{true: "invalid_grant", false: "invalid_client"}[name == "issuer"]
				res := w.postSigned("/token", s.sign(t, w.assertion(a.ID, map[string]any{"aud": aud}), nil), unknownCode)
				if res.str("error") != want {
					t.Errorf("%s policy, %s: %s", policy, name, res.body)
				}
			}
		})
	}
}

// raw makes a JWT by hand.
func raw(header, payload string, signature []byte) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(header)) + "." + b([]byte(payload)) + "." + b(signature)
}

func TestAssertionHeaders(t *testing.T) {
	each(t, func(w *world) {
		var reached atomic.Int32
		sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
		defer sink.Close()
		a, s := w.keyed(allKeys(w.T)), testKeys()["RS256"]
		rsaKey, _ := s.key.(*rsa.PrivateKey)
		der, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
		w.must(err)
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		good, err := json.Marshal(w.assertion(a.ID, nil))
		w.must(err)
		stranger, err := rsa.GenerateKey(rand.Reader, 2048)
		w.must(err)
		own, err := json.Marshal(jose.JSONWebKey{Key: stranger.Public()})
		w.must(err)
		theirs := signer{jose.RS256, stranger, "r"}
		for name, jwt := range map[string]string{
			"CA-18 alg none":             raw(`{"alg":"none"}`, string(good), nil),
			"JW-03 alg nOnE":             raw(`{"alg":"nOnE"}`, string(good), nil),
			"JW-03 no alg":               raw(`{}`, string(good), []byte("x")),
			"CA-18 HS256 by public PEM":  signer{jose.HS256, public, "r"}.sign(w.T, w.assertion(a.ID, nil), nil),
			"JW-04 HS256 by public DER":  signer{jose.HS256, der, "r"}.sign(w.T, w.assertion(a.ID, nil), nil),
			"CA-18 RS1":                  raw(`{"alg":"RS1","kid":"r"}`, string(good), []byte("x")),
			"CA-18 RS512":                signer{jose.RS512, s.key, "r"}.sign(w.T, w.assertion(a.ID, nil), nil),
			"another's key":              theirs.sign(w.T, w.assertion(a.ID, nil), nil),
			"CA-19 jku":                  theirs.sign(w.T, w.assertion(a.ID, nil), map[string]any{"jku": sink.URL}),
			"CA-19 x5u":                  theirs.sign(w.T, w.assertion(a.ID, nil), map[string]any{"x5u": sink.URL}),
			"CA-19 jwk":                  theirs.sign(w.T, w.assertion(a.ID, nil), map[string]any{"jwk": json.RawMessage(own)}),
			"CA-19 jku, own key":         s.sign(w.T, w.assertion(a.ID, nil), map[string]any{"jku": sink.URL}),
			"CA-19 x5c":                  raw(`{"alg":"RS256","x5c":["AAAA"]}`, string(good), []byte("x")),
			"CA-20 crit":                 raw(`{"alg":"RS256","crit":["x"],"x":1}`, string(good), []byte("x")),
			"CA-20 b64 false":            raw(`{"alg":"RS256","b64":false}`, string(good), []byte("x")),
			"CA-20 kid with a path":      signer{jose.RS256, s.key, "../../r"}.sign(w.T, w.assertion(a.ID, nil), nil),
			"CA-20 kid with SQL":         signer{jose.RS256, s.key, "r' OR 1=1 --"}.sign(w.T, w.assertion(a.ID, nil), nil),
			"CA-20 kid of 10 KiB":        signer{jose.RS256, s.key, strings.Repeat("r", 10<<10)}.sign(w.T, w.assertion(a.ID, nil), nil),
			"CA-20 kid a number":         raw(`{"alg":"RS256","kid":1}`, string(good), []byte("x")),
			"JW-07 typ of logout tokens": s.sign(w.T, w.assertion(a.ID, nil), map[string]any{"typ": "logout+jwt"}),
			"JW-07 typ of access tokens": s.sign(w.T, w.assertion(a.ID, nil), map[string]any{"typ": "at+jwt"}),
			"JW-11 dots":                 strings.Repeat(".", 10_000),
			"JW-12 JSON serialisation":   `{"payload":"e30","signatures":[{},{}]}`,
			"no token":                   "x",
		} {
			if res := w.postSigned("/token", jwt, unknownCode); res.StatusCode != http.StatusUnauthorized || res.str("error") != "invalid_client" {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		if reached.Load() != 0 {
			w.Error("CA-19: a key that the token points to was fetched")
		}
		for _, typ := range []string{"JWT", "client-authentication+jwt"} {
			w.wantError(w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, nil), map[string]any{"typ": typ}), unknownCode), 400, "invalid_grant")
		}
	})
}

func TestOneMethodOnly(t *testing.T) {
	each(t, func(w *world) {
		a, s := w.keyed(allKeys(w.T)), testKeys()["ES256"]
		jwt := func(id string) string { return s.sign(w.T, w.assertion(id, nil), nil) }
		w.wantError(w.postSigned("/token", jwt(a.ID), with(maps.Clone(unknownCode), "client_secret", "x")), 400, "invalid_request") // CA-03
		w.wantError(w.postSigned("/token", jwt(a.ID), with(maps.Clone(unknownCode), "client_id", w.web.ID)), 401, "invalid_client")
		for name, id := range map[string]string{"CA-05 basic": w.web.ID, "CA-05 none": w.native.ID, "CA-02 unknown": "nobody"} {
			if res := w.postSigned("/token", jwt(id), unknownCode); res.StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: %s", name, res.body)
			}
		}
		r := w.request(http.MethodPost, "/token", formType, with(maps.Clone(unknownCode), "client_assertion", jwt(a.ID), "client_assertion_type", assertionType).Encode())
		r.SetBasicAuth(w.web.ID, w.web.secret)
		w.wantError(w.do(r), 400, "invalid_request")
		w.wantError(w.do(w.request(http.MethodPost, "/token", formType, with(maps.Clone(unknownCode), "client_assertion", jwt(a.ID)).Encode())), 401, "invalid_client")
		w.wantError(w.post("/token", app{a.Client, "x"}, maps.Clone(unknownCode)), 401, "invalid_client") // a secret for a key
		w.wantError(w.post("/token", app{a.Client, ""}, maps.Clone(unknownCode)), 401, "invalid_client")  // nothing for a key

		registered := registration("ES256 only")
		registered.Metadata.TokenEndpointAuthMethod, registered.Metadata.JWKS, registered.Metadata.TokenEndpointAuthSigningAlg = "private_key_jwt", allKeys(w.T), "ES256"
		only := w.register(registered)
		w.wantError(w.postSigned("/token", jwt(only.ID), unknownCode), 400, "invalid_grant")
		w.wantError(w.postSigned("/token", testKeys()["RS256"].sign(w.T, w.assertion(only.ID, nil), nil), unknownCode), 401, "invalid_client") // CA-18
		w.down(func() { w.wantError(w.postSigned("/token", jwt(a.ID), unknownCode), 503, "temporarily_unavailable") })
	})
}

// CA-15: of fifty at once one succeeds, and what was refused is not used up.
func TestCA15FiftyParallelAssertions(t *testing.T) {
	each(t, func(w *world) {
		a, s := w.keyed(allKeys(w.T)), testKeys()["ES256"]
		claims := w.assertion(a.ID, nil)
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		w.must(err)
		w.wantError(w.postSigned("/token", signer{jose.ES256, stranger, "e"}.sign(w.T, claims, nil), unknownCode), 401, "invalid_client")
		jwt := s.sign(w.T, claims, nil)
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				switch res := w.postSigned("/token", jwt, unknownCode); res.str("error") {
				case "invalid_grant":
					won.Add(1)
				case "invalid_client":
					lost.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 49 {
			w.Errorf("%d got in and %d did not; want 1 and 49", won.Load(), lost.Load())
		}
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "")
		w.must(err)
		pending := s.sign(w.T, w.assertion(a.ID, nil), nil)
		w.wantError(w.postSigned("/token", pending, unknownCode), 400, "unauthorized_client")
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		w.wantError(w.postSigned("/token", pending, unknownCode), 400, "invalid_grant")
	})
}

func TestClientSecretJWT(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Secret JWT")
		r.Metadata.TokenEndpointAuthMethod = "client_secret_jwt"
		a := w.register(r)
		by := func(secret string) string {
			return signer{jose.HS256, []byte(secret), ""}.sign(w.T, w.assertion(a.ID, nil), nil)
		}
		w.wantError(w.postSigned("/token", by(a.secret), unknownCode), 400, "invalid_grant")
		w.wantError(w.postSigned("/token", by(w.web.secret), unknownCode), 401, "invalid_client")
		w.wantError(w.post("/token", a, maps.Clone(unknownCode)), 401, "invalid_client") // CA-05: the secret itself
		w.wantError(w.postSigned("/token", testKeys()["RS256"].sign(w.T, w.assertion(a.ID, nil), nil), unknownCode), 401, "invalid_client")

		_, next, err := w.clients.RotateSecret(w.Context(), admin, a.ID, clientstore.Rotation{Overlap: time.Minute})
		w.must(err)
		w.wantSecretUse(a.ID, true, false)
		w.wantError(w.postSigned("/token", by(next), unknownCode), 400, "invalid_grant")
		w.wantSecretUse(a.ID, true, true)
		w.wantError(w.postSigned("/token", by(a.secret), unknownCode), 400, "invalid_grant")
		w.clock.Advance(time.Minute)
		w.wantError(w.postSigned("/token", by(a.secret), unknownCode), 401, "invalid_client")
		w.wantError(w.postSigned("/token", by(next), unknownCode), 400, "invalid_grant")

		// One that comes to sign needs a secret that can be read again.
		m := w.web.Metadata
		m.TokenEndpointAuthMethod = "client_secret_jwt"
		_, err = w.clients.Edit(w.Context(), admin, w.web.ID, clientstore.Edit{Metadata: &m, Version: w.web.Version})
		w.must(err)
		a = w.web
		w.wantError(w.postSigned("/token", by(w.web.secret), unknownCode), 401, "invalid_client")
		_, next, err = w.clients.RotateSecret(w.Context(), admin, a.ID, clientstore.Rotation{})
		w.must(err)
		w.wantError(w.postSigned("/token", by(next), unknownCode), 400, "invalid_grant")
	})
}

func TestKeysAtAnAddress(t *testing.T) {
	each(t, func(w *world) {
		var asked atomic.Int32
		var set atomic.Value
		set.Store(string(jwks(w.T, testKeys()["ES256"])))
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			text, _ := set.Load().(string)
			_, _ = io.WriteString(rw, text)
		}))
		defer server.Close()
		r := registration("By address")
		r.Metadata.TokenEndpointAuthMethod, r.Metadata.JWKSURI = "private_key_jwt", server.URL+"/jwks.json"
		a := w.register(r)
		try := func(alg, code string, fetches int32) {
			w.Helper()
			status := map[string]int{"invalid_grant": 400, "invalid_client": 401}[code]
			w.wantError(w.postSigned("/token", testKeys()[alg].sign(w.T, w.assertion(a.ID, nil), nil), unknownCode), status, code)
			if n := asked.Load(); n != fetches {
				w.Errorf("%s: the keys were fetched %d times; want %d", alg, n, fetches)
			}
		}
		try("ES256", "invalid_grant", 1)
		try("ES256", "invalid_grant", 1)
		set.Store(string(jwks(w.T, testKeys()["RS256"]))) // rotated
		try("RS256", "invalid_client", 1)                 // not again within the minute
		w.clock.Advance(time.Minute)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				w.postSigned("/token", testKeys()["RS256"].sign(w.T, w.assertion(a.ID, nil), nil), unknownCode)
			})
		}
		wg.Wait()
		try("RS256", "invalid_grant", 2)
		try("ES256", "invalid_client", 2)
		w.clock.Advance(time.Minute)
		set.Store("broken")
		try("ES256", "invalid_client", 3)
		try("RS256", "invalid_grant", 3) // what was fetched before holds
		w.clock.Advance(5 * time.Minute)
		try("RS256", "invalid_client", 4)
		try("RS256", "invalid_client", 4) // the failure stands for a minute
		set.Store(strings.Repeat(" ", 64<<10) + string(jwks(w.T, testKeys()["RS256"])))
		w.clock.Advance(time.Minute)
		try("RS256", "invalid_client", 5)
		set.Store(string(jwks(w.T, testKeys()["RS256"])))
		w.clock.Advance(time.Minute)
		try("RS256", "invalid_grant", 6)
		w.wantError(w.postSigned("/token", raw(`{"alg":"none"}`, `{"iss":"`+a.ID+`","sub":"`+a.ID+`"}`, nil), unknownCode), 401, "invalid_client")
	})
}
