package main

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The built-in client gets tokens by the grants that need no redirect, as
// clients of either kind of secret and of none.
func TestTokenGetByOtherGrants(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
		m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada")
		file := filepath.Join(t.TempDir(), "client-secret")
		if err := os.WriteFile(file, []byte("a typed secret of some length\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		create := func(more ...string) string {
			args := append([]string{"client", "create", "--name", "Tool", "--approve", "--scope", "openid profile offline_access api", "--grant", "refresh_token"}, more...)
			return m.object("a typed secret of some length", args...)["client_id"].(string)
		}
		inHeader := create("--grant", "password", "--grant", "client_credentials", "--secret-stdin")
		inBody := create("--grant", "password", "--grant", "client_credentials", "--secret-stdin", "--set", "token_endpoint_auth_method=client_secret_post")
		bare := m.object("a typed secret of some length", "client", "create", "--name", "Bare", "--approve", "--grant", "client_credentials", "--secret-stdin")["client_id"].(string)
		for name, id := range map[string]string{"in the header": inHeader, "in the body": inBody} {
			got := m.ok(goodPassword, "token", "get", "--client", id, "--grant", "password", "--username", "ada", "--password-stdin", "--client-secret-file", file)
			for _, want := range []string{"cs_at_", "cs_rt_", "verified", "claim sub"} {
				if !strings.Contains(got, want) {
					t.Errorf("%s: password: printed %s; want %s in it", name, got, want)
				}
			}
			got = m.ok("", "token", "get", "--client", id, "--grant", "client-credentials", "--scope", "api", "--client-secret-file", file)
			if !strings.Contains(got, "cs_at_") || strings.Contains(got, "cs_rt_") {
				t.Errorf("%s: client credentials: printed %s", name, got)
			}
			if got = m.ok("", "token", "get", "--client", bare, "--grant", "client-credentials", "--client-secret-file", file); strings.Contains(got, "nil") {
				t.Errorf("a token without a scope: printed %s", got)
			}
			m.refused(exitFailure, "wrong", []string{"token", "get", "--client", id, "--grant", "password", "--username", "ada", "--password-stdin", "--client-secret-file", file}, "invalid_grant", "Fix:")
		}
		m.refused(exitUsage, "", []string{"token", "get", "--client", inHeader, "--grant", "password"}, "--username is missing")
		m.refused(exitUsage, "", []string{"token", "get", "--client", inHeader, "--grant", "password", "--username", "ada"}, "the password is missing")
		m.refused(exitFailure, "", []string{"token", "get", "--client", inHeader, "--grant", "device", "--client-secret-file", file}, "unauthorized_client")

		public := create("--public", "--grant", "urn:ietf:params:oauth:grant-type:device_code")
		posted := create("--grant", "urn:ietf:params:oauth:grant-type:device_code", "--secret-stdin", "--set", "token_endpoint_auth_method=client_secret_post")
		for _, args := range [][]string{{"--client", public}, {"--client", posted, "--client-secret-file", file}} {
			if got := m.tokenGetByDevice("allow", args...); !strings.Contains(got, "cs_at_") || !strings.Contains(got, "verified") {
				t.Errorf("device: printed %s", got)
			}
		}
		pending := m.object("", "client", "create", "--name", "Unapproved", "--public", "--grant", "urn:ietf:params:oauth:grant-type:device_code", "--scope", "api")["client_id"].(string)
		got := m.tokenGetByDevice("approve "+pending, "--client", pending)
		for _, want := range []string{"cs_at_", "awaits the approval of an administrator", "The user has not answered yet"} {
			if strings.Count(got, want) != 1 {
				t.Errorf("device of a pending client: printed %s; want %s once", got, want)
			}
		}
		if got := m.tokenGetByDevice("deny", "--client", public); !strings.Contains(got, "access_denied") {
			t.Errorf("device refused: printed %s", got)
		}
	})
}

var complete = regexp.MustCompile(`Open (\S+)\s+and enter the code ([A-Z]{4}-[A-Z]{4})\n[^\n]*\n((?:[ █▀▄]+\n){10,})`)

// tokenGetByDevice runs the built-in client and is the person with the phone.
// It returns what was printed, or said where it failed.
func (m *machine) tokenGetByDevice(decision string, args ...string) string {
	m.t.Helper()
	return m.allowDevice(decision, m.env, append([]string{"token", "get", "--grant", "device"}, args...))
}

// allowDevice runs a command that shows a code, maybe on another machine, and
// is the person with the phone.
func (m *machine) allowDevice(decision string, env, args []string) string {
	m.t.Helper()
	var out, talk stream
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, process{args, env, strings.NewReader(""), &out, &talk})
	}()
	var shown []string
	for ctx.Err() == nil && shown == nil {
		time.Sleep(5 * time.Millisecond)
		shown = complete.FindStringSubmatch(talk.String())
	}
	if shown == nil {
		m.t.Fatalf("no code was shown: %s", talk.String())
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, at := visit(m.t, browser, shown[1], nil)
	page, _ = visit(m.t, browser, at, fill(page, url.Values{"username": {"ada"}, "password": {goodPassword}}))
	if !strings.Contains(page, `name="user_code"`) {
		m.t.Fatalf("signed in, and at %s", page)
	}
	page, at = visit(m.t, browser, shown[1], url.Values{"user_code": {strings.ToLower(shown[2])}})
	if id, ok := strings.CutPrefix(decision, "approve "); ok {
		if !strings.Contains(page, "Waiting for approval") {
			m.t.Fatalf("a code of a pending client leads to %s", page)
		}
		talk.await(m.t, "awaits the approval")
		m.ok("", "client", "approve", id, "--yes")
		talk.await(m.t, "has not answered")
		decision = "allow"
		page, at = visit(m.t, browser, shown[1], url.Values{"user_code": {shown[2]}})
	}
	page, _ = visit(m.t, browser, at, fill(page, url.Values{"decision": {decision}}))
	if !strings.Contains(page, "You can close this page") {
		m.t.Errorf("decided, and at %s", page)
	}
	if exit := <-done; (exit == exitOK) != (decision == "allow") {
		m.t.Errorf("exit %d: %s", exit, talk.String())
	}
	return out.String() + talk.String()
}
