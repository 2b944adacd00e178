// Package registration lets clients register and manage themselves: RFC 7591,
// RFC 7592 and OpenID Connect Dynamic Client Registration 1.0. What registers
// waits for an administrator before it can do anything.
package registration

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// Mode is who may register clients by the endpoint.
type Mode string

// The modes: anybody, who has an initial access token, or nobody. Clients that
// have registered manage themselves in every mode.
const (
	Open  Mode = "open"
	Token Mode = "token"
	Off   Mode = "off"
)

// Config is what the endpoints need.
type Config struct {
	Issuer  string
	Mode    Mode
	Clients *clientstore.Store
	// HTTP fetches what is kept at a sector_identifier_uri.
	HTTP *http.Client
	// Approval is the page on which an administrator approves a consumer.
	Approval string
	Log      *slog.Logger
	Now      func() time.Time
	// Stopping is closed when the server stops: who waits is answered. Nil
	// never is.
	Stopping <-chan struct{}
}

// Handler serves the endpoints.
type Handler struct {
	cfg     Config
	limit   *limiter
	waiters *waiters
}

// New returns the endpoints.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, limit: newLimiter(cfg.Now), waiters: newWaiters()}
}

// Register serves POST /register (RFC 7591, section 3).
func (h *Handler) Register(w http.ResponseWriter, r *http.Request) error { return h.register(w, r, "") }

// RegisterAs serves what [Handler.Register] does, for clients of one type.
func (h *Handler) RegisterAs(t clientstore.Type) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error { return h.register(w, r, t) }
}

func (h *Handler) register(w http.ResponseWriter, r *http.Request, lane clientstore.Type) error {
	token, err := bearer(r)
	if err != nil {
		return h.challenge(w, err)
	}
	wanted, err := h.read(r, lane)
	if err != nil {
		return err
	}
	if seal.WellFormed(seal.RegistrationToken, token) {
		return h.again(w, r, token, wanted.Enrolment)
	}
	if err := h.admit(r, token); err != nil {
		return h.challenge(w, err)
	}
	wanted.InitialToken = token
	if err := h.readNewSector(r, wanted); err != nil {
		return h.challenge(w, refusal(err))
	}
	enrolled, err := h.cfg.Clients.Enrol(r.Context(), actor(r), wanted.Enrolment)
	if err != nil {
		return h.challenge(w, refusal(err))
	}
	h.cfg.Log.InfoContext(r.Context(), "client registered", "request_id", r.Header.Get("X-Request-Id"), "client", enrolled.Client, "approve", enrolled.Client.ApproveAt(h.cfg.Approval))
	info := h.information(enrolled.Client, enrolled.Token).withSecret(enrolled.Client, enrolled.Secret)
	return write(w, http.StatusCreated, info)
}

// admit says who may register.
func (h *Handler) admit(r *http.Request, token string) error {
	switch {
	case h.cfg.Mode == Off:
		return &protocol.Error{
			Code: protocol.AccessDenied, Status: http.StatusForbidden,
			Description: "Registration by clients is turned off. Ask an administrator to register the client.",
		}
	case token != "":
		return nil // the store knows whether it is valid
	case h.cfg.Mode != Open:
		return errNoToken
	default:
		return h.limit.allow(r.RemoteAddr)
	}
}

// again answers a client that registers what it has registered: whoever holds
// its registration access token gets the same client, never a second one.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, token string, e clientstore.Enrolment) error {
	known, err := h.cfg.Clients.Registered(r.Context(), token)
	if err != nil {
		return h.challenge(w, refusal(err))
	}
	same, err := h.cfg.Clients.Is(&known.Client, e)
	if err != nil {
		return refusal(err)
	}
	if !same {
		return protocol.Refuse(protocol.InvalidClientMetadata,
			"This token belongs to a client that is registered with other metadata. Send PUT to its registration_client_uri to change it, or register without the token.")
	}
	return write(w, http.StatusOK, h.information(&known.Client, token).withRevision(known))
}

