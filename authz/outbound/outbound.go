// Package outbound makes the requests that clients can cause: for their keys
// and their request objects. Nobody can use them to reach what the server can
// reach and others cannot.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Config is what requests may do.
type Config struct {
	// AllowPrivate lets them go to addresses that are not public, such as
	// those of this very machine.
	AllowPrivate bool
	// Timeout bounds a request from its beginning to the end of the answer.
	Timeout time.Duration
}

// ErrAddress reports an address that requests may not go to.
var ErrAddress = errors.New("the address is not a public one")

// New returns a client that connects to public addresses only, looked at when
// the connection is made, so that no name can resolve to another one
// meanwhile; that follows no redirects, uses no proxy, keeps no cookies and
// waits for nobody for long.
func New(cfg Config) *http.Client {
	dialer := &net.Dialer{Timeout: cfg.Timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		if cfg.AllowPrivate {
			return nil
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil || !isPublic(to.Addr()) {
			return ErrAddress
		}
		return nil
	}}
	return &http.Client{
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: cfg.Timeout, ResponseHeaderTimeout: cfg.Timeout,
			MaxResponseHeaderBytes: 16 << 10, DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
		},
	}
}

// special are the addresses that are not public (the IANA special-purpose
// registries), beside those that netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Fetch gets a document of at most limit bytes. Nothing but 200 is an answer.
func Fetch(ctx context.Context, c *http.Client, url, accept string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "countersign")
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // what was read is all there is
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return body, err
}
