package forward

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/authz/protocol"
)

// Proxy is a kind of proxy, by what it says of a request in a way that no
// client of it can.
type Proxy struct {
	// Path is the address, under the issuer's path.
	Path string
	// Method and URI are the headers that the proxy overwrites in every request
	// that it sends to this address.
	Method, URI string
	// denies tells that the proxy passes on 401 and 403 and makes 500 of any
	// other refusal.
	denies bool
}

// The proxies. nginx sets the headers that its configuration says; the others
// set theirs by themselves.
var (
	Nginx   = Proxy{Path: "/forward-auth/nginx", Method: "X-Original-Method", URI: "X-Original-Uri", denies: true}
	Traefik = Proxy{Path: "/forward-auth/traefik", Method: "X-Forwarded-Method", URI: "X-Forwarded-Uri"}
	Caddy   = Proxy{Path: "/forward-auth/caddy", Method: "X-Forwarded-Method", URI: "X-Forwarded-Uri"}
)

// Proxies are all kinds. Their headers are worth something only if a trusted
// proxy sent them, and whoever serves this door takes them away from all
// others.
var Proxies = []Proxy{Nginx, Traefik, Caddy}

// SecretHeader brings the secret of the client that the proxy stands for. It
// is no part of the address, because addresses are logged.
const SecretHeader = "X-Client-Secret"

// maxURI bounds the URI of a request, in bytes.
const maxURI = 8 << 10

// site is a request that a proxy asks about, and whose site it was sent to.
type site struct {
	origin   string
	clientID string
	secret   string
	scope    []string

	method string
	uri    string // path and query as the client sent them
}

// readSite reads the address that the proxy is configured with.
func readSite(r *http.Request) (*site, error) {
	form, err := protocol.Parse(r.URL.RawQuery)
	if err != nil {
		return nil, misconfigured(http.StatusBadRequest, protocol.InvalidRequest, "The proxy's address for this server cannot be read: "+err.Error()+".")
	}
	for name := range form.All() {
		if !slices.Contains([]string{"origin", "client_id", "scope"}, name) || form.IsRepeated(name) {
			return nil, misconfigured(http.StatusBadRequest, protocol.InvalidRequest,
				"The proxy's address for this server takes origin, client_id and scope, each once; it has "+protocol.Printable(name)+".")
		}
	}
	s := &site{origin: form.Get("origin"), clientID: form.Get("client_id"), scope: strings.Fields(form.Get("scope"))}
	if !isOrigin(s.origin) || s.clientID == "" {
		return nil, misconfigured(http.StatusBadRequest, protocol.InvalidRequest,
			"The proxy's address for this server needs the site's origin, such as https://models.example.org, and the client_id of its resource server.")
	}
	return s, nil
}

// isOrigin reports whether s is a scheme and an authority and nothing else.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && s == u.Scheme+"://"+u.Host
}

// receive takes over what the proxy says of the request. What does not come
// exactly once is not from a proxy that is set up as it should be.
func (s *site) receive(p Proxy, header http.Header) error {
	for _, want := range []struct {
		name string
		into *string
	}{{p.Method, &s.method}, {p.URI, &s.uri}, {SecretHeader, &s.secret}} {
		values := header.Values(want.name)
		if len(values) != 1 || values[0] == "" {
			return misconfigured(http.StatusForbidden, protocol.InvalidRequest,
				"The header "+want.name+" has to come once. The proxy is not in trusted_proxies, or not set up to send it.")
		}
		*want.into = values[0]
	}
	if !isMethod(s.method) {
		return misconfigured(http.StatusBadRequest, protocol.InvalidRequest, "The header "+p.Method+" holds no method.")
	}
	return nil
}

func isMethod(s string) bool {
	return len(s) <= 32 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// unclear says why a URI may be one to the proxy and another to the resource
// server behind it, if so. What is signed is the URI as it was sent, but what
// is served, and whose scope it needs, follows from how each of them reads it.
func (s *site) unclear() string {
	path, _, _ := strings.Cut(s.uri, "?")
	decoded, err := url.PathUnescape(path)
	switch {
	case len(s.uri) > maxURI:
		return "is too long"
	case !strings.HasPrefix(s.uri, "/"):
		return "does not begin with a slash"
	case strings.ContainsFunc(s.uri, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' }):
		return "holds characters that have to be encoded"
	case err != nil, strings.ContainsFunc(decoded, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "is not encoded correctly"
	case hasDots(decoded):
		return "has . or .. for a segment of its path"
	default:
		return ""
	}
}

func hasDots(path string) bool {
	for segment := range strings.SplitSeq(strings.ReplaceAll(path, `\`, "/"), "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

// hasTokenInQuery reports whether the URI has an access token.
func (s *site) hasTokenInQuery() bool {
	_, query, _ := strings.Cut(s.uri, "?")
	values, _ := url.ParseQuery(query) // what is wrong with the others is not the question
	return values.Has(protocol.TokenParameter)
}

// hidesForm reports whether the request may have a form in its body, which is
// part of its signature and which no proxy shows. GET and HEAD have none,
// whatever some clients say of it in Content-Type.
func (s *site) hidesForm(header http.Header) bool {
	return s.method != http.MethodGet && s.method != http.MethodHead && protocol.IsForm(header)
}
