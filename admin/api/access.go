package api

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/admin/arrival"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// caller is who sends a request, as it stands at this moment.
type caller struct {
	accountID, username string
	permissions         []account.Permission
	scopes              []string
	credential          credential
	weak                bool // nobody signed in for it with a second factor
}

// credential is what a caller proves itself by.
type credential struct {
	Type      string    `json:"type"` // access_token or api_key
	ID        string    `json:"id"`   // of the client, or of the key
	ExpiresAt time.Time `json:"expires_at"`
}

// key tells callers apart, for limits and for what is done once.
func (c *caller) key() string {
	return c.credential.Type + " " + c.credential.ID + " " + c.accountID
}

// actor is the caller as the audit record names it.
func (r *request) actor() audit.Actor {
	by := audit.Actor{Via: audit.ViaAPI, IP: address(r.Request), RequestID: r.Header.Get(requestIDHeader)}
	if r.caller != nil {
		by.AccountID, by.Name = r.caller.accountID, r.caller.username
	}
	return by
}

func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}

// admit lets nobody pass who may not have the operation done: it is known who
// asks (401), the account may configure the server and the credential covers
// the operation (403). All of it is as it stands at this moment, at which the
// body has arrived: between here and the deed lies the work itself, and nothing
// that the sender can draw out (AD-32). Who names no credential is not waited
// for.
func (h *Handler) admit(one route, r *request) error {
	if one.public {
		return h.limit("address " + address(r.Request))
	}
	if len(r.Header.Values("Authorization")) > 0 {
		arrival.Await(r.Request)
	}
	r.scope = one.scope
	var err error
	if r.caller, err = h.authenticate(r.Request, one.scope); err != nil {
		if _, verdict := errors.AsType[*problemError](err); verdict {
			if limited := h.limit("address " + address(r.Request)); limited != nil {
				return limited
			}
		}
		return err
	}
	if err := h.limit(r.caller.key()); err != nil {
		return err
	}
	return h.permit(one.scope, r.caller)
}

// permit refuses a caller who may not do what the scope is for.
func (h *Handler) permit(scope string, c *caller) error {
	if !slices.Contains(c.permissions, account.ConfigureServer) {
		return noPermission(c)
	}
	if h.cfg.SecondFactor && c.weak {
		return problemOf(weakSignIn, "Whoever may configure this server needs a second factor to sign in, and this access token came of a sign-in without one.").
			challenge("insufficient_user_authentication", scope) // RFC 9470, section 3
	}
	if scope != "" && !slices.Contains(c.scopes, scope) {
		return outOfScope(scope)
	}
	return nil
}

// still refuses whoever may not any more. It is for after what takes long or
// waits for another machine, which can be a friend of who asked (AD-32).
func (h *Handler) still(r *request) error {
	c, err := h.authenticate(r.Request, r.scope)
	if err != nil {
		return err
	}
	return h.permit(r.scope, c)
}

func outOfScope(scope string) *problemError {
	return problemOf(insufficientScope, "This needs the scope "+scope+", which the credential does not cover.").challenge("insufficient_scope", scope)
}

func noPermission(c *caller) *problemError {
	if c.accountID == "" {
		return problemOf(forbidden, "The access token acts for its client alone, and clients have no permissions.")
	}
	return problemOf(forbidden, "The account behind the credential does not have the permission configure_server.")
}

func (h *Handler) limit(who string) error {
	if h.cfg.Allow(who) {
		return nil
	}
	return problemOf(tooManyRequests, "Too many requests came at once.")
}

// authenticate returns who sends the request.
func (h *Handler) authenticate(r *http.Request, scope string) (*caller, error) {
	presented, err := bearer(r, scope)
	if err != nil {
		return nil, err
	}
	var c *caller
	if seal.WellFormed(seal.APIKey, presented) {
		c, err = h.byKey(r, presented)
	} else {
		c, err = h.byToken(r, presented)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil, problemOf(invalidToken, "The access token or API key is not valid here, has expired or was revoked.").challenge("invalid_token", scope)
	}
	return c, err
}

// bearer returns the credential of the request (RFC 6750, section 2.1). It is
// taken from nowhere else: addresses are logged, and cookies are sent by pages
// of other sites.
func bearer(r *http.Request, scope string) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", problemOf(notAuthenticated, "The request says not who sends it.").challenge("", scope)
	}
	scheme, presented, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(presented) == "" {
		return "", problemOf(notAuthenticated, "The request has no single header `Authorization: Bearer …`.").challenge("invalid_request", scope)
	}
	return strings.TrimSpace(presented), nil
}

