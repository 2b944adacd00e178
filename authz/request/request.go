// Package request reads authorization requests that come as a signed JSON Web
// Token, which may be encrypted to this server, by value or by reference (RFC
// 9101; OpenID Connect Core 1.0, section 6), and brings them into plain form.
package request

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"countersign/authz/clientjwt"
	"countersign/authz/outbound"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/keyset"
)

const (
	// longest is how far ahead a request object may expire.
	longest   = time.Hour
	maxObject = 24 << 10
)

// types are the values of typ (RFC 9101, section 10.8).
var types = []string{"jwt", "oauth-authz-req+jwt"}

// Config is what a resolver needs.
type Config struct {
	Issuer string
	Signed *clientjwt.Verifier
	// Keys opens what clients encrypted.
	Keys *keyset.Store
	// HTTP fetches request objects.
	HTTP    *http.Client
	Clients *clientstore.Store
	Log     *slog.Logger
	Now     func() time.Time
}

// Resolver brings requests into plain form.
type Resolver struct{ cfg Config }

// New returns a resolver.
func New(cfg Config) *Resolver { return &Resolver{cfg: cfg} }

// Resolve returns the parameters of the request in plain form: as they came,
// or as its request object has them. Errors are [*protocol.Error] where the
// client is at fault. It is never ignored that a request has its parameters
// elsewhere.
func (v *Resolver) Resolve(ctx context.Context, p protocol.Parameters, c *clientstore.Client) (protocol.Parameters, error) {
	switch {
	case p.IsRepeated("request") || p.IsRepeated("request_uri"), p.Has("request") && p.Has("request_uri"):
		return p, protocol.Refuse(protocol.InvalidRequest, "Send one request object: by value in request, or by reference in request_uri.")
	case p.Has("request"):
		return v.open(ctx, p, c, p.Get("request"))
	case p.Has("request_uri"):
		object, err := v.fetch(ctx, c, p.Get("request_uri"))
		if err != nil {
			return p, err
		}
		return v.open(ctx, p, c, object)
	case c.Metadata.RequireSignedRequestObject:
		return p, protocol.Refuse(protocol.InvalidRequest, "The client is registered to send signed request objects only (RFC 9101, section 10.5).")
	default:
		return p, nil
	}
}

// fetch gets a request object from an address that the client registered,
// with its fragment if it has one, which is not sent (OpenID Connect Core 1.0,
// section 6.2). Any other address is left alone.
func (v *Resolver) fetch(ctx context.Context, c *clientstore.Client, uri string) (string, error) {
	if !slices.Contains(c.Metadata.RequestURIs, uri) {
		return "", protocol.Refuse(protocol.InvalidRequestURI, "The request_uri is not among those that are registered for the client.")
	}
	address, _, _ := strings.Cut(uri, "#")
	body, err := outbound.Fetch(ctx, v.cfg.HTTP, address, "application/oauth-authz-req+jwt, application/jwt", maxObject)
	if err != nil {
		v.cfg.Log.WarnContext(ctx, "a request object cannot be fetched", "client_id", c.ID, "request_uri", uri, "cause", err.Error())
		return "", protocol.Refuse(protocol.InvalidRequestURI, "The request_uri cannot be fetched: it must answer 200 with a request object of 24 KiB at most.")
	}
	return string(bytes.TrimSpace(body)), nil
}

// open checks a request object and returns what it asks for.
func (v *Resolver) open(ctx context.Context, p protocol.Parameters, c *clientstore.Client, object string) (protocol.Parameters, error) {
	payload, err := v.signed(ctx, c, object)
	if err != nil {
		return p, err
	}
	claims, err := clientjwt.ReadClaims(payload)
	if err == nil {
		err = v.judge(c, claims)
	}
	if err != nil {
		return p, v.refused(ctx, c, err, "is not from this client, is not meant for this server, or is not valid at this time: look at iss, sub, aud, exp, nbf and iat")
	}
	inside, err := parameters(payload)
	if err != nil {
		return p, v.refused(ctx, c, err, "holds what no authorization request has")
	}
	// OpenID Connect has the client say who it is beside the object; everybody
	// else says it inside (RFC 9101, section 4).
	if id := inside.Get("client_id"); id != c.ID && (id != "" || c.Type != clientstore.OIDC) {
		return p, v.refused(ctx, c, clientjwt.Refused("client_id differs"), "is from another client: its client_id is not that of the request")
	}
	return v.merge(p, c, inside)
}

// signed returns what the client signed. That an encrypted object does not open
// and that it holds nothing signed get one answer: nobody can have this server
// tell what it finds in the ciphertext of others.
func (v *Resolver) signed(ctx context.Context, c *clientstore.Client, object string) ([]byte, error) {
	const dots = 4 // of a JWE in compact form
	what := "is not signed by the client's keys, by an algorithm that it may use"
	if strings.Count(object, ".") == dots {
		what = "is not signed by the client's keys and then encrypted to a key of this server whose use is enc, each by an algorithm that the client may use"
		opened, err := v.cfg.Keys.Decrypt(ctx, object, encryption(c))
		if err != nil {
			return nil, v.refused(ctx, c, err, what)
		}
		object = string(opened)
	} else if c.Metadata.RequestObjectEncryptionAlg != "" {
		return nil, v.refused(ctx, c, clientjwt.Refused("not encrypted"), "is not encrypted, as the client is registered to send it")
	}
	payload, err := v.cfg.Signed.Verify(ctx, c, object, clientjwt.Rule{Algorithms: algorithms(c), Types: types})
	if err != nil {
		return nil, v.refused(ctx, c, err, what)
	}
	return payload, nil
}

