package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// sends asks the API for something with an administrator's key, and returns the
// status and what it said.
func (r *running) sends(key, method, path, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.issuer+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(said)
}

// AP-25, AP-26: an administrator who disables another one, takes their
// permission and sets their password does not give it back, and whoever does
// that on the server's machine is told.
func TestUserPermitUnderFourEyes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.env = append(m.env, "COUNTERSIGN_FOUR_EYES=true")
		s := m.serve()
		var id string
		for _, name := range []string{"root1", "root2"} {
			id = m.object(goodPassword, "user", "create", "--username", name, "--password-stdin", "--permission", "configure_server")["id"].(string)
		}
		permit := []string{"user", "permit", "root2", "--permission", "configure_server"}
		silent := func(args ...string) {
			t.Helper()
			if r := m.run("", args...); r.exit != exitOK || strings.Contains(r.stderr, "Warning") {
				t.Errorf("%v: exit %d, %s", args, r.exit, r.stderr)
			}
		}
		warned := func(args ...string) {
			t.Helper()
			r := m.run("", args...)
			for _, want := range []string{"Warning: root1 set the password of root2 on ", "Fix: ", "user set-password", "user remove-factors"} {
				if r.exit != exitOK || !strings.Contains(r.stderr, want) {
					t.Errorf("%v: exit %d, %s; want %q", args, r.exit, r.stderr, want)
				}
			}
		}
		silent(permit...)
		key := m.apiKeyOf("root1", "accounts:read accounts:write")
		at := "/admin/api/v1/accounts/" + id
		for _, step := range []struct {
			method, path, body string
			status             int
		}{
			{"PUT", "/password", `{"password":"an entirely other sentence"}`, http.StatusForbidden},
			{"POST", "/disable", "", http.StatusOK},
			{"PUT", "/password", `{"password":"an entirely other sentence"}`, http.StatusForbidden},
			{"PUT", "/permissions", `{"permissions":[]}`, http.StatusOK},
			{"PUT", "/password", `{"password":"an entirely other sentence"}`, http.StatusOK}, // of an account like any other
			{"PUT", "/permissions", `{"permissions":["configure_server"]}`, http.StatusForbidden},
		} {
			if status, said := s.sends(key, step.method, at+step.path, step.body); status != step.status {
				t.Errorf("%s %s %s: %d; want %d: %s", step.method, step.path, step.body, status, step.status, said)
			}
		}
		silent("user", "enable", "root2") // who is no administrator
		warned(permit...)
		silent("user", "disable", "root2")
		warned("user", "enable", "root2")
		m.ok("another good phrase here\n", "user", "set-password", "root2", "--password-stdin")
		silent(permit...)
	})
}
