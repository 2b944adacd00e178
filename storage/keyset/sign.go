package keyset

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// protected is the protected header of what [Store.Sign] writes, and all that
// [Store.Verify] accepts.
type protected struct {
	Algorithm jose.SignatureAlgorithm `json:"alg"`
	KeyID     string                  `json:"kid"`
	Type      string                  `json:"typ,omitempty"`
}

// Sign returns payload as a JWS in compact form, signed with the active key of
// the algorithm, with its kid and the given typ (left out when empty). It is
// not for use within a transaction: an RSA signature takes long, and the keys
// may have to be read on a connection of their own.
func (s *Store) Sign(ctx context.Context, alg jose.SignatureAlgorithm, typ string, payload []byte) (string, error) {
	c, err := s.keys(ctx, fresh)
	if err != nil {
		return "", err
	}
	key := c.signer(alg, s.db.Now())
	if key == nil {
		return "", fmt.Errorf("sign with %s: %w", alg, ErrNoKey)
	}
	header, err := json.Marshal(protected{Algorithm: alg, KeyID: key.ID, Type: typ})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	b64 := base64.RawURLEncoding
	jws := make([]byte, 0, b64.EncodedLen(len(header))+b64.EncodedLen(len(payload))+b64.EncodedLen(rsaBits/8)+2)
	jws = b64.AppendEncode(jws, header)
	jws = append(jws, '.')
	jws = b64.AppendEncode(jws, payload)
	signature, err := key.sign(jws)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", alg, err)
	}
	jws = append(jws, '.')
	return string(b64.AppendEncode(jws, signature)), nil
}

// sign signs the first two segments of a JWS (RFC 7518, section 3; RFC 8037,
// section 3.1).
func (k *usable) sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	switch jose.SignatureAlgorithm(k.Algorithm) {
	case jose.PS256:
		return k.private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case jose.ES256:
		private, ok := k.private.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("key %s is not an ECDSA key", k.ID)
		}
		return signES256(private, digest[:])
	case jose.EdDSA:
		return k.private.Sign(nil, message, crypto.Hash(0))
	default:
		return k.private.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
}

// signES256 writes the signature as R and S beside one another, 32 bytes each
// (RFC 7518, section 3.4).
func signES256(private *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		return nil, err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature[:], nil
}

// LeftHalf returns the left half of the hash of value that belongs to the
// algorithm, as at_hash and c_hash have it (OpenID Connect Core 1.0, sections
// 3.1.3.6 and 3.3.2.11). Ed25519 hashes with SHA-512 (RFC 8032, section 5.1).
func LeftHalf(alg jose.SignatureAlgorithm, value string) string {
	if alg == jose.EdDSA {
		sum := sha512.Sum512([]byte(value))
		return base64.RawURLEncoding.EncodeToString(sum[:sha512.Size/2])
	}
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}
