package clientstore

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// The signature methods of OAuth 1.0a, by what a client signs with. Those with
// SHA-1 are what tools in the field speak; a strict server does without.
var (
	secretMethods = []string{"HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"}
	keyMethods    = []string{"RSA-SHA1", "RSA-SHA256", "RSA-SHA512"}
)

// plaintext signs nothing: the secret itself is sent (RFC 5849, section 3.4.4).
const plaintext = "PLAINTEXT"

// SignatureMethods are those of OAuth 1.0a that a client may be registered for.
var SignatureMethods = slices.Concat(secretMethods, keyMethods, []string{plaintext})

// completeOAuth1 settles what a client of OAuth 1.0a signs with: a secret that
// it shares with the server, or the private key of a public key that it
// registers instead. Methods of both kinds are never mixed, so that one cannot
// be passed off for the other.
func (c *Client) completeOAuth1(p Policy) error {
	m := &c.Metadata
	if c.Type != OAuth1 {
		return c.refuseOAuth1()
	}
	if err := c.checkOAuth1(); err != nil {
		return err
	}
	if err := m.checkConsumer(p); err != nil {
		return err
	}
	permitted := secretMethods
	if m.OAuth1PublicKey != "" {
		permitted = keyMethods
		if _, err := c.PublicKey(); err != nil {
			return refuse("oauth1_public_key", "%s", err.Error())
		}
	}
	if len(m.OAuth1SignatureMethods) == 0 {
		m.OAuth1SignatureMethods = slices.DeleteFunc(slices.Clone(permitted), p.tooWeak)
	}
	m.OAuth1SignatureMethods = unique(m.OAuth1SignatureMethods)
	return m.checkSignatureMethods(p, permitted)
}

// tooWeak reports whether the policy refuses a signature method.
func (p Policy) tooWeak(method string) bool {
	return p == Strict && (method == plaintext || strings.HasSuffix(method, "-SHA1"))
}

func (m *Metadata) checkSignatureMethods(p Policy, permitted []string) error {
	const field = "oauth1_signature_methods"
	for _, method := range m.OAuth1SignatureMethods {
		switch {
		case method == plaintext && m.OAuth1PublicKey == "" && p != Strict:
		case !slices.Contains(SignatureMethods, method):
			return refuse(field, "%s is not a method of this server; use %s", quoted(method), oneOf(permitted))
		case p.tooWeak(method):
			return refuse(field, "%s is refused by this server's strict policy; use %s", method, oneOf(slices.DeleteFunc(slices.Clone(permitted), p.tooWeak)))
		case !slices.Contains(permitted, method) && m.OAuth1PublicKey == "":
			return refuse(field, "%s needs a public key: register oauth1_public_key", method)
		case !slices.Contains(permitted, method):
			return refuse(field, "%s needs a secret, and the client has a public key instead; use %s", method, oneOf(permitted))
		}
	}
	return nil
}

// checkOAuth1 refuses the members that mean nothing in OAuth 1.0a.
func (c *Client) checkOAuth1() error {
	m := &c.Metadata
	for _, member := range []struct {
		field string
		set   bool
	}{
		{"grant_types", len(m.GrantTypes) > 0},
		{"response_types", len(m.ResponseTypes) > 0},
		{"token_endpoint_auth_method", m.TokenEndpointAuthMethod != ""},
		{"token_endpoint_auth_signing_alg", m.TokenEndpointAuthSigningAlg != ""},
		{"jwks", len(m.JWKS) > 0},
		{"jwks_uri", m.JWKSURI != ""},
		{"request_object_signing_alg", m.RequestObjectSigningAlg != ""},
		{"request_object_encryption_alg", m.RequestObjectEncryptionAlg != ""},
		{"request_object_encryption_enc", m.RequestObjectEncryptionEnc != ""},
		{"request_uris", len(m.RequestURIs) > 0},
		{"require_signed_request_object", m.RequireSignedRequestObject},
		{"require_pushed_authorization_requests", m.RequirePushedAuthorizationRequests},
		{"client_assertion_audience", m.ClientAssertionAudience != ""},
		{"access_token_signed_response_alg", m.AccessTokenSignedResponseAlg != ""},
		{"access_token_format", m.AccessTokenFormat != ""},
		{"introspection_scope", m.IntrospectionScope != ""},
		{"refresh_token_rotation", m.RefreshTokenRotation != nil},
		{"oauth1_clients", len(m.OAuth1Clients) > 0},
	} {
		if member.set {
			return refuse(member.field, "has no meaning for an OAuth 1.0a client; leave it out, or register the client as oauth2 or oidc")
		}
	}
	return nil
}

