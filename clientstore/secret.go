package clientstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"countersign/storage/seal"
)

// SecretAlgorithm is how a secret is kept.
type SecretAlgorithm string

// The ways to keep a secret: a keyed hash for one that the server generated,
// argon2id for one that a person typed, sealed for one that an HMAC of OAuth
// 1.0a or of a JSON Web Token needs in clear.
const (
	KeyedHash SecretAlgorithm = "hmac-sha256"
	Argon2id  SecretAlgorithm = "argon2id"
	Sealed    SecretAlgorithm = "sealed"
)

// Secret is one of a client's secrets as it is kept.
type Secret struct {
	ID        string          `json:"id"`
	Prefix    string          `json:"prefix"` // the first characters of a generated one, to tell them apart
	Algorithm SecretAlgorithm `json:"algorithm"`
	Value     []byte          `json:"value"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`

	// UsedAt is when the client was last believed by it, to within some minutes,
	// where an administrator reads the client; nil for never.
	UsedAt *time.Time `json:"-"`
}

// LogValue keeps the value out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String keeps the value out of messages.
func (s Secret) String() string { return "secret " + s.ID }

// GoString keeps the value out of messages.
func (s Secret) GoString() string { return s.String() }

// Live reports whether the secret counts at the time.
func (s Secret) Live(at time.Time) bool { return s.ExpiresAt == nil || at.Before(*s.ExpiresAt) }

const (
	shownPrefix = 10 // characters of a generated secret; what is left has more than 200 bits
	minTyped    = 8  // bytes
	minStrict   = 16 // bytes, under the strict policy
	minSigning  = 32 // bytes, of one that HS256 signs with (RFC 7518, section 3.2)
	maxTyped    = 512
)

// newSecret returns a secret as it is kept: the typed one, or a generated one,
// which it returns too.
func (s *Store) newSecret(ctx context.Context, c *Client, typed string) (Secret, string, error) {
	kept := Secret{ID: uuid.NewString(), CreatedAt: s.db.Now()}
	if typed != "" {
		if fault := c.typedFault(typed, s.cfg.Policy); fault != "" {
			return Secret{}, "", refuse("client_secret", "%s", fault)
		}
		if c.signsWithSecret() {
			s.sealSecret(c, &kept, typed)
			return kept, "", nil
		}
		hash, err := s.typed.hash(ctx, typed)
		kept.Algorithm, kept.Value = Argon2id, hash
		return kept, "", err
	}
	generated := seal.NewToken(seal.ClientSecret)
	kept.Prefix = generated[:shownPrefix]
	if c.signsWithSecret() {
		s.sealSecret(c, &kept, generated)
		return kept, generated, nil
	}
	kept.Algorithm, kept.Value = KeyedHash, s.cfg.Keys.Hash(generated)
	return kept, generated, nil
}

// sealSecret keeps a secret so that it can be read again: OAuth 1.0a and
// client_secret_jwt sign with it (RFC 5849, section 3.4.2; OpenID Connect Core
// 1.0, section 9). It opens for this client and this secret
// only.
func (s *Store) sealSecret(c *Client, kept *Secret, secret string) {
	kept.Algorithm = Sealed
	kept.Value = s.cfg.Keys.Seal([]byte(secret), secretPlace(c.ID, kept.ID))
}

func secretPlace(clientID, secretID string) string {
	return "clients.secrets/" + clientID + "/" + secretID
}

// shortest is how many bytes a typed secret has at least.
func (c *Client) shortest(p Policy) int {
	switch {
	case c.Type != OAuth1 && c.signsWithSecret():
		return minSigning
	case p == Strict:
		return minStrict
	default:
		return minTyped
	}
}

// typedFault says what is wrong with a secret that a person typed, without
// repeating it.
func (c *Client) typedFault(secret string, p Policy) string {
	least := c.shortest(p)
	switch {
	case len(secret) < least:
		return fmt.Sprintf("is shorter than %d characters; type a longer one, or have one generated", least)
	case len(secret) > maxTyped:
		return fmt.Sprintf("is longer than %d bytes", maxTyped)
	case strings.TrimSpace(secret) != secret:
		return "begins or ends with a space or a line break; remove it"
	case c.Type == OAuth1 && checkText("client_secret", secret, maxTyped) != nil:
		return "contains a character that cannot be shown, or is not UTF-8"
	case c.Type == OAuth1: // a signature takes the bytes of any text (RFC 5849, section 3.4.2)
		return ""
	}
	for i := range len(secret) {
		if secret[i] < ' ' || secret[i] > '~' {
			return "contains a character that is not printable ASCII (RFC 6749, appendix A.2)"
		}
	}
	return ""
}
