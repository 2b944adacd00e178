package outbound

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	return res.Status + " " + string(body), errors.Join(err, res.Body.Close())
}

// SS-02 and SS-08: where a name leads decides, however it is written.
func TestAddresses(t *testing.T) {
	t.Parallel()
	public, local := Config{}, Config{Local: true}
	listed := Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}}
	for addr, want := range map[string][3]bool{ // public, local, listed
		"93.184.215.14":          {true, true, true},
		"2606:2800:21f::1":       {true, true, true},
		"127.0.0.1":              {false, true, false},
		"127.9.9.9":              {false, true, false},
		"::1":                    {false, true, false},
		"::ffff:127.0.0.1":       {false, true, false},
		"10.0.0.1":               {false, true, false},
		"10.1.2.3":               {false, true, true},
		"::ffff:10.1.2.3":        {false, true, true},
		"172.31.255.255":         {false, true, false},
		"192.168.0.1":            {false, true, false},
		"fd00::1":                {false, true, true},
		"fd00::1%eth0":           {false, true, true},
		"169.254.169.254":        {false, false, false}, // a cloud's metadata
		"::ffff:169.254.169.254": {false, false, false},
		"64:ff9b::a9fe:a9fe":     {false, false, false},
		"2002:a9fe:a9fe::":       {false, false, false},
		"::a9fe:a9fe":            {false, false, false},
		"fe80::1":                {false, false, false},
		"0.0.0.0":                {false, false, false},
		"::":                     {false, false, false},
		"100.64.0.1":             {false, false, false},
		"198.18.0.1":             {false, false, false},
		"224.0.0.1":              {false, false, false},
		"255.255.255.255":        {false, false, false},
		"240.0.0.1":              {false, false, false},
		"ff02::1":                {false, false, false},
		"2001:db8::1":            {false, false, false},
	} {
		for i, c := range []Config{public, local, listed} {
			if got := c.allows(netip.MustParseAddr(addr)); got != want[i] {
				t.Errorf("%s, configuration %d: %v; want %v", addr, i, got, want[i])
			}
		}
	}
}

// LO-11: an address is judged after its name was resolved, and nothing is
// sent to one that is refused.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	public := New(Config{})
	for name, url := range map[string]string{
		"loopback":              server.URL,
		"a name":                "http://localhost:" + port,
		"https, and loopback":   "https://127.0.0.1:" + port,
		"http to the public":    "http://example.com/",
		"another scheme":        "ftp://127.0.0.1:" + port,
		"another way to say it": "https://2130706433:" + port,
	} {
		if got, err := get(t, public, url); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := get(t, New(Config{Local: true}), "http://example.com/"); !errors.Is(err, ErrRefused) {
		t.Errorf("http to the public: %v", err)
	}
	if _, err := get(t, public, server.URL); !errors.Is(err, ErrRefused) || reached {
		t.Errorf("loopback: %v, reached %v", err, reached)
	}
}

// SS-03, SS-06, and size and time of SS-04.
func TestWhatIsRead(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<16))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		default:
			_, _ = io.WriteString(w, "cookie "+r.Header.Get("Cookie"))
		}
	}))
	t.Cleanup(server.Close)
	c := New(Config{Local: true})
	for range 2 {
		if got, err := get(t, c, server.URL); err != nil || got != "200 OK cookie " {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got, err := get(t, c, server.URL+"/redirect"); err != nil || !strings.HasPrefix(got, "302 ") {
		t.Errorf("redirect: %q, %v", got, err)
	}
	if got, err := get(t, c, server.URL+"/large"); err != nil || len(got) != maxBody+len("200 OK ") {
		t.Errorf("large: %d bytes, %v", len(got), err)
	}
	if _, err := get(t, c, server.URL+"/header"); err == nil {
		t.Error("a large header was read")
	}
	_, err := get(t, c, server.URL+"/slow")
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		t.Errorf("slow: %v", err)
	}
}
