package clientstore

import "slices"

// completeLogout settles the members of OpenID Connect RP-Initiated Logout
// 1.0, section 3.1.
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
	return nil
}

// checkNoLogout refuses what only a client with ID tokens has use for.
func (c *Client) checkNoLogout() error {
	if len(c.Metadata.PostLogoutRedirectURIs) > 0 {
		return refuse("post_logout_redirect_uris", notWithoutOpenID)
	}
	return nil
}

// MatchPostLogoutRedirectURI reports whether a person may be sent to the URI
// after signing out: it is one of the client's, byte for byte.
func (c *Client) MatchPostLogoutRedirectURI(requested string) bool {
	return requested != "" && slices.Contains(c.Metadata.PostLogoutRedirectURIs, requested)
}
