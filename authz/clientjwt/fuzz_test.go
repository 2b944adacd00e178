package clientjwt

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// signedForFuzzing is a key of a client, its public part as the client
// registered it, and what it once signed.
func signedForFuzzing(f *testing.F) (set json.RawMessage, payload, jwt string) {
	f.Helper()
	key := ed25519.NewKeyFromSeed([]byte("thirty-two bytes, and no secret!"))
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	if err != nil {
		f.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		f.Fatal(err)
	}
	payload = `{"iss":"c","sub":"c","aud":["https://id.example"],"exp":1e9,"jti":"x"}`
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		f.Fatal(err)
	}
	jwt, err = jws.CompactSerialize()
	if err != nil {
		f.Fatal(err)
	}
	return set, payload, jwt
}

// FuzzVerify gives the verifier of assertions and request objects tokens that
// nobody signed: none is accepted but the one that the client did sign.
func FuzzVerify(f *testing.F) {
	set, payload, jwt := signedForFuzzing(f)
	parts := strings.Split(jwt, ".")
	for _, s := range []string{
		jwt, "", "..", "a.b.c", strings.Repeat(".", 40), parts[0] + "." + parts[1] + ".", parts[0] + ".e30." + parts[2],
		"eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "eyJhbGciOiJFZERTQSIsImp3ayI6e319.e30.AAAA",
		"eyJhbGciOiJFZERTQSIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.e30.AAAA", `{"payload":"e30","signatures":[]}`, jwt + "=", jwt + " ",
	} {
		f.Add(s)
	}
	v := New(Config{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(1e9, 0) }})
	c := &clientstore.Client{ID: "c", Metadata: clientstore.Metadata{JWKS: set}}
	rule := Rule{Algorithms: []string{"EdDSA", "RS256", "ES256"}, Types: []string{"jwt"}}
	f.Fuzz(func(t *testing.T, jwt string) {
		got, err := v.Verify(t.Context(), c, jwt, rule)
		switch {
		case err != nil && (!errors.Is(err, ErrRefused) || got != nil):
			t.Fatalf("Verify(%q) = %q, %v; want a refusal", jwt, got, err)
		case err == nil && string(got) != payload:
			t.Fatalf("Verify(%q) accepts what was never signed: %q", jwt, got)
		}
		if _, err := Peek(jwt); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatalf("Peek(%q): %v", jwt, err)
		}
	})
}

// FuzzReadClaims holds what is read of claims to what the times and the
// audience may be.
func FuzzReadClaims(f *testing.F) {
	for _, s := range []string{
		`{"iss":"c","sub":"c","aud":"a","exp":1000000030,"jti":"x"}`, `{"aud":["a","b"],"exp":1e9}`, `{"exp":1e400}`, `{"exp":-1}`, `{"exp":"1"}`,
		`{"exp":1000000030,"nbf":1000000011}`, `{"iat":9e18,"exp":1000000001}`, `{"iss":"a","iss":"b"}`, `{"ISS":"a"}`, `null`, `[]`, `{} {}`,
		`{"aud":[1]}`, `{"aud":{}}`, "\xef\xbb\xbf{}", `{"exp":1000000000.0000001}`,
	} {
		f.Add([]byte(s))
	}
	now := time.Unix(1e9, 0)
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := ReadClaims(payload)
		if err != nil {
			if !errors.Is(err, ErrRefused) || c != nil {
				t.Fatalf("ReadClaims(%q) = %+v, %v; want a refusal", payload, c, err)
			}
			return
		}
		if list, single := c.Audiences(); single && len(list) != 1 {
			t.Fatalf("%q: a single audience is %q", payload, list)
		}
		if err := c.CheckTimes(now, time.Minute); err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("%q: %v", payload, err)
			}
			return
		}
		if at := c.ExpiresAt(); !at.After(now) || at.After(now.Add(time.Minute+Skew+time.Second)) {
			t.Fatalf("%q is accepted and is remembered until %s", payload, at)
		}
	})
}
