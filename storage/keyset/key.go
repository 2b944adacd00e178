package keyset

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
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rsaBits is the size of RSA keys: every relying party takes 2048 bits, and
// each signature of 3072 would cost three times the processor time.
const rsaBits = 2048

// generate makes a key of the algorithm, its private part sealed. RSA takes
// long enough that nothing else may wait for it: it runs outside every
// transaction. The kid is the key's thumbprint (RFC 7638), so that it never
// names two keys.
func (s *Store) generate(alg string) (Key, error) {
	signer, err := newSigner(alg)
	if err != nil {
		return Key{}, fmt.Errorf("make %s key: %w", alg, err)
	}
	public := jose.JSONWebKey{Key: signer.Public(), Algorithm: alg, Use: "sig"}
	if (Key{Algorithm: alg}).Encrypts() {
		public.Algorithm, public.Use = "", "enc" // it is good for several
	}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, fmt.Errorf("name %s key: %w", alg, err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	encoded, err := public.MarshalJSON()
	if err != nil {
		return Key{}, fmt.Errorf("encode %s key: %w", alg, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return Key{}, fmt.Errorf("encode %s key: %w", alg, err)
	}
	return Key{
		ID: public.KeyID, Algorithm: alg, PublicKey: string(encoded),
		PrivateKey: s.cfg.Keys.Seal(private, place(public.KeyID)),
	}, nil
}

func newSigner(alg string) (crypto.Signer, error) {
	switch alg {
	case string(jose.RS256), string(jose.PS256), kindRSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case string(jose.ES256), kindEC:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case string(jose.EdDSA):
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return nil, unknown(alg)
	}
}

// usable is a key ready for its use.
type usable struct {
	Key
	private crypto.Signer
	public  jose.JSONWebKey
}

// open unseals and parses a key.
func (s *Store) open(k Key) (*usable, error) {
	der, err := s.cfg.Keys.Open(k.PrivateKey, place(k.ID))
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", k.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse signing key %s: %w", k.ID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("signing key %s cannot sign", k.ID)
	}
	u := &usable{Key: k, private: private}
	if err := json.Unmarshal([]byte(k.PublicKey), &u.public); err != nil {
		return nil, fmt.Errorf("parse public part of signing key %s: %w", k.ID, err)
	}
	u.PrivateKey = nil // sealed, and of no more use
	return u, nil
}

// retiredAt reports whether the key signs no more at the moment.
func (k Key) retiredAt(now time.Time) bool {
	return k.RetiredAt != nil && !k.RetiredAt.After(now)
}

// keptAt reports whether the key still verifies, or decrypts, at the moment.
func (k Key) keptAt(now time.Time) bool {
	return k.ExpiresAt == nil || k.ExpiresAt.After(now)
}

// publishedAt reports whether the key is published at the moment. Nobody is to
// encrypt to a key that is retired; what was encrypted to it before is still
// read.
func (k Key) publishedAt(now time.Time) bool {
	return k.keptAt(now) && (!k.Encrypts() || !k.retiredAt(now))
}
