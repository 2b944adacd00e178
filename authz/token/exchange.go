package token

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// The types of tokens that may be exchanged: an access token of this server
// (RFC 8693, section 3), and the value of an Authorization header that is
// signed with token credentials of OAuth 1.0a.
const (
	subjectAccessToken = engine.TypeAccessToken
	subjectOAuth1      = "urn:countersign:params:oauth:token-type:oauth1"
)

// exchanging reads the client of a token exchange with the access token that it
// presents, in one statement.
func (h *Handler) exchanging(form protocol.Parameters, asked *engine.TokenRequest) lookup {
	if form.Get("subject_token_type") != subjectAccessToken {
		return h.cfg.Clients.InUse
	}
	return func(ctx context.Context, id string) (*clientstore.Client, error) {
		found, err := h.cfg.Clients.Inquire(ctx, id, h.cfg.Grants, form.Get("subject_token"))
		if err != nil {
			return nil, err
		}
		if t := found.Token; isSubject(&found.Client, &t) {
			asked.Subject = &engine.Subject{Grant: t.Grant, Token: form.Get("subject_token"), Scope: t.EffectiveScope(), Audience: t.Audience, ExpiresAt: t.ExpiresAt}
		}
		return &found.Client, nil
	}
}

// isSubject reports whether the client may exchange the token: a live access
// token that was issued to it, or whose audience names it, and that is not
// bound to somebody else's key.
func isSubject(c *clientstore.Client, t *grant.Token) bool {
	return t.Live && t.Kind == seal.AccessToken && t.Grant.Confirmation == "" &&
		(t.Grant.ClientID == c.ID || slices.Contains(strings.Fields(t.Audience), c.ID))
}

// exchange answers a token exchange (RFC 8693).
func (h *Handler) exchange(r *http.Request, form protocol.Parameters, asked engine.TokenRequest) (*engine.TokenResponse, error) {
	if form.Has("actor_token") || form.Has("actor_token_type") {
		return nil, protocol.Refuse(protocol.InvalidRequest,
			"This server knows no actors: the token that it issues is the client's own. Leave actor_token and actor_token_type out.")
	}
	if err := h.findSubject(r, form, &asked); err != nil {
		return nil, err
	}
	if err := h.checkTarget(r.Context(), form, asked.Client); err != nil {
		return nil, err
	}
	answer, err := h.cfg.Engine.Exchange(r.Context(), asked)
	if err != nil {
		return nil, err
	}
	h.cfg.Log.InfoContext(r.Context(), "token exchanged", "request_id", r.Header.Get("X-Request-Id"), "client_id", asked.Client.ID,
		"subject_token_type", form.Get("subject_token_type"), "subject_client_id", asked.Subject.Grant.ClientID,
		"subject_grant_id", asked.Subject.Grant.ID, "account_id", asked.Subject.Grant.AccountID)
	return answer, nil
}

// findSubject finds what the subject token stands for. An access token was read
// with the client.
func (h *Handler) findSubject(r *http.Request, form protocol.Parameters, asked *engine.TokenRequest) error {
	switch form.Get("subject_token_type") {
	case subjectAccessToken:
		if asked.Subject == nil {
			return protocol.Refuse(protocol.InvalidRequest, "The subject_token is unknown, expired or revoked, or it was neither issued to this client nor does its audience name it.")
		}
		return nil
	case subjectOAuth1:
		s, err := h.cfg.OAuth1Subject(r, asked.Client, form.Get("subject_token"))
		if err != nil {
			return err
		}
		asked.Subject = &engine.Subject{Grant: s.Signer.Grant, Scope: s.Scope(), ExpiresAt: s.Signer.ExpiresAt}
		return nil
	default:
		return protocol.Refuse(protocol.InvalidRequest,
			"The subject_token_type is not known. Use "+subjectAccessToken+" or "+subjectOAuth1+".")
	}
}

// checkTarget refuses a token for whom this server does not know (RFC 8693,
// section 2.2.2): the audience is a client, by its key.
func (h *Handler) checkTarget(ctx context.Context, form protocol.Parameters, by *clientstore.Client) error {
	if form.Has("resource") {
		return protocol.Refuse(protocol.InvalidTarget, "This server knows no resources by their address. Name the client that the token is for, by its client_id, as audience.")
	}
	audience := form.Get("audience")
	if audience == "" || audience == by.ID {
		return nil
	}
	c, err := h.cfg.Clients.InUse(ctx, audience)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err != nil || c.Usable() != nil || c.Type == clientstore.OAuth1 {
		return protocol.Refuse(protocol.InvalidTarget, "The audience is the client_id of no approved client of this server.")
	}
	return nil
}
