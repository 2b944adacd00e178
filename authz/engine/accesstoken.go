package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"countersign/authz/claims"
	"countersign/clientstore"
	"countersign/storage/seal"
)

// accessTokenAlg signs the access tokens of clients that are registered for no
// other algorithm: it is the fastest.
const accessTokenAlg = jose.ES256

// newAccessToken makes an access token in the format that the client is
// registered for. Whatever its format, it is kept by its hash, and holds as
// long as its grant does for whoever asks this server.
func (e *Engine) newAccessToken(ctx context.Context, f *flow) (string, error) {
	if f.client.Metadata.AccessTokenFormat != clientstore.FormatJWT {
		return seal.NewToken(seal.AccessToken), nil
	}
	members := e.accessTokenClaims(f)
	payload, err := members.Encode()
	if err != nil {
		return "", fmt.Errorf("encode access token: %w", err)
	}
	alg := accessTokenAlg
	if registered := f.client.Metadata.AccessTokenSignedResponseAlg; registered != "" {
		alg = jose.SignatureAlgorithm(registered)
	}
	token, err := e.cfg.Keys.Sign(ctx, alg, "at+jwt", payload)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// accessTokenClaims are those of RFC 9068, section 2.2. A token that names no
// audience is for the client's own use.
func (e *Engine) accessTokenClaims(f *flow) claims.Members {
	g, now := f.grant(), e.cfg.Now()
	members := make(claims.Members, 0, usualMembers)
	members.Set("iss", e.cfg.Issuer)
	members.Set("sub", g.Subject)
	members.Set("client_id", f.client.ID)
	members.Set("jti", uuid.NewString())
	members.Set("iat", now.Unix())
	members.Set("exp", earlier(now.Add(e.cfg.Lifetimes.AccessToken), g.ExpiresAt).Unix())
	switch aud := strings.Fields(g.Audience); len(aud) {
	case 0:
		members.Set("aud", f.client.ID)
	case 1:
		members.Set("aud", aud[0])
	default:
		members.Set("aud", aud)
	}
	if len(f.scope) > 0 {
		members.Set("scope", strings.Join(f.scope, " "))
	}
	if g.AuthTime != nil {
		members.Set("auth_time", g.AuthTime.Unix())
	}
	if g.ACR != "" {
		members.Set("acr", g.ACR)
	}
	return members
}
