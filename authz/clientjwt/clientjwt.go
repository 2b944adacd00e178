// Package clientjwt checks what clients sign, the assertions that authenticate
// them (RFC 7523) and their request objects (RFC 9101), and encrypts what is for
// them alone. The keys are those that a client registered, in its metadata, at
// an address of its own, or as the secret that it shares with the server.
package clientjwt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"countersign/clientstore"
)

const (
	maxJWT = 16 << 10
	maxKID = 256
	// Skew is how far a client's clock may be ahead of the server's.
	Skew = 10 * time.Second
)

// ErrRefused reports a token that is not what its client signed, or is not
// well-formed. What wraps it says why, to the log.
var ErrRefused = errors.New("token refused")

// Refused says why a token is refused.
func Refused(why string) error { return fmt.Errorf("%w: %s", ErrRefused, why) }

// Config is what a verifier needs.
type Config struct {
	Clients *clientstore.Store
	// HTTP fetches the keys of clients that keep them at an address.
	HTTP *http.Client
	Log  *slog.Logger
	Now  func() time.Time
}

// Verifier checks what clients sign, and encrypts to them.
type Verifier struct {
	cfg  Config
	sets *keySets
}

// New returns a verifier.
func New(cfg Config) *Verifier { return &Verifier{cfg: cfg, sets: newKeySets(cfg)} }

// Rule is what a token has to be.
type Rule struct {
	// Algorithms are those that the client may sign with.
	Algorithms []string
	// Types are the values of typ that the token may have; leaving it out is
	// always allowed, because many clients do (RFC 8725, section 3.11).
	Types []string
}

// Verify checks the signature of a JWT in compact form and returns its
// payload. What it refuses is [ErrRefused].
func (v *Verifier) Verify(ctx context.Context, c *clientstore.Client, jwt string, rule Rule) ([]byte, error) {
	h, err := parseHeader(jwt, rule)
	if err != nil {
		return nil, err
	}
	parsed, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{h.algorithm})
	if err != nil {
		return nil, Refused("malformed")
	}
	if h.algorithm == jose.HS256 {
		return v.bySecret(c, parsed)
	}
	keys, err := v.keys(ctx, c, h.choose)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if payload, err := parsed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, Refused("no key of the client made the signature")
}

func (v *Verifier) bySecret(c *clientstore.Client, parsed *jose.JSONWebSignature) ([]byte, error) {
	for _, secret := range v.cfg.Clients.RevealSecrets(c) {
		if payload, err := parsed.Verify(secret.Value); err == nil {
			v.cfg.Clients.NoteSecretUse(c.ID, secret.ID)
			return payload, nil
		}
	}
	return nil, Refused("no secret of the client made the signature")
}

// header is what decides on the key.
type header struct {
	algorithm jose.SignatureAlgorithm
	kid       string
}

// parseHeader reads the protected header before anything is spent on the rest.
func parseHeader(jwt string, rule Rule) (header, error) {
	if len(jwt) > maxJWT || strings.Count(jwt, ".") != 2 || strings.ContainsFunc(jwt, notCompact) {
		return header{}, Refused("not a JWS in compact form, or longer than 16 KiB")
	}
	encoded, _, _ := strings.Cut(jwt, ".")
	var m map[string]any
	if err := decode(encoded, &m); err != nil {
		return header{}, Refused("header is not a JSON object")
	}
	return judgeHeader(m, rule)
}

// judgeHeader refuses keys that the token brings along or points to, which
// prove nothing, what must be understood and is not (RFC 7515, section
// 4.1.11), and what the rule does not allow.
func judgeHeader(m map[string]any, rule Rule) (header, error) {
	for _, member := range []string{"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"} {
		if _, ok := m[member]; ok {
			return header{}, Refused("header has the member " + member)
		}
	}
	alg, _ := m["alg"].(string)
	if !slices.Contains(rule.Algorithms, alg) {
		return header{}, Refused("alg is not one that the client may use")
	}
	kid, ok := text(m, "kid")
	if !ok || len(kid) > maxKID {
		return header{}, Refused("kid is not text, or too long")
	}
	if typ, ok := text(m, "typ"); !ok || typ != "" && !isOneOf(typ, rule.Types) {
		return header{}, Refused("typ is that of another kind of token")
	}
	return header{jose.SignatureAlgorithm(alg), kid}, nil
}

