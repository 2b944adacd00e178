package keyset_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage/keyset"
	"countersign/storage/storagetest"
)

var b64 = base64.RawURLEncoding

// splice returns jws with its header replaced, and its signature left alone.
func splice(jws, header string) string {
	_, rest, _ := strings.Cut(jws, ".")
	return b64.EncodeToString([]byte(header)) + "." + rest
}

// withMember returns jws with one more member in its header.
func withMember(jws, member string) string {
	segment, _, _ := strings.Cut(jws, ".")
	header, _ := b64.DecodeString(segment)
	return splice(jws, string(header[:len(header)-1])+","+member+"}")
}

// published returns the one published key of the algorithm.
func published(t testing.TB, s *keyset.Store, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	t.Helper()
	set, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Algorithm == string(alg) {
			return k
		}
	}
	t.Fatalf("no %s key is published", alg)
	return jose.JSONWebKey{}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	rs := sign(t, s, jose.RS256, "")
	es := sign(t, s, jose.ES256, "")
	parts := strings.Split(rs, ".")
	kid := published(t, s, jose.RS256).KeyID
	esKid := published(t, s, jose.ES256).KeyID
	psKid := published(t, s, jose.PS256).KeyID
	x := b64.EncodeToString

	tests := []struct {
		name string
		jws  string
	}{
		{"JW-03 alg none", splice(rs, `{"alg":"none","kid":"`+kid+`"}`)},
		{"JW-03 alg none without signature", x([]byte(`{"alg":"none","kid":"`+kid+`"}`)) + "." + parts[1] + "."},
		{"JW-03 alg NONE", splice(rs, `{"alg":"NONE","kid":"`+kid+`"}`)},
		{"JW-03 alg nOnE", splice(rs, `{"alg":"nOnE","kid":"`+kid+`"}`)},
		{"JW-03 no alg", splice(rs, `{"kid":"`+kid+`"}`)},
		{"JW-03 empty alg", splice(rs, `{"alg":"","kid":"`+kid+`"}`)},
		{"JW-03 alg twice", splice(rs, `{"alg":"none","alg":"RS256","kid":"`+kid+`"}`)},
		{"JW-03 alg in capitals beside it", splice(rs, `{"ALG":"none","alg":"RS256","kid":"`+kid+`"}`)},
		{"signature left out", parts[0] + "." + parts[1] + "."},
		{"no kid", splice(rs, `{"alg":"RS256"}`)},
		{"unknown kid", splice(rs, `{"alg":"RS256","kid":"x"}`)},
		{"kid of a key for another algorithm", splice(rs, `{"alg":"RS256","kid":"`+esKid+`"}`)},
		{"RS256 with the key for PS256", splice(rs, `{"alg":"RS256","kid":"`+psKid+`"}`)},
		{"alg of another key", splice(rs, `{"alg":"PS256","kid":"`+kid+`"}`)},
		{"RS384", splice(rs, `{"alg":"RS384","kid":"`+kid+`"}`)},
		{"payload changed", parts[0] + "." + x([]byte(`{"sub":"admin"}`)) + "." + parts[2]},
		{"signature of another", parts[0] + "." + parts[1] + "." + es[strings.LastIndexByte(es, '.')+1:]},
		{"trailing bits of the signature set", rs[:len(rs)-1] + string(nextDigit(rs[len(rs)-1]))},
		{"typ added", splice(rs, `{"alg":"RS256","kid":"`+kid+`","typ":"at+jwt"}`)},
		{"JW-05 jku", withMember(rs, `"jku":"https://attacker.example/jwks"`)},
		{"JW-05 x5u", withMember(rs, `"x5u":"https://attacker.example/cert"`)},
		{"JW-05 x5c", withMember(rs, `"x5c":["MIIB"]`)},
		{"JW-05 x5t", withMember(rs, `"x5t":"abc"`)},
		{"crit", withMember(rs, `"crit":["exp"],"exp":1`)},
		{"b64", withMember(rs, `"b64":false,"crit":["b64"]`)},
		{"unknown member", withMember(rs, `"x":"y"`)},
		{"null member", splice(rs, `{"alg":"RS256","kid":null}`)},
		{"kid of another type", splice(rs, `{"alg":"RS256","kid":["`+kid+`"]}`)},
		{"header followed by more", splice(rs, `{"alg":"RS256","kid":"`+kid+`"}{}`)},
		{"header not an object", splice(rs, `"RS256"`)},
		{"header not JSON", splice(rs, `{`)},
		{"header padded", parts[0] + "=." + parts[1] + "." + parts[2]},
		{"line break inside", parts[0] + "." + parts[1] + ".\n" + parts[2]},
		{"blank before", " " + rs},
		{"empty", ""},
		{"two segments", parts[0] + "." + parts[1]},
		{"four segments", rs + "." + parts[2]},
		{"JW-10 encrypted", x([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAA"}`)) + ".AAAA.AAAA.AAAA.AAAA"},
		{"JW-10 encrypted with RSA1_5", x([]byte(`{"alg":"RSA1_5","enc":"A128GCM","zip":"DEF"}`)) + "..AAAA.AAAA.AAAA"},
		{"JW-10 PBES2 in the form of a signature", splice(rs, `{"alg":"PBES2-HS256+A128KW","kid":"`+kid+`","p2c":"2147483648"}`)},
		{"JW-11 a mebibyte of dots", strings.Repeat(".", 1<<20)},
		{"JW-11 16 KiB of dots", strings.Repeat(".", 16<<10)},
		{"JW-11 100 000 segments", strings.Repeat("e30.", 100_000)},
		{"JW-11 a long payload", parts[0] + "." + strings.Repeat("A", 64<<10) + "." + parts[2]},
		{"JW-12 flattened JSON", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`},
		{"JW-12 JSON with two signatures", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] +
			`"},{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`},
		{"JW-13 duplicate claims", parts[0] + "." + x([]byte(`{"sub":"a","sub":"b"}`)) + "." + parts[2]},
		{"JW-13 exp NaN", parts[0] + "." + x([]byte(`{"exp":NaN}`)) + "." + parts[2]},
		{"JW-13 exp 1e400", parts[0] + "." + x([]byte(`{"exp":1e400}`)) + "." + parts[2]},
		{"JW-13 header nested deep", splice(rs, strings.Repeat(`{"a":`, 2000)+"1"+strings.Repeat("}", 2000))},
		{"JW-13 claims nested deep", parts[0] + "." + x(bytes.Repeat([]byte("["), 6000)) + "." + parts[2]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			payload, _, err := s.Verify(t.Context(), tt.jws)
			if !errors.Is(err, keyset.ErrNotOurs) || payload != nil {
				t.Errorf("Verify = %q, %v; want a refusal", payload, err)
			}
		})
	}
}

// nextDigit returns another base64url digit with the same first two bits, all
// that the last digit of an RSA signature has.
func nextDigit(digit byte) byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, digit)|1]
}

