package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// Hosts are the names by which a listener may be addressed. A request under
// another name is misdirected: its sender was led here by a name that is not
// ours.
type Hosts struct {
	// Issuer is the server's own URL.
	Issuer *url.URL
	// Port is the one that the listener has.
	Port string
	// Loopback accepts this machine's own names with Port.
	Loopback bool
	// Addresses accepts literal addresses, which no name server can be made to
	// lie about, and the issuer's host with any port: for the administrators'
	// listener, which has no URL of its own.
	Addresses bool
}

// Allow reports whether host, as a request has it, is one of ours.
func (h Hosts) Allow(host string) bool {
	if host == h.Issuer.Host || stripPort(host, h.Issuer.Scheme) == stripPort(h.Issuer.Host, h.Issuer.Scheme) {
		return true
	}
	name, port := splitHost(host)
	if h.Loopback && port == h.Port && (name == "localhost" || name == "127.0.0.1" || name == "::1") {
		return true
	}
	if !h.Addresses {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err == nil || name == h.Issuer.Hostname()
}

// stripPort leaves out the port that the scheme means anyway, as clients do.
func stripPort(host, scheme string) string {
	host = strings.ToLower(host)
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func splitHost(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.ToLower(strings.Trim(host, "[]")), ""
	}
	return strings.ToLower(name), port
}

// checkHost refuses requests that were made to another name (RFC 9110, section
// 15.5.20).
func checkHost(next http.Handler, hosts Hosts) http.Handler {
	message := "This server is " + hosts.Issuer.String() + " and answers under no other name. " +
		"If you came through a proxy, its administrator has to let it pass the Host header on.\n"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hosts.Allow(r.Host) && !isProxyAsking(r) {
			plain(w, http.StatusMisdirectedRequest, message)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// canonical refuses paths that can be written in another way. Routers clean
// them, each a little differently, and answer a POST with a redirect that turns
// it into a GET.
func canonical(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		clean := path.Clean(p)
		if p != "/" && strings.HasSuffix(p, "/") {
			clean += "/"
		}
		if r.URL.RawPath != "" || !strings.HasPrefix(p, "/") || p != clean || strings.ContainsAny(p, ";\\\x00") {
			plain(w, http.StatusNotFound, "There is nothing at this address. Check how its path is written.\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may have gone
}
