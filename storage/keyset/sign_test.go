package keyset_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage"
	"countersign/storage/keyset"
	"countersign/storage/storagetest"
)

const claims = `{"iss":"https://issuer.example","sub":"248289761001","aud":"s6BhdRkqt3","nonce":"n-0S6_WzA2Mj","exp":1311281970,"iat":1311280970}`

func sign(t testing.TB, s *keyset.Store, alg jose.SignatureAlgorithm, typ string) string {
	t.Helper()
	jws, err := s.Sign(t.Context(), alg, typ, []byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// TestSign checks with a JOSE library against the published keys what the
// server has signed by hand.
func TestSign(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	set, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range keyset.Algorithms {
		for _, typ := range []string{"", "at+jwt"} {
			t.Run(string(alg)+" "+typ, func(t *testing.T) {
				t.Parallel()
				for range 20 { // R and S of ECDSA are short now and then
					parsed, err := jose.ParseSignedCompact(sign(t, s, alg, typ), []jose.SignatureAlgorithm{alg})
					if err != nil {
						t.Fatal(err)
					}
					header := parsed.Signatures[0].Protected
					if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
						t.Errorf("typ %q; want %q", got, typ)
					}
					keys := set.Key(header.KeyID)
					if len(keys) != 1 {
						t.Fatalf("%d published keys have the kid %q", len(keys), header.KeyID)
					}
					if payload, err := parsed.Verify(keys[0]); err != nil || string(payload) != claims {
						t.Errorf("Verify = %q, %v", payload, err)
					}
				}
			})
		}
	}
}

func TestSignWithoutKey(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := keyset.New(db, config(t, db))
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, "none", jose.HS256} {
		if _, err := s.Sign(t.Context(), alg, "", nil); !errors.Is(err, keyset.ErrNoKey) || errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Sign with %s = %v; want no key", alg, err)
		}
	}
}

func TestSignWithClockBehind(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock := storagetest.Clock(db)
	s := open(t, db)
	clock.Advance(-3 * time.Second) // as on a server that did not make the keys
	for _, alg := range keyset.Algorithms {
		if _, _, err := s.Verify(t.Context(), sign(t, s, alg, "")); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestLeftHalf(t *testing.T) {
	t.Parallel()
	// OpenID Connect Core 1.0, appendix A.4.
	const accessToken, want = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256} {
		if got := keyset.LeftHalf(alg, accessToken); got != want {
			t.Errorf("%s: %q; want %q", alg, got, want)
		}
	}
	sum := sha512.Sum512([]byte(accessToken))
	if got := keyset.LeftHalf(jose.EdDSA, accessToken); got != base64.RawURLEncoding.EncodeToString(sum[:sha256.Size]) {
		t.Errorf("EdDSA: %q", got)
	}
}

func BenchmarkSign(b *testing.B) {
	db := storagetest.Open(b)
	s := open(b, db)
	for _, alg := range keyset.Algorithms {
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sign(b, s, alg, "")
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	db := storagetest.Open(b)
	s := open(b, db)
	for _, alg := range keyset.Algorithms {
		jws := sign(b, s, alg, "")
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Verify(b.Context(), jws); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
