package oauth1

import (
	"errors"
	"net/http"
	"time"

	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
	"countersign/clientstore"
)

// Subject returns whose token credentials signed the value of an Authorization
// header that another client wants exchanged for a token of its own (RFC 8693):
// made for a POST to the token endpoint, without a body. It holds once, as any
// signed request does, and only where an administrator lets that client take
// over the authorizations of the one that signed. What it refuses is a
// [*protocol.Error].
func (h *Handler) Subject(r *http.Request, by *clientstore.Client, authorization string) (*clientstore.Signing, error) {
	m := signature.Message{
		Method: http.MethodPost, URL: h.origin + h.cfg.IssuerPath + "/token", Authorization: []string{authorization},
	}
	request, err := parse(m)
	if err == nil {
		err = exchangeable(request)
	}
	if err != nil {
		return nil, refusedSubject(err)
	}
	if key := request.Get("oauth_consumer_key"); !by.TakesOver(key) {
		return nil, protocol.Refuse(protocol.InvalidRequest, "The client may not take over what was allowed to the OAuth 1.0a client "+
			protocol.Printable(key)+". An administrator can add that key to the client's oauth1_clients.")
	}
	s, err := h.access(r, receive(r, request, m.URL))
	if err != nil {
		return nil, refusedSubject(err)
	}
	return s.Signing, nil
}

// exchangeable refuses what would prove more, or less, than that one request
// for a token is wanted.
func exchangeable(r *signature.Request) error {
	switch {
	case r.Get("oauth_token") == "": // a functional account is nobody who allowed anything
		return absent("oauth_token", "Sign with token credentials: what their user allowed is what is exchanged.")
	case r.Method() == signature.Plaintext:
		return rejected("oauth_signature_method", "PLAINTEXT hands over the secrets themselves, for more than this request. Sign with HMAC-SHA256.")
	case r.VerifyBody(nil) != nil:
		return rejected("oauth_body_hash", "The hash is not that of an empty body, which is what is signed.")
	default:
		return nil
	}
}

// refusedSubject restates a refusal for the client that presented the header
// (RFC 8693, section 2.2.2).
func refusedSubject(err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	e := protocol.Refuse(protocol.InvalidRequest, protocol.Sentence("The subject_token is refused as "+refusal.Problem+". "+refusal.Advice))
	if refusal.RetryAfter > 0 {
		e.Code, e.Status = protocol.TemporarilyUnavailable, refusal.Status
		e.RetryAfter = int((refusal.RetryAfter + time.Second - 1) / time.Second)
	}
	return e
}