// text returns a member, which may be left out, and whether it is text.
func text(m map[string]any, name string) (string, bool) {
	if _, ok := m[name]; !ok {
		return "", true
	}
	s, ok := m[name].(string)
	return s, ok
}

// isOneOf compares media types, which have no case and may leave out their
// first half (RFC 7515, section 4.1.9).
func isOneOf(typ string, types []string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return slices.Contains(types, typ)
}

func notCompact(r rune) bool {
	return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// fits reports whether the key can have made the signature.
func (h header) fits(key *jose.JSONWebKey) bool {
	switch {
	case h.kid != "" && key.KeyID != "" && key.KeyID != h.kid:
		return false
	case key.Use != "" && key.Use != "sig":
		return false
	case key.Algorithm != "" && key.Algorithm != string(h.algorithm):
		return false
	default:
		return slices.Contains(algorithmsOf(key.Key), h.algorithm)
	}
}

// Claims are the registered claims of a JWT (RFC 7519, section 4.1). Those
// that are not of their type make the token unreadable.
type Claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  any      `json:"aud"`
	ID        string   `json:"jti"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
}

// ReadClaims reads the registered claims of a payload. One that is there twice
// is refused.
func ReadClaims(payload []byte) (*Claims, error) {
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil || !bytes.HasPrefix(bytes.TrimSpace(payload), []byte("{")) {
		return nil, Refused("claims are not a JSON object, or one has the wrong type")
	}
	return &c, nil
}

// CheckTimes refuses a token that has expired, that expires later than longest
// from now, or that is not valid yet.
func (c *Claims) CheckTimes(now time.Time, longest time.Duration) error {
	at := seconds(now)
	switch {
	case c.Expires == nil:
		return Refused("has no exp")
	case *c.Expires <= at:
		return Refused("has expired")
	case *c.Expires > at+(Skew+longest).Seconds():
		return Refused("expires too late")
	default:
		return c.CheckStart(now)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// CheckStart refuses a token that is not valid yet.
func (c *Claims) CheckStart(now time.Time) error {
	ahead := seconds(now.Add(Skew))
	switch {
	case c.NotBefore != nil && *c.NotBefore > ahead:
		return Refused("is not valid yet")
	case c.IssuedAt != nil && *c.IssuedAt > ahead:
		return Refused("was issued in the future")
	default:
		return nil
	}
}

// ExpiresAt returns when the token expires. It has been checked.
func (c *Claims) ExpiresAt() time.Time { return time.Unix(int64(*c.Expires)+1, 0).UTC() }

// UsableSince returns a time before which [Claims.CheckTimes] refused the token,
// whose clock may be off: it starts no earlier, and expires no later than
// longest from then. It has been checked.
func (c *Claims) UsableSince(longest time.Duration) time.Time {
	since := *c.Expires - longest.Seconds()
	for _, start := range []*float64{c.NotBefore, c.IssuedAt} {
		if start != nil {
			since = max(since, *start)
		}
	}
	return time.UnixMicro(int64(since * 1e6)).Add(-Skew).UTC()
}

// Audiences returns the audience as a list, and whether it was a single text.
// What is neither is no audience.
func (c *Claims) Audiences() (list []string, single bool) {
	switch aud := c.Audience.(type) {
	case string:
		return []string{aud}, true
	case []any:
		for _, entry := range aud {
			s, ok := entry.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, false
	default:
		return nil, false
	}
}

// Peek reads the registered claims of a JWT whose signature was not checked:
// to find out whose keys to check it with, and for nothing else.
func Peek(jwt string) (*Claims, error) {
	if len(jwt) > maxJWT || strings.Count(jwt, ".") != 2 {
		return nil, Refused("not a JWS in compact form, or longer than 16 KiB")
	}
	payload, err := strict.DecodeString(strings.SplitN(jwt, ".", 3)[1])
	if err != nil {
		return nil, Refused("payload is not base64url")
	}
	return ReadClaims(payload)
}