// TestVerifyRefusesPublicKeyAsSecret is JW-04: an HMAC made with something
// that everybody knows.
func TestVerifyRefusesPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	key := published(t, s, jose.RS256)
	public, ok := key.Key.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("RS256 key is a %T", key.Key)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), "DER": spki, "JWK": jwk,
		"modulus": public.N.Bytes(), "PKCS 1": x509.MarshalPKCS1PublicKey(public), "empty": {},
	} {
		for _, kid := range []string{`,"kid":"` + key.KeyID + `"`, ""} {
			t.Run("JW-04 HS256 with "+name+kid, func(t *testing.T) {
				t.Parallel()
				input := b64.EncodeToString([]byte(`{"alg":"HS256"`+kid+`}`)) + "." + b64.EncodeToString([]byte(claims))
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				if _, _, err := s.Verify(t.Context(), input+"."+b64.EncodeToString(mac.Sum(nil))); !errors.Is(err, keyset.ErrNotOurs) {
					t.Errorf("Verify = %v; want a refusal", err)
				}
			})
		}
	}
}

// TestVerifyRefusesKeysItIsGiven is JW-05: a signature that is good by a key
// that came along, in the header or at an address in it.
func TestVerifyRefusesKeysItIsGiven(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	sink, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		if _, err := sink.Accept(); err == nil {
			close(called)
		}
	}()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	ours := published(t, s, jose.ES256).KeyID
	for _, kid := range []string{"mine", ours} {
		for _, brought := range []string{`"jwk":` + string(jwk), `"jku":"http://` + sink.Addr().String() + `/"`, `"x5u":"http://` + sink.Addr().String() + `/"`} {
			input := b64.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":%q,%s}`, kid, brought)) + "." + b64.EncodeToString([]byte(claims))
			digest := sha256.Sum256([]byte(input))
			r, v, err := ecdsa.Sign(rand.Reader, private, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			signature := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
			if _, _, err := s.Verify(t.Context(), input+"."+b64.EncodeToString(signature)); !errors.Is(err, keyset.ErrNotOurs) {
				t.Errorf("kid %s with %s: Verify = %v; want a refusal", kid, brought, err)
			}
		}
	}
	select {
	case <-called:
		t.Error("an address in a header was connected to")
	case <-time.After(50 * time.Millisecond):
	}
	_ = sink.Close() // ends the listener's goroutine
}

