package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// The two clients, and the secret of both.
const (
	plain  = "plain"
	signed = "signed" // gets signed tokens
	secret = "floorfloorfloorfloorfloorfloor00"
)

var (
	pepper = []byte("0123456789abcdef0123456789abcdef")
	encode = base64.RawURLEncoding.EncodeToString
)

func mac(text string) []byte {
	h := hmac.New(sha256.New, pepper)
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum(nil)
}

func right(kept []byte, secret string) bool { return hmac.Equal(kept, mac(secret)) }

func opaque() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return encode(random)
}

// key signs with ES256.
type key struct{ private *ecdsa.PrivateKey }

func newKey() *key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the machine has no random numbers
	}
	return &key{private}
}

// sign makes an access token for a client.
func (k *key) sign(issuer, client string) string {
	now := time.Now().Unix()
	return k.signed("at+jwt", map[string]any{
		"iss": issuer, "sub": client, "aud": issuer, "client_id": client, "scope": "api", "jti": rand.Text(), "iat": now, "exp": now + 3600,
	})
}

// identify makes an ID token.
func (k *key) identify(issuer, client string, x exchanged) string {
	now := time.Now().Unix()
	return k.signed("JWT", map[string]any{
		"iss": issuer, "sub": x.account, "aud": client, "nonce": x.nonce, "auth_time": now, "iat": now, "exp": now + 3600,
	})
}

func (k *key) signed(kind string, claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err) // they are texts and numbers
	}
	text := encode([]byte(`{"alg":"ES256","kid":"k","typ":"`+kind+`"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		panic(err) // as above
	}
	both := make([]byte, 64)
	r.FillBytes(both[:32])
	s.FillBytes(both[32:])
	return text + "." + encode(both)
}
