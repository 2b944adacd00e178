package token

import (
	"net/http"

	"countersign/authz/protocol"
	"countersign/storage/seal"
)

// Revoke serves POST /revoke. It answers 200 once the revocation is stored,
// and for a token that is not known (RFC 7009, section 2.2). Revoking a refresh
// token ends its grant with all access tokens.
func (h *Handler) Revoke(w http.ResponseWriter, r *http.Request) error {
	form, err := protocol.Form(r)
	if err != nil {
		return err
	}
	asked, err := h.inquire(r, form)
	if err != nil {
		return err
	}
	t := asked.Token
	switch {
	case t.Kind == "":
	case t.Grant.ClientID != asked.Client.ID:
		return protocol.Refuse(protocol.UnauthorizedClient, "The token was issued to another client.")
	case t.Kind == seal.RefreshToken:
		err = h.cfg.Grants.Revoke(r.Context(), t.Grant.ID)
	default:
		err = h.cfg.Grants.RevokeAccessToken(r.Context(), form.Get("token"))
	}
	if err != nil {
		return err
	}
	if t.Kind != "" {
		h.cfg.Log.InfoContext(r.Context(), "token revoked", "request_id", r.Header.Get("X-Request-Id"),
			"client_id", asked.Client.ID, "grant_id", t.Grant.ID)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}
