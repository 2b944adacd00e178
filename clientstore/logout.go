package clientstore

import (
	"net/url"
	"slices"
	"strings"
)

// completeLogout settles the members of OpenID Connect RP-Initiated Logout
// 1.0, section 3.1, Back-Channel Logout 1.0, section 2.2, and Front-Channel
// Logout 1.0, section 2.
func (c *Client) completeLogout(p Policy) error {
	m := &c.Metadata
	if c.Type != OIDC {
		return c.checkNoLogout()
	}
	if len(m.PostLogoutRedirectURIs) > maxRedirectURIs {
		return refuse("post_logout_redirect_uris", "has %d entries; %d are allowed", len(m.PostLogoutRedirectURIs), maxRedirectURIs)
	}
	m.PostLogoutRedirectURIs = unique(m.PostLogoutRedirectURIs)
	for _, uri := range m.PostLogoutRedirectURIs {
		if fault := redirectURIFault(uri, p); fault != "" {
			return refuse("post_logout_redirect_uris", "%s %s", quoted(uri), fault)
		}
	}
	if err := c.checkBackchannel(); err != nil {
		return err
	}
	return c.checkFrontchannel()
}

// checkFrontchannel checks the page that ours embed. It belongs to the client,
// which it shows by having an origin in common with a redirect URI.
func (c *Client) checkFrontchannel() error {
	m := &c.Metadata
	uri := m.FrontchannelLogoutURI
	p := splitURI(uri)
	sameOrigin := func(redirect string) bool {
		r := splitURI(redirect)
		return r.scheme == p.scheme && r.authority == p.authority
	}
	switch {
	case uri == "" && m.FrontchannelLogoutSessionRequired:
		return refuse("frontchannel_logout_session_required", "means nothing without frontchannel_logout_uri")
	case uri == "":
		return nil
	case p.scheme != "https" && (p.scheme != "http" || !isLoopback(p.authority)):
		return refuse("frontchannel_logout_uri", "%s is not https, which a page that others embed needs; use https", quoted(uri))
	case strings.HasPrefix(p.authority, "["):
		return refuse("frontchannel_logout_uri", "%s has an IPv6 address for a host, which no page can be allowed to embed; use a name", quoted(uri))
	case !slices.ContainsFunc(m.RedirectURIs, sameOrigin):
		return refuse("frontchannel_logout_uri", "%s has another scheme, host or port than every redirect URI (OpenID Connect Front-Channel Logout 1.0, section 2)", quoted(uri))
	}
	return checkPage(uri, p)
}

// checkPage checks how the address of the page is written.
func checkPage(uri string, p uriParts) error {
	if fault := redirectURIFault(uri, Default); fault != "" {
		return refuse("frontchannel_logout_uri", "%s %s", quoted(uri), fault)
	}
	for _, name := range []string{"iss", "sid"} {
		if hasParameter(p.query, name) {
			return refuse("frontchannel_logout_uri", "%s has the parameter %s in its query, which the page is given; rename it", quoted(uri), name)
		}
	}
	return nil
}

func hasParameter(query, name string) bool {
	values, err := url.ParseQuery(query)
	return err == nil && values.Has(name)
}

// checkBackchannel checks where logout tokens go, which the server itself has
// to reach. Where the name leads is seen when it is called.
func (c *Client) checkBackchannel() error {
	m := &c.Metadata
	uri := m.BackchannelLogoutURI
	switch p := splitURI(uri); {
	case uri == "" && m.BackchannelLogoutSessionRequired:
		return refuse("backchannel_logout_session_required", "means nothing without backchannel_logout_uri")
	case uri == "":
		return nil
	case p.scheme != "https" && (p.scheme != "http" || !isLoopback(p.authority)):
		return refuse("backchannel_logout_uri", "%s is not https, which logout tokens need; use https", quoted(uri))
	default:
		if fault := redirectURIFault(uri, Default); fault != "" {
			return refuse("backchannel_logout_uri", "%s %s", quoted(uri), fault)
		}
		return nil
	}
}

// checkNoLogout refuses what only a client with ID tokens has use for.
func (c *Client) checkNoLogout() error {
	m := &c.Metadata
	for _, member := range []struct {
		field string
		set   bool
	}{
		{"post_logout_redirect_uris", len(m.PostLogoutRedirectURIs) > 0},
		{"backchannel_logout_uri", m.BackchannelLogoutURI != ""},
		{"backchannel_logout_session_required", m.BackchannelLogoutSessionRequired},
		{"frontchannel_logout_uri", m.FrontchannelLogoutURI != ""},
		{"frontchannel_logout_session_required", m.FrontchannelLogoutSessionRequired},
	} {
		if member.set {
			return refuse(member.field, notWithoutOpenID)
		}
	}
	return nil
}

// MatchPostLogoutRedirectURI reports whether a person may be sent to the URI
// after signing out: it is one of the client's, byte for byte.
func (c *Client) MatchPostLogoutRedirectURI(requested string) bool {
	return requested != "" && slices.Contains(c.Metadata.PostLogoutRedirectURIs, requested)
}
