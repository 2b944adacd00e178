package clientstore

import (
	"slices"
	"strings"
)

const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
	maxScope     = 4096 // bytes
	maxScopes    = 200
)

// completeScope brings the scope into its normal form. The registered scope is
// the most that a client may ask for, and OpenID Connect Dynamic Client
// Registration 1.0 has no member for it, so that the default of an OpenID
// Connect client is every scope of that standard; OAuth 2.0 clients have no
// scope that everybody would mean.
func (c *Client) completeScope(Policy) error {
	m := &c.Metadata
	if len(m.Scope) > maxScope {
		return refuse("scope", "has %d bytes; %d are allowed", len(m.Scope), maxScope)
	}
	if len(scopes(m.Scope)) == 0 { // spaces alone say as little, whenever they are read
		m.Scope = c.defaultScope()
	}
	list := unique(scopes(m.Scope))
	if len(list) > maxScopes {
		return refuse("scope", "lists %d scopes; %d are allowed", len(list), maxScopes)
	}
	for _, s := range list {
		if !isScopeToken(s) {
			return refuse("scope", "%s is not a scope: scopes are printable ASCII without quotation marks and backslashes, with one space between them", quoted(s))
		}
	}
	m.Scope = strings.Join(list, " ")
	openid := slices.Contains(list, scopeOpenID)
	switch {
	case c.Type != OIDC && openid:
		return refuse("scope", "openid asks for ID tokens, which only an oidc client gets; register the client as oidc, or take openid away")
	case m.responds("id_token") && !openid:
		return refuse("scope", "a response type with id_token needs the scope openid; add it")
	}
	return nil
}

func (c *Client) defaultScope() string {
	switch {
	case c.Type != OIDC || len(c.Metadata.ResponseTypes) == 0:
		return ""
	case slices.Contains(c.Metadata.GrantTypes, GrantRefreshToken):
		return "openid profile email address phone offline_access"
	default:
		return "openid profile email address phone"
	}
}

// isScopeToken knows the syntax of one scope (RFC 6749, section 3.3).
func isScopeToken(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < '!' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return s != ""
}

// scopes splits a scope at its spaces, and nothing else.
func scopes(scope string) []string {
	return slices.DeleteFunc(strings.Split(scope, " "), func(s string) bool { return s == "" })
}

// SettleScope returns the scope that a request of the client is about: what it
// asks for, or everything registered when it asks for nothing (RFC 6749,
// section 3.3), without offline access that the client could not use (OpenID
// Connect Core 1.0, section 11). It names the first scope that is not
// registered, which refuses the request. One that the client is registered for
// and was approved without is left out (RFC 6749, section 3.3), unless nothing
// else was asked for.
func (c *Client) SettleScope(asked string) (scope []string, unregistered string) {
	registered, wanted := scopes(c.Metadata.Scope), scopes(asked)
	if kept, _ := split(wanted, registered); len(kept) > 0 {
		_, wanted = split(wanted, c.withheld.scope)
	}
	for _, s := range orAll(wanted, registered) {
		switch {
		case s == scopeOffline && !slices.Contains(c.Metadata.GrantTypes, GrantRefreshToken):
		case !slices.Contains(registered, s):
			return nil, s
		default:
			scope = append(scope, s)
		}
	}
	return unique(scope), ""
}

// SettleFor is [Client.SettleScope] for an authorization request: offline access
// is ignored where the response type brings no code (OpenID Connect Core 1.0,
// section 11). Nothing that outlives the session comes of such a request, so
// that nobody is asked for it either.
func (c *Client) SettleFor(responseType, asked string) (scope []string, unregistered string) {
	scope, unregistered = c.SettleScope(asked)
	if !slices.Contains(scopes(responseType), "code") {
		scope = slices.DeleteFunc(scope, func(s string) bool { return s == scopeOffline })
	}
	return scope, unregistered
}

func orAll(asked, registered []string) []string {
	if len(asked) == 0 {
		return registered
	}
	return asked
}

// Offline reports whether a grant of this scope outlives the session of the
// person who gave it, and comes with a refresh token: in OpenID Connect when it
// has offline_access, in plain OAuth 2.0 whenever the client may refresh.
func (c *Client) Offline(scope []string) bool {
	return slices.Contains(c.Metadata.GrantTypes, GrantRefreshToken) &&
		(!slices.Contains(scope, scopeOpenID) || slices.Contains(scope, scopeOffline))
}
