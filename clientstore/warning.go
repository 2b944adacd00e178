package clientstore

import (
	"slices"
	"strings"

	"countersign/storage/locale"
)

// Warnings says, a sentence each, what is risky about the client.
func (c *Client) Warnings() []locale.Message {
	m := &c.Metadata
	var list []locale.Message
	warn := func(risky bool, format locale.Message, args ...any) {
		if risky {
			list = append(list, locale.Sprintf(format, args...))
		}
	}
	warn(slices.Contains(m.GrantTypes, GrantPassword),
		"The password grant gives people's passwords to the client; RFC 9700 (section 2.4) says not to use it.")
	warn(m.responds("token"),
		"A response type with token puts access tokens into the browser's address; RFC 9700 (section 2.1.2) advises code instead.")
	warn(m.responds("id_token"),
		"A response type with id_token puts ID tokens, with what they say of people, into the browser's address; code does not.")
	warn(m.IntrospectionScope == IntrospectAll,
		"The client may introspect every token of this server; that is for resource servers only.")
	warn(c.ActsForAbsent(),
		"The client may act, within its scope, for everybody who ever allowed it, while they are away and for as long as they do not take it back.")
	warn(len(m.OAuth1Clients) > 0,
		"The client may act, within its scope, for everybody who allowed an OAuth 1.0a client that hands it their requests: %s.", strings.Join(m.OAuth1Clients, ", "))
	warn(len(m.AdministrationScopesBeyond(&Metadata{})) > 0,
		"The client may administer this server for administrators who let it; that is for administrators' own tools only.")
	warn(c.Type != OAuth1 && c.UsesSecret() && len(c.Secrets) == 0,
		"The client has no secret, so that nobody can be it; rotate its secret to give it one.")
	warn(c.Type == OIDC && len(m.ResponseTypes) > 0 && !slices.Contains(scopes(m.Scope), scopeOpenID),
		"The scope lacks openid, so that the client never gets an ID token.")
	warn(c.cannotSign(),
		"The client signs with its secret, and those that it has are kept as hashes; rotate its secret to give it one that works.")
	m.warnConsumer(warn)
	for _, uri := range m.RedirectURIs {
		p := splitURI(uri)
		_, loopback := withoutLoopbackPort(uri)
		warn(p.scheme == "http" && !isLoopback(p.authority),
			"The redirect URI %s is not protected by TLS: whoever is between the browser and it can read authorization codes.", quoted(uri))
		warn(loopback && m.ApplicationType == Web,
			"The redirect URI %s is compared with its port, because application_type is web; a native client may use any port (RFC 8252, section 7.3).", quoted(uri))
		warn(c.IsPublic() && p.scheme != "https" && p.scheme != "http",
			"Another application on the device may claim the scheme of the redirect URI %s; an https one that the application owns is safer (RFC 8252, section 7.2).", quoted(uri))
	}
	return list
}
