package signature

import (
	"net/netip"
	"strconv"
	"strings"
)

// baseURI returns the base string URI of a URL (RFC 5849, section 3.4.1.2),
// and its query. The path stays as it was sent: decoding and encoding it again
// would change what was signed.
func baseURI(raw string) (uri, query string, err error) {
	raw, _, _ = strings.Cut(raw, "#")
	raw, query, _ = strings.Cut(raw, "?")
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !isScheme(scheme) {
		return "", "", rejected("The URL is not absolute.")
	}
	scheme = strings.ToLower(scheme)
	authority, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port, ok := splitAuthority(strings.ToLower(authority))
	if !ok {
		return "", "", rejected("The URL names no host, or one that is not valid.")
	}
	if port != "" && port != defaultPorts[scheme] {
		host += ":" + port
	}
	return scheme + "://" + host + strings.ReplaceAll(path, " ", "%20"), query, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || s[i] != '+' && s[i] != '-' && s[i] != '.' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}

// splitAuthority parts host and port. An empty port is no port (RFC 3986,
// section 6.2.3).
func splitAuthority(authority string) (host, port string, ok bool) {
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", "", false
		}
		port = strconv.FormatUint(n, 10)
	}
	return host, port, isHost(host)
}

func isHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6()
	}
	for i := range len(host) {
		if c := host[i]; !isUnreserved(c) && !strings.ContainsRune("!$&'()*+,;=%", rune(c)) {
			return false
		}
	}
	return host != ""
}
