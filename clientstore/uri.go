package clientstore

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// The rules of this file accept a URI only when every reader of it sees the
// same parts: Go, a browser, a proxy and a person. A redirect URI is compared
// by its bytes, but it is the browser that follows it. Each function says what
// is wrong and what to do, or nothing.

const (
	maxURI   = 2048 // bytes
	maxHost  = 253  // characters (RFC 1035, section 2.3.4)
	maxLabel = 63   // characters
	maxPort  = 65535
)

// uriParts are the components of a URI as they are written (RFC 3986,
// section 3).
type uriParts struct {
	scheme, authority, path, query string
	hasAuthority, hasQuery         bool
}

func splitURI(uri string) uriParts {
	var p uriParts
	var rest string
	p.scheme, rest, _ = strings.Cut(uri, ":")
	rest, p.query, p.hasQuery = strings.Cut(rest, "?")
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		p.hasAuthority = true
		p.authority, p.path = after, ""
		if i := strings.IndexByte(after, '/'); i >= 0 {
			p.authority, p.path = after[:i], after[i:]
		}
		return p
	}
	p.path = rest
	return p
}

// spaceOrControl says what is wrong with a URI in which isSpaceOrControl finds
// something.
const spaceOrControl = "contains a space or a control character; remove it"

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// byteFault finds bytes that are no part of any URI, and those that some
// readers take for others.
func byteFault(uri string) string {
	switch {
	case uri == "":
		return "is empty"
	case len(uri) > maxURI:
		return "is longer than " + strconv.Itoa(maxURI) + " bytes"
	}
	for i := range len(uri) {
		switch b := uri[i]; {
		case isSpaceOrControl(rune(b)):
			return spaceOrControl
		case b > 0x7f:
			return "contains a character that is not ASCII; write a host in its xn-- form and percent-encode the rest"
		case b == '\\':
			return "contains a backslash, which browsers read as a slash; use /"
		case b == '#':
			return "has a fragment; remove # and what follows (RFC 6749, section 3.1.2)"
		case b == '*':
			return "contains *; redirect URIs are compared as they are written, so register each in full"
		case strings.IndexByte("\"<>^`{|}", b) >= 0:
			return "contains " + strconv.QuoteToASCII(string(rune(b))) + ", which is not part of a URI; percent-encode it"
		}
	}
	return ""
}

// authorityFault checks the host and the port of a web address.
func authorityFault(p uriParts) string {
	switch {
	case !p.hasAuthority || p.authority == "":
		return "has no host; write " + p.scheme + "://host/path"
	case strings.Contains(p.authority, "@"):
		return "contains user information before the host; remove everything up to @"
	}
	host, port, ok := splitPort(p.authority)
	switch {
	case !ok:
		return "has " + quoted(port) + " for a port, which needs to be a number from 1 to 65535"
	case strings.HasPrefix(host, "["):
		return ipv6Fault(host)
	default:
		return hostFault(host)
	}
}

// splitPort cuts the port from an authority. An authority without one is fine,
// one with a colon and no port is not.
func splitPort(authority string) (host, port string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", true
	}
	host, port = authority[:i], authority[i+1:]
	return host, port, isPort(port)
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && n <= maxPort && s == strconv.FormatUint(n, 10)
}

func ipv6Fault(host string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(inner)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" || "["+addr.String()+"]" != host {
		return "has " + quoted(host) + " for a host, which is not an IPv6 address in its shortest form, such as [::1]"
	}
	return ""
}

// hostFault checks a DNS name or an IPv4 address. A name whose last label is a
// number is an address to a browser, in whatever base it is written, so that
// only the usual form may stand.
func hostFault(host string) string {
	switch {
	case host == "":
		return "has no host"
	case host != strings.ToLower(host):
		return "has capital letters in its host; write " + quoted(strings.ToLower(host))
	case strings.HasSuffix(host, "."):
		return "has a host that ends with a dot; remove the dot"
	case len(host) > maxHost:
		return "has a host that is longer than " + strconv.Itoa(maxHost) + " characters"
	}
	labels := strings.Split(host, ".")
	if last := labels[len(labels)-1]; last != "" && '0' <= last[0] && last[0] <= '9' {
		if addr, err := netip.ParseAddr(host); err != nil || addr.String() != host {
			return "has " + quoted(host) + " for a host, which is not an IPv4 address in its usual form"
		}
		return ""
	}
	for _, label := range labels {
		if fault := labelFault(label); fault != "" {
			return fault
		}
	}
	return ""
}

