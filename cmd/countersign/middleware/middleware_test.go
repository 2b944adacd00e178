package middleware

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/cmd/countersign/metrics"
)

// chain is a whole chain in front of a handler, with its log.
type chain struct {
	http.Handler
	log bytes.Buffer
}

func newChain(next http.HandlerFunc, change func(*Config)) *chain {
	c := &chain{}
	cfg := Config{
		Log: slog.New(slog.NewJSONHandler(&c.log, nil)), Now: time.Now,
		Route: func(*http.Request) string { return "/route" },
		Hosts: Hosts{Issuer: &url.URL{Scheme: "https", Host: "id.example.org"}},
		AnyHost: func(r *http.Request) http.Handler {
			if r.URL.Path == "/livez" {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			}
			return nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	c.Handler = Wrap(next, cfg)
	return c
}

// get sends a request to the issuer's host.
func (c *chain) get(target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://id.example.org/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.RemoteAddr+" "+r.Header.Get(RequestIDHeader))
}

func TestEveryRequestGetsAnIdentifierOfOurs(t *testing.T) {
	t.Parallel()
	c := newChain(echo, nil)
	w := c.get("/", func(r *http.Request) { r.Header.Set("X-Request-ID", "theirs") })
	id := w.Header().Get(RequestIDHeader)
	if len(id) != 26 || !strings.HasSuffix(w.Body.String(), " "+id) {
		t.Errorf("identifier %q, body %q; want one of ours in both", id, w.Body)
	}
	if again := c.get("/", nil).Header().Get(RequestIDHeader); again == id {
		t.Error("two requests have one identifier")
	}
}

// BR-02, BR-14 of the security catalogue.
func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	}
	c := newChain(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
	}, func(cfg *Config) { cfg.HSTS = true })
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a page": c.get("/", nil), "an unknown host": c.get("/", func(r *http.Request) { r.Host = "evil" }),
		"a health answer": c.get("/livez", nil), "a failure": c.get("/panic", nil), "no such path": c.get("//x", nil),
	} {
		for header, value := range want {
			if got := w.Header().Get(header); got != value {
				t.Errorf("%s: %s is %q; want %q", name, header, got, value)
			}
		}
		if w.Header().Get("Permissions-Policy") == "" || w.Header().Get(RequestIDHeader) == "" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
	plain := newChain(echo, nil)
	if got := plain.get("/", nil).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS %q under http", got)
	}
}

func TestAPanicBecomesANeutralAnswer(t *testing.T) {
	t.Parallel()
	c := newChain(func(http.ResponseWriter, *http.Request) { panic("secret detail /etc/path") }, nil)
	page := c.get("/", func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*") })
	program := c.get("/", nil)
	for _, w := range []*httptest.ResponseRecorder{page, program} {
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("answered %d %s; want a neutral 500", w.Code, w.Body)
		}
		if !strings.Contains(w.Body.String(), w.Header().Get(RequestIDHeader)) {
			t.Errorf("the answer does not say its identifier: %s", w.Body)
		}
	}
	if !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Errorf("a browser gets %s", page.Header().Get("Content-Type"))
	}
	var doc map[string]string
	if err := json.Unmarshal(program.Body.Bytes(), &doc); err != nil || doc["error"] != "server_error" {
		t.Errorf("a program gets %s", program.Body)
	}
	if log := c.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, `"status":500`) {
		t.Errorf("log %s; want the cause and the access line", log)
	}
}

func TestTheConnectionEndsWhenAPanicComesTooLate(t *testing.T) {
	t.Parallel()
	c := newChain(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("late")
	}, nil)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // it is compared so
			t.Errorf("recovered %v; want the server's own abort", p)
		}
	}()
	c.get("/", nil)
}

// SL-02 of the security catalogue.
func TestTheAccessLogHasNoQueryAndNoPath(t *testing.T) {
	t.Parallel()
	c := newChain(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, nil)
	w := c.get("/private-path?code=cs_ac_secret", func(r *http.Request) { r.Header.Set("Referer", "https://x/?state=hush") })
	line := c.log.String()
	for _, secret := range []string{"secret", "hush", "private-path"} {
		if strings.Contains(line, secret) {
			t.Errorf("the log has %q: %s", secret, line)
		}
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("not one line: %v: %s", err, line)
	}
	if got["method"] != "GET" || got["route"] != "/route" || got["status"] != 418.0 || got["client_address"] != "192.0.2.1" ||
		got["request_id"] != w.Header().Get(RequestIDHeader) || got["duration_us"] == nil {
		t.Errorf("access log %s", line)
	}
}

