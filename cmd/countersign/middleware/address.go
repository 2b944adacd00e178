package middleware

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many proxies may stand in a row.
const maxHops = 5

// forwarded are the headers, in their canonical form, by which a proxy, or anybody,
// claims something of the original request. None of them reaches a door, but the
// pair that a trusted proxy sends to the address that is for proxies (see [Config]).
var forwarded = map[string]bool{
	"X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Forwarded-Port": true, "X-Forwarded-Prefix": true,
	"X-Forwarded-Server": true, "X-Forwarded-Scheme": true, "X-Forwarded-Ssl": true, "X-Forwarded-Uri": true, "X-Forwarded-Method": true, "Forwarded": true,
	"X-Original-Url": true, "X-Original-Uri": true, "X-Original-Host": true, "X-Original-Method": true, "X-Rewrite-Url": true,
	"X-Real-Ip": true, "True-Client-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true,
}

// realAddress puts the client's address into r.RemoteAddr and takes away every
// header that claims one, or anything else of the original request. A trusted
// proxy that asks for itself keeps the headers in which it says what it asks
// about.
func realAddress(next http.Handler, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var keep []string
		if len(cfg.TrustedProxies) > 0 {
			keep = cfg.kept(r)
			believe(r, cfg.TrustedProxies)
		}
		for name := range r.Header {
			if forwarded[name] && !slices.Contains(keep, name) {
				delete(r.Header, name)
			}
		}
		if len(keep) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), proxyAsks{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// believe puts into r.RemoteAddr what the trusted proxies say it is.
func believe(r *http.Request, trusted []netip.Prefix) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return
	}
	if client := clientAddress(peer.Addr(), r.Header.Values("X-Forwarded-For"), trusted); client != peer.Addr().Unmap() {
		r.RemoteAddr = net.JoinHostPort(client.String(), "0")
	}
}

// kept returns the headers that the request keeps, if its peer is a trusted
// proxy.
func (c *Config) kept(r *http.Request) []string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if c.Keep == nil || err != nil || !contains(c.TrustedProxies, peer.Addr().Unmap()) {
		return nil
	}
	return c.Keep(r)
}

// proxyAsks marks the context of a request that a trusted proxy sent for
// itself, to the address that is for proxies.
type proxyAsks struct{}

func isProxyAsking(r *http.Request) bool { return r.Context().Value(proxyAsks{}) != nil }

// byProxy answers trusted proxies alone, and of those only what reached them by
// https: anybody else would sign in without encryption. How a request reached
// a proxy that asks about it is the affair of the site that it was sent to.
func byProxy(next http.Handler, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		proto := r.Header.Get("X-Forwarded-Proto")
		switch {
		case cfg.AnyHost != nil && cfg.AnyHost(r) != nil:
		case err != nil || !contains(cfg.TrustedProxies, peer.Addr().Unmap()):
			http.Error(w, "This port is for the proxy in front of it. Use the server's https address.", http.StatusForbidden)
			return
		case len(cfg.kept(r)) > 0:
		case proto != "" && !strings.EqualFold(proto, "https"):
			http.Error(w, "Use https.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientAddress walks X-Forwarded-For from the right, from one trusted proxy to
// the next, and returns the first address that is not one. What it cannot read
// it does not believe: then the last proxy that it knows counts as the client.
func clientAddress(peer netip.Addr, header []string, trusted []netip.Prefix) netip.Addr {
	client := peer.Unmap()
	rest := strings.Join(header, ",")
	for range maxHops {
		if !contains(trusted, client) || rest == "" {
			return client
		}
		entry := rest
		if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
			rest, entry = rest[:comma], rest[comma+1:]
		} else {
			rest = ""
		}
		hop, ok := parseHop(entry)
		if !ok {
			return client
		}
		client = hop
	}
	return client
}

// parseHop reads an address with or without a port. It asks no name server.
func parseHop(entry string) (netip.Addr, bool) {
	entry = strings.Trim(entry, " \t")
	addr, err := netip.ParseAddr(entry)
	if err != nil {
		withPort, portErr := netip.ParseAddrPort(entry)
		if portErr != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	if addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
