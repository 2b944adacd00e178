package clientstore

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys bounds what one signature is held against.
	maxKeys        = 20
	maxRequestURIs = 20
	minRSA         = 2048
	maxRSA         = 8192
	minRSAExp      = 65537
	algHS256       = "HS256"
	keysAreURI     = "has no meaning beside jwks_uri: keys are registered in one place (RFC 7591, section 2); take one of the two away"
)

// SigningAlgs are the algorithms that clients sign with: assertions that
// authenticate them and request objects. None, which leaves them unsigned, is
// not among them.
var SigningAlgs = []string{"RS256", "PS256", "ES256", "EdDSA"}

// AssertionAlgs are the algorithms of client assertions: those of keys, and
// the one of client_secret_jwt.
var AssertionAlgs = append(slices.Clone(SigningAlgs), algHS256)

// completeKeys settles what the client signs with (RFC 7591, section 2; OpenID
// Connect Dynamic Client Registration 1.0, section 2).
func (c *Client) completeKeys(Policy) error {
	m := &c.Metadata
	if len(m.JWKS) > 0 && m.JWKSURI != "" {
		return refuse("jwks", keysAreURI)
	}
	if fault := keysURIFault(m.JWKSURI); m.JWKSURI != "" && fault != "" {
		return refuse("jwks_uri", "%s %s", quoted(m.JWKSURI), fault)
	}
	if err := m.completeJWKS(); err != nil {
		return err
	}
	if m.TokenEndpointAuthMethod == AuthPrivateKeyJWT && !m.hasKeys() {
		return refuse("jwks_uri", "is required, or jwks: private_key_jwt is checked with the client's public keys")
	}
	if err := m.checkAssertionAlg(); err != nil {
		return err
	}
	return c.completeRequestObjects()
}

// completeRequestObjects settles how the client signs its authorization
// requests, and where it keeps them (RFC 9101, section 9; OpenID Connect
// Dynamic Client Registration 1.0, section 2).
func (c *Client) completeRequestObjects() error {
	m := &c.Metadata
	alg := m.RequestObjectSigningAlg
	switch {
	case alg != "" && !slices.Contains(AssertionAlgs, alg):
		return refuse("request_object_signing_alg", "%s is not an algorithm that this server takes; use %s", quoted(alg), oneOf(AssertionAlgs))
	case alg == algHS256 && c.IsPublic():
		return refuse("request_object_signing_alg", "a public client has no secret to sign with; use %s", oneOf(SigningAlgs))
	case alg != "" && alg != algHS256 && !m.hasKeys():
		return refuse("request_object_signing_alg", "needs the client's public keys; register jwks_uri or jwks")
	case m.RequireSignedRequestObject && alg != algHS256 && !m.hasKeys():
		return refuse("require_signed_request_object", "needs something to sign with; register jwks_uri or jwks, or the request_object_signing_alg HS256")
	default:
		return m.completeRequestURIs()
	}
}

func (m *Metadata) completeRequestURIs() error {
	if len(m.RequestURIs) > maxRequestURIs {
		return refuse("request_uris", "has %d entries; %d are allowed", len(m.RequestURIs), maxRequestURIs)
	}
	m.RequestURIs = unique(m.RequestURIs)
	for _, uri := range m.RequestURIs {
		address, _, _ := strings.Cut(uri, "#") // which says what is there, and is compared with the rest
		if fault := keysURIFault(address); fault != "" || len(uri) > maxURI || !isASCII(uri) {
			return refuse("request_uris", "%s %s", quoted(uri), cmp.Or(fault, "is too long or not ASCII"))
		}
		if strings.ContainsFunc(uri, isSpaceOrControl) { // in the fragment
			return refuse("request_uris", "%s %s", quoted(uri), spaceOrControl)
		}
	}
	return nil
}

func (m *Metadata) hasKeys() bool { return len(m.JWKS) > 0 || m.JWKSURI != "" }

func (m *Metadata) completeJWKS() error {
	if len(m.JWKS) == 0 {
		return nil
	}
	keys, err := ParseKeys(m.JWKS)
	if err != nil {
		return refuse("jwks", "%s", err)
	}
	for _, key := range keys {
		for _, text := range []string{key.KeyID, key.Algorithm, key.Use} {
			if err := checkText("jwks", text, maxText); err != nil {
				return err
			}
		}
	}
	if m.JWKS, err = json.Marshal(jose.JSONWebKeySet{Keys: keys}); err != nil {
		return refuse("jwks", "cannot be written: %s", err)
	}
	return nil
}

