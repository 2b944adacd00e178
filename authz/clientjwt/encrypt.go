package clientjwt

import (
	"context"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// Envelope is how something is encrypted to a client. The zero value leaves it
// as it is.
type Envelope struct {
	Algorithm string // alg (RFC 7518, section 4.1)
	Content   string // enc (section 5.1)
	// Type is the media type of what is inside, JWT for a token (RFC 7519,
	// section 5.2).
	Type string
}

// IDTokenEnvelope is how the client gets its ID tokens and logout tokens.
func IDTokenEnvelope(c *clientstore.Client) Envelope {
	return Envelope{c.Metadata.IDTokenEncryptedResponseAlg, c.Metadata.IDTokenEncryptedResponseEnc, "JWT"}
}

// Encrypt returns the content as a JWE in compact form that only the client
// can open. That it has no key to encrypt to is [ErrRefused]: nothing goes out
// unencrypted in its place.
func (v *Verifier) Encrypt(ctx context.Context, c *clientstore.Client, e Envelope, content string) (string, error) {
	if e.Algorithm == "" {
		return content, nil
	}
	keys, err := v.keys(ctx, c, func(set []jose.JSONWebKey) []jose.JSONWebKey {
		if key, ok := clientstore.Recipient(set, e.Algorithm); ok {
			return []jose.JSONWebKey{key}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(keys) == 0 {
		return "", Refused("the client has no key that " + e.Algorithm + " can encrypt to")
	}
	return e.seal(keys[0], content)
}

func (e Envelope) seal(to jose.JSONWebKey, content string) (string, error) {
	options := &jose.EncrypterOptions{}
	if e.Type != "" {
		options.WithContentType(jose.ContentType(e.Type))
	}
	recipient := jose.Recipient{Algorithm: jose.KeyAlgorithm(e.Algorithm), Key: to.Key, KeyID: to.KeyID}
	maker, err := jose.NewEncrypter(jose.ContentEncryption(e.Content), recipient, options)
	if err != nil {
		return "", fmt.Errorf("encrypt to client: %w", err)
	}
	jwe, err := maker.Encrypt([]byte(content))
	if err != nil {
		return "", fmt.Errorf("encrypt to client: %w", err)
	}
	text, err := jwe.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("encrypt to client: %w", err)
	}
	return text, nil
}
