package oauth1

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"countersign/storage/grant"
	"countersign/storage/seal"
)

// AccessToken serves POST /oauth1/access_token: token credentials for a
// request that its resource owner allowed (RFC 5849, section 2.3).
func (h *Handler) AccessToken(w http.ResponseWriter, r *http.Request) error {
	request, err := h.read(w, r)
	if err != nil {
		return err
	}
	return h.noted(r, request, h.exchange(w, r, request))
}

func (h *Handler) exchange(w http.ResponseWriter, r *http.Request, request *received) error {
	if request.Get("oauth_token") == "" {
		return absent("oauth_token", "Send the token of the temporary credentials.")
	}
	s, err := h.verify(r.Context(), request)
	if err != nil {
		return err
	}
	if err := h.judge(s); err != nil {
		return err
	}
	verifier := request.Get("oauth_verifier")
	if s.Temporary.WithoutVerifier {
		verifier = ""
	}
	if code, ok := grant.ReadUserCode(verifier); ok && s.Temporary.Callback == grant.OutOfBand {
		verifier = code // as somebody typed it
	}
	c := grant.Credential{Token: seal.NewToken(seal.TokenCredential), Secret: seal.NewToken(seal.CredentialSecret)}
	err = h.cfg.Grants.RedeemTemporary(r.Context(), s.temporary.Token, verifier, c, h.cfg.Now().Add(h.cfg.Token))
	switch {
	case errors.Is(err, grant.ErrVerifier):
		return problem("token_rejected", "The verifier is not the one that the user brought. After five wrong ones the request is over.")
	case errors.Is(err, grant.ErrSpent):
		return used()
	case errors.Is(err, grant.ErrNotPermitted):
		return revoked()
	case err != nil:
		return err
	}
	h.cfg.Issued("oauth1")
	h.cfg.Log.InfoContext(r.Context(), "token credentials issued", "request_id", r.Header.Get("X-Request-Id"),
		"client_id", s.Client.ID, "grant_id", s.Temporary.Grant.ID)
	return answer(w, "oauth_token", c.Token, "oauth_token_secret", c.Secret,
		"oauth_expires_in", strconv.FormatInt(int64(h.cfg.Token/time.Second), 10))
}

// judge decides whether a request of this client may become access.
func (h *Handler) judge(s *signed) error {
	t := &s.Temporary
	switch {
	case s.temporary == nil:
		return problem("token_rejected", "The token is one for access already. Send the token of temporary credentials.")
	case t.SpentAt != nil:
		return used()
	case !h.cfg.Now().Before(t.ExpiresAt):
		return problem("token_expired", "The temporary credentials have expired. Ask for others.")
	case t.DeniedAt != nil:
		return problem("permission_denied", "The user did not allow it.")
	case !t.Permitted, t.Grant.ID != "" && !t.Live, t.WithoutVerifier && !h.cfg.Clients.SkipsVerifier(&s.Client):
		return revoked()
	case t.Grant.ID == "":
		return problem("additional_authorization_required", "The user has not allowed it yet. Send the user to the authorization endpoint.")
	case s.request.Get("oauth_verifier") == "" && !t.WithoutVerifier:
		return absent("oauth_verifier", "Send the verifier that the user came back with.")
	default:
		return nil
	}
}

func used() *Error {
	return problem("token_used", "The temporary credentials were used before. Ask for others.")
}

func revoked() *Error {
	return problem("token_revoked", "The authorization does not hold any more. Ask for another.")
}
