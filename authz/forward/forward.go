// Package forward answers reverse proxies that ask, of each request that they
// receive, whether to let it through: nginx by auth_request, Traefik by
// forwardAuth, Caddy by forward_auth. It serves requests with bearer tokens
// and requests signed by OAuth 1.0a alike.
//
// What a proxy says of the request is believed where it cannot be somebody
// else's word: scheme and host come from the proxy's own configuration, method
// and URI from the one pair of headers that this proxy overwrites, and the
// proxy proves to be a client that an administrator entitled to the token.
package forward

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// Config is what the endpoint needs.
type Config struct {
	Issuer string
	// Inquire authenticates a client by its secret, and reads the token that it
	// asks about.
	Inquire func(r *http.Request, clientID, secret, token string) (*clientstore.Inquiry, error)
	// Signed verifies a request that is signed by OAuth 1.0a. It refuses with a
	// [*Error].
	Signed func(*http.Request, signature.Message) (*Access, error)
	// Schemes are names that Bearer may have beside its own.
	Schemes []string
	// OAuth is the challenge for OAuth 1.0a, and AuthorizationURL where its users
	// allow requests.
	OAuth, AuthorizationURL string
}

// Handler serves the endpoint.
type Handler struct{ cfg Config }

// New returns the endpoint.
func New(cfg Config) *Handler { return &Handler{cfg} }

// Access is what the credentials of a request open.
type Access struct {
	Subject  string
	Username string // empty where there is no account, or none to be told of
	ClientID string
	Scope    []string
}

// For serves GET to the address of one kind of proxy.
func (h *Handler) For(p Proxy) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := h.judge(p, r)
		if refusal, ok := errors.AsType[*Error](err); ok {
			return p.passable(refusal)
		}
		if err != nil {
			return err
		}
		admit(w, found)
		return nil
	}
}

// judge decides about the request that the proxy received.
func (h *Handler) judge(p Proxy, r *http.Request) (*Access, error) {
	s, err := readSite(r)
	if err != nil {
		return nil, err
	}
	if err := s.receive(p, r.Header); err != nil {
		return nil, err
	}
	given, err := h.credentials(s, r.Header)
	if err != nil {
		return nil, err
	}
	asked, err := h.cfg.Inquire(r, s.clientID, s.secret, given.token)
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		return nil, stranger(refusal)
	}
	if err != nil {
		return nil, err
	}
	found, err := h.open(r, s, asked, given)
	if err != nil {
		return nil, err
	}
	return found, h.cover(s, given, found)
}

// credentials are what a request is to be let through by: one of the two.
type credentials struct {
	token  string
	signed *signature.Message
}

// credentials returns what the client sent.
func (h *Handler) credentials(s *site, header http.Header) (credentials, error) {
	if fault := s.unclear(); fault != "" {
		return credentials{}, h.invalid(s, "The URI of the request "+fault+".")
	}
	all := header.Values("Authorization")
	token, err := protocol.BearerToken(all, h.cfg.Schemes...)
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		return credentials{}, h.refuse(s, refusal)
	}
	m := signature.Message{Method: s.method, URL: s.origin + s.uri, Authorization: all}
	switch signed := signature.IsSigned(m); {
	case s.hasTokenInQuery():
		return credentials{}, h.invalid(s, "Send the access token in the Authorization header, never in the URL; and let this one expire, as it may have been logged.")
	case token != "" && signed:
		return credentials{}, h.invalid(s, "The request has an access token and an OAuth 1.0a signature. Send one of them.")
	case signed && s.hidesForm(header):
		return credentials{}, h.hidden()
	case signed:
		return credentials{signed: &m}, nil
	case token == "":
		return credentials{}, h.missing(s)
	default:
		return credentials{token: token}, nil
	}
}

// open returns what the credentials open for the resource server that asks.
func (h *Handler) open(r *http.Request, s *site, asked *clientstore.Inquiry, given credentials) (*Access, error) {
	if given.signed == nil {
		return h.openToken(s, asked)
	}
	if asked.Client.Metadata.IntrospectionScope != clientstore.IntrospectAll {
		// Token credentials name no audience that could entitle anybody else.
		return nil, misconfigured(http.StatusForbidden, protocol.UnauthorizedClient,
			"The client that the proxy stands for may not verify other clients' requests. An administrator can set its introspection_scope to all.")
	}
	return h.cfg.Signed(r, *given.signed)
}

// openToken returns what a bearer token opens. One that is bound to a key is
// none (RFC 9449, section 7.1).
func (h *Handler) openToken(s *site, asked *clientstore.Inquiry) (*Access, error) {
	t := &asked.Token
	if !t.Live || t.Kind != seal.AccessToken || !asked.Entitled() || t.Grant.Confirmation != "" {
		return nil, h.refuse(s, &protocol.Error{
			Code: protocol.InvalidToken, Status: http.StatusUnauthorized,
			Description: "The access token is not valid here, has expired or was revoked. Get a new one.",
		})
	}
	return accessOf(t), nil
}

func accessOf(t *grant.Token) *Access {
	return &Access{Subject: t.Grant.Subject, Username: t.PublicUsername(), ClientID: t.Grant.ClientID, Scope: t.EffectiveScope()}
}

// cover makes sure that the scope of the address is covered.
func (h *Handler) cover(s *site, given credentials, found *Access) error {
	for _, wanted := range s.scope {
		if slices.Contains(found.Scope, wanted) {
			continue
		}
		e := &protocol.Error{
			Code: protocol.InsufficientScope, Status: http.StatusForbidden,
			Description: "The client was not allowed the scope " + protocol.Printable(wanted) + ". Ask the user to allow it.",
		}
		refusal := h.refuse(s, e)
		if given.signed != nil {
			refusal.Challenges = []string{h.cfg.OAuth + `, oauth_problem="permission_denied", oauth_problem_advice="` + signature.Escape(e.Description) + `"`}
		}
		return refusal
	}
	return nil
}

// admit lets a request through. All headers are there each time, so that what
// a client sends by their names is always replaced.
func admit(w http.ResponseWriter, a *Access) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Auth-Subject", headerSafe(a.Subject))
	header.Set("X-Auth-Username", headerSafe(a.Username))
	header.Set("X-Auth-Client-Id", headerSafe(a.ClientID))
	scope := make([]string, len(a.Scope))
	for i, s := range a.Scope {
		scope[i] = headerSafe(s)
	}
	header.Set("X-Auth-Scope", strings.Join(scope, " "))
	w.WriteHeader(http.StatusOK)
}

// headerSafe encodes what is no visible ASCII, and the percent sign, as URIs do
// (RFC 3986, section 2.1), so that no name ends a header or is read in another
// character set.
func headerSafe(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
