package token

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
)

// credentials are what a client authenticates with: one method a request
// (RFC 6749, section 2.3).
type credentials struct {
	method string // a token_endpoint_auth_method
	id     string
	secret string
	raw    string // the secret as it came, where decoding made it another
	header bool   // the Authorization header was used, whatever it held
	jwt    string // the assertion
	claims *clientjwt.Claims
}

// errUnknown is what everybody gets who does not prove to be an approved
// client. It says the same of a client that does not exist, a wrong secret, a
// wrong method and, to who cannot prove to be it, a client that waits for
// approval.
func errUnknown() error {
	return &protocol.Error{
		Code: protocol.InvalidClient, Status: http.StatusUnauthorized,
		Description: "The client is not known, or its credentials are wrong or sent by another method than it is registered for.",
	}
}

// readCredentials finds out how the client authenticates.
func readCredentials(r *http.Request, form protocol.Parameters) (credentials, error) {
	c := credentials{method: clientstore.AuthNone, id: form.Get("client_id"), header: r.Header.Get("Authorization") != ""}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return c.assertion(form)
	}
	if form.Has("client_secret") {
		c.method, c.secret = clientstore.AuthPost, form.Get("client_secret")
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return c, protocol.Refuse(protocol.InvalidRequest, "Send one Authorization header.")
	}
	if c.header {
		return c.basic(r)
	}
	if c.id == "" {
		return c, errUnknown()
	}
	return c, nil
}

// basic reads HTTP Basic credentials, which are form-encoded inside (RFC 6749,
// section 2.3.1). A client that forgets to encode is understood where that
// leaves no doubt.
func (c credentials) basic(r *http.Request) (credentials, error) {
	if c.method == clientstore.AuthPost {
		return c, protocol.Refuse(protocol.InvalidRequest, "Send the client's secret once: in the Authorization header or in the body.")
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id == "" {
		return c, errUnknown()
	}
	raw := secret
	id, secret = unescape(id), unescape(secret)
	if c.id != "" && c.id != id {
		return c, protocol.Refuse(protocol.InvalidRequest, "The client_id in the body is not the one in the Authorization header.")
	}
	if secret == "" {
		// That is no secret (RFC 6749, section 2.3.1), and how some public
		// clients name themselves, oidc-agent for one.
		return credentials{method: clientstore.AuthNone, id: id, header: true}, nil
	}
	return credentials{method: clientstore.AuthBasic, id: id, secret: secret, raw: raw, header: true}, nil
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// lookup reads the client with the identifier, and with it whatever else the
// endpoint needs.
type lookup func(ctx context.Context, id string) (*clientstore.Client, error)

// rule is how an endpoint finds its client, and which clients it serves.
type rule struct {
	find lookup
	// waits reports whether a client that nobody approved yet is served all the
	// same; nil serves none.
	waits func(*clientstore.Client) bool
}

// Authenticate returns the client that posted the form to an endpoint that
// needs nothing but the client.
func (h *Handler) Authenticate(r *http.Request, form protocol.Parameters) (*clientstore.Client, error) {
	return h.authenticate(r, form, rule{find: h.cfg.Clients.InUse})
}

// authenticate returns the client that sent the request, once it has proved to
// be that client by the method that it is registered for, and is approved, or
// may wait here.
func (h *Handler) authenticate(r *http.Request, form protocol.Parameters, by rule) (*clientstore.Client, error) {
	given, err := readCredentials(r, form)
	if err != nil {
		return nil, protocol.About(given.id, err)
	}
	c, err := h.admit(r, given, by)
	return c, protocol.About(given.id, err)
}

// admit returns the client that the credentials prove.
func (h *Handler) admit(r *http.Request, given credentials, by rule) (*clientstore.Client, error) {
	c, err := by.find(r.Context(), given.id)
	if errors.Is(err, storage.ErrNotFound) {
		c, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := h.prove(r, c, &given); err != nil {
		return nil, err
	}
	if by.waits == nil || !by.waits(c) {
		if err := mayWork(c); err != nil {
			return nil, err
		}
	}
	if err := h.useUp(r.Context(), c, given); err != nil {
		return nil, err
	}
	if given.method != clientstore.AuthNone { // anybody can name a public client
		h.cfg.Clients.NoteUse(c)
	}
	return c, nil
}

// recall returns the client that asks, if it is remembered, may be served, and
// presents a secret that is known to be its own. Nil leaves the request to be
// judged by what the database says.
func (h *Handler) recall(r *http.Request, form protocol.Parameters) *clientstore.Client {
	given, err := readCredentials(r, form)
	if err != nil || given.secret == "" {
		return nil
	}
	c := h.cfg.Clients.Recall(given.id)
	if c == nil || c.Type == clientstore.OAuth1 || c.Usable() != nil ||
		c.Metadata.TokenEndpointAuthMethod != given.method || !h.cfg.Clients.Recognises(c, given.secret) {
		return nil
	}
	return c
}

// prove checks the credentials. A client that does not exist costs the same
// work as one that does.
func (h *Handler) prove(r *http.Request, c *clientstore.Client, given *credentials) error {
	if c != nil && c.Type == clientstore.OAuth1 {
		c = nil
	}
	switch {
	case given.jwt != "":
		return h.proveByAssertion(r, c, given)
	case given.method != clientstore.AuthNone:
		return h.proveBySecret(r, c, given)
	case c == nil || !c.IsPublic():
		return errUnknown()
	default:
		return nil
	}
}

func (h *Handler) proveBySecret(r *http.Request, c *clientstore.Client, given *credentials) error {
	ok, err := h.knows(r, c, given)
	if err != nil {
		return err
	}
	if !ok || c.Metadata.TokenEndpointAuthMethod != given.method {
		return h.guesses.failed(r.RemoteAddr, c)
	}
	return nil
}

// knows reports whether the client knows its secret.
func (h *Handler) knows(r *http.Request, c *clientstore.Client, given *credentials) (bool, error) {
	if c != nil && !h.cfg.Clients.Recognises(c, given.secret) {
		if err := h.guesses.check(r.RemoteAddr, c); err != nil {
			return false, err
		}
	}
	ok, err := h.cfg.Clients.VerifySecret(r.Context(), c, given.secret)
	if err == nil && !ok && given.raw != "" && given.raw != given.secret {
		ok, err = h.cfg.Clients.VerifySecret(r.Context(), c, given.raw)
	}
	return ok, err
}

// mayWork refuses a client that no administrator approves of. Who proved to be
// the client is told why; a public client proves nothing, and is told what
// strangers are told.
func mayWork(c *clientstore.Client) error {
	status, ok := errors.AsType[*clientstore.StatusError](c.Usable())
	switch {
	case !ok:
		return nil
	case c.IsPublic():
		return errUnknown()
	case status.Ended:
		return protocol.Refuse(protocol.UnauthorizedClient, status.Reason+" Ask an administrator to approve this client again.")
	case status.Status == clientstore.Disapproved:
		return protocol.Refuse(protocol.UnauthorizedClient, "An administrator has disapproved this client. Ask the administrator to approve it again.")
	default:
		return protocol.Refuse(protocol.UnauthorizedClient, "This client awaits the approval of an administrator. Try again once it is approved.")
	}
}
