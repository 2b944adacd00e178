package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"countersign/clientstore"
)

var _ fosite.TokenEndpointHandler = (*refreshHandler)(nil)

// refreshHandler is the refresh token grant (RFC 6749, section 6). fosite's
// own ignores the scope parameter and knows no way back from a lost answer.
type refreshHandler struct {
	engine *Engine
	ids    *openid.IDTokenHandleHelper
}

// CanHandleTokenEndpointRequest reports whether this is a refresh.
func (*refreshHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(clientstore.GrantRefreshToken)
}

// CanSkipClientAuth says no.
func (*refreshHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest decides whether the refresh token is good for
// what is asked.
func (h *refreshHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	f := flowOf(ctx)
	if !r.GetClient().GetGrantTypes().Has(clientstore.GrantRefreshToken) {
		return fosite.ErrUnauthorizedClient.WithHint("The client is not registered for the refresh_token grant.")
	}
	if err := h.find(ctx, f, r.GetRequestForm().Get("refresh_token")); err != nil {
		return err
	}
	if err := h.judge(ctx, f); err != nil {
		return err
	}
	return f.narrow(r.GetRequestedScopes())
}

// find takes the refresh token that was read. To a client that it was not
// issued to, it does not exist.
func (h *refreshHandler) find(ctx context.Context, f *flow, token string) error {
	found := f.read.Refresh
	switch {
	case found == nil:
		return errNoRefreshToken
	case found.Grant.ClientID != f.client.ID:
		h.engine.cfg.Log.WarnContext(ctx, "refresh token presented by another client",
			"client_id", f.client.ID, "issued_to", found.Grant.ClientID, "grant_id", found.Grant.ID)
		return errNoRefreshToken
	}
	f.refresh, f.presented = found, token
	return nil
}

var (
	errNoRefreshToken = fosite.ErrInvalidGrant.WithHint(
		"The refresh token is unknown, expired or revoked, or was issued to another client. Ask the user to authorize again.")
	errRefreshTokenReused = fosite.ErrInvalidGrant.WithHint(
		"The refresh token was used before, so everything that came of it has been revoked. Ask the user to authorize again.")
)

// judge decides on a token that was found. One that was used a moment ago is
// repeated; one that was used before that ends its grant.
func (h *refreshHandler) judge(ctx context.Context, f *flow) error {
	now, token := h.engine.cfg.Now(), f.refresh
	switch {
	case !token.Live || (token.UsedAt == nil && !now.Before(token.ExpiresAt)):
		return errNoRefreshToken
	case token.UsedAt == nil:
		f.kept = !rotates(f.client)
		return nil
	case now.Sub(*token.UsedAt) <= h.engine.cfg.Lifetimes.RefreshGrace:
		f.repeated = true
		return nil
	}
	h.engine.cfg.Log.WarnContext(ctx, "refresh token used again; its grant is revoked",
		"client_id", f.client.ID, "grant_id", token.Grant.ID)
	if err := h.engine.cfg.Grants.Revoke(ctx, token.Grant.ID); err != nil {
		return f.failed(err)
	}
	return errRefreshTokenReused
}

// rotates reports whether the client's refresh tokens are replaced at every
// use. Only a client that proves itself may keep one.
func rotates(c *clientstore.Client) bool {
	return c.IsPublic() || c.Metadata.RefreshTokenRotation == nil || *c.Metadata.RefreshTokenRotation
}

// narrow settles the scope of the access token: what is asked, which must be
// part of the grant, or all of the grant (RFC 6749, section 6); never what the
// client is no longer registered for.
func (f *flow) narrow(asked []string) error {
	granted := strings.Fields(f.refresh.Grant.Scope)
	if len(asked) == 0 {
		asked = granted
	}
	for _, s := range asked {
		if !slices.Contains(granted, s) {
			return fosite.ErrInvalidScope.WithHint("The scope is wider than what the user granted. Ask for less, or let the user authorize again.")
		}
	}
	f.scope = slices.Compact(f.stillRegistered(strings.Join(asked, " ")))
	return nil
}

// PopulateTokenEndpointResponse makes the next tokens.
func (h *refreshHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) error {
	f := flowOf(ctx)
	g := f.refresh.Grant
	token, err := h.engine.newAccessToken(ctx, f)
	if err != nil {
		return f.failed(err)
	}
	h.engine.gatherAccess(f, token, g)
	next := h.engine.cfg.Grants.Successor(f.presented)
	if f.kept {
		next = f.presented
	}
	h.engine.gatherRefresh(f, next, g)
	response.SetAccessToken(f.issue.AccessToken)
	response.SetTokenType("bearer")
	if !slices.Contains(f.scope, "openid") {
		return nil
	}
	return h.ids.IssueExplicitIDToken(ctx, h.engine.cfg.Lifetimes.IDToken, r, response)
}
