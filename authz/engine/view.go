package engine

import (
	"maps"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	"countersign/clientstore"
)

var (
	_ fosite.Client  = clientView{}
	_ openid.Session = (*sessionView)(nil)
)

// clientView is a client as fosite asks about it.
type clientView struct{ *clientstore.Client }

// GetID returns the client identifier.
func (c clientView) GetID() string { return c.ID }

// GetHashedSecret returns nothing: authentication is done by the time fosite
// sees a client.
func (clientView) GetHashedSecret() []byte { return nil }

// GetRedirectURIs returns the registered redirect URIs.
func (c clientView) GetRedirectURIs() []string { return c.Metadata.RedirectURIs }

// GetGrantTypes returns the registered grant types, and implicit, which
// follows from the response types.
func (c clientView) GetGrantTypes() fosite.Arguments { return c.GrantTypes() }

// GetResponseTypes returns the registered response types.
func (c clientView) GetResponseTypes() fosite.Arguments { return c.Metadata.ResponseTypes }

// GetScopes returns the registered scopes.
func (c clientView) GetScopes() fosite.Arguments { return strings.Fields(c.Metadata.Scope) }

// GetAudience returns no audience: none can be asked for.
func (clientView) GetAudience() fosite.Arguments { return nil }

// atRedirect is a client whose only redirect URI is the one of this request,
// which was compared with the registered ones byte by byte. fosite's own
// comparison accepts what it must not (user information, other schemes).
type atRedirect struct {
	clientView
	uri string
}

// GetRedirectURIs returns the redirect URI of the request.
func (c atRedirect) GetRedirectURIs() []string { return []string{c.uri} }

// wholeAuthorization and wholeAccess are requests as fosite's handlers ask about
// them. They are not copied without what must not be stored, as fosite would five
// times for one code: codeStore stores nothing of them.
type (
	wholeAuthorization struct{ fosite.AuthorizeRequester }
	wholeAccess        struct{ fosite.AccessRequester }
)

// Sanitize returns the request itself.
func (r wholeAuthorization) Sanitize([]string) fosite.Requester { return r }

// Sanitize returns the request itself.
func (r wholeAccess) Sanitize([]string) fosite.Requester { return r }

// sessionView is what fosite keeps between its steps. Nothing of it is stored:
// a grant is rows of our own.
type sessionView struct {
	subject string
	claims  *jwt.IDTokenClaims
	headers *jwt.Headers
	expires map[fosite.TokenType]time.Time
}

func newSessionView(subject string) *sessionView {
	return &sessionView{
		subject: subject,
		claims:  &jwt.IDTokenClaims{Subject: subject},
		headers: &jwt.Headers{},
		expires: map[fosite.TokenType]time.Time{},
	}
}

// IDTokenClaims returns the claims that fosite looks at.
func (s *sessionView) IDTokenClaims() *jwt.IDTokenClaims { return s.claims }

// IDTokenHeaders returns no headers: the signer sets them.
func (s *sessionView) IDTokenHeaders() *jwt.Headers { return s.headers }

// SetExpiresAt keeps when a token of this kind expires.
func (s *sessionView) SetExpiresAt(key fosite.TokenType, at time.Time) { s.expires[key] = at }

// GetExpiresAt returns when a token of this kind expires.
func (s *sessionView) GetExpiresAt(key fosite.TokenType) time.Time { return s.expires[key] }

// GetUsername returns nothing: fosite uses it for the password grant alone.
func (*sessionView) GetUsername() string { return "" }

// GetSubject returns the subject.
func (s *sessionView) GetSubject() string { return s.subject }

// Clone returns a copy.
func (s *sessionView) Clone() fosite.Session {
	c := *s
	c.expires = maps.Clone(s.expires)
	return &c
}
