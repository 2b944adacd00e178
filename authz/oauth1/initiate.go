package oauth1

import (
	"errors"
	"net/http"

	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// RequestToken serves POST /oauth1/request_token: temporary credentials
// (RFC 5849, section 2.1).
func (h *Handler) RequestToken(w http.ResponseWriter, r *http.Request) error {
	request, err := h.read(w, r)
	if err != nil {
		return err
	}
	s, err := h.verify(r.Context(), request)
	if err != nil {
		return err
	}
	if request.Get("oauth_token") != "" {
		return rejected("oauth_token", "Temporary credentials are asked for without a token.")
	}
	callback := request.Get("oauth_callback")
	if err := checkCallback(&s.Client, callback); err != nil {
		return err
	}
	c := grant.Credential{Token: seal.NewToken(seal.TemporaryToken), Secret: seal.NewToken(seal.CredentialSecret)}
	err = h.cfg.Grants.StartTemporary(r.Context(), s.Client.ID, c, callback, h.cfg.Now().Add(h.cfg.Temporary))
	switch {
	case errors.Is(err, grant.ErrTooMany):
		return &Error{
			Problem: "consumer_key_refused", Status: http.StatusServiceUnavailable, RetryAfter: h.cfg.Temporary,
			Advice: "Too many requests of this consumer wait for their users. Finish some of them, or try again when they have expired.",
		}
	case errors.Is(err, grant.ErrNotPermitted):
		return refusedStatus(&clientstore.StatusError{Status: clientstore.Disapproved}) // this very moment
	case err != nil:
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "temporary credentials issued", "request_id", r.Header.Get("X-Request-ID"), "client_id", s.Client.ID)
	return answer(w, "oauth_token", c.Token, "oauth_token_secret", c.Secret, "oauth_callback_confirmed", "true")
}

// checkCallback compares the callback with the registered ones, byte by byte.
// A client that registered none has its users carry the verifier.
func checkCallback(c *clientstore.Client, callback string) error {
	switch {
	case callback == "":
		return absent("oauth_callback", "Send the address that the user comes back to, or oob (RFC 5849, section 2.1).")
	case callback == grant.OutOfBand && len(c.Metadata.RedirectURIs) == 0:
		return nil
	case callback == grant.OutOfBand:
		return rejected("oauth_callback", "The consumer is registered with addresses to come back to; oob is for those without.")
	case !c.MatchRedirectURI(callback):
		return rejected("oauth_callback", "The address is not registered for the consumer. It must equal a registered one, character by character.")
	default:
		return nil
	}
}