// Read serves GET /register/{client_id} (RFC 7592, section 2.1). A client that
// prefers to wait is answered once an administrator has decided.
func (h *Handler) Read(w http.ResponseWriter, r *http.Request) error {
	token, known, err := h.known(w, r)
	if err != nil {
		return err
	}
	if known, err = h.follow(w, r, token, known); err != nil {
		return err
	}
	return write(w, http.StatusOK, h.information(&known.Client, token).withRevision(known))
}

// Remove serves DELETE /register/{client_id} (RFC 7592, section 2.3).
func (h *Handler) Remove(w http.ResponseWriter, r *http.Request) error {
	token, known, err := h.known(w, r)
	if err != nil {
		return err
	}
	if err := h.cfg.Clients.Unregister(r.Context(), actor(r), token); err != nil {
		return h.challenge(w, refusal(err))
	}
	h.cfg.Log.InfoContext(r.Context(), "client removed itself", "request_id", r.Header.Get("X-Request-Id"), "client", &known.Client)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// known returns the client that the request is about, and the token that it
// came with, which is good for this client and no other.
func (h *Handler) known(w http.ResponseWriter, r *http.Request) (string, *clientstore.Registered, error) {
	token, err := bearer(r)
	if err != nil {
		return "", nil, h.challenge(w, err)
	}
	if token == "" {
		return "", nil, h.challenge(w, errNoToken)
	}
	known, err := h.cfg.Clients.Registered(r.Context(), token)
	if err == nil && known.Client.ID != mux.Vars(r)["client_id"] {
		err = storage.ErrNotFound
	}
	if err != nil {
		return "", nil, h.challenge(w, refusal(err))
	}
	return token, known, nil
}

var (
	errNoToken = &protocol.Error{
		Code: protocol.InvalidToken, Status: http.StatusUnauthorized,
		Description: "Send a token in the Authorization header, after Bearer.",
	}
	errToken = &protocol.Error{
		Code: protocol.InvalidToken, Status: http.StatusUnauthorized,
		Description: "The token is not, or no longer, valid here.",
	}
)

// bearer returns the token of the Authorization header (RFC 6750, section
// 2.1), empty when there is none. It is read nowhere else.
func bearer(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return "", errNoToken
	}
	return strings.TrimSpace(token), nil
}

// challenge tells a client that is not let in what it takes (RFC 6750, section
// 3), and what was wrong with the token that it sent, if it sent one (section
// 3.1).
func (h *Handler) challenge(w http.ResponseWriter, err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok && e.Status == http.StatusUnauthorized {
		if e == errNoToken {
			e = &protocol.Error{}
		}
		w.Header().Set("WWW-Authenticate", protocol.BearerChallenge(h.cfg.Issuer, e, ""))
	}
	return err
}

// refusal turns what the store says into what the client is told (RFC 7591,
// section 3.2.2; RFC 7592, section 2).
func refusal(err error) error {
	if fault, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return refuseMember(fault.Field, fault.Reason.String())
	}
	if status, ok := errors.AsType[*clientstore.StatusError](err); ok {
		return &protocol.Error{
			Code: protocol.AccessDenied, Status: http.StatusForbidden,
			Description: protocol.Sentence("The " + status.Error() + ", and cannot be changed."),
		}
	}
	if _, ok := errors.AsType[*clientstore.ManagedError](err); ok {
		return &protocol.Error{
			Code: protocol.AccessDenied, Status: http.StatusForbidden,
			Description: "The client belongs to a file that administrators keep, and is changed there. Ask an administrator.",
		}
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return errToken
	case errors.Is(err, storage.ErrConflict):
		return protocol.Unavailable() // somebody else changed the client at the same moment
	case errors.Is(err, clientstore.ErrFull):
		return &protocol.Error{
			Code: protocol.TemporarilyUnavailable, Status: http.StatusTooManyRequests, RetryAfter: 600,
			Description: "Too many clients wait for approval. Ask an administrator, or try again later.",
		}
	default:
		return err
	}
}

// actor is a client as the audit record names it.
func actor(r *http.Request) audit.Actor {
	return audit.Actor{Name: "client", Via: audit.ViaRegistration, IP: host(r), RequestID: r.Header.Get("X-Request-Id")}
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
	_, _ = w.Write(body) // the client may have gone
	return nil
}