// encryption is how the client may encrypt: as it registered, or in any way if
// it registered none (OpenID Connect Dynamic Client Registration 1.0, section
// 2).
func encryption(c *clientstore.Client) keyset.Encryption {
	if alg := c.Metadata.RequestObjectEncryptionAlg; alg != "" {
		return keyset.Encryption{Algorithms: []string{alg}, Contents: []string{c.Metadata.RequestObjectEncryptionEnc}}
	}
	return keyset.Encryption{Algorithms: clientstore.EncryptionAlgs, Contents: clientstore.ContentAlgs}
}

// refused is the answer to a request object that is not taken.
func (v *Resolver) refused(ctx context.Context, c *clientstore.Client, err error, what string) error {
	if !errors.Is(err, clientjwt.ErrRefused) && !errors.Is(err, keyset.ErrNotForUs) {
		return err
	}
	v.cfg.Log.InfoContext(ctx, "request object refused", "client_id", c.ID, "cause", err.Error())
	return protocol.Refuse(protocol.InvalidRequestObject, "The request object "+what+".")
}

// algorithms are those that the client may sign with. An unsigned request
// object is worth no more than the parameters that it stands for.
func algorithms(c *clientstore.Client) []string {
	if registered := c.Metadata.RequestObjectSigningAlg; registered != "" {
		return []string{registered}
	}
	if c.Metadata.TokenEndpointAuthMethod == clientstore.AuthSecretJWT { // whose secret can be read
		return clientstore.AssertionAlgs
	}
	return clientstore.SigningAlgs
}

// judge checks the registered claims (RFC 9101, sections 4, 5 and 10.8). Those
// that OpenID Connect leaves to the client are required by the strict policy.
func (v *Resolver) judge(c *clientstore.Client, claims *clientjwt.Claims) error {
	strict := v.cfg.Clients.Policy() == clientstore.Strict
	audience, _ := claims.Audiences()
	switch {
	case claims.Issuer != c.ID && (strict || claims.Issuer != ""):
		return clientjwt.Refused("iss is not the client")
	case claims.Subject == c.ID:
		return clientjwt.Refused("sub is the client: this is an assertion")
	case !slices.Contains(audience, v.cfg.Issuer) && (strict || claims.Audience != nil):
		return clientjwt.Refused("aud is not this server")
	case strict:
		return v.judgeStrictly(claims)
	case claims.Expires == nil:
		return claims.CheckStart(v.cfg.Now())
	default:
		return claims.CheckTimes(v.cfg.Now(), longest)
	}
}

// judgeStrictly asks for a beginning and an end of at most an hour (FAPI 2.0
// Message Signing, section 5.3.1).
func (v *Resolver) judgeStrictly(claims *clientjwt.Claims) error {
	if claims.NotBefore == nil || *claims.NotBefore < float64(v.cfg.Now().Add(-longest).Unix()) {
		return clientjwt.Refused("has no nbf, or one that is too long ago")
	}
	return claims.CheckTimes(v.cfg.Now(), longest)
}

// registered are the claims that are no parameters.
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// parameters reads the parameters of a request object: texts as they are,
// everything else as JSON writes it.
func parameters(payload []byte) (protocol.Parameters, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.SetNumberType(json.UnmarshalJSONNumber)
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return protocol.Parameters{}, clientjwt.Refused("not a JSON object")
	}
	values := url.Values{}
	for name, member := range members {
		if slices.Contains(registered, name) || member == nil {
			continue
		}
		if name == "request" || name == "request_uri" {
			return protocol.Parameters{}, clientjwt.Refused("has a request object inside")
		}
		text, ok := member.(string)
		if !ok {
			encoded, err := json.Marshal(member)
			if err != nil {
				return protocol.Parameters{}, clientjwt.Refused("a member cannot be read")
			}
			text = string(encoded)
		}
		values.Set(name, text)
	}
	p, err := protocol.Parse(values.Encode())
	if err != nil {
		return p, clientjwt.Refused(err.Error())
	}
	return p, nil
}

// merge returns what is inside of the request object, and nothing that comes
// beside it (RFC 9101, section 6.3). OpenID Connect lets a client send the rest
// beside it (Core 1.0, section 6.1), which stands for a client that is not
// registered for signed requests alone.
func (v *Resolver) merge(p protocol.Parameters, c *clientstore.Client, inside protocol.Parameters) (protocol.Parameters, error) {
	all := url.Values{}
	if c.Type == clientstore.OIDC && !c.Metadata.RequireSignedRequestObject && v.cfg.Clients.Policy() != clientstore.Strict {
		all = maps.Clone(p.All())
	}
	maps.Copy(all, inside.All())
	all.Del("request")
	all.Del("request_uri")
	all.Set("client_id", c.ID)
	return protocol.Kept(all), nil
}