// HT-01 of the security catalogue.
func TestOtherHostsAreMisdirected(t *testing.T) {
	t.Parallel()
	issuer := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	public := Hosts{Issuer: issuer("https://id.example.org"), Port: "8443"}
	port := Hosts{Issuer: issuer("https://id.example.org:8443"), Port: "8443"}
	local := Hosts{Issuer: issuer("http://localhost:8080"), Port: "8080", Loopback: true}
	admin := Hosts{Issuer: issuer("https://id.example.org"), Port: "9000", Loopback: true, Addresses: true}
	tests := []struct {
		name  string
		hosts Hosts
		host  string
		want  bool
	}{
		{"the issuer's", public, "id.example.org", true},
		{"in capitals", public, "ID.Example.ORG", true},
		{"with the port that https means", public, "id.example.org:443", true},
		{"with the port of http", public, "id.example.org:80", false},
		{"with the listener's port", public, "id.example.org:8443", false},
		{"another", public, "evil.example", false},
		{"none", public, "", false},
		{"the issuer's with a dot", public, "id.example.org.", false},
		{"the issuer's as a user", public, "id.example.org@evil.example", false},
		{"a user at the issuer's", public, "evil@id.example.org", false},
		{"the issuer's as a prefix", public, "id.example.org.evil.example", false},
		{"two with a comma", public, "id.example.org,evil.example", false},
		{"localhost, though the issuer is not", public, "localhost:8443", false},
		{"the issuer's with its port", port, "id.example.org:8443", true},
		{"the issuer's without its port", port, "id.example.org", false},
		{"localhost", local, "localhost:8080", true},
		{"the loopback address", local, "127.0.0.1:8080", true},
		{"the IPv6 loopback address", local, "[::1]:8080", true},
		{"localhost with another port", local, "localhost:8081", false},
		{"a name that was rebound", local, "evil.example:8080", false},
		{"the administrators' by address", admin, "192.0.2.7:9000", true},
		{"the administrators' by the issuer's name", admin, "id.example.org:9000", true},
		{"the administrators' by another name", admin, "evil.example:9000", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(echo, func(cfg *Config) { cfg.Hosts = tt.hosts })
			w := c.get("/", func(r *http.Request) { r.Host = tt.host })
			if got := w.Code == http.StatusOK; got != tt.want {
				t.Errorf("Host %q: status %d; want accepted: %t", tt.host, w.Code, tt.want)
			}
			if !tt.want && (w.Code != http.StatusMisdirectedRequest || strings.Contains(w.Body.String(), "evil")) {
				t.Errorf("Host %q: %d %s; want 421 that does not repeat it", tt.host, w.Code, w.Body)
			}
			if w := c.get("/livez", func(r *http.Request) { r.Host = tt.host }); w.Code != http.StatusOK {
				t.Errorf("health under %q: %d", tt.host, w.Code)
			}
		})
	}
}

