package page

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"countersign/clientstore"
	"countersign/storage/audit"
)

// Application is what a page says about a client. All of it was written by
// whoever registered the client, and is fit to be shown.
type Application struct {
	Name string
	// Destination is where the person goes afterwards: a host, or the scheme
	// of an application that has its own. It is empty for one on this computer
	// and when the request is not known.
	Destination string
	Kind        Kind
	// Home, Policy and Terms are links, empty when there are none.
	Home, Policy, Terms string
	// Logo is the path of the picture that this server made of the client's,
	// under the issuer's; empty while there is none, and for a client that no
	// administrator vouches for.
	Logo string
	// Approved tells whether an administrator vouches for the client.
	Approved bool
	// Itself tells that the application registered itself.
	Itself bool
	// sources are the destination, and where it may lead on to, as source
	// expressions of a Content Security Policy.
	sources string
}

// Kind is where an application runs, as far as its redirect URI tells.
type Kind string

// The kinds of application.
const (
	Web       Kind = "web"
	Loopback  Kind = "loopback" // on this computer
	OwnScheme Kind = "scheme"   // on this device, behind a URI scheme of its own
)

// Asking describes the client whose authorization request waits. The redirect
// URI is the one that the request sent, or the only one there is; one that the
// client has given up meanwhile is not shown.
func Asking(c *clientstore.Client, request url.Values) Application {
	uri := request.Get("redirect_uri")
	if uri == "" && len(c.Metadata.RedirectURIs) == 1 {
		uri = c.Metadata.RedirectURIs[0]
	}
	if !c.MatchRedirectURI(uri) {
		uri = ""
	}
	return NewApplication(c, uri)
}

// NewApplication describes the client whose request asks for an answer at the
// redirect URI, which must have been validated. An empty one describes the
// client alone.
func NewApplication(c *clientstore.Client, redirectURI string) Application {
	a := Application{
		Name:     cmp.Or(Plain(c.Name), Plain(c.ID)),
		Kind:     Web,
		Home:     link(c.Metadata.ClientURI),
		Policy:   link(c.Metadata.PolicyURI),
		Terms:    link(c.Metadata.TosURI),
		Approved: c.Usable() == nil,
		Itself:   c.CreatedBy == string(audit.ViaRegistration),
	}
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "" {
		return a
	}
	a.leadTo(u)
	a.sources = sources(append([]string{redirectURI, a.Home}, c.Metadata.RedirectURIs...))
	if a.Home == "" && a.Kind == Web && u.Scheme == "https" {
		a.Home = "https://" + a.Destination + "/"
	}
	return a
}

func (a *Application) leadTo(u *url.URL) {
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme != "https" && scheme != "http":
		a.Kind, a.Destination = OwnScheme, Plain(scheme)
	case isLoopback(u.Hostname()):
		a.Kind = Loopback
	default:
		a.Destination = ascii(u.Hostname())
		if u.Port() != "" {
			a.Destination = net.JoinHostPort(a.Destination, u.Port())
		}
	}
}

// sources writes the origins of the URIs as source expressions. Chromium holds
// form-action against every redirect that follows a form, also against one by
// which an application that has its answer leads on. The addresses that the
// client has registered are those it may lead to.
func sources(uris []string) string {
	var list []string
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme == "" {
			continue
		}
		if s := source(u); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}

// source writes an origin as a source expression. The grammar of Content
// Security Policy has no IPv6 addresses; the scheme has to do for them (CSP
// Level 3, section 2.3.1).
func source(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), ascii(u.Hostname())
	if scheme != "https" && scheme != "http" || host == "" {
		return scheme + ":"
	}
	for _, r := range host {
		if !isHostChar(r) {
			return scheme + ":"
		}
	}
	if u.Port() != "" {
		return scheme + "://" + host + ":" + u.Port()
	}
	return scheme + "://" + host
}

func isHostChar(r rune) bool {
	return r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// ascii shows an internationalized name as the network sees it: letters that
// look like others stop doing so.
func ascii(host string) string {
	if name, err := idna.Lookup.ToASCII(host); err == nil {
		return name
	}
	return strings.ToLower(Plain(host))
}

// link returns the URI when a page may link to it, else nothing.
func link(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return ""
	}
	return u.String()
}
