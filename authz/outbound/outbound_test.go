package outbound

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false, "240.0.0.1": false,
		"::": false, "fe80::1": false, "fc00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false, "198.18.0.1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("isPublic(%s) = %v", address, got)
		}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 101))
		case "/slow":
			time.Sleep(300 * time.Millisecond)
		case "/good":
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	c := New(Config{AllowPrivate: true, Timeout: 100 * time.Millisecond})
	for path, good := range map[string]bool{"/good": true, "/redirect": false, "/long": false, "/slow": false, "/none": false} {
		body, err := Fetch(t.Context(), c, server.URL+path, "*/*", 100)
		if (err == nil) != good || good && len(body) != 100 {
			t.Errorf("%s: %d bytes, %v", path, len(body), err)
		}
	}
	before := asked.Load()
	for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "http://[::ffff:127.0.0.1]:" + server.URL[len("http://127.0.0.1:"):]} {
		if _, err := Fetch(t.Context(), New(Config{Timeout: time.Second}), url, "*/*", 100); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v; want ErrAddress", url, err)
		}
	}
	if n := asked.Load() - before; n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}
