// Package token serves the endpoints that clients post to: token (RFC 6749,
// section 3.2), device authorization (RFC 8628), introspection (RFC 7662) and
// revocation (RFC 7009). It
// authenticates clients and writes answers; the engine issues tokens.
package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"countersign/authz/clientjwt"
	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/replay"
)

// Config is what the endpoints need.
type Config struct {
	Issuer string
	// Paths are those of the token endpoint, under the issuer's, which may be
	// the audience of an assertion.
	Paths   []string
	Clients *clientstore.Store
	Signed  *clientjwt.Verifier
	Used    *replay.Store
	Grants  *grant.Store
	Engine  *engine.Engine
	// OAuth1Subject returns whose token credentials of OAuth 1.0a signed the
	// value of an Authorization header that the client may exchange.
	OAuth1Subject func(r *http.Request, by *clientstore.Client, authorization string) (*clientstore.Signing, error)
	// Issued is told the grant type of an answer with tokens.
	Issued func(grantType string)
	Log    *slog.Logger
	Now    func() time.Time
}

// Handler serves the endpoints.
type Handler struct {
	cfg     Config
	guesses *guesses
}

// New returns the endpoints.
func New(cfg Config) *Handler { return &Handler{cfg: cfg, guesses: newGuesses(cfg.Now)} }

// Issue serves POST /token.
func (h *Handler) Issue(w http.ResponseWriter, r *http.Request) error {
	form, err := protocol.Form(r)
	if err != nil {
		return severalTargets(form, err)
	}
	if served, err := h.issueByMemory(w, r, form); served {
		return err
	}
	for range changesInARow {
		asked, err := h.identify(r, form)
		if err != nil {
			return err
		}
		answer, err := h.answer(r, form, asked)
		switch {
		case err == nil:
			return h.hand(w, r, form, asked, answer)
		case !errors.Is(err, engine.ErrClientChanged):
			return protocol.About(asked.Client.ID, err)
		}
	}
	return fmt.Errorf("%w: the client changes faster than it can be judged", storage.ErrUnavailable)
}

// severalTargets answers an exchange for several targets, which may be asked for
// where all other parameters come once (RFC 8693, sections 2.1 and 2.2.2).
func severalTargets(form protocol.Parameters, err error) error {
	target := form.Repeated()
	if form.Get("grant_type") != clientstore.GrantTokenExchange || target != "audience" && target != "resource" {
		return err
	}
	return protocol.Refuse(protocol.InvalidTarget, "A token is for one audience. Send one, and exchange the subject_token again for another.")
}

// changesInARow is how often a client may change while one of its requests is
// judged.
const changesInARow = 3

// issueByMemory serves a client that asks for a token of its own in one
// statement, if it is remembered: that yields the token and confirms that the
// client is still what is remembered. It refuses nothing, as that may have
// changed; what it does not serve is for the database to judge.
func (h *Handler) issueByMemory(w http.ResponseWriter, r *http.Request, form protocol.Parameters) (served bool, err error) {
	if form.Get("grant_type") != clientstore.GrantClientCredentials {
		return false, nil
	}
	c := h.recall(r, form)
	if c == nil {
		return false, nil
	}
	asked := engine.TokenRequest{Client: c, Form: form.Values(), IP: address(r)}
	answer, err := h.answer(r, form, asked)
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		return true, protocol.About(c.ID, err)
	case err != nil:
		h.cfg.Clients.Forget(c.ID)
		return false, nil //nolint:nilerr // the database judges, see above
	default:
		return true, h.hand(w, r, form, asked, answer)
	}
}

// answer issues what was asked for, if the client may ask for it.
func (h *Handler) answer(r *http.Request, form protocol.Parameters, asked engine.TokenRequest) (*engine.TokenResponse, error) {
	if err := h.mayUse(asked.Client, form.Get("grant_type")); err != nil {
		return nil, err
	}
	if err := isComplete(form); err != nil {
		return nil, err
	}
	return h.issue(r, form, asked)
}

// hand writes what was issued.
func (h *Handler) hand(w http.ResponseWriter, r *http.Request, form protocol.Parameters, asked engine.TokenRequest, answer *engine.TokenResponse) error {
	h.cfg.Clients.NoteUse(asked.Client)
	h.cfg.Issued(form.Get("grant_type"))
	h.cfg.Log.InfoContext(r.Context(), "tokens issued", "request_id", r.Header.Get("X-Request-Id"),
		"client_id", asked.Client.ID, "grant_type", form.Get("grant_type"), "grant_id", answer.GrantID, "scope", answer.Scope)
	return write(w, http.StatusOK, answer)
}

func (h *Handler) issue(r *http.Request, form protocol.Parameters, asked engine.TokenRequest) (*engine.TokenResponse, error) {
	switch form.Get("grant_type") {
	case clientstore.GrantTokenExchange:
		return h.exchange(r, form, asked)
	case clientstore.GrantJWTBearer:
		return h.bear(r, form, asked)
	default:
		return h.cfg.Engine.Token(r.Context(), asked)
	}
}

// mayUse refuses a grant type that the server does not know, or that the
// client is not registered for.
func (h *Handler) mayUse(c *clientstore.Client, grantType string) error {
	switch {
	case grantType == "":
		return protocol.Refuse(protocol.InvalidRequest, "Send a grant_type.")
	case !slices.Contains(engine.GrantTypes, grantType), !h.cfg.Clients.Permits(grantType):
		return protocol.Refuse(protocol.UnsupportedGrantType, "This server does not know the grant type "+protocol.Printable(grantType)+".")
	case c.Withholds(grantType):
		return protocol.Refuse(protocol.UnauthorizedClient,
			"An administrator approved this client without the grant type "+protocol.Printable(grantType)+". Ask the administrator to allow it.")
	case !slices.Contains(c.Metadata.GrantTypes, grantType):
		return protocol.Refuse(protocol.UnauthorizedClient,
			"The client is not registered for the grant type "+protocol.Printable(grantType)+". Ask an administrator to add it.")
	default:
		return nil
	}
}

// required are the parameters that a grant type cannot do without (RFC 6749,
// sections 4.1.3, 4.3.2 and 6; RFC 8628, section 3.4; RFC 8693, section 2.1; RFC 7523,
// section 2.1).
var required = map[string][]string{
	clientstore.GrantAuthorizationCode: {"code"},
	clientstore.GrantRefreshToken:      {"refresh_token"},
	clientstore.GrantDeviceCode:        {"device_code"},
	clientstore.GrantPassword:          {"username", "password"},
	clientstore.GrantTokenExchange:     {"subject_token", "subject_token_type"},
	clientstore.GrantJWTBearer:         {"assertion"},
}

func isComplete(form protocol.Parameters) error {
	for _, name := range required[form.Get("grant_type")] {
		if !form.Has(name) {
			return protocol.Refuse(protocol.InvalidRequest, "Send the "+name+".")
		}
	}
	return nil
}

// write answers with JSON that nobody keeps.
func write(w http.ResponseWriter, status int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	protocol.NoStore(w.Header())
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// errorBody is an error as the endpoints write it (RFC 6749, section 5.2).
type errorBody struct {
	Error       protocol.Code `json:"error"`
	Description string        `json:"error_description,omitempty"`
}

// WriteError answers a request of a client with an error.
func (h *Handler) WriteError(w http.ResponseWriter, r *http.Request, e *protocol.Error) {
	if e.Status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+h.cfg.Issuer+`", charset="UTF-8"`)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if err := write(w, status, errorBody{e.Code, e.Description}); err != nil {
		h.cfg.Log.DebugContext(r.Context(), "error not delivered", "err", err)
	}
}
