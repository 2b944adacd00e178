package keyset

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxJWS is the longest JWS that is looked at. Ours are a tenth of it.
const maxJWS = 16 << 10

// Verify checks a JWS in compact form against every published key and returns
// its payload and protected header. It accepts [Algorithms] only, the one that
// belongs to the key that the JWS names, and no header beside alg, kid and
// typ: no key that the JWS itself brings, and nothing to fetch. What it refuses
// is [ErrNotOurs]. The caller checks the typ, so that no kind of token can be
// taken for another (RFC 8725, section 3.11).
func (s *Store) Verify(ctx context.Context, jws string) (payload []byte, header jose.Header, err error) {
	named, err := parseHeader(jws)
	if err != nil {
		return nil, jose.Header{}, err
	}
	key, err := s.kept(ctx, named.KeyID)
	if err != nil {
		return nil, jose.Header{}, err
	}
	if key == nil || key.Algorithm != string(named.Algorithm) {
		return nil, jose.Header{}, refuse("no published key has this kid and alg")
	}
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{named.Algorithm})
	if err != nil {
		return nil, jose.Header{}, refuse("malformed")
	}
	payload, err = parsed.Verify(key.public.Key)
	if err != nil {
		return nil, jose.Header{}, refuse("signature does not match")
	}
	return payload, parsed.Signatures[0].Protected, nil
}

// kept returns the key with the kid, nil when there is none, or none any more.
func (s *Store) kept(ctx context.Context, kid string) (*usable, error) {
	c, err := s.keys(ctx, fresh)
	if err != nil {
		return nil, err
	}
	key := c.find(kid)
	if key == nil {
		if c, err = s.keys(ctx, sought); err != nil {
			return nil, err
		}
		key = c.find(kid)
	}
	if key == nil || !key.keptAt(s.db.Now()) {
		return nil, nil
	}
	return key, nil
}

// parseHeader reads the protected header of a JWS that has the form of ours,
// before anything is spent on the rest of it.
func parseHeader(jws string) (protected, error) {
	if len(jws) > maxJWS {
		return protected{}, refuse("longer than any of ours")
	}
	if strings.ContainsFunc(jws, notCompact) || strings.Count(jws, ".") != 2 {
		return protected{}, refuse("not in compact form")
	}
	segments := strings.SplitN(jws, ".", 3)
	// A decoder that ignores trailing bits would read several texts as one.
	if _, err := strict.DecodeString(segments[2]); err != nil || segments[2] == "" {
		return protected{}, refuse("signature is missing or not base64url")
	}
	header, err := strict.DecodeString(segments[0])
	if err != nil {
		return protected{}, refuse("header is not base64url")
	}
	p, err := parseMembers(header)
	if err != nil {
		return protected{}, err
	}
	if !slices.Contains(Algorithms, p.Algorithm) || p.KeyID == "" {
		return protected{}, refuse("alg or kid is missing or not one of ours")
	}
	return p, nil
}

// parseMembers reads a header that has no members but ours. The decoder
// refuses a member that is there twice, and tells apart members that differ in
// case.
func parseMembers(header []byte) (protected, error) {
	members := map[string]string{}
	if err := json.Unmarshal(header, &members); err != nil {
		return protected{}, refuse("header is not an object of strings")
	}
	var p protected
	for name, value := range members {
		switch name {
		case "alg":
			p.Algorithm = jose.SignatureAlgorithm(value)
		case "kid":
			p.KeyID = value
		case "typ":
			p.Type = value
		default:
			return protected{}, refuse("header has a member that ours have not")
		}
	}
	return p, nil
}

var strict = base64.RawURLEncoding.Strict()

// notCompact reports whether r has no place in a compact JWS. Go's base64
// decoder would skip line breaks.
func notCompact(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		return false
	default:
		return true
	}
}

func refuse(why string) error { return fmt.Errorf("%w: %s", ErrNotOurs, why) }
