package keyset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxJWE is the longest JWE that is looked at: a request object of the longest
// kind, signed, encrypted and encoded twice.
const maxJWE = 24 << 10

// Encryption is how a JWE may be encrypted (RFC 7518, sections 4.1 and 5.1).
// What this server has no key for is refused whatever it says.
type Encryption struct {
	Algorithms []string // alg
	Contents   []string // enc
}

// Decrypt opens a JWE in compact form that was encrypted to a key of this
// server. What it does not open is [ErrNotForUs], whose text is for the log:
// whoever sent it is told nothing else. Sizes are checked before anything is
// decrypted, nothing is decompressed, and no password is stretched.
func (s *Store) Decrypt(ctx context.Context, jwe string, allowed Encryption) ([]byte, error) {
	h, err := parseEncryption(jwe, allowed)
	if err != nil {
		return nil, err
	}
	keys, err := s.openers(ctx, h)
	if err != nil {
		return nil, err
	}
	parsed, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.KeyAlgorithm(h.Algorithm)},
		[]jose.ContentEncryption{jose.ContentEncryption(h.Content)})
	if err != nil {
		return nil, notForUs("malformed")
	}
	for _, k := range keys {
		if plaintext, err := parsed.Decrypt(k.private); err == nil {
			return plaintext, nil
		}
	}
	return nil, notForUs("no key of ours opens it")
}

// openers returns the keys that may open the JWE: the one that it names, or
// all of the kind when it names none.
func (s *Store) openers(ctx context.Context, h encryptionHeader) ([]*usable, error) {
	if h.KeyID != "" {
		key, err := s.kept(ctx, h.KeyID)
		if err != nil {
			return nil, err
		}
		if key == nil || key.Algorithm != h.kind() {
			return nil, notForUs("no key of ours has this kid and kind")
		}
		return []*usable{key}, nil
	}
	c, err := s.keys(ctx, fresh)
	if err != nil {
		return nil, err
	}
	var of []*usable
	for _, k := range c.keys {
		if k.Algorithm == h.kind() && k.keptAt(s.db.Now()) {
			of = append(of, k)
		}
	}
	return of, nil
}

// encryptionHeader is what decides on how a JWE is opened.
type encryptionHeader struct {
	Algorithm string `json:"alg"`
	Content   string `json:"enc"`
	KeyID     string `json:"kid"`
}

// kind is the kind of key that the algorithm is for.
func (h encryptionHeader) kind() string {
	if strings.HasPrefix(h.Algorithm, "RSA-OAEP") {
		return kindRSA
	}
	return kindEC
}

// agreed are the algorithms of keys of ours, with by how much the encrypted key
// is longer than the key: RSA has a size of its own, and ECDH-ES by itself
// brings none.
var agreed = map[string]int{"RSA-OAEP": 0, "RSA-OAEP-256": 0, "ECDH-ES": 0, "ECDH-ES+A128KW": 8, "ECDH-ES+A256KW": 8}

// sizes are those of the key, the nonce and the tag of each content encryption,
// in bytes (RFC 7518, sections 5.2 and 5.3), and of its blocks.
var sizes = map[string]struct{ key, nonce, tag, block int }{
	"A128CBC-HS256": {32, 16, 16, 16},
	"A256CBC-HS512": {64, 16, 32, 16},
	"A128GCM":       {16, 12, 16, 1},
	"A256GCM":       {32, 12, 16, 1},
}

// parseEncryption reads the header of a JWE and checks the sizes of the rest.
func parseEncryption(jwe string, allowed Encryption) (encryptionHeader, error) {
	if len(jwe) > maxJWE || strings.Count(jwe, ".") != 4 || strings.ContainsFunc(jwe, notCompact) {
		return encryptionHeader{}, notForUs("not a JWE in compact form, or longer than 24 KiB")
	}
	var parts [5][]byte
	for i, segment := range strings.SplitN(jwe, ".", len(parts)) {
		decoded, err := strict.DecodeString(segment)
		if err != nil {
			return encryptionHeader{}, notForUs("not base64url")
		}
		parts[i] = decoded
	}
	h, err := parseEncryptionHeader(parts[0])
	if err != nil {
		return h, err
	}
	if !slices.Contains(allowed.Algorithms, h.Algorithm) || !slices.Contains(allowed.Contents, h.Content) {
		return h, notForUs("alg or enc is not one that may be used")
	}
	return h, h.checkSizes(parts)
}

func (h encryptionHeader) checkSizes(parts [5][]byte) error {
	longer, known := agreed[h.Algorithm]
	size, sized := sizes[h.Content]
	if !known || !sized {
		return notForUs("alg or enc is not known")
	}
	wrapped := size.key + longer
	switch {
	case h.kind() == kindRSA:
		wrapped = rsaBits / 8
	case longer == 0:
		wrapped = 0
	}
	if len(parts[1]) != wrapped || len(parts[2]) != size.nonce || len(parts[4]) != size.tag {
		return notForUs("encrypted key, initialization vector or tag has the wrong size")
	}
	if len(parts[3]) == 0 || len(parts[3])%size.block != 0 {
		return notForUs("ciphertext is empty or no whole number of blocks")
	}
	return nil
}

// parseEncryptionHeader refuses members that bring or name another key, ask for
// work before anything is proven, or must be understood and are not. The
// decoder refuses a member that is there twice.
func parseEncryptionHeader(header []byte) (h encryptionHeader, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(header, &members); err != nil || members == nil {
		return h, notForUs("header is not a JSON object")
	}
	for _, name := range []string{"zip", "p2c", "p2s", "crit", "jku", "jwk", "x5u", "x5c"} {
		if _, ok := members[name]; ok {
			return h, notForUs("header has the member " + name)
		}
	}
	if err := json.Unmarshal(header, &h); err != nil {
		return h, notForUs("a member of the header has the wrong type")
	}
	if _, named := members["kid"]; named && h.KeyID == "" {
		return h, notForUs("kid is empty")
	}
	return h, nil
}

func notForUs(why string) error { return fmt.Errorf("%w: %s", ErrNotForUs, why) }
