package userinfo

import (
	"errors"
	"net/http"
	"strings"

	"countersign/authz/protocol"
	"countersign/storage"
	"countersign/storage/grant"
)

// validity is what whoever brings a token learns of it. It says nothing that
// the token does not stand for: not who the person is beyond the subject.
type validity struct {
	Active   bool   `json:"active"`
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope,omitempty"`
	Type     string `json:"token_type"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	Issuer   string `json:"iss"`
}

// Validate serves GET and POST /api/validate, which Teamwork Cloud has and no
// specification: whether an access token is live at this moment. It answers
// 200 or 401, and nobody has to be a client to ask about a token at hand.
func (h *Handler) Validate(w http.ResponseWriter, r *http.Request) error {
	token, err := h.live(r)
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		h.refuse(w, refusal)
		return nil
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, validity{
		Active: true, Subject: token.Grant.Subject, ClientID: token.Grant.ClientID, Scope: strings.Join(token.EffectiveScope(), " "),
		Type: "Bearer", Expires: token.ExpiresAt.Unix(), IssuedAt: token.CreatedAt.Unix(), Issuer: h.cfg.Issuer,
	})
}

// live returns the access token of a request, if it is good for who bears it.
func (h *Handler) live(r *http.Request) (*grant.Token, error) {
	presented, err := h.bearer(r)
	if err != nil {
		return nil, err
	}
	// The store refuses what was never issued without asking the database.
	token, err := h.cfg.Grants.AccessToken(r.Context(), presented)
	if errors.Is(err, storage.ErrNotFound) || err == nil && token.Grant.Confirmation != "" {
		// A token that is bound to a key is no bearer token (RFC 9449, section 7.1).
		return nil, errDead
	}
	return token, err
}
