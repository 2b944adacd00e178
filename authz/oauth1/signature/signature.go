// Package signature reads requests that are signed by OAuth 1.0 and verifies
// their signatures (RFC 5849, section 3). It knows no clients and no tokens:
// whoever asks brings the secrets, and judges timestamp and nonce.
package signature

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // HMAC-SHA1 and RSA-SHA1 are the methods of RFC 5849
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
)

// Method is a signature method (RFC 5849, section 3.4).
type Method string

// The signature methods. Those with SHA-1 and [Plaintext] are the RFC's; the
// others follow them with another hash, as clients in the field do.
const (
	HMACSHA1   Method = "HMAC-SHA1"
	HMACSHA256 Method = "HMAC-SHA256"
	HMACSHA512 Method = "HMAC-SHA512"
	RSASHA1    Method = "RSA-SHA1"
	RSASHA256  Method = "RSA-SHA256"
	RSASHA512  Method = "RSA-SHA512"
	Plaintext  Method = "PLAINTEXT"
)

// algorithm is how a method signs: by a shared secret or by a private key,
// over which hash.
type algorithm struct {
	rsa  bool
	hash crypto.Hash
}

var algorithms = map[Method]algorithm{
	HMACSHA1:   {false, crypto.SHA1},
	HMACSHA256: {false, crypto.SHA256},
	HMACSHA512: {false, crypto.SHA512},
	RSASHA1:    {true, crypto.SHA1},
	RSASHA256:  {true, crypto.SHA256},
	RSASHA512:  {true, crypto.SHA512},
	Plaintext:  {false, 0},
}

// IsKnown reports whether m is a method of this package.
func (m Method) IsKnown() bool { _, ok := algorithms[m]; return ok }

// UsesKey reports whether m signs with a private key, whose public key is all
// that the server has.
func (m Method) UsesKey() bool { return algorithms[m].rsa }

// ErrInvalid reports a signature that these secrets did not make.
var ErrInvalid = errors.New("signature is invalid")

// Secrets are what a signature is made with.
type Secrets struct {
	// Client and Token are the shared secrets (RFC 5849, section 3.4.2). Token
	// is empty where a request has none.
	Client, Token string
	// PublicKey verifies the RSA methods, which take no shared secret at all.
	PublicKey *rsa.PublicKey
}

// Verify returns nil if the request was signed with the secrets, and
// [ErrInvalid] otherwise. A client without a secret has signed nothing by a
// method that needs one, so that a public key can never stand in for it.
func (r *Request) Verify(s Secrets) error {
	alg, known := algorithms[r.Method()]
	sent := r.Get("oauth_signature")
	switch {
	case !known:
		return ErrInvalid
	case alg.rsa:
		return verifyRSA(alg.hash, s.PublicKey, r.BaseString, sent)
	case s.Client == "":
		return ErrInvalid
	case alg.hash == 0:
		return compare([]byte(sent), []byte(key(s)))
	default:
		return verifyHMAC(alg.hash, key(s), r.BaseString, sent)
	}
}

// key is the key of the methods by shared secret (RFC 5849, section 3.4.2).
func key(s Secrets) string { return Escape(s.Client) + "&" + Escape(s.Token) }

func verifyHMAC(hash crypto.Hash, key, base, sent string) error {
	mac := hmac.New(hash.New, []byte(key))
	mac.Write([]byte(base))
	got, err := base64.StdEncoding.DecodeString(sent)
	if err != nil {
		got = nil
	}
	return compare(got, mac.Sum(nil))
}

func verifyRSA(hash crypto.Hash, pub *rsa.PublicKey, base, sent string) error {
	if pub == nil {
		return ErrInvalid
	}
	got, err := base64.StdEncoding.DecodeString(sent)
	if err != nil {
		return ErrInvalid
	}
	h := hash.New()
	h.Write([]byte(base))
	if rsa.VerifyPKCS1v15(pub, hash, h.Sum(nil), got) != nil {
		return ErrInvalid
	}
	return nil
}

func compare(got, want []byte) error {
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return ErrInvalid
	}
	return nil
}

// VerifyBody returns nil if the request says nothing of its body or names the
// hash of this one, and [ErrInvalid] otherwise. Bodies of forms are signed
// themselves and have no hash (OAuth Request Body Hash 1.0, section 3.2).
func (r *Request) VerifyBody(body []byte) error {
	sent, ok := r.protocol["oauth_body_hash"]
	if !ok {
		return nil
	}
	hash := crypto.SHA1 // of PLAINTEXT too (OAuth Request Body Hash 1.0, section 3.1)
	if h := algorithms[r.Method()].hash; h != 0 {
		hash = h
	}
	h := hash.New()
	h.Write(body)
	return compare([]byte(sent), []byte(base64.StdEncoding.EncodeToString(h.Sum(nil))))
}
