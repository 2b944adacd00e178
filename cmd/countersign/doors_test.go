package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// applicationRoutes are the paths of the applications' door with their dialects,
// as the golden list of them has it.
func applicationRoutes(t *testing.T) map[string]string {
	t.Helper()
	golden, err := os.ReadFile("../../authz/testdata/routes.golden")
	if err != nil {
		t.Fatal(err)
	}
	dialects := map[string]string{}
	for line := range strings.Lines(string(golden)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		dialects[cells[1]] = cells[2]
	}
	return dialects
}

// Every route has a name in log, metrics and traces, which is its own: a new one
// that is not given any fails here.
func TestEveryRouteIsNamed(t *testing.T) {
	t.Parallel()
	routes := slices.Concat(slices.Collect(maps.Keys(applicationRoutes(t))), administrators, shared)
	for _, base := range []string{"", "/auth"} {
		d := dispatcher{base: base}
		for _, path := range routes {
			want := path
			switch path {
			case "/logo", "/logo/{picture}":
				path, want = "/logo/x.png", "/logo/*"
			case "/settings":
				want = "/settings/*"
			}
			target := base + strings.ReplaceAll(path, "{client_id}", "c")
			if got := d.route(httptest.NewRequestWithContext(t.Context(), "GET", target, nil)); got != want {
				t.Errorf("%s is named %q; want %q", target, got, want)
			}
		}
		inserted := metadataPath + base
		if got := d.route(httptest.NewRequestWithContext(t.Context(), "GET", inserted, nil)); got != metadataPath {
			t.Errorf("%s is named %q", inserted, got)
		}
	}
}

// No name is left of a route that is gone.
func TestEveryNameIsThatOfARoute(t *testing.T) {
	t.Parallel()
	routes := applicationRoutes(t)
	others := []string{"/setup", "/setup/done", "/livez", "/readyz", "/healthz"}
	for name := range named {
		if !hasKey(routes, name) && !slices.Contains(others, name) {
			t.Errorf("%s is named, and no route", name)
		}
	}
}

// Alerts and dashboard watch how long clients wait at each endpoint that is theirs,
// under each of its names: not at pages, where passwords are hashed, nor at
// registration, which may wait for an approval.
func TestEveryEndpointOfClientsIsTimed(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"prometheus-rules.yaml", "grafana-dashboard.json"} {
		selectors := regexp.MustCompile(`http_route=~\\?"([^"\\]*)`).FindAllSubmatch(read(t, file), -1)
		if len(selectors) == 0 {
			t.Errorf("%s selects no routes", file)
		}
		for _, m := range selectors {
			timed := regexp.MustCompile("^(?:" + string(m[1]) + ")$") // as Prometheus does
			for path, dialect := range applicationRoutes(t) {
				ours := slices.Contains([]string{"machine", "script", "consumer"}, dialect) &&
					!strings.Contains(path, "register") && path != "/session/iframe"
				if timed.MatchString(path) != ours {
					t.Errorf("%s: %s, of the dialect %s, is timed: %t", file, path, dialect, !ours)
				}
			}
		}
	}
}

// What takes long on purpose has the time for it, and nothing else.
func TestPatience(t *testing.T) {
	t.Parallel()
	d := dispatcher{base: "/auth"}
	for target, want := range map[string]bool{
		"/auth/admin/api/v1/clients-file/apply": true,
		"/auth/admin/api/v1/clients-file/plan":  true,
		"/admin/api/v1/clients-file/plan":       false, // not below the issuer
		"/auth/admin/api/v1/clients":            false,
		"/auth/register/client":                 false,
		"/auth/token":                           false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", target, nil)
		if got := d.patient(r); got != want {
			t.Errorf("%s is patient: %t", target, got)
		}
		if r.Header.Set("Prefer", "wait=30"); d.patient(r) != (want || target == "/auth/register/client") {
			t.Errorf("%s that waits is patient: %t", target, !want)
		}
	}
}
