// Package outbound makes the client by which the server reaches addresses that
// somebody registered. Whoever registers one must not be able to make the
// server speak to machines that only it can reach (OWASP Server-Side Request
// Forgery Prevention Cheat Sheet).
package outbound

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	connectTimeout = 3 * time.Second
	timeout        = 5 * time.Second
	// maxBody bounds what is read of an answer unless something else is said, and
	// maxHeader its header.
	maxBody   = 64 << 10
	maxHeader = 16 << 10
)

// ErrRefused reports an address that the server does not speak to.
var ErrRefused = errors.New("address refused")

// Config says what is reached beside the public Internet.
type Config struct {
	// Allow lists networks that are reached although they are not public.
	Allow []netip.Prefix
	// Local allows this machine and private networks. It is for a server that
	// is itself on a loopback address, which nobody else can use.
	Local bool
	// MaxBody bounds what is read of an answer, in bytes; 0 stands for 64 KiB.
	MaxBody int64
}

// New returns a client that speaks https (and http to this very machine), only
// to addresses that it may, follows no redirect, keeps no cookie, asks no
// proxy, and gives up after five seconds or MaxBody.
func New(cfg Config) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: cfg.control}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: limited{&http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // an address is judged when it is dialled
			MaxResponseHeaderBytes: maxHeader,
		}, cmp.Or(cfg.MaxBody, maxBody)},
	}
}

// control judges the address that a name has led to. It runs after the name
// was resolved and before anything is sent, so that the name cannot lead
// elsewhere meanwhile.
func (c Config) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRefused, "not an address")
	}
	if !c.allows(at.Addr()) {
		return fmt.Errorf("%w: it is not public; outbound_allow may list its network", ErrRefused)
	}
	return nil
}

func (c Config) allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if slices.ContainsFunc(c.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return true
	}
	if c.Local && (addr.IsLoopback() || addr.IsPrivate()) {
		return true
	}
	return addr.IsGlobalUnicast() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// reserved are the networks that are not public (IANA Special-Purpose Address
// Registries), and those that stand for addresses of the other family, which
// could be any.
var reserved = func() []netip.Prefix {
	var list []netip.Prefix
	for p := range strings.FieldsSeq(`
		0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
		192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20
		5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`) {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}()

// limited reads no more of an answer than is worth reading.
type limited struct {
	next    http.RoundTripper
	maxBody int64
}

// RoundTrip sends the request, in the clear to this machine only.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !isLoopback(r.URL.Hostname())) {
		return nil, fmt.Errorf("%w: it is not https", ErrRefused)
	}
	res, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = body{io.LimitReader(res.Body, l.maxBody), res.Body}
	return res, nil
}

// body is a body of which a part is read.
type body struct {
	io.Reader
	io.Closer
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
