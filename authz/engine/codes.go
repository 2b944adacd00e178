package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"

	"countersign/storage/grant"
)

var (
	_ fosite.Storage                     = codeStore{}
	_ oauth2.CoreStorage                 = codeStore{}
	_ oauth2.TokenRevocationStorage      = codeStore{}
	_ openid.OpenIDConnectRequestStorage = codeStore{}
	_ pkce.PKCERequestStorage            = codeStore{}
)

// codeStore is fosite's storage as views of one row: an authorization code
// with its grant. Reads are answered from the flow after the first, writes are
// gathered in it. See docs/decisions/0003-fosite.md.
type codeStore struct{ engine *Engine }

// GetClient returns the client of the request, which was looked up before with
// what else the request depends on.
func (codeStore) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	f := flowOf(ctx)
	if f.client == nil || f.client.ID != id {
		return nil, fosite.ErrNotFound
	}
	if f.issuing != nil {
		return atRedirect{clientView{f.client}, f.presented}, nil
	}
	return clientView{f.client}, nil
}

// ClientAssertionJWTValid refuses client assertions, which fosite does not see.
func (codeStore) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT refuses client assertions, which fosite does not see.
func (codeStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// CreateAuthorizeCodeSession gathers the code.
func (codeStore) CreateAuthorizeCodeSession(ctx context.Context, code string, _ fosite.Requester) error {
	flowOf(ctx).issuing.Code = code
	return nil
}

// GetAuthorizeCodeSession returns the request that the code stands for. To a
// client that it was not issued to, the code does not exist: such a client can
// neither use nor revoke it. A spent one comes with ErrInvalidatedAuthorizeCode,
// whereupon fosite revokes its grant.
func (s codeStore) GetAuthorizeCodeSession(ctx context.Context, code string, session fosite.Session) (fosite.Requester, error) {
	f := flowOf(ctx)
	if f.code == nil {
		found := f.read.Code
		switch {
		case found == nil:
			return nil, fosite.ErrNotFound
		case found.Grant.ClientID != f.client.ID:
			s.engine.cfg.Log.WarnContext(ctx, "authorization code presented by another client",
				"client_id", f.client.ID, "issued_to", found.Grant.ClientID, "grant_id", found.Grant.ID)
			return nil, fosite.ErrNotFound
		}
		if err := s.engine.cfg.Lender.Lend(ctx, f.client, found.Grant.AccountID, found.RedirectURI); err != nil {
			return nil, f.failed(err)
		}
		f.code, f.presented = found, code
	}
	request := f.codeRequest(session)
	switch {
	case f.code.SpentAt != nil && !f.proves():
		return nil, fosite.ErrNotFound
	case f.code.SpentAt != nil:
		return request, fosite.ErrInvalidatedAuthorizeCode
	case !f.code.Live, !s.engine.cfg.Now().Before(f.code.ExpiresAt), !f.registered():
		return nil, fosite.ErrNotFound
	default:
		return request, nil
	}
}

// proves reports whether whoever presents the code again has its proof key, if
// it has one. A spent code is no secret, and must not be a way to end a grant.
func (f *flow) proves() bool {
	sum := sha256.Sum256([]byte(f.verifier))
	return f.code.CodeChallenge == "" || base64.RawURLEncoding.EncodeToString(sum[:]) == f.code.CodeChallenge
}

// registered reports whether the code went to a redirect URI that the client
// still has: one that was taken away takes its codes along.
func (f *flow) registered() bool {
	return f.client.MatchRedirectURI(f.code.RedirectURI)
}

// stillRegistered is the scope without what the client has lost since.
func (f *flow) stillRegistered(scope string) []string {
	registered := strings.Fields(f.client.Metadata.Scope)
	return slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return !slices.Contains(registered, s) })
}

// codeRequest is the authorization request of the code, as fosite wants it.
func (f *flow) codeRequest(session fosite.Session) *fosite.Request {
	if f.asked != nil && f.asked.Session == session {
		return f.asked
	}
	r := fosite.NewRequest()
	f.asked = r
	r.ID, r.Client, r.RequestedAt = f.code.Grant.ID, clientView{f.client}, f.code.CreatedAt
	r.Session = session
	if view, ok := session.(*sessionView); ok {
		view.subject, view.claims.Subject = f.code.Grant.Subject, f.code.Grant.Subject
	}
	r.GrantedScope = f.stillRegistered(f.code.Grant.Scope)
	r.RequestedScope = r.GrantedScope
	if f.code.RedirectURISent {
		r.Form.Set("redirect_uri", f.code.RedirectURI)
	}
	if f.code.CodeChallenge != "" {
		r.Form.Set("code_challenge", f.code.CodeChallenge)
	}
	if f.code.CodeChallengeMethod != "" {
		r.Form.Set("code_challenge_method", f.code.CodeChallengeMethod)
	}
	return r
}

