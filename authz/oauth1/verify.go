package oauth1

import (
	"cmp"
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
	stranger  bool              // there is no such client, and nothing of it counts
	temporary *grant.Credential // of the request that waits
}

// verify returns who signed the request, once: the signature is the client's
// and its token's, the client is approved, the time is about now and the nonce
// was not used before. What is precise about a refusal is said to whoever
// proves to be the client.
func (h *Handler) verify(ctx context.Context, r *received) (*signed, error) {
	if h.failures.Exhausted(r.guesser()) {
		return nil, tooMany()
	}
	if err := h.checkTime(r); err != nil {
		return nil, err
	}
	known, err := h.cfg.Clients.Signing(ctx, r.Get("oauth_consumer_key"), h.cfg.Grants, r.Get("oauth_token"))
	s := &signed{Signing: known, request: r, stranger: errors.Is(err, storage.ErrNotFound)}
	if s.stranger {
		s.Signing, err = h.nobodysRequest(), nil
	}
	if err != nil {
		return nil, err
	}
	if err := h.believe(ctx, s); err != nil {
		return nil, err
	}
	if err := s.mayUse(); err != nil {
		return nil, cmp.Or(h.noteCallback(ctx, s), err)
	}
	if err := h.useUp(ctx, r); err != nil {
		return nil, err
	}
	h.cfg.Clients.NoteUse(&s.Client)
	return s, nil
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

// believe is [Handler.prove] of whoever did not guess too often: what is wrong
// is counted before others of the same moment are looked at.
func (h *Handler) believe(ctx context.Context, s *signed) (err error) {
	who := s.request.guesser()
	if who == "" {
		return h.prove(ctx, s)
	}
	settle, ok := h.failures.Try(who)
	if !ok {
		return tooMany()
	}
	defer func() {
		_, refused := errors.AsType[*Error](err)
		settle(refused)
	}()
	return h.prove(ctx, s)
}

// prove believes a request whose signature was made with one of the client's
// secrets that live, or its key, together with the secret of the token.
// Whatever is missing, the work is the same (O1-03, O1-21).
func (h *Handler) prove(ctx context.Context, s *signed) error {
	token, reason, err := h.tokenSecret(s)
	if err != nil {
		return err
	}
	matches := h.matchesSecret
	if s.request.Method().UsesKey() {
		matches = h.matchesKey
	}
	matched, err := matches(s, token)
	switch {
	case err != nil:
		return err
	case s.stranger:
		return h.disbelieve(ctx, s.request, noClient)
	case reason != noReason:
		return h.disbelieve(ctx, s.request, reason)
	case !matched && s.request.Method().UsesKey():
		return h.disbelieve(ctx, s.request, wrongKey)
	case !matched:
		return h.disbelieve(ctx, s.request, wrongSecret)
	default:
		return nil
	}
}

// nobodysRequest is what is read of a client that does not exist.
func (h *Handler) nobodysRequest() *clientstore.Signing {
	return &clientstore.Signing{Client: *h.nobodys} // the store has read the client beside it
}

// matchesSecret holds the signature against as many secrets as a client may
// have, and counts those that it has.
func (h *Handler) matchesSecret(s *signed, token string) (bool, error) {
	live := h.cfg.Clients.RevealSecrets(&s.Client)
	matched := false
	for i := range clientstore.MaxSecrets {
		secret, counts := h.unmatched, i < len(live)
		if counts {
			secret = string(live[i].Value)
		}
		if s.request.Verify(signature.Secrets{Client: secret, Token: token}) == nil && counts {
			matched = true
			h.cfg.Clients.NoteSecretUse(s.Client.ID, live[i].ID)
		}
	}
	return matched, nil
}

// matchesKey holds the signature against the client's key, or that of nobody.
func (h *Handler) matchesKey(s *signed, token string) (bool, error) {
	key, err := s.Client.PublicKey()
	counts := key != nil
	if err == nil && !counts {
		key, err = h.nobodys.PublicKey()
	}
	if err != nil {
		return false, err
	}
	return s.request.Verify(signature.Secrets{Token: token, PublicKey: key}) == nil && counts, nil
}

// tokenSecret returns the secret that comes with the request's token, or the
// reason why there is none.
func (h *Handler) tokenSecret(s *signed) (secret string, r reason, err error) {
	switch {
	case s.request.Get("oauth_token") == "":
		return "", noReason, nil
	case s.Temporary.ClientID != "":
		c, err := h.cfg.Grants.Credential(&s.Temporary)
		s.temporary = &c
		return c.Secret, noReason, err
	case s.Signer.Grant.ID != "":
		secret, err = h.cfg.Grants.Secret(&s.Signer)
		return secret, noReason, err
	default:
		secret, err = h.cfg.Grants.Secret(&h.nobody)
		return secret, noToken, err
	}
}

// reason is why a signature is not believed, and what an administrator can do.
type reason struct{ cause, remedy string }

var (
	noReason reason
	noClient = reason{"There is no such client.", ""}
	noToken  = reason{
		"The client has no such token: it has been used, has long expired, is another client's, or is another server's.",
		"Have the application start again, so that it gets a new one.",
	}
	wrongKey = reason{
		"The signature was not made with the private key of the client's public key over this base string.",
		"Compare the base string with the one that the application signed. Where they are the same, register the public key of the key that it has.",
	}
	wrongSecret = reason{
		"The signature was not made with the client's secret and the token's over this base string.",
		"Compare the base string with the one that the application signed. Where they are the same, one of the secrets is another: give the client a new one. Where the address differs, let the application sign the address that this server is published at.",
	}
)

// disbelieve notes, for the administrator, why a signature was not believed,
// and answers what everybody is answered. What was signed is for who debugs a
// client, as far as it is no secret: parameters of the application may be.
func (h *Handler) disbelieve(ctx context.Context, r *received, why reason) error {
	h.cfg.Log.InfoContext(ctx, "signature refused", "client_id", protocol.Printable(r.Get("oauth_consumer_key")), "reason", why.cause,
		"signature_method", string(r.Method()), "request_id", r.id)
	if h.cfg.Log.Enabled(ctx, slog.LevelDebug) {
		h.cfg.Log.DebugContext(ctx, "what was signed", "request_id", r.id, "base_string", r.Outline())
	}
	refusal := unproved()
	refusal.cause, refusal.remedy = why.cause, why.remedy
	return refusal
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

// signedAt is when the request says that it was signed. That has been checked.
func (r *received) signedAt() time.Time {
	sent, _ := strconv.ParseInt(r.Get("oauth_timestamp"), 10, 64) // it was read before
	return time.Unix(sent, 0)
}

// useUp uses up the request's nonce. It comes last: who cannot sign can burn
// no nonce.
func (h *Handler) useUp(ctx context.Context, r *received) error {
	if !r.Has("oauth_nonce") {
		return nil // PLAINTEXT
	}
	err := h.cfg.Used.UseNonce(ctx, replay.Nonce{
		ClientID: r.Get("oauth_consumer_key"), Token: r.Get("oauth_token"), Timestamp: r.Get("oauth_timestamp"), Value: r.Get("oauth_nonce"),
	}, replay.Window{Since: r.signedAt().Add(-window), Until: h.cfg.Now().Add(2*window + time.Second)})
	if errors.Is(err, replay.ErrUsed) {
		return problem("nonce_used", "This request came before. Send each with a nonce of its own.")
	}
	return err
}
