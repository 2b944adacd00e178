package oauth1

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/replay"
)

// window is how far a timestamp may be from the server's time, either way
// (RFC 5849, section 3.3).
const window = 5 * time.Minute

// signed is a request whose client has proved itself.
type signed struct {
	*clientstore.Signing
	request   *received
	temporary *grant.Credential // of the request that waits
}

// stranger is what a signature is held against where there is no client, so
// that nobody learns by time that there is none.
var stranger = signature.Secrets{Client: "no client has this secret", Token: "no token has this secret"} //nolint:gosec // a placeholder

// verify returns who signed the request, once: the signature is the client's
// and its token's, the client is approved, the time is about now and the nonce
// was not used before. What is precise about a refusal is said to whoever
// proves to be the client.
func (h *Handler) verify(ctx context.Context, r *received) (*signed, error) {
	if h.failures.Exhausted(r.network + " " + r.Get("oauth_consumer_key")) {
		return nil, tooMany()
	}
	if err := h.checkTime(r); err != nil {
		return nil, err
	}
	known, err := h.cfg.Clients.Signing(ctx, r.Get("oauth_consumer_key"), h.cfg.Grants, r.Get("oauth_token"))
	if errors.Is(err, storage.ErrNotFound) {
		_ = r.Verify(stranger)
		return nil, h.disbelieve(ctx, r, "no such client")
	}
	if err != nil {
		return nil, err
	}
	s := &signed{Signing: known, request: r}
	if err := h.prove(ctx, s); err != nil {
		return nil, err
	}
	if err := s.mayUse(); err != nil {
		return nil, err
	}
	return s, h.useUp(ctx, r)
}

// checkTime refuses a request that is too old, or from the future, to know
// whether its nonce was used.
func (h *Handler) checkTime(r *received) error {
	if !r.Has("oauth_timestamp") {
		return nil // PLAINTEXT
	}
	now := h.cfg.Now()
	sent, err := strconv.ParseUint(r.Get("oauth_timestamp"), 10, 63)
	if err != nil || sent == 0 || r.Get("oauth_timestamp")[0] == '+' {
		return rejected("oauth_timestamp", "Send the seconds since 1970-01-01 00:00:00 GMT, as a positive whole number.")
	}
	at := time.Unix(int64(sent), 0)
	if at.Before(now.Add(-window)) || at.After(now.Add(window)) {
		return &Error{
			Problem: "timestamp_refused", Status: http.StatusBadRequest,
			Advice:  "The timestamp is too far from this server's time, which is " + strconv.FormatInt(now.Unix(), 10) + ". Set the clock.",
			Details: []string{"oauth_acceptable_timestamps", strconv.FormatInt(now.Add(-window).Unix(), 10) + "-" + strconv.FormatInt(now.Add(window).Unix(), 10)},
		}
	}
	return nil
}

// prove holds the signature against each of the client's secrets that live,
// together with that of the token.
func (h *Handler) prove(ctx context.Context, s *signed) error {
	secrets, reason, err := h.tokenSecret(s)
	if err != nil {
		return err
	}
	pub, err := s.Client.PublicKey()
	if err != nil {
		return err
	}
	if reason != "" {
		_ = s.request.Verify(stranger)
		return h.disbelieve(ctx, s.request, reason)
	}
	if s.request.Method().UsesKey() {
		secrets.PublicKey = pub
		if s.request.Verify(secrets) == nil {
			return nil
		}
		return h.disbelieve(ctx, s.request, "the signature is not of the client's key")
	}
	for _, secret := range h.cfg.Clients.RevealSecrets(&s.Client) {
		secrets.Client = string(secret)
		if s.request.Verify(secrets) == nil {
			return nil
		}
	}
	return h.disbelieve(ctx, s.request, "the signature is not of the client's secret and the token's")
}

// tokenSecret returns the secret that comes with the request's token, or the
// reason why there is none.
func (h *Handler) tokenSecret(s *signed) (found signature.Secrets, reason string, err error) {
	switch {
	case s.request.Get("oauth_token") == "":
		return found, "", nil
	case s.Temporary.ClientID != "":
		c, err := h.cfg.Grants.Credential(&s.Temporary)
		s.temporary = &c
		found.Token = c.Secret
		return found, "", err
	case s.Signer.Grant.ID != "":
		found.Token, err = h.cfg.Grants.Secret(&s.Signer)
		return found, "", err
	default:
		return found, "the client has no such token", nil
	}
}

// disbelieve notes, for the administrator, why a signature was not believed,
// and answers what everybody is answered. What was signed is for who debugs a
// client, as far as it is no secret: parameters of the application may be.
func (h *Handler) disbelieve(ctx context.Context, r *received, reason string) error {
	h.failures.Allow(r.network + " " + r.Get("oauth_consumer_key"))
	h.cfg.Log.InfoContext(ctx, "signature refused", "client_id", protocol.Printable(r.Get("oauth_consumer_key")), "reason", reason,
		"signature_method", string(r.Method()), "request_id", r.id)
	if h.cfg.Log.Enabled(ctx, slog.LevelDebug) {
		h.cfg.Log.DebugContext(ctx, "what was signed", "request_id", r.id, "base_string", r.Outline())
	}
	return unproved()
}

// mayUse refuses a client that no administrator approves of, and a signature
// method that it is not registered for. Both have been signed by the client.
func (s *signed) mayUse() error {
	if status, ok := errors.AsType[*clientstore.StatusError](s.Client.Usable()); ok {
		return refusedStatus(status)
	}
	methods := s.Client.Metadata.OAuth1SignatureMethods
	if !slices.Contains(methods, string(s.request.Method())) {
		return &Error{
			Problem: "signature_method_rejected", Status: http.StatusBadRequest, Advice: "The consumer is not registered for this signature method.",
			Details: []string{"oauth_acceptable_signature_methods", strings.Join(methods, "&")},
		}
	}
	if s.request.Method() == signature.Plaintext && !strings.HasPrefix(s.request.url, "https://") {
		return &Error{
			Problem: "signature_method_rejected", Status: http.StatusBadRequest,
			Advice: "PLAINTEXT sends the secrets themselves, which needs TLS (RFC 5849, section 3.4.4). Use HMAC-SHA256.",
		}
	}
	return nil
}

// useUp uses up the request's nonce. It comes last: who cannot sign can burn
// no nonce.
func (h *Handler) useUp(ctx context.Context, r *received) error {
	if !r.Has("oauth_nonce") {
		return nil // PLAINTEXT
	}
	err := h.cfg.Used.UseNonce(ctx, replay.Nonce{
		ClientID: r.Get("oauth_consumer_key"), Token: r.Get("oauth_token"), Timestamp: r.Get("oauth_timestamp"), Value: r.Get("oauth_nonce"),
	}, h.cfg.Now().Add(2*window+time.Second))
	if errors.Is(err, replay.ErrUsed) {
		return problem("nonce_used", "This request came before. Send each with a nonce of its own.")
	}
	return err
}
