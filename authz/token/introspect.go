package token

import (
	"context"
	"net/http"
	"strings"

	"countersign/authz/protocol"
	"countersign/clientstore"
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
	given, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	token := form.Get("token")
	asked, err := h.ask(r, given, token)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, protocol.Refuse(protocol.InvalidRequest, "Send the token.")
	}
	return asked, nil
}

// InquireBySecret authenticates a client by the secret that came with its name
// in another way than the Authorization header, which holds somebody else's
// credentials, and reads the token that the client asks about. The client is
// one that is registered for client_secret_basic.
func (h *Handler) InquireBySecret(r *http.Request, id, secret, token string) (*clientstore.Inquiry, error) {
	return h.ask(r, credentials{method: clientstore.AuthBasic, id: id, secret: secret}, token)
}

// ask reads, in one statement, the client with the token that it asks about.
func (h *Handler) ask(r *http.Request, given credentials, token string) (*clientstore.Inquiry, error) {
	var asked *clientstore.Inquiry
	_, err := h.admit(r, given, rule{find: func(ctx context.Context, id string) (*clientstore.Client, error) {
		var err error
		asked, err = h.cfg.Clients.Inquire(ctx, id, h.cfg.Grants, token)
		if err != nil {
			return nil, err
		}
		return &asked.Client, nil
	}})
	return asked, err
}

// describe says what the caller may know of the token.
func (h *Handler) describe(asked *clientstore.Inquiry) introspection {
	t := asked.Token
	if !t.Live || !asked.Entitled() {
		return introspection{}
	}
	answer := introspection{
		Active: true, Scope: strings.Join(t.EffectiveScope(), " "), ClientID: t.Grant.ClientID, Username: t.PublicUsername(), Subject: t.Grant.Subject,
		Expires: t.ExpiresAt.Unix(), IssuedAt: t.CreatedAt.Unix(), Issuer: h.cfg.Issuer, ACR: t.Grant.ACR,
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
