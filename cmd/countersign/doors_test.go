package main

import (
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// applicationRoutes are the paths of the applications' door, as the golden list
// of them has it.
func applicationRoutes(t *testing.T) []string {
	t.Helper()
	golden, err := os.ReadFile("../../authz/testdata/routes.golden")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.Lines(string(golden)) {
		paths = append(paths, strings.Split(line, "\t")[1])
	}
	return paths
}

// Every route has a name in log, metrics and traces, which is its own: a new one
// that is not given any fails here.
func TestEveryRouteIsNamed(t *testing.T) {
	t.Parallel()
	routes := append(applicationRoutes(t), administrators...)
	routes = append(routes, shared...)
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
	routes := append(applicationRoutes(t), "/setup", "/setup/done", "/livez", "/readyz", "/healthz")
	for name := range named {
		if !slices.Contains(routes, name) {
			t.Errorf("%s is named, and no route", name)
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
