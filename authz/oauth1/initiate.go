package oauth1

import (
	"errors"
	"net/http"

	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// RequestToken serves POST /oauth1/request_token: temporary credentials
// (RFC 5849, section 2.1). GET is for clients that go without a verifier.
func (h *Handler) RequestToken(w http.ResponseWriter, r *http.Request) error {
	request, err := h.read(w, r)
	if err != nil {
		return err
	}
	return h.noted(r, request, h.begin(w, r, request))
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, request *received) error {
	s, err := h.verify(r.Context(), request)
	if err != nil {
		return err
	}
	if err := h.cfg.Lender.Lend(r.Context(), &s.Client, "", s.request.Get("oauth_callback")); err != nil {
		return err
	}
	start, err := h.mayStart(r.Method, s)
	if err != nil {
		return err
	}
	start.Credential = grant.Credential{Token: seal.NewToken(seal.TemporaryToken), Secret: seal.NewToken(seal.CredentialSecret)}
	err = h.cfg.Grants.StartTemporary(r.Context(), start)
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
	h.cfg.Log.InfoContext(r.Context(), "temporary credentials issued", "request_id", r.Header.Get("X-Request-Id"), "client_id", s.Client.ID,
		"without_verifier", start.WithoutVerifier)
	fields := []string{"oauth_token", start.Credential.Token, "oauth_token_secret", start.Credential.Secret}
	if !start.WithoutVerifier {
		fields = append(fields, "oauth_callback_confirmed", "true")
	}
	return answer(w, fields...)
}

// mayStart decides what request the client begins.
func (h *Handler) mayStart(method string, s *signed) (grant.TemporaryStart, error) {
	start := grant.TemporaryStart{ClientID: s.Client.ID, Callback: s.request.Get("oauth_callback"), ExpiresAt: h.cfg.Now().Add(h.cfg.Temporary)}
	skips := h.cfg.Clients.SkipsVerifier(&s.Client)
	switch {
	case s.request.Get("oauth_token") != "":
		return start, rejected("oauth_token", "Temporary credentials are asked for without a token.")
	case method != http.MethodPost && !skips:
		return start, &Error{
			Problem: "parameter_rejected", Status: http.StatusMethodNotAllowed, Allow: http.MethodPost,
			Advice: "This endpoint takes POST. GET is for consumers that speak OAuth 1.0 without a verifier, which an administrator allows one by one.",
		}
	case skips && !s.request.Has("oauth_callback"):
		// What names a callback here is OAuth 1.0a, whoever sends it: it is
		// the request that tells the two apart, not the client.
		start.WithoutVerifier, start.ExpiresAt = true, h.cfg.Now().Add(originalLifetime)
		return start, nil
	default:
		return start, checkCallback(&s.Client, start.Callback)
	}
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
		e := rejected("oauth_callback", "The address is not registered for the consumer. It must equal a registered one, character by character.")
		e.callback = callback
		return e
	default:
		return nil
	}
}
