package clientstore

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

const maxRedirectURIs = 100

// dangerous schemes run code in, or read from, the browser that is redirected.
var dangerousSchemes = []string{
	"about", "blob", "data", "file", "filesystem", "intent", "javascript", "vbscript", "view-source", "ws", "wss",
}

// completeRedirectURIs checks the redirect URIs and derives the application
// type from them when the registration leaves it out.
func (c *Client) completeRedirectURIs(p Policy) error {
	m := &c.Metadata
	if len(m.RedirectURIs) > maxRedirectURIs {
		return refuse("redirect_uris", "has %d entries; %d are allowed", len(m.RedirectURIs), maxRedirectURIs)
	}
	m.RedirectURIs = unique(m.RedirectURIs)
	if len(m.RedirectURIs) == 0 && len(m.ResponseTypes) > 0 {
		return refuse("redirect_uris", "is required: the client gets its authorization responses there")
	}
	for _, uri := range m.RedirectURIs {
		if fault := redirectURIFault(uri, p); fault != "" {
			return refuse("redirect_uris", "%s %s", quoted(uri), fault)
		}
	}
	if m.ApplicationType == "" {
		m.ApplicationType = applicationType(m.RedirectURIs)
	}
	return m.checkApplicationType()
}

func applicationType(uris []string) string {
	for _, uri := range uris {
		p := splitURI(uri)
		if p.scheme == "https" || p.scheme == "http" && !isLoopback(p.authority) {
			return Web
		}
	}
	if len(uris) == 0 {
		return Web
	}
	return Native
}

func (m *Metadata) checkApplicationType() error {
	if m.ApplicationType == Native {
		return nil
	}
	if m.ApplicationType != Web {
		return refuse("application_type", "%s is not known; use web or native", quoted(m.ApplicationType))
	}
	for _, uri := range m.RedirectURIs {
		if scheme := splitURI(uri).scheme; scheme != "https" && scheme != "http" {
			return refuse("application_type", "a web application has https redirect URIs, and %s has a scheme of its own; set application_type to native", quoted(uri))
		}
	}
	return nil
}

// redirectURIFault says what is wrong with a redirect URI, or nothing
// (RFC 6749, section 3.1.2; RFC 9700, section 2.1; RFC 8252, section 7).
func redirectURIFault(uri string, policy Policy) string {
	if fault := byteFault(uri); fault != "" {
		return fault
	}
	p := splitURI(uri)
	for _, fault := range []func() string{
		func() string { return schemeFault(uri, p) },
		func() string { return placeFault(p, policy) },
		func() string { return pathFault(p.path) },
		func() string { return queryFault(p) },
		func() string { return parseFault(uri, p) },
	} {
		if f := fault(); f != "" {
			return f
		}
	}
	return ""
}

func schemeFault(uri string, p uriParts) string {
	lower := strings.ToLower(p.scheme)
	switch {
	case p.scheme == uri || strings.ContainsAny(p.scheme, "/?"):
		return "is not absolute; write it with its scheme, such as https://host/path"
	case slices.Contains(dangerousSchemes, lower):
		return "has the scheme " + lower + ", which is never a client; use https"
	case p.scheme != lower:
		return "has capital letters in its scheme; write " + quoted(lower)
	}
	for i := range len(lower) {
		if b := lower[i]; !isAlphanumeric(b) && b != '.' && b != '-' && b != '+' {
			return "does not begin with a scheme; write https://host/path"
		}
	}
	return ""
}

// placeFault checks where the URI points to: a host, or an application on the
// resource owner's device.
func placeFault(p uriParts, policy Policy) string {
	switch p.scheme {
	case "https":
		return authorityFault(p)
	case "http":
		if fault := authorityFault(p); fault != "" {
			return fault
		}
		if policy == Strict && !isLoopback(p.authority) {
			return "is not protected by TLS, which this server's strict policy asks for (RFC 9700, section 2.6); use https"
		}
		return ""
	default:
		return privateUseFault(p)
	}
}

// privateUseFault checks a scheme that an application has claimed for itself:
// a domain name under its control in reverse (RFC 8252, section 7.1).
func privateUseFault(p uriParts) string {
	labels := strings.Split(p.scheme, ".")
	switch {
	case len(labels) < 2 || slices.Contains(labels, "") || strings.Contains(p.scheme, "+") || !isLetter(p.scheme[0]):
		return "has the scheme " + quoted(p.scheme) + "; use https, or for a native application a domain name " +
			"of yours in reverse, such as com.example.app:/callback (RFC 8252, section 7.1)"
	case p.hasAuthority || !strings.HasPrefix(p.path, "/"):
		return "has a scheme of its own, which exactly one slash follows: " + p.scheme + ":/callback (RFC 8252, section 7.1)"
	default:
		return ""
	}
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' }

// isLoopback reports whether the authority is this very device.
func isLoopback(authority string) bool {
	host, _, _ := splitPort(authority)
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// MatchRedirectURI reports whether the requested redirect URI is one of the
// client's: the same bytes, or for a native client a registered loopback
// address with any port (RFC 8252, section 7.3). The name localhost is not
// such an address: what it resolves to is not certain (section 8.3).
func (c *Client) MatchRedirectURI(requested string) bool {
	if requested == "" || len(requested) > maxURI {
		return false
	}
	if slices.Contains(c.Metadata.RedirectURIs, requested) || requested == c.lent {
		return true
	}
	if c.Metadata.ApplicationType != Native {
		return false
	}
	want, ok := withoutLoopbackPort(requested)
	return ok && slices.ContainsFunc(c.Metadata.RedirectURIs, func(registered string) bool {
		got, ok := withoutLoopbackPort(registered)
		return ok && got == want
	})
}

// withoutLoopbackPort takes the port from an http URI whose host is a loopback
// literal. It works on the bytes, so that nothing can stand between scheme and
// host and nothing but a path or a query behind the port.
func withoutLoopbackPort(uri string) (string, bool) {
	for _, origin := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, origin)
		if !ok {
			continue
		}
		if after, ok := strings.CutPrefix(rest, ":"); ok {
			end := len(after)
			if i := strings.IndexAny(after, "/?"); i >= 0 {
				end = i
			}
			if !isPort(after[:end]) {
				return "", false
			}
			rest = after[end:]
		}
		return origin + rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", false
}

// Lender tells whether a redirect URI of the server's own is lent to the client
// for a test that the account runs; an empty account is one that is not known
// yet. Nil lends nothing. See docs/decisions/0051-test-this-client.md.
type Lender func(ctx context.Context, clientID, accountID, uri string) (bool, error)

// Lend lets the client, as it was read for this request, have a redirect URI
// that is not registered for it, if it is lent one. Nothing of it is kept.
func (l Lender) Lend(ctx context.Context, c *Client, accountID, uri string) error {
	if l == nil || uri == "" || c.MatchRedirectURI(uri) {
		return nil
	}
	lent, err := l(ctx, c.ID, accountID, uri)
	if lent {
		c.lent = uri
	}
	return err
}
