package authz

import (
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func newTestDoor(t *testing.T, issuer string) *door {
	t.Helper()
	return newTestDoorWith(t, Config{Issuer: issuer})
}

func newTestDoorWith(t *testing.T, cfg Config) *door {
	t.Helper()
	db, keys := storagetest.Open(t), storagetest.Keys(t)
	cfg.Name, cfg.Log, cfg.Clients, cfg.Tx, cfg.Now = "Countersign", slog.New(slog.DiscardHandler), clientstore.New(db, clientstore.Config{Keys: keys}), db.Tx(), db.Now
	cfg.Grants, cfg.Failures = grant.New(db, keys), failure.New(db, keys)
	cfg.Asset = func(name string) string { return "/assets/" + name }
	d, err := newDoor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every route with its guard. A route that is new, or guarded otherwise, shows
// as a changed line.
func TestRoutes(t *testing.T) {
	t.Parallel()
	lines := routeLines(newTestDoor(t, "https://id.example"))
	for _, line := range routeLines(newTestDoorWith(t, Config{Issuer: "https://id.example", TeamworkCloud: true})) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line+"\tteamwork-cloud")
		}
	}
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/routes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("routes are\n%s\nwant\n%s", got, want)
	}
}

func routeLines(d *door) []string {
	var lines []string
	for _, r := range d.routes() {
		lines = append(lines, strings.Join([]string{allow(r.methods), r.path, string(r.dialect)}, "\t"))
	}
	slices.Sort(lines)
	return lines
}

func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	h := newTestDoor(t, "https://id.example/auth").handler()
	for path, want := range map[string]int{
		"/auth/.well-known/openid-configuration":         http.StatusOK,
		"/auth/.well-known/oauth-authorization-server":   http.StatusOK,
		"/.well-known/oauth-authorization-server/auth":   http.StatusOK, // RFC 8414, section 3.1
		"/.well-known/openid-configuration":              http.StatusNotFound,
		"/token":                                         http.StatusNotFound,
		"/auth//token":                                   http.StatusNotFound,
		"/auth/.well-known/../.well-known/jwks.json":     http.StatusNotFound,
		"/auth/%2e%2e/auth/.well-known/jwks.json":        http.StatusNotFound,
		"/auth/.well-known/openid-configuration/nothing": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d; want %d", path, w.Code, want)
		}
	}
}

// LG-03: forms of our pages are taken from our pages only; the authorization
// endpoint, and what clients post to, are not ours to be posted from.
func TestCrossSiteForms(t *testing.T) {
	t.Parallel()
	d := newTestDoorWith(t, Config{Issuer: "https://id.example", TeamworkCloud: true})
	h := d.handler()
	for _, r := range d.routes() {
		if r.methods[http.MethodPost] == nil {
			continue
		}
		for name, header := range map[string][2]string{
			"cross-site":   {"Sec-Fetch-Site", "cross-site"},
			"same-site":    {"Sec-Fetch-Site", "same-site"},
			"other origin": {"Origin", "https://evil.example"},
			"null origin":  {"Origin", "null"},
		} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://id.example"+r.path, strings.NewReader("x=%zz"))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if refused := w.Code == http.StatusForbidden; refused != (r.dialect == pages) {
				t.Errorf("%s POST %s: %d", name, r.path, w.Code)
			}
		}
	}
}
