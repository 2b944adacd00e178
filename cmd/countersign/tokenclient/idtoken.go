package tokenclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// leeway is how far two clocks may be apart.
const leeway = time.Minute

// IDToken is an ID token that was verified.
type IDToken struct {
	Header map[string]any
	Claims map[string]any
}

// verify checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7).
func (c *Client) verify(ctx context.Context, raw, nonce string) (*IDToken, error) {
	var algs []jose.SignatureAlgorithm
	for _, a := range c.metadata.SigningAlgorithms {
		if !strings.HasPrefix(a, "HS") && a != "none" { // not signed with a key of the issuer
			algs = append(algs, jose.SignatureAlgorithm(a))
		}
	}
	signed, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, err
	}
	var keys jose.JSONWebKeySet
	if err := c.get(ctx, c.metadata.JWKSURI, &keys); err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	header := signed.Signatures[0].Protected
	candidates := keys.Key(header.KeyID)
	if len(candidates) == 0 {
		return nil, fmt.Errorf("the issuer has no key %q", header.KeyID)
	}
	payload, err := signed.Verify(candidates[0])
	if err != nil {
		return nil, err
	}
	t := &IDToken{Header: map[string]any{"alg": header.Algorithm, "kid": header.KeyID}}
	if err := json.Unmarshal(payload, &t.Claims); err != nil {
		return nil, err
	}
	return t, c.checkClaims(t.Claims, nonce)
}

func (c *Client) checkClaims(claims map[string]any, nonce string) error {
	expires, _ := claims["exp"].(float64)
	switch {
	case claims["iss"] != c.cfg.Issuer:
		return fmt.Errorf("its issuer is %v", claims["iss"])
	case !slices.Contains(audience(claims["aud"]), c.cfg.ClientID):
		return fmt.Errorf("its audience is %v", claims["aud"])
	case claims["azp"] != nil && claims["azp"] != c.cfg.ClientID:
		return fmt.Errorf("its authorized party is %v", claims["azp"])
	case !c.cfg.Now().Before(time.Unix(int64(expires), 0).Add(leeway)):
		return errors.New("it has expired")
	case nonce != "" && claims["nonce"] != nonce:
		return errors.New("it answers another request: its nonce differs")
	}
	return nil
}

func audience(aud any) []string {
	switch aud := aud.(type) {
	case string:
		return []string{aud}
	case []any:
		var list []string
		for _, a := range aud {
			if s, ok := a.(string); ok {
				list = append(list, s)
			}
		}
		return list
	default:
		return nil
	}
}
