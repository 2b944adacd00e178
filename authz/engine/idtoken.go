package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"countersign/clientstore"
	"countersign/storage/keyset"
)

var _ openid.OpenIDConnectTokenStrategy = idTokenStrategy{}

// idTokenStrategy makes ID tokens (OpenID Connect Core 1.0, section 2). It
// signs with the key set, by the algorithm that the client registered; fosite
// knows one key and one algorithm.
type idTokenStrategy struct{ engine *Engine }

// GenerateIDToken returns the ID token of the flow in ctx.
func (s idTokenStrategy) GenerateIDToken(ctx context.Context, lifetime time.Duration, _ fosite.Requester) (string, error) {
	f := flowOf(ctx)
	alg := signingAlgorithm(f.client)
	claims, err := s.engine.requestedClaims(ctx, f)
	if err != nil {
		return "", f.failed(err)
	}
	now := s.engine.cfg.Now()
	s.protocolClaims(claims, f, alg)
	claims["iat"], claims["exp"] = now.Unix(), now.Add(lifetime).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode ID token: %w", err)
	}
	token, err := s.engine.cfg.Keys.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", f.failed(fmt.Errorf("sign ID token: %w", err))
	}
	return token, nil
}

func (s idTokenStrategy) protocolClaims(claims map[string]any, f *flow, alg jose.SignatureAlgorithm) {
	g := f.grant()
	claims["iss"], claims["sub"], claims["aud"] = s.engine.cfg.Issuer, g.Subject, f.client.ID
	if g.AuthTime != nil {
		claims["auth_time"] = g.AuthTime.Unix()
	}
	if g.ACR != "" {
		claims["acr"] = g.ACR
	}
	if amr := strings.Fields(g.AMR); len(amr) > 0 {
		claims["amr"] = amr
	}
	// A refreshed ID token carries no nonce (OpenID Connect Core 1.0, section 12.2).
	if g.Nonce != "" && f.code != nil {
		claims["nonce"] = g.Nonce
	}
	if f.issue.AccessToken != "" {
		claims["at_hash"] = keyset.LeftHalf(alg, f.issue.AccessToken)
	}
}

// signingAlgorithm is what the client registered, RS256 if nothing (OpenID
// Connect Dynamic Client Registration 1.0, section 2).
func signingAlgorithm(c *clientstore.Client) jose.SignatureAlgorithm {
	if alg := c.Metadata.IDTokenSignedResponseAlg; alg != "" {
		return jose.SignatureAlgorithm(alg)
	}
	return keyset.Algorithms[0]
}

