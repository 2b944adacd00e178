package token

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// introspection is the answer of the introspection endpoint (RFC 7662, section
// 2.2). Of an inactive token it says nothing else.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  any    `json:"aud,omitempty"` // a string, or several
	Issuer    string `json:"iss,omitempty"`
	AuthTime  int64  `json:"auth_time,omitempty"`
	ACR       string `json:"acr,omitempty"`
}

// Introspect serves POST /introspect. The caller and the token are read in one
// statement.
func (h *Handler) Introspect(w http.ResponseWriter, r *http.Request) error {
	form, err := protocol.Form(r)
	if err != nil {
		return err
	}
	asked, err := h.inquire(r, form)
	if err != nil {
		return err
	}
	if asked.Client.IsPublic() {
		return errUnknown() // a public client proves nothing
	}
	return write(w, http.StatusOK, h.describe(asked))
}

// inquire authenticates the caller and reads the token that it asks about.
func (h *Handler) inquire(r *http.Request, form protocol.Parameters) (*clientstore.Inquiry, error) {
	token := form.Get("token")
	var asked *clientstore.Inquiry
	_, err := h.authenticate(r, form, rule{find: func(ctx context.Context, id string) (*clientstore.Client, error) {
		var err error
		asked, err = h.cfg.Clients.Inquire(ctx, id, h.cfg.Grants, token)
		if err != nil {
			return nil, err
		}
		return &asked.Client, nil
	}})
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, protocol.Refuse(protocol.InvalidRequest, "Send the token.")
	}
	return asked, nil
}

// describe says what the caller may know of the token.
func (h *Handler) describe(asked *clientstore.Inquiry) introspection {
	t := asked.Token
	if !t.Live || !mayKnow(&asked.Client, &t) {
		return introspection{}
	}
	answer := introspection{
		Active: true, Scope: strings.Join(t.EffectiveScope(), " "), ClientID: t.Grant.ClientID, Username: t.Username, Subject: t.Grant.Subject,
		Expires: t.ExpiresAt.Unix(), IssuedAt: t.CreatedAt.Unix(), Issuer: h.cfg.Issuer, ACR: t.Grant.ACR,
	}
	if t.Grant.Subject != t.Grant.AccountID {
		answer.Username = "" // by which sectors could tell that two pairwise subjects are one person
	}
	if t.Kind == seal.AccessToken {
		answer.TokenType = "Bearer"
	}
	switch aud := strings.Fields(t.Audience); len(aud) {
	case 0:
	case 1:
		answer.Audience = aud[0]
	default:
		answer.Audience = aud
	}
	if t.Grant.AuthTime != nil {
		answer.AuthTime = t.Grant.AuthTime.Unix()
	}
	return answer
}

// mayKnow reports whether the client may learn of the token: one of its own,
// or an access token that names it as audience or that the administrator
// entitled it to.
func mayKnow(c *clientstore.Client, t *grant.Token) bool {
	if t.Grant.ClientID == c.ID {
		return true
	}
	if t.Kind != seal.AccessToken {
		return false // a refresh token is between its client and us
	}
	switch c.Metadata.IntrospectionScope {
	case clientstore.IntrospectAll:
		return true
	default:
		return slices.Contains(strings.Fields(t.Audience), c.ID)
	}
}