// labelFault checks one label of a DNS name. An xn-- label has to be the one
// and only writing of some letters beyond ASCII.
func labelFault(label string) string {
	if len(label) > maxLabel || strings.Trim(label, "-") != label || !isLabel(label) {
		return "has " + quoted(label) + " in its host, which is not a label of a DNS name"
	}
	if !strings.HasPrefix(label, "xn--") {
		return ""
	}
	decoded, err := idna.Lookup.ToUnicode(label)
	if err == nil && !isASCII(decoded) {
		if encoded, err := idna.Lookup.ToASCII(decoded); err == nil && encoded == label {
			return ""
		}
	}
	return "has " + quoted(label) + " in its host, which is not the xn-- form of a name"
}

func isLabel(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// pathFault finds what a server or a proxy may resolve to another path. Some
// cut a segment at a semicolon before they look for dots.
func pathFault(path string) string {
	for segment := range strings.SplitSeq(path, "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return "has the segment " + quoted(segment) + ", which stands for another path; write that path"
		}
	}
	if strings.ContainsAny(path, "[]") {
		return "has a bracket in its path; percent-encode it"
	}
	return escapeFault(path, "path", func(b byte) bool {
		return b <= ' ' || b == 0x7f || strings.IndexByte("/\\.#?%", b) >= 0
	})
}

func queryFault(p uriParts) string {
	switch {
	case p.hasQuery && p.query == "":
		return "ends with an empty query; remove ?"
	case strings.ContainsAny(p.query, "[]"):
		return "has a bracket in its query; percent-encode it"
	}
	if name := responseParameter(p.query); name != "" {
		return "has the parameter " + name + " in its query, which the answer brings along; rename it"
	}
	return escapeFault(p.query, "query", func(b byte) bool { return b < ' ' || b == 0x7f })
}

// responseParameters are those of authorization responses. An application that
// finds one twice may read the wrong one (RFC 6749, section 3.1).
var responseParameters = []string{
	"code", "state", "iss", "error", "error_description", "error_uri", "access_token", "id_token",
	"token_type", "expires_in", "scope", "session_state", "response",
}

func responseParameter(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && slices.Contains(responseParameters, decoded) {
			return decoded
		}
	}
	return ""
}

// escapeFault checks percent-encoded bytes: no broken ones, none of the
// refused, and none that has to be written plainly (RFC 3986, section 6.2.2.2).
func escapeFault(s, part string, refused func(byte) bool) string {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		b, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
		escape := s[i:min(i+3, len(s))]
		switch {
		case err != nil || len(escape) < 3:
			return "has a % in its " + part + " that two hexadecimal digits do not follow"
		case refused(byte(b)):
			return "has " + escape + " in its " + part + ", which readers take in different ways; choose a " + part + " without it"
		case isAlphanumeric(byte(b)) || strings.IndexByte("-._~", byte(b)) >= 0:
			return "has " + escape + " in its " + part + "; write " + quoted(string(rune(b))) + " instead"
		}
		i += 2
	}
	return ""
}

// parseFault is the last word: the URI that Go reads is the one that is
// written.
func parseFault(uri string, p uriParts) string {
	u, err := url.Parse(uri)
	if err != nil || u.String() != uri || u.Scheme != p.scheme || u.Host != p.authority || u.User != nil {
		return "is not a URI in its normal form"
	}
	return ""
}

// webPageFault checks the address of a page that people may be sent to.
func webPageFault(uri string) string {
	page, _, _ := strings.Cut(uri, "#")
	if fault := byteFault(page); fault != "" {
		return fault
	}
	p := splitURI(page)
	if p.scheme != "https" && p.scheme != "http" {
		return "is not the address of a web page; write https://host/path"
	}
	if fault := authorityFault(p); fault != "" {
		return fault
	}
	if u, err := url.Parse(uri); err != nil || u.String() != uri {
		return "is not a URI in its normal form"
	}
	return ""
}
