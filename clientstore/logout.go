package clientstore

import "slices"

// completeLogout settles the members of OpenID Connect RP-Initiated Logout
// 1.0, section 3.1, and Back-Channel Logout 1.0, section 2.2.
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
	return c.checkBackchannel()
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