func (h *Handler) byKey(r *http.Request, presented string) (*caller, error) {
	k, err := h.cfg.APIKeys.Present(r.Context(), presented)
	if err != nil {
		return nil, err
	}
	permissions, err := account.ParsePermissions(k.AccountPermissions)
	return &caller{
		accountID: k.AccountID, username: k.Username, permissions: permissions, scopes: k.Scopes,
		credential: credential{Type: "api_key", ID: k.ID, ExpiresAt: k.ExpiresAt},
	}, err
}

// byToken reads an access token. One that names an audience must name this
// API: whoever serves another could send on what it was sent. One without an
// audience is for this API when its scope is, whose words are nobody else's. A
// token that is bound to a key is no bearer token (RFC 9449, section 7.1).
func (h *Handler) byToken(r *http.Request, presented string) (*caller, error) {
	t, err := h.cfg.Grants.Bearer(r.Context(), presented)
	if err != nil {
		return nil, err
	}
	audience := strings.Fields(t.Audience)
	if len(audience) > 0 && !slices.Contains(audience, h.home) || t.Grant.Confirmation != "" {
		return nil, storage.ErrNotFound
	}
	permissions, err := account.ParsePermissions(t.AccountPermissions)
	scopes := slices.DeleteFunc(t.EffectiveScope(), func(s string) bool { return !slices.Contains(clientstore.AdministrationScopes, s) })
	return &caller{
		accountID: t.Grant.AccountID, username: t.Username, permissions: permissions, scopes: scopes,
		credential: credential{Type: "access_token", ID: t.Grant.ClientID, ExpiresAt: t.ExpiresAt},
		weak:       !slices.Contains(strings.Fields(t.Grant.AMR), session.MultiFactor),
	}, err
}

// mayTouch refuses to change a client that holds more of this API than the
// credential covers: whoever changes where its answers go, or its secret, has
// what it gets.
func (r *request) mayTouch(c *clientstore.Client) error {
	return r.mayGive(&clientstore.Metadata{}, &c.Metadata)
}

// mayGive refuses to give a client more of this API than the credential
// itself covers: a tool that may edit clients must not make itself one that
// may make administrators.
func (r *request) mayGive(before, m *clientstore.Metadata) error {
	for _, scope := range m.AdministrationScopesBeyond(before) {
		if !slices.Contains(r.caller.scopes, scope) {
			return problemOf(insufficientScope, "The scope "+scope+" can be given to a client only by a credential that covers it.").challenge("insufficient_scope", scope)
		}
	}
	return nil
}

// meView is who sends a request.
type meView struct {
	AccountID   string               `json:"account_id"`
	Username    string               `json:"username"`
	Permissions []account.Permission `json:"permissions"`
	Scopes      []string             `json:"scopes"`
	Credential  credential           `json:"credential"`
}

// me serves GET /v1/me.
func (*Handler) me(r *request) (*answer, error) {
	c := r.caller
	return ok(meView{c.accountID, c.username, c.permissions, append([]string{}, c.scopes...), c.credential}), nil
}

// aboutView is what anybody may know: where tokens for the API come from.
type aboutView struct {
	Issuer   string   `json:"issuer"`
	Resource string   `json:"resource"`
	Scopes   []string `json:"scopes_supported"`
}

// about serves GET /v1.
func (h *Handler) about(*request) (*answer, error) {
	return ok(aboutView{h.cfg.Issuer, h.home, clientstore.AdministrationScopes}), nil
}

// commandLineView is the client of `countersign login`.
type commandLineView struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes_supported"`
}

// commandLine serves POST /v1/command-line.
func (h *Handler) commandLine(r *request) (*answer, error) {
	by := r.actor()
	by.Name = "countersign login"
	c, err := h.cfg.Clients.CommandLine(r.Context(), by)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, problemOf(notFound, "An administrator removed the client of the command line.")
	}
	if err != nil {
		return nil, err
	}
	return ok(commandLineView{h.cfg.Issuer, c.ID, strings.Fields(c.Metadata.Scope)}), nil
}

// showDocument serves GET /openapi.json.
func (h *Handler) showDocument(*request) (*answer, error) {
	return ok(bytes.ReplaceAll(document, []byte(documentedIssuer), []byte(strings.TrimSuffix(h.cfg.Issuer, "/")))), nil
}
