package engine

import (
	"context"

	"countersign/authz/claims"
	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/session"
)

// PreviewedToken is an ID token that somebody wants to see before there is one.
type PreviewedToken struct {
	Client    *clientstore.Client
	AccountID string
	Scope     []string
	Claims    string // the claims parameter
}

// PreviewIDToken returns the members that the ID token would have, without what
// comes of the sign-in that it is about: auth_time, sid, acr, amr, nonce and the
// hashes of what is issued with it; and the grant that it would be of.
func (e *Engine) PreviewIDToken(ctx context.Context, p PreviewedToken) (grant.Grant, claims.Members, error) {
	now := e.cfg.Now()
	f := &flow{client: p.Client, scope: p.Scope, responseType: previewedType(p.Client)}
	f.issuing = e.newAnswer(Authorization{
		Client: p.Client, Session: &session.Session{AccountID: p.AccountID, AuthTime: now, ExpiresAt: now.Add(e.cfg.Lifetimes.IDToken)},
		ResponseType: f.responseType, Scope: p.Scope, Claims: p.Claims,
	})
	members, err := idTokenStrategy{e}.members(ctx, f, e.cfg.Lifetimes.IDToken)
	members.Delete("auth_time")
	return f.issuing.Grant, members, err
}

// previewedType is a response type of the client: on it depends whether the
// claims of a scope are in the ID token.
func previewedType(c *clientstore.Client) string {
	if types := c.Metadata.ResponseTypes; len(types) > 0 {
		return types[0]
	}
	return "code"
}
