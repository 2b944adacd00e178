package main

import (
	"net/http/httptest"
	"testing"
)

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
