package clientstore

import (
	"reflect"
	"slices"
)

// NaturalType returns the type of client that registers itself with the
// metadata: OpenID Connect, unless it can only be plain OAuth 2.0, because it
// names its scope without openid and asks for nothing of OpenID Connect.
func (m *Metadata) NaturalType() Type {
	list := scopes(m.Scope)
	openid := slices.Contains(list, scopeOpenID) || m.responds("id_token") ||
		(&Client{Type: OAuth2, Metadata: *m}).checkNoOpenID() != nil
	switch {
	case openid:
		return OIDC
	case len(list) > 0 || slices.Contains(m.ResponseTypes, "token"):
		return OAuth2
	default:
		return OIDC
	}
}

// NaturalName returns what a client is called that registers itself without a
// name: by where its answers go, which people can judge it by.
func (m *Metadata) NaturalName() string {
	for _, uri := range append(slices.Clone(m.RedirectURIs), m.ClientURI) {
		p := splitURI(uri)
		name := p.authority
		if p.scheme != "https" && p.scheme != "http" {
			name = p.scheme
		}
		if name != "" && checkText("client_name", name, maxName) == nil {
			return name
		}
	}
	return "Unnamed application"
}

// checkRegistrant checks what an administrator may register and a client on
// its own may not. Before is the client as it was.
func (c *Client) checkRegistrant(before *Client) error {
	for _, g := range []string{GrantPassword, GrantTokenExchange, GrantJWTBearer} {
		if slices.Contains(c.Metadata.GrantTypes, g) && !slices.Contains(before.Metadata.GrantTypes, g) {
			return refuse("grant_types", "the grant type %s is given by an administrator only; use authorization_code", g)
		}
	}
	if gained := c.Metadata.AdministrationScopesBeyond(&before.Metadata); len(gained) > 0 {
		return refuse("scope", "%s lets a client act for administrators of this server, which an administrator gives only; leave it out", gained[0])
	}
	for _, uri := range c.Metadata.RedirectURIs {
		if fault := c.applicationFault(uri); fault != "" {
			return refuse("redirect_uris", "%s %s", quoted(uri), fault)
		}
	}
	return nil
}

// applicationFault holds a redirect URI against the application type (OpenID
// Connect Dynamic Client Registration 1.0, section 2). A native application may
// claim an https address too (RFC 8252, section 7.2).
func (c *Client) applicationFault(uri string) string {
	p := splitURI(uri)
	loopback := isLoopback(p.authority)
	switch {
	case c.Metadata.ApplicationType == Native && p.scheme == "http" && !loopback:
		return "is an http address of another device; a native application uses a loopback address, https or a scheme of its own"
	case c.Metadata.ApplicationType == Web && c.Metadata.implicit() && (p.scheme != "https" || loopback):
		return "may not get tokens: a web application that gets tokens in authorization responses has https redirect URIs, none on localhost"
	default:
		return ""
	}
}

// DecidesOtherwise reports whether a member that is an administrator's to give
// is another than before.
func (m *Metadata) DecidesOtherwise(before *Metadata) bool {
	kept := *m
	kept.keepDecisions(before)
	return !reflect.DeepEqual(kept, *m)
}

// keepDecisions sets the members that are an administrator's to give to what
// they were before, whatever a registrant sent.
func (m *Metadata) keepDecisions(before *Metadata) {
	m.IntrospectionScope = before.IntrospectionScope
	m.OAuth1Trusted = before.OAuth1Trusted
	m.OAuth1FunctionalAccount = before.OAuth1FunctionalAccount
	m.OAuth1WithoutVerifier = before.OAuth1WithoutVerifier
	m.OAuth1Clients = before.OAuth1Clients
	if !slices.Contains(m.GrantTypes, GrantTokenExchange) {
		m.OAuth1Clients = nil // it has given up what they were for
	}
}
