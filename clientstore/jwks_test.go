package clientstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func keySet(t *testing.T, keys ...any) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, KeyID: "k"})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// JW-14: what a client may register as its keys.
func TestKeys(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := private.N
	good := keySet(t, private.Public(), ec.Public())
	for name, tt := range map[string]struct{ set, reason string }{
		"public keys":          {good, ""},
		"no JSON":              {"x", "not a JSON Web Key Set"},
		"no set":               {`{"kty":"RSA"}`, "holds no key"},
		"too many":             {`{"keys":[` + strings.Repeat(`{},`, 20) + `{}]}`, "more than 20"},
		"private RSA":          {keySet(t, private), "private or symmetric"},
		"private EC":           {keySet(t, ec), "private or symmetric"},
		"symmetric":            {keySet(t, []byte("secret")), "private or symmetric"},
		"a private member":     {strings.Replace(good, `"kid"`, `"d":"AA","kid"`, 1), "private or symmetric"},
		"RSA 1024":             {keySet(t, &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Rsh(n, 1024), 0, 1), E: 65537}), "less than 2048"},
		"RSA even":             {keySet(t, &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Set(n), 0, 0), E: 65537}), "even"},
		"RSA e=1":              {keySet(t, &rsa.PublicKey{N: n, E: 1}), "cannot be read"},
		"RSA e=3":              {keySet(t, &rsa.PublicKey{N: n, E: 3}), "exponent"},
		"EC off its curve":     {`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]}`, "cannot be read"},
		"a kind of tomorrow":   {`{"keys":[{"kty":"AKP"}]}`, "cannot be read"},
		"a key that is a list": {`{"keys":[[]]}`, "not a JSON object"},
	} {
		m := Metadata{RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: AuthPrivateKeyJWT, JWKS: json.RawMessage(tt.set)}
		c := &Client{Type: OIDC, Name: "App", Metadata: m}
		fault, _ := errors.AsType[*MetadataError](c.complete(Default))
		if tt.reason == "" && fault != nil || tt.reason != "" && (fault == nil || fault.Field != "jwks" || !strings.Contains(fault.Reason.String(), tt.reason)) {
			t.Errorf("%s: %v; want %q", name, fault, tt.reason)
		}
	}
}

func TestFitKeysLeavesOutOthers(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := strings.Replace(keySet(t, ec.Public()), `[`, `[{"kty":"AKP"},{"kty":"oct","k":"AA"},`, 1)
	if keys, err := FitKeys([]byte(set)); err != nil || len(keys) != 1 {
		t.Errorf("FitKeys() = %v, %v; want one key", keys, err)
	}
}

// DC-06 among them: keys come by value or by address, not by both.
func TestKeyMembers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		m     Metadata
		field string
	}{
		"address over http":         {Metadata{JWKSURI: "http://rp.example/jwks"}, "jwks_uri"},
		"address with fragment":     {Metadata{JWKSURI: "https://rp.example/jwks#x"}, "jwks_uri"},
		"address of a file":         {Metadata{JWKSURI: "file:///etc/passwd"}, "jwks_uri"},
		"address with user":         {Metadata{JWKSURI: "https://a@rp.example/jwks"}, "jwks_uri"},
		"address on this machine":   {Metadata{JWKSURI: "http://127.0.0.1:9/jwks"}, ""},
		"address and keys":          {Metadata{JWKSURI: "https://rp.example/jwks", JWKS: json.RawMessage(`{}`)}, "jwks"},
		"algorithm without JWT":     {Metadata{TokenEndpointAuthSigningAlg: "RS256"}, "token_endpoint_auth_signing_alg"},
		"none":                      {Metadata{TokenEndpointAuthMethod: AuthPrivateKeyJWT, JWKSURI: "https://rp.example/jwks", TokenEndpointAuthSigningAlg: "none"}, "token_endpoint_auth_signing_alg"},
		"HS256 with a key":          {Metadata{TokenEndpointAuthMethod: AuthPrivateKeyJWT, JWKSURI: "https://rp.example/jwks", TokenEndpointAuthSigningAlg: "HS256"}, "token_endpoint_auth_signing_alg"},
		"RS256 with a secret":       {Metadata{TokenEndpointAuthMethod: AuthSecretJWT, TokenEndpointAuthSigningAlg: "RS256"}, "token_endpoint_auth_signing_alg"},
		"HS256 with a secret":       {Metadata{TokenEndpointAuthMethod: AuthSecretJWT, TokenEndpointAuthSigningAlg: "HS256"}, ""},
		"private key by an address": {Metadata{TokenEndpointAuthMethod: AuthPrivateKeyJWT, JWKSURI: "https://rp.example/jwks", TokenEndpointAuthSigningAlg: "PS256"}, ""},
	} {
		tt.m.RedirectURIs = []string{redirect}
		c := &Client{Type: OIDC, Name: "App", Metadata: tt.m}
		fault, _ := errors.AsType[*MetadataError](c.complete(Default))
		if fault == nil && tt.field != "" || fault != nil && fault.Field != tt.field {
			t.Errorf("%s: %v; want a refusal of %q", name, fault, tt.field)
		}
	}
}