func (m *Metadata) checkAssertionAlg() error {
	const member = "token_endpoint_auth_signing_alg"
	alg := m.TokenEndpointAuthSigningAlg
	switch {
	case alg == "":
		return nil
	case m.TokenEndpointAuthMethod == AuthPrivateKeyJWT && !slices.Contains(SigningAlgs, alg):
		return refuse(member, "%s is not an algorithm that this server takes; use %s", quoted(alg), oneOf(SigningAlgs))
	case m.TokenEndpointAuthMethod == AuthSecretJWT && alg != algHS256:
		return refuse(member, "%s is not an algorithm of client_secret_jwt; use HS256", quoted(alg))
	case m.TokenEndpointAuthMethod != AuthPrivateKeyJWT && m.TokenEndpointAuthMethod != AuthSecretJWT:
		return refuse(member, "has a meaning for private_key_jwt and client_secret_jwt only; leave it out")
	default:
		return nil
	}
}

// keysURIFault says what is wrong with an address that the server is to fetch
// something of the client from, or nothing.
func keysURIFault(uri string) string {
	if fault := webPageFault(uri); fault != "" {
		return fault
	}
	p := splitURI(uri)
	switch {
	case strings.Contains(uri, "#"):
		return "has a fragment; remove # and what follows"
	case p.scheme != "https" && !isLoopback(p.authority):
		return "is not protected by TLS, so that anybody on the way could put in keys of their own; use https"
	default:
		return ""
	}
}

// ParseKeys reads a JSON Web Key Set of public keys that signatures can be
// checked with, each of which must be fit to. What it returns holds nothing
// but the keys, their identifiers, algorithms and uses.
func ParseKeys(set []byte) ([]jose.JSONWebKey, error) {
	raw, err := splitKeys(set)
	if err != nil {
		return nil, err
	}
	keys := make([]jose.JSONWebKey, 0, len(raw))
	for _, one := range raw {
		key, err := parseKey(one)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// FitKeys reads a JSON Web Key Set and leaves out what is not fit to check a
// signature with: a set that serves others too may hold it.
func FitKeys(set []byte) ([]jose.JSONWebKey, error) {
	raw, err := splitKeys(set)
	if err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, one := range raw {
		if key, err := parseKey(one); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func splitKeys(set []byte) ([]json.RawMessage, error) {
	var parsed struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch err := json.Unmarshal(set, &parsed); {
	case err != nil:
		return nil, errors.New(`is not a JSON Web Key Set; write {"keys":[…]} (RFC 7517, section 5)`)
	case len(parsed.Keys) == 0:
		return nil, errors.New("holds no key")
	case len(parsed.Keys) > maxKeys:
		return nil, errors.New("holds more than 20 keys; remove the old ones")
	}
	return parsed.Keys, nil
}

// parseKey reads a public key. It keeps no certificate and no member that it
// does not know, and refuses whatever holds a secret.
func parseKey(raw []byte) (jose.JSONWebKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return jose.JSONWebKey{}, errors.New("holds a key that is not a JSON object")
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, ok := members[private]; ok {
			return jose.JSONWebKey{}, errors.New("holds a private or symmetric key, which was now shown to a stranger: " +
				"make a new one and register its public part only")
		}
	}
	for _, certificate := range []string{"x5c", "x5u", "x5t", "x5t#S256"} {
		delete(members, certificate)
	}
	bare, err := json.Marshal(members)
	if err != nil {
		return jose.JSONWebKey{}, errors.New("holds a key that cannot be read")
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(bare); err != nil || !key.Valid() || !key.IsPublic() {
		return jose.JSONWebKey{}, errors.New("holds a key that cannot be read, or of a kind that this server does not know; use RSA, EC or OKP")
	}
	if fault := keyFault(key.Key); fault != "" {
		return jose.JSONWebKey{}, errors.New(fault)
	}
	return jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use}, nil
}

// keyFault says why a public key is too weak to be relied on, or nothing.
func keyFault(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < minRSA || bits > maxRSA:
			return "holds an RSA key that has less than 2048 or more than 8192 bits"
		case k.E < minRSAExp || k.N.Bit(0) == 0:
			return "holds an RSA key whose modulus is even or whose exponent is less than 65537"
		}
		return ""
	case *ecdsa.PublicKey:
		if _, err := k.ECDH(); err != nil {
			return "holds an EC key that is not a point of its curve"
		}
		return ""
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return "holds an Ed25519 key of the wrong size"
		}
		return ""
	default:
		return "holds a key of a kind that this server does not know"
	}
}