// InvalidateAuthorizeCodeSession does nothing: the code is spent by the
// statement that keeps what it yields.
func (codeStore) InvalidateAuthorizeCodeSession(context.Context, string) error { return nil }

// CreateAccessTokenSession gathers the access token.
func (s codeStore) CreateAccessTokenSession(ctx context.Context, token string, _ fosite.Requester) error {
	f := flowOf(ctx)
	if f.code != nil {
		f.scope = f.stillRegistered(f.code.Grant.Scope)
	}
	s.engine.gatherAccess(f, token, *f.grant())
	if f.issuing != nil {
		f.issuing.AccessToken, f.issuing.AccessTokenExpiresAt = token, f.issue.AccessTokenExpiresAt
	}
	return nil
}

// GetAccessTokenSession is not used: introspection and userinfo are our own.
func (codeStore) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession is not used: revocation is our own.
func (codeStore) DeleteAccessTokenSession(context.Context, string) error { return fosite.ErrNotFound }

// CreateRefreshTokenSession gathers the refresh token.
func (s codeStore) CreateRefreshTokenSession(ctx context.Context, token, _ string, _ fosite.Requester) error {
	f := flowOf(ctx)
	s.engine.gatherRefresh(f, token, f.code.Grant)
	return nil
}

// GetRefreshTokenSession is not used: refreshing is our own.
func (codeStore) GetRefreshTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteRefreshTokenSession is not used: revocation is our own.
func (codeStore) DeleteRefreshTokenSession(context.Context, string) error { return fosite.ErrNotFound }

// RotateRefreshToken is not used: refreshing is our own.
func (codeStore) RotateRefreshToken(context.Context, string, string) error { return fosite.ErrNotFound }

// RevokeAccessToken ends the grant of a code that was used twice.
func (s codeStore) RevokeAccessToken(ctx context.Context, grantID string) error {
	s.engine.cfg.Log.WarnContext(ctx, "authorization code used again; its grant is revoked",
		"client_id", flowOf(ctx).client.ID, "grant_id", grantID)
	return flowOf(ctx).failed(s.engine.cfg.Grants.Revoke(ctx, grantID))
}

// RevokeRefreshToken does nothing: the grant has ended, see RevokeAccessToken.
func (codeStore) RevokeRefreshToken(context.Context, string) error { return nil }

// CreateOpenIDConnectSession does nothing: the request is in the code's row.
func (codeStore) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession returns the request of the code if it is OpenID
// Connect's.
func (codeStore) GetOpenIDConnectSession(ctx context.Context, _ string, r fosite.Requester) (fosite.Requester, error) {
	request := flowOf(ctx).codeRequest(r.GetSession())
	if !request.GrantedScope.Has("openid") {
		return nil, openid.ErrNoSessionFound
	}
	return request, nil
}

// DeleteOpenIDConnectSession does nothing: the request goes with the code.
func (codeStore) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// CreatePKCERequestSession does nothing: the challenge is in the code's row,
// where a failed attempt cannot strip it.
func (codeStore) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetPKCERequestSession returns the challenge of the code, ErrNotFound when it
// has none.
func (codeStore) GetPKCERequestSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	f := flowOf(ctx)
	f.proofSeen = true
	if f.code.CodeChallenge == "" {
		return nil, fosite.ErrNotFound
	}
	return f.asked, nil
}

// DeletePKCERequestSession does nothing: the challenge goes with the code.
func (codeStore) DeletePKCERequestSession(context.Context, string) error { return nil }

// gatherAccess notes the access token that the response will hand out.
func (e *Engine) gatherAccess(f *flow, token string, g grant.Grant) {
	f.issue.AccessToken = token
	f.issue.AccessTokenExpiresAt = earlier(e.cfg.Now().Add(e.cfg.Lifetimes.AccessToken), g.ExpiresAt)
	f.issue.Scope = strings.Join(f.scope, " ")
	f.issue.Audience = g.Audience
}

// gatherRefresh notes the refresh token that the response will hand out.
func (e *Engine) gatherRefresh(f *flow, token string, g grant.Grant) {
	f.issue.RefreshToken = token
	f.issue.RefreshTokenExpiresAt = earlier(e.cfg.Now().Add(e.cfg.Lifetimes.RefreshIdle), g.ExpiresAt)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
