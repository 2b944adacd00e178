package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionKey is what a client signs its assertions with (RFC 7523).
type assertionKey struct{ key jose.JSONWebKey }

func newAssertionKey() (*assertionKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &assertionKey{jose.JSONWebKey{Key: key, KeyID: "lab", Algorithm: "ES256", Use: "sig"}}, err
}

// published is the key set that the client registers.
func (k *assertionKey) published() string {
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.key.Public()}}) // never fails
	return string(set)
}

// assert signs an assertion of the client.
func (k *assertionKey) assert(clientID, audience, jti string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: clientID, Subject: clientID, Audience: jwt.Audience{audience}, ID: jti,
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
}
