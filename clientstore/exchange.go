package clientstore

import "slices"

// maxOAuth1Clients bounds the clients whose authorizations one client takes
// over.
const maxOAuth1Clients = 200

// checkExchange checks what the client may exchange for tokens of its own. That
// there are clients with these keys is not checked: one that was removed is
// nobody's any more.
func (m *Metadata) checkExchange() error {
	const field = "oauth1_clients"
	m.OAuth1Clients = unique(m.OAuth1Clients)
	switch {
	case len(m.OAuth1Clients) == 0:
		return nil
	case len(m.OAuth1Clients) > maxOAuth1Clients:
		return refuse(field, "has %d entries; %d are allowed", len(m.OAuth1Clients), maxOAuth1Clients)
	case !slices.Contains(m.GrantTypes, GrantTokenExchange):
		return refuse(field, "is for clients with the grant type %s; add it, or leave oauth1_clients out", GrantTokenExchange)
	}
	for _, key := range m.OAuth1Clients {
		if !wellFormedKey(key) {
			return refuse(field, "%s is not a client key; write the consumer keys of OAuth 1.0a clients", quoted(key))
		}
	}
	return nil
}

// TakesOver reports whether an administrator lets the client exchange token
// credentials of the client of OAuth 1.0a with this key.
func (c *Client) TakesOver(consumerKey string) bool {
	return slices.Contains(c.Metadata.OAuth1Clients, consumerKey)
}

// Scope is the scope of the token credentials without what their client has
// lost since.
func (s *Signing) Scope() []string {
	registered := scopes(s.Client.Metadata.Scope)
	return slices.DeleteFunc(scopes(s.Signer.Grant.Scope), func(granted string) bool { return !slices.Contains(registered, granted) })
}
