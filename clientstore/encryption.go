package clientstore

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/rsa"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// EncryptionAlgs are the algorithms that a content encryption key is encrypted
// or agreed on with (RFC 7518, section 4.1): to a public key, always. RSA1_5 is
// not among them, whose padding tells too much (RFC 8725, section 3.2), and
// neither are those of passwords and shared secrets.
var EncryptionAlgs = []string{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}

// ContentAlgs are the algorithms that content is encrypted with, the default
// first (RFC 7518, section 5.1).
var ContentAlgs = []string{"A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"}

// completeEncryption settles what is encrypted to the client, and what the
// client encrypts (OpenID Connect Dynamic Client Registration 1.0, section 2).
func (c *Client) completeEncryption(Policy) error {
	m := &c.Metadata
	for _, e := range []struct {
		name     string
		alg, enc *string
		toClient bool
	}{
		{"id_token_encrypted_response", &m.IDTokenEncryptedResponseAlg, &m.IDTokenEncryptedResponseEnc, true},
		{"userinfo_encrypted_response", &m.UserinfoEncryptedResponseAlg, &m.UserinfoEncryptedResponseEnc, true},
		{"request_object_encryption", &m.RequestObjectEncryptionAlg, &m.RequestObjectEncryptionEnc, false},
	} {
		if err := completeEncryption(e.name, *e.alg, e.enc); err != nil {
			return err
		}
		if *e.alg == "" || !e.toClient {
			continue
		}
		if err := m.checkRecipient(e.name+"_alg", *e.alg); err != nil {
			return err
		}
	}
	return nil
}

func completeEncryption(name, alg string, enc *string) error {
	switch {
	case alg == "" && *enc != "":
		return refuse(name+"_enc", "means nothing without %s_alg", name)
	case alg == "":
		return nil
	case !slices.Contains(EncryptionAlgs, alg):
		return refuse(name+"_alg", "%s is not an algorithm of this server; use %s", quoted(alg), oneOf(EncryptionAlgs))
	}
	*enc = cmp.Or(*enc, ContentAlgs[0])
	if !slices.Contains(ContentAlgs, *enc) {
		return refuse(name+"_enc", "%s is not an algorithm of this server; use %s", quoted(*enc), oneOf(ContentAlgs))
	}
	return nil
}

// checkRecipient checks that the client has something to encrypt to. What is
// at its jwks_uri is seen when it is needed.
func (m *Metadata) checkRecipient(member, alg string) error {
	if !m.hasKeys() {
		return refuse(member, "needs the client's public keys; register jwks_uri or jwks")
	}
	if m.JWKSURI != "" {
		return nil
	}
	keys, err := ParseKeys(m.JWKS)
	if err != nil {
		return refuse("jwks", "%s", err)
	}
	if _, ok := Recipient(keys, alg); !ok {
		return refuse(member, "needs a key that %s can encrypt to, and jwks holds none", quoted(alg))
	}
	return nil
}

// Recipient returns the key of the set to encrypt to by the algorithm. One
// that is there for encryption comes before one that may be used for anything.
func Recipient(keys []jose.JSONWebKey, alg string) (jose.JSONWebKey, bool) {
	for _, use := range []string{"enc", ""} {
		for _, k := range keys {
			if k.Use == use && (k.Algorithm == "" || k.Algorithm == alg) && receives(k.Key, alg) {
				return k, true
			}
		}
	}
	return jose.JSONWebKey{}, false
}

func receives(key any, alg string) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RSA-")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(alg, "ECDH-")
	default:
		return false
	}
}