// refuseOAuth1 refuses the members that mean something in OAuth 1.0a only.
func (c *Client) refuseOAuth1() error {
	m := &c.Metadata
	for _, member := range []struct {
		field string
		set   bool
	}{
		{"oauth1_signature_methods", len(m.OAuth1SignatureMethods) > 0},
		{"oauth1_public_key", m.OAuth1PublicKey != ""},
		{"oauth1_trusted", m.OAuth1Trusted},
		{"oauth1_functional_account", m.OAuth1FunctionalAccount != ""},
		{"oauth1_without_verifier", m.OAuth1WithoutVerifier},
	} {
		if member.set {
			return refuse(member.field, "is for OAuth 1.0a clients; leave it out, or register the client as oauth1")
		}
	}
	return nil
}

// PublicKey returns the key that a client of OAuth 1.0a registered instead of
// a secret, nil where it has none.
func (c *Client) PublicKey() (*rsa.PublicKey, error) {
	if c.Metadata.OAuth1PublicKey == "" {
		return nil, nil //nolint:nilnil // no key is an answer, not an error
	}
	block, rest := pem.Decode([]byte(c.Metadata.OAuth1PublicKey))
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("is not one public key in PEM (-----BEGIN PUBLIC KEY-----); make it with `openssl pkey -in private.pem -pubout`")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	pub, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("is not an RSA key, which the signature methods of OAuth 1.0a with a key need")
	}
	if pub.N.BitLen() < minRSA {
		return nil, fmt.Errorf("has %d bits; use %d or more", pub.N.BitLen(), minRSA)
	}
	return pub, nil
}

// Signing is a client of OAuth 1.0a with what the token of its request stands
// for.
type Signing struct {
	Client Client `gorm:"embedded"`
	// Temporary is the request with the token, its ClientID empty when there is
	// none of this client.
	Temporary grant.Temporary `gorm:"embedded;embeddedPrefix:temporary_"`
	// Signer are the token credentials, their Grant.ID empty when there are
	// none of this client.
	Signer grant.Signer `gorm:"embedded;embeddedPrefix:signer_"`
	// Functional is the account that a request without a token acts as, its
	// AccountID empty when there is none, or the request has a token.
	Functional Functional `gorm:"embedded;embeddedPrefix:functional_"`
}

// Signing reads, in one statement, the client with what the token of its
// request stands for: a request that waits, access or, where there is no token,
// the client's functional account. Tokens of other clients are not found. For a
// key that is nobody's it reads the client that has the place in the index, and
// for such a token likewise another, which takes as long.
func (s *Store) Signing(ctx context.Context, id string, tokens *grant.Store, token string) (*Signing, error) {
	if !wellFormedKey(id) {
		return nil, fmt.Errorf("get client and credentials: %w", storage.ErrNotFound)
	}
	var query, prefix, owned string
	var columns []string
	args := map[string]any{}
	switch {
	case seal.WellFormed(seal.TemporaryToken, token):
		query, args = tokens.TemporaryQuery(token)
		columns, prefix, owned = grant.TemporaryColumns, "temporary_", "true"
	case seal.WellFormed(seal.TokenCredential, token):
		query, args = tokens.SignerQuery(token)
		columns, prefix, owned = grant.SignerColumns, "signer_", "true"
	case token == "":
		query, columns, prefix, owned = functionalRow[s.db.Dialect()], functionalColumns, "functional_", "x.client_id = caller.id"
	default:
		query, owned = `SELECT 1 AS one`, "false"
	}
	named := ""
	for _, c := range columns {
		named += ", x." + c + " AS " + prefix + c
	}
	args["caller"] = id
	found, err := storage.Select[Signing](ctx, s.db, `SELECT `+storage.Columns("caller", Client{})+named+`
		FROM (SELECT 1 AS one) always
			LEFT JOIN clients caller ON caller.id = COALESCE((SELECT id FROM clients WHERE id >= @caller ORDER BY id LIMIT 1),
				(SELECT id FROM clients WHERE id >= '' ORDER BY id LIMIT 1))
			LEFT JOIN (`+query+`) x ON `+owned, args)
	if err != nil {
		return nil, storage.Err("get client and credentials", err)
	}
	if len(found) == 0 || found[0].Client.ID != id || found[0].Client.Type != OAuth1 {
		return nil, fmt.Errorf("get client and credentials: %w", storage.ErrNotFound)
	}
	found[0].keep(tokens.Hash(token))
	s.effective(&found[0].Client)
	return &found[0], nil
}

// keep forgets what was read in the place of a token that is not the client's.
func (s *Signing) keep(hash []byte) {
	if !bytes.Equal(s.Temporary.Hash, hash) || s.Temporary.ClientID != s.Client.ID {
		s.Temporary = grant.Temporary{}
	}
	if !bytes.Equal(s.Signer.Hash, hash) || s.Signer.Grant.ClientID != s.Client.ID {
		s.Signer = grant.Signer{}
	}
}
