package engine

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"countersign/storage/grant"
	"countersign/storage/seal"
)

var _ oauth2.CoreStrategy = tokenStrategy{}

// tokenStrategy makes tokens. What fosite calls a signature, and uses
// as the key of a record, is the token itself: the store hashes it. It is
// empty for what has not the shape and checksum of a token of ours, so that
// such a thing costs no query.
type tokenStrategy struct{ engine *Engine }

func key(kind seal.Kind, token string) string {
	if is, _ := grant.TokenKind(token); is == kind || seal.WellFormed(kind, token) {
		return token
	}
	return ""
}

// AccessTokenSignature returns the key of an access token.
func (tokenStrategy) AccessTokenSignature(_ context.Context, token string) string {
	return key(seal.AccessToken, token)
}

// GenerateAccessToken makes an access token.
func (s tokenStrategy) GenerateAccessToken(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	f := flowOf(ctx)
	if f.code != nil {
		f.scope = f.stillRegistered(f.code.Grant.Scope)
	}
	token, err = s.engine.newAccessToken(ctx, f)
	return token, token, f.failed(err)
}

// ValidateAccessToken is not used: tokens are read with what decides on them.
func (tokenStrategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrRequestUnauthorized
}

// RefreshTokenSignature returns the key of a refresh token.
func (tokenStrategy) RefreshTokenSignature(_ context.Context, token string) string {
	return key(seal.RefreshToken, token)
}

// GenerateRefreshToken makes a refresh token.
func (tokenStrategy) GenerateRefreshToken(context.Context, fosite.Requester) (token, signature string, err error) {
	token = seal.NewToken(seal.RefreshToken)
	return token, token, nil
}

// ValidateRefreshToken is not used: tokens are read with what decides on them.
func (tokenStrategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrRequestUnauthorized
}

// AuthorizeCodeSignature returns the key of an authorization code.
func (tokenStrategy) AuthorizeCodeSignature(_ context.Context, code string) string {
	return key(seal.AuthorizationCode, code)
}

// GenerateAuthorizeCode makes an authorization code.
func (tokenStrategy) GenerateAuthorizeCode(context.Context, fosite.Requester) (code, signature string, err error) {
	code = seal.NewToken(seal.AuthorizationCode)
	return code, code, nil
}

// ValidateAuthorizeCode accepts what the store found: it looks at the age of
// the code by the same clock that it was issued by.
func (tokenStrategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error {
	return nil
}
