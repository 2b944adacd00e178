package main

import (
	"io"
	"net/http"
	"slices"
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

// An administrator corrects what somebody is called and where they are reached,
// beside a server that runs.
func TestUserEdit(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.serve()
		m.object(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada", "--email", "ada@x.test",
			"--claim", "email_verified=true", "--claim", "locale=de")
		shows := func(name, email string, verified any, args ...string) {
			t.Helper()
			a := m.object("", append([]string{"user", "edit", "ada"}, args...)...)
			claims, _ := a["claims"].(map[string]any)
			if a["name"] != name || a["email"] != email || claims["email_verified"] != verified || claims["locale"] != "de" {
				t.Errorf("%q: %v", args, a)
			}
		}
		shows("Ada King", "ada@x.test", true, "--name", "Ada King")
		shows("Ada King", "king@x.test", nil, "--email", "king@x.test") // another address is not verified
		shows("Ada King", "king@x.test", true, "--email-verified")
		shows("Ada King", "ada@x.test", true, "--email", "ada@x.test", "--email-verified")
		shows("", "", nil, "--name", "", "--email=")
		if told := m.ok("", "user", "edit", "ada", "--name", "Ada"); !strings.Contains(told, "Ada") || !strings.Contains(told, "username") {
			t.Errorf("as a table: %s", told)
		}

		m.refused(exitUsage, "", []string{"user", "edit", "ada"}, "nothing to change; give --name, --email", "--help")
		m.refused(exitUsage, "", []string{"user", "edit", "--name", "Ada"}, "--help")
		m.refused(exitFailure, "", []string{"user", "edit", "nobody", "--name", "x"}, `no user is named "nobody"`, "Fix:")
		m.refused(exitFailure, "", []string{"user", "edit", "ada", "--email", "ada"}, "Use one e-mail address", "Fix:")
		m.refused(exitFailure, "", []string{"user", "edit", "ada", "--name", "King", "--email-verified"}, `"ada" has no e-mail address`, "Fix: give one with --email")
		shows("Ada", "", nil, "--name", "Ada") // what was refused left nothing
		edited := slices.DeleteFunc(actions(t, m), func(action string) bool { return action != "account.set_claims" })
		if len(edited) != 6 {
			t.Errorf("%d changes are in the audit record; want 6", len(edited))
		}
	})
}