// HT-08 of the security catalogue.
func TestPathsHaveOneForm(t *testing.T) {
	t.Parallel()
	c := newChain(echo, nil)
	for _, p := range []string{"//token", "/x/../token", "/./token", "/token;x", "/token\\", "/a//b", "/token\x00"} {
		if w := c.get(p, nil); w.Code != http.StatusNotFound || w.Header().Get("Location") != "" {
			t.Errorf("%q: %d to %q; want 404", p, w.Code, w.Header().Get("Location"))
		}
	}
	for _, raw := range []string{"/%74oken", "/admin/..%2f", "/token%2F"} {
		w := c.get("/", func(r *http.Request) {
			u, err := url.ParseRequestURI(raw)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
		})
		if w.Code != http.StatusNotFound {
			t.Errorf("%q: %d; want 404", raw, w.Code)
		}
	}
	for _, p := range []string{"/", "/token", "/auth/", "/.well-known/openid-configuration"} {
		if w := c.get(p, nil); w.Code != http.StatusOK {
			t.Errorf("%q: %d; want 200", p, w.Code)
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	var readErr error
	c := newChain(func(_ http.ResponseWriter, r *http.Request) { _, readErr = io.Copy(io.Discard, r.Body) }, nil)
	c.get("/", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", maxBody+1))) })
	if readErr == nil {
		t.Error("a body over the limit was read to its end")
	}
}

func TestMetricsNameFewRoutes(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Config{})
	c := newChain(echo, func(cfg *Config) { cfg.Metrics = m })
	c.get("/x?secret=1", func(r *http.Request) { r.Method = "BREW" })
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="200",http_route="/route"} 1`,
		"go_goroutines", "process_start_time_seconds", "http_server_active_requests 0", "go_build_info",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(body, "BREW") || strings.Contains(body, "secret") {
		t.Error("metrics repeat what a stranger sent")
	}
}

// HT-02 of the security catalogue.
func TestForwardedHeadersOfStrangersDoNotArrive(t *testing.T) {
	t.Parallel()
	var arrived http.Header
	c := newChain(func(_ http.ResponseWriter, r *http.Request) { arrived = r.Header.Clone() }, nil)
	c.get("/", func(r *http.Request) {
		for name := range forwarded {
			r.Header.Set(name, "evil")
		}
	})
	for name, values := range arrived {
		for _, v := range values {
			if v == "evil" {
				t.Errorf("%s arrived", name)
			}
		}
	}
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// HT-03 of the security catalogue.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := prefixes("10.0.0.0/8", "2001:db8::/32")
	tests := []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"a stranger that claims another", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy", "10.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"a client that claims another through a proxy", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1", []string{"198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"two headers", "10.0.0.1", []string{"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"nobody but proxies", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with a port", "10.0.0.1", []string{"198.51.100.7:1234"}, "198.51.100.7"},
		{"IPv6", "2001:db8::1", []string{"2001:db9::7"}, "2001:db9::7"},
		{"IPv6 with a port", "2001:db8::1", []string{"[2001:db9::7]:1234"}, "2001:db9::7"},
		{"IPv4 in IPv6 form", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a word", "10.0.0.1", []string{"a"}, "10.0.0.1"},
		{"unknown", "10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		{"a name", "10.0.0.1", []string{"localhost"}, "10.0.0.1"},
		{"a zone", "10.0.0.1", []string{"fe80::1%eth0"}, "10.0.0.1"},
		{"a line break", "10.0.0.1", []string{"198.51.100.7\r\nX: y"}, "10.0.0.1"},
		{"an empty entry", "10.0.0.1", []string{"198.51.100.7,"}, "10.0.0.1"},
		{"rubbish before a good entry", "10.0.0.1", []string{"rubbish, 198.51.100.7"}, "198.51.100.7"},
		{"more hops than there can be", "10.0.0.1", []string{"198.51.100.7, 10.0.0.7, 10.0.0.6, 10.0.0.5, 10.0.0.4, 10.0.0.3, 10.0.0.2"}, "10.0.0.6"},
		{"ten thousand entries", "10.0.0.1", []string{strings.Repeat("198.51.100.1, ", 10000) + "198.51.100.7"}, "198.51.100.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := clientAddress(netip.MustParseAddr(tt.peer), tt.header, trusted); got.String() != tt.want {
				t.Errorf("clientAddress() = %s; want %s", got, tt.want)
			}
		})
	}
}

func TestTheRealAddressArrives(t *testing.T) {
	t.Parallel()
	c := newChain(echo, func(cfg *Config) { cfg.TrustedProxies = prefixes("192.0.2.1/32") })
	w := c.get("/", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "2001:db8::7") })
	if got, _, _ := strings.Cut(w.Body.String(), " "); got != "[2001:db8::7]:0" {
		t.Errorf("RemoteAddr %q; want the client's address", got)
	}
}

func FuzzClientAddress(f *testing.F) {
	for _, seed := range []string{"198.51.100.7", "a, b", "::1%x", "[::1]:99999", ",,,", "10.0.0.1, 10.0.0.2"} {
		f.Add(seed)
	}
	trusted := prefixes("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, header string) {
		stranger := netip.MustParseAddr("192.0.2.1")
		if got := clientAddress(stranger, []string{header}, trusted); got != stranger {
			t.Errorf("a stranger became %s by %q", got, header)
		}
		got := clientAddress(netip.MustParseAddr("10.0.0.1"), []string{header}, trusted)
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q led to %v", header, got)
		}
	})
}

// BR-09: a port without TLS is for the proxy in front of it.
func TestPlainHTTPIsForTrustedProxies(t *testing.T) {
	t.Parallel()
	c := newChain(echo, func(cfg *Config) {
		cfg.BehindProxy, cfg.TrustedProxies = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for name, tt := range map[string]struct {
		path, peer, proto string
		want              int
	}{
		"the proxy":               {"/", "10.1.2.3:5", "https", http.StatusOK},
		"a proxy that says less":  {"/", "10.1.2.3:5", "", http.StatusOK},
		"what came to it by http": {"/", "10.1.2.3:5", "http", http.StatusForbidden},
		"a stranger":              {"/", "192.0.2.1:5", "", http.StatusForbidden},
		"a stranger who lies":     {"/", "192.0.2.1:5", "https", http.StatusForbidden},
		"a probe of health":       {"/livez", "192.0.2.1:5", "", http.StatusOK},
	} {
		w := c.get(tt.path, func(r *http.Request) {
			r.RemoteAddr = tt.peer
			if tt.proto != "" {
				r.Header.Set("X-Forwarded-Proto", tt.proto)
			}
		})
		if w.Code != tt.want {
			t.Errorf("%s: %d; want %d", name, w.Code, tt.want)
		}
	}
}

// FA-01, FA-02: the address that is for proxies learns from trusted ones alone
// what they ask about, under whatever host, and in one pair of headers.
func TestProxiesAskForThemselves(t *testing.T) {
	t.Parallel()
	var arrived http.Header
	c := newChain(func(_ http.ResponseWriter, r *http.Request) { arrived = r.Header.Clone() }, func(cfg *Config) {
		cfg.BehindProxy, cfg.TrustedProxies = true, prefixes("10.0.0.0/8")
		cfg.Keep = func(r *http.Request) []string {
			if r.URL.Path == "/asks" {
				return []string{"X-Original-Method", "X-Original-Uri"}
			}
			return nil
		}
	})
	open := newChain(func(_ http.ResponseWriter, r *http.Request) { arrived = r.Header.Clone() }, func(cfg *Config) {
		cfg.TrustedProxies = prefixes("10.0.0.0/8")
		cfg.Keep = func(*http.Request) []string { return []string{"X-Original-Method", "X-Original-Uri"} }
	})
	for name, tt := range map[string]struct {
		chain            *chain
		path, peer, host string
		want             int
		kept             []string
	}{
		"the proxy":                         {c, "/asks", "10.1.2.3:5", "id.example.org", 200, []string{"X-Original-Method", "X-Original-Uri"}},
		"the proxy by another name":         {c, "/asks", "10.1.2.3:5", "countersign:8080", 200, []string{"X-Original-Method", "X-Original-Uri"}},
		"the proxy elsewhere":               {c, "/", "10.1.2.3:5", "id.example.org", http.StatusForbidden, nil},
		"a stranger":                        {c, "/asks", "192.0.2.1:5", "id.example.org", http.StatusForbidden, nil},
		"a stranger by another name":        {open, "/asks", "192.0.2.1:5", "countersign:8080", http.StatusMisdirectedRequest, nil},
		"a stranger at a port for everyone": {open, "/asks", "192.0.2.1:5", "id.example.org", 200, nil},
		"a stranger who names a proxy":      {open, "/asks", "192.0.2.1:5", "id.example.org", 200, nil},
	} {
		arrived = nil
		w := tt.chain.get(tt.path, func(r *http.Request) {
			r.RemoteAddr, r.Host = tt.peer, tt.host
			for header := range forwarded {
				r.Header.Set(header, "evil")
			}
			r.Header.Set("X-Forwarded-For", "10.9.9.9")
			r.Header.Set("X-Forwarded-Proto", "http") // of the site that it asks about
		})
		var kept []string
		for header := range forwarded {
			if arrived.Get(header) != "" {
				kept = append(kept, header)
			}
		}
		slices.Sort(kept)
		if w.Code != tt.want || !slices.Equal(kept, tt.kept) {
			t.Errorf("%s: %d with %q; want %d with %q", name, w.Code, kept, tt.want, tt.kept)
		}
	}
}

// HT-15: no request waits for a database longer than its client would.
func TestEveryRequestHasADeadline(t *testing.T) {
	t.Parallel()
	c := newChain(func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Deadline(); !ok || time.Until(at) > patience {
			w.WriteHeader(http.StatusTeapot)
		}
	}, nil)
	if w := c.get("/", nil); w.Code != http.StatusOK {
		t.Error("a request has no deadline")
	}
}
