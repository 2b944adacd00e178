package authz_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"countersign/authz"
	dynamic "countersign/authz/registration"
	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// leak is what no answer has: source files, SQL, types and addresses of memory.
var leak = regexp.MustCompile(`\.go:\d+|goroutine \d+|SELECT |INSERT INTO|sqlite|runtime error|\*[a-z]+\.[A-Z]\w+\{|0xc0[0-9a-f]{8}`)

// Whatever is sent to whichever address: the server answers, with no 500 and
// nothing of its insides (G-1, G-3); nobody is sent to an address that is not
// registered (G-4), no other origin's scripts read what is not for them (G-5), and
// nothing is kept by caches that has a token (G-6).
func FuzzServer(f *testing.F) {
	cfg := doorConfig(f, storagetest.Open(f), clientstore.Default, "http://id.example")
	cfg.Registration, cfg.SignUp, cfg.Log = dynamic.Open, true, slog.New(slog.DiscardHandler)
	door, err := authz.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	c, secret, err := cfg.Clients.Register(f.Context(), admin, registration("Web"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := cfg.Clients.Approve(f.Context(), admin, c.ID); err != nil {
		f.Fatal(err)
	}
	basic := "Basic " + basicOf(c.ID, secret)
	for _, s := range [][6]string{
		{"GET", "/authorize?" + app{c, secret}.ask().Encode(), "", "", "", ""},
		{"POST", "/authorize", formType, "", app{c, secret}.ask().Encode(), ""},
		{"POST", "/token", formType, basic, redemption("cs_ac_x").Encode(), "https://rp.example"},
		{"POST", "/introspect", formType, basic, "token=x", "https://evil.example"},
		{"POST", "/revoke", formType, basic, "token=cs_rt_x", "https://evil.example"},
		{"GET", "/userinfo", "", "Bearer x", "", "https://rp.example"},
		{"POST", "/par", formType, basic, app{c, secret}.ask().Encode(), "https://rp.example"},
		{"POST", "/register", "application/json", "", `{"redirect_uris":["https://rp.example/cb"]}`, ""},
		{"POST", "/device_authorization", formType, basic, "scope=openid", ""},
		{"GET", "/device?user_code=BCDF-GHJK", "", "", "", ""},
		{"POST", "/oauth1/request_token", formType, `OAuth oauth_consumer_key="x",oauth_signature="y"`, "", "https://evil.example"},
		{"GET", "/oauth1/verify?oauth_token=x", "", "", "", ""},
		{"GET", "/end_session?id_token_hint=x.y.z&post_logout_redirect_uri=https://rp.example/bye", "", "", "", ""},
		{"POST", "/login", formType, "", "username=ada&password=x", "null"},
		{"GET", "/.well-known/openid-configuration", "", "", "", "https://evil.example"},
		{"TRACE", "//token", "", "", "", ""},
		{"GET", "/account/../token?%zz", "", "", "", ""},
		{"GET", "/forward-auth/nginx", "", basic, "", ""},
		{"GET", "/oslc/rootservices", "", "", "", "https://evil.example"},
		{"GET", "/consent?interaction=x", "", "", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
	dialects := dialectsOfRoutes(f)
	f.Fuzz(func(t *testing.T, method, target, contentType, authorization, body, origin string) {
		r := requestTo(t, method, target, body)
		if r == nil {
			return
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", authorization)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		wantDecent(t, r, w)
		wantKept(t, r, w, dialects[r.URL.EscapedPath()])
	})
}

// dialectsOfRoutes reads the golden list of routes.
func dialectsOfRoutes(tb testing.TB) map[string]string {
	tb.Helper()
	golden, err := os.ReadFile("testdata/routes.golden")
	if err != nil {
		tb.Fatal(err)
	}
	dialects := map[string]string{}
	for line := range strings.Lines(string(golden)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		dialects[cells[1]] = cells[2]
	}
	return dialects
}

// wantKept checks that scripts of other origins read documents, and the answers to
// applications if an approved client has their origin, and nothing else.
func wantKept(t *testing.T, r *http.Request, w *httptest.ResponseRecorder, dialect string) {
	t.Helper()
	origin, allowed := r.Header.Get("Origin"), w.Header().Get("Access-Control-Allow-Origin")
	var stated bool
	switch dialect {
	case "document":
		stated = allowed == "*" && origin != ""
	case "script", "consumer":
		stated = allowed == "https://rp.example" && allowed == origin
	}
	if allowed != "" && !stated || w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Fatalf("G-5: %s %s, a %s: scripts of %q may read it, asked for by %q", r.Method, r.RequestURI, dialect, allowed, origin)
	}
}

// requestTo is the request, nil where no server would get to see one like it.
func requestTo(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil || u.IsAbs() || u.Host != "" {
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://id.example/", strings.NewReader(body))
	if err != nil {
		return nil
	}
	r.URL, r.RequestURI, r.RemoteAddr = u, target, "192.0.2.7:4711"
	return r
}

func wantDecent(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	whole := w.Body.String()
	for name, values := range w.Header() {
		whole += name + ": " + strings.Join(values, ",") + "\n"
	}
	if w.Code >= 500 || leak.MatchString(whole) {
		t.Fatalf("%s %s: %d %s", r.Method, r.RequestURI, w.Code, whole)
	}
	if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, callback) && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) && !strings.HasPrefix(to, "http://id.example/") {
		t.Fatalf("G-4: %s %s is sent to %q", r.Method, r.RequestURI, to)
	}
	if strings.Contains(whole, "cs_at_") && w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("G-6: %s %s: %s", r.Method, r.RequestURI, whole)
	}
}

func basicOf(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}