// TestVerifyTellsTypes is JW-07: the kinds of token differ in their typ, which
// the signature covers.
func TestVerifyTellsTypes(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	for _, typ := range []string{"", "at+jwt", "logout+jwt"} {
		_, header, err := s.Verify(t.Context(), sign(t, s, jose.ES256, typ))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ || header.Algorithm != "ES256" {
			t.Errorf("header has typ %q and alg %q; want %q and ES256", got, header.Algorithm, typ)
		}
	}
}

// TestVerifyAcceptsNoOtherPadding makes sure that keys for one RSA algorithm
// do not verify the other, whatever the header says.
func TestVerifyAcceptsNoOtherPadding(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	rows := list(t, s)
	for _, k := range rows {
		if k.Algorithm != "RS256" {
			continue
		}
		der, err := storagetest.Keys(t).Open(k.PrivateKey, "signing_keys.private_key/"+k.ID)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatal(err)
		}
		private, ok := parsed.(crypto.Signer)
		if !ok {
			t.Fatal("private key cannot sign")
		}
		input := b64.EncodeToString([]byte(`{"alg":"PS256","kid":"`+k.ID+`"}`)) + "." + b64.EncodeToString([]byte(claims))
		digest := sha256.Sum256([]byte(input))
		signature, err := private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Verify(t.Context(), input+"."+b64.EncodeToString(signature)); !errors.Is(err, keyset.ErrNotOurs) {
			t.Errorf("Verify = %v; want a refusal", err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	db := storagetest.Open(f)
	s := open(f, db)
	for _, alg := range keyset.Algorithms {
		f.Add(sign(f, s, alg, "at+jwt"))
	}
	f.Add("")
	f.Add("..")
	f.Add(`{"payload":"","signatures":[]}`)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	for _, alg := range keyset.Algorithms {
		jws := sign(f, s, alg, "")
		f.Add(jws)
	}
	f.Fuzz(func(t *testing.T, jws string) {
		payload, _, err := s.Verify(t.Context(), jws)
		switch {
		case err != nil && (!errors.Is(err, keyset.ErrNotOurs) || payload != nil):
			t.Errorf("Verify(%q) = %q, %v; want a refusal", jws, payload, err)
		case err == nil && string(payload) != claims:
			t.Errorf("Verify(%q) accepts what was never signed: %q", jws, payload)
		}
	})
}
