package clientstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
)

func publicPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// O1-20, and that the kinds of methods are never mixed.
func TestOAuth1SignatureMethods(t *testing.T) {
	t.Parallel()
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := publicPEM(t, &strong.PublicKey)
	for name, tt := range map[string]struct {
		typ    Type
		policy Policy
		give   Metadata
		want   []string // nil for a refusal
		fault  string
	}{
		"secret":             {OAuth1, Default, Metadata{}, []string{"HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"}, ""},
		"secret, strict":     {OAuth1, Strict, Metadata{}, []string{"HMAC-SHA256", "HMAC-SHA512"}, ""},
		"key":                {OAuth1, Default, Metadata{OAuth1PublicKey: key}, []string{"RSA-SHA1", "RSA-SHA256", "RSA-SHA512"}, ""},
		"key, strict":        {OAuth1, Strict, Metadata{OAuth1PublicKey: key}, []string{"RSA-SHA256", "RSA-SHA512"}, ""},
		"one of them, twice": {OAuth1, Default, Metadata{OAuth1SignatureMethods: []string{"HMAC-SHA256", "HMAC-SHA256"}}, []string{"HMAC-SHA256"}, ""},
		"PLAINTEXT":          {OAuth1, Default, Metadata{OAuth1SignatureMethods: []string{"PLAINTEXT"}}, []string{"PLAINTEXT"}, ""},
		"PLAINTEXT, strict":  {OAuth1, Strict, Metadata{OAuth1SignatureMethods: []string{"PLAINTEXT"}}, nil, "strict"},
		"SHA-1, strict":      {OAuth1, Strict, Metadata{OAuth1SignatureMethods: []string{"HMAC-SHA1"}}, nil, "strict"},
		"PLAINTEXT by key":   {OAuth1, Default, Metadata{OAuth1PublicKey: key, OAuth1SignatureMethods: []string{"PLAINTEXT"}}, nil, "needs a secret"},
		"HMAC by key":        {OAuth1, Default, Metadata{OAuth1PublicKey: key, OAuth1SignatureMethods: []string{"HMAC-SHA1"}}, nil, "needs a secret"},
		"RSA by secret":      {OAuth1, Default, Metadata{OAuth1SignatureMethods: []string{"RSA-SHA256"}}, nil, "oauth1_public_key"},
		"unknown":            {OAuth1, Default, Metadata{OAuth1SignatureMethods: []string{"HMAC-MD5"}}, nil, "HMAC-MD5"},
		"1024 bits":          {OAuth1, Default, Metadata{OAuth1PublicKey: publicPEM(t, &weak.PublicKey)}, nil, "2048"},
		"another curve":      {OAuth1, Default, Metadata{OAuth1PublicKey: publicPEM(t, &curve.PublicKey)}, nil, "RSA"},
		"no PEM":             {OAuth1, Default, Metadata{OAuth1PublicKey: "ssh-rsa AAAA"}, nil, "openssl"},
		"two keys":           {OAuth1, Default, Metadata{OAuth1PublicKey: key + key}, nil, "one public key"},
		"a scope":            {OAuth1, Default, Metadata{Scope: "openid"}, nil, "openid"},
		"of OAuth 2.0":       {OAuth2, Default, Metadata{RedirectURIs: []string{"https://rp.example/cb"}, OAuth1SignatureMethods: []string{"HMAC-SHA1"}}, nil, "oauth1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{Type: tt.typ, Name: "Tool", Metadata: tt.give}
			err := c.complete(tt.policy)
			if tt.want == nil {
				fault, ok := errors.AsType[*MetadataError](err)
				if !ok || !strings.Contains(fault.Error(), tt.fault) {
					t.Errorf("%v; want a fault with %q", err, tt.fault)
				}
				return
			}
			if err != nil || !slices.Equal(c.Metadata.OAuth1SignatureMethods, tt.want) {
				t.Errorf("%v, %v; want %v", c.Metadata.OAuth1SignatureMethods, err, tt.want)
			}
			if c.UsesSecret() != (tt.give.OAuth1PublicKey == "") {
				t.Errorf("UsesSecret() = %v", c.UsesSecret())
			}
		})
	}
}
