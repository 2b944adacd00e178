package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/storage/seal"
)

// elsewhere is a machine that works at the server of m by an API key with the
// scopes, and the server.
func (m *machine) elsewhere(scopes string) (*machine, *running) {
	m.t.Helper()
	s := m.serve()
	m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--permission", "configure_server")
	l := m.laptop(s.issuer)
	l.env = append(l.env, "COUNTERSIGN_API_KEY="+m.apiKeyOf("ada", scopes))
	return l, s
}

func (m *machine) apiKeyOf(username, scopes string) string {
	m.t.Helper()
	return m.object("", "api-key", "create", "--username", username, "--name", "pipeline", "--scope", scopes)["api_key"].(string)
}

// A clients file does the same at a server that is somewhere else: the
// difference, the question, the secrets, the lock, prune.
func TestClientApplyElsewhere(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		l, s := m.elsewhere("clients:read clients:write clients:approve")
		file := l.write("clients.yaml", twoClients)
		l.refused(exitFailure, "", []string{"client", "apply", "-f", file}, file+":9:13: modeler: secret: read the client secret", "Fix:")
		l.write("secrets/modeler", modelerSecret+"\n")
		out := l.ok("", "client", "apply", "-f", file, "--dry-run")
		for _, want := range []string{"+ modeler: Modeler, oidc, approved", "    + redirect_uris: https://modeler.example.org/cb", "~ secret: is set", "+ tool: Desktop tool, oidc, pending", "2 to register"} {
			if !strings.Contains(out, want) {
				t.Errorf("the plan lacks %q:\n%s", want, out)
			}
		}
		if r := l.run("", "client", "apply", "-f", file, "--dry-run", "--detailed-exitcode"); r.exit != exitChanges {
			t.Errorf("exit %d, %s; want %d for something to do", r.exit, r.stderr, exitChanges)
		}
		if list := m.list("client", "list"); len(list) != 0 {
			t.Errorf("a dry run made %v", list)
		}
		l.refused(exitUsage, "", []string{"client", "apply", "-f", file}, "This registers 2 clients.", "--yes")
		applied := l.object("", "client", "apply", "-f", file, "--yes")
		id, _ := step(t, applied, "modeler")["client_id"].(string)
		if c := m.object("", "client", "show", id); c["status"] != "approved" || c["managed_by"] != "platform/clients.yaml" || c["managed_handle"] != "modeler" {
			t.Errorf("made %v", c)
		}
		for _, where := range []*machine{l, m} {
			if out := where.ok("", "client", "apply", "-f", file, "--dry-run"); !strings.Contains(out, "nothing to do") {
				t.Errorf("again: %s", out)
			}
			for _, args := range [][]string{{"edit", id, "--name", "X"}, {"remove", id, "--yes"}, {"rotate-secret", id}} {
				where.refused(exitFailure, "", append([]string{"client"}, args...), "belongs to the clients file", "platform/clients.yaml", "Fix:")
			}
		}
		// The secret is what the file referred to.
		r := l.run(modelerSecret, "token", "get", "--issuer", s.issuer, "--client", id, "--secret-stdin", "--grant", "client-credentials")
		if !strings.Contains(r.stderr, "unauthorized_client") {
			t.Errorf("with the secret of the file: %s", r.stderr)
		}

		l.write("clients.yaml", strings.Replace(twoClients, "https://modeler.example.org/cb", "javascript:x", 1))
		l.refused(exitFailure, "", []string{"client", "apply", "-f", file}, file+":7:20: modeler: redirect_uris: ", "nothing was changed", "Fix:")

		only := l.write("clients.yaml", twoClients[:strings.Index(twoClients, "  tool:")]+
			"  made: {type: oidc, client_name: Made, redirect_uris: [https://made.example/cb], secret: {write_to: made}}\n")
		l.refused(exitUsage, "", []string{"client", "apply", "-f", only, "--prune"}, "- tool: Desktop tool", "0 live tokens of 0 users, which die now", "removes for good 1 client", "--yes")
		l.write("made", "in the way but no secret")
		if err := os.Chmod(filepath.Join(l.dir, "made"), 0); err == nil && os.Getuid() != 0 {
			l.refused(exitFailure, "", []string{"client", "apply", "-f", only, "--prune", "--yes"}, "is there already")
		}
		if err := os.Remove(filepath.Join(l.dir, "made")); err != nil {
			t.Fatal(err)
		}
		l.ok("", "client", "apply", "-f", only, "--prune", "--yes")
		if content, err := os.ReadFile(filepath.Join(l.dir, "made")); err != nil || !seal.WellFormed(seal.ClientSecret, strings.TrimSpace(string(content))) {
			t.Errorf("wrote %q, %v", content, err)
		}
		if list := m.list("client", "list"); len(list) != 2 {
			t.Errorf("after prune: %v", list)
		}
		l.refused(exitUsage, "", []string{"client", "release", id}, "takes Modeler", "--yes")
		if c := l.object("", "client", "release", id, "--yes"); c["managed_by"] != nil {
			t.Errorf("released %v", c)
		}
		l.refused(exitFailure, "", []string{"client", "release", id, "--yes"}, "belongs to no clients file", "Fix:")
		l.ok("", "client", "edit", id, "--name", "Mine")
		var events []string
		for _, e := range m.list("audit", "list") {
			if e["via"] == "api" && e["actor_name"] == "ada" {
				events = append(events, e["action"].(string))
			}
		}
		slices.Sort(events)
		if want := []string{"client.approve", "client.edit", "client.register", "client.register", "client.register", "client.release", "client.remove"}; !slices.Equal(events, want) {
			t.Errorf("recorded %v; want %v", events, want)
		}
	})
}

// A credential does by a file what it does without one.
func TestScopesOfClientApply(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	l, _ := m.elsewhere("clients:write")
	l.write("secrets/modeler", modelerSecret+"\n")
	file := l.write("clients.yaml", twoClients)
	l.refused(exitFailure, "", []string{"client", "apply", "-f", file, "--dry-run"}, "clients:approve", "Fix:")
	l.refused(exitFailure, "", []string{"client", "export"}, "clients:read", "Fix:")
	l.write("clients.yaml", strings.Replace(twoClients, "    status: approved\n", "", 1))
	l.ok("", "client", "apply", "-f", file, "--yes")
	l.write("clients.yaml", strings.NewReplacer("    status: approved\n", "", "openid profile", "accounts:write").Replace(twoClients))
	l.refused(exitFailure, "", []string{"client", "apply", "-f", file}, "accounts:write")
}

// Under four eyes a file is no way around the second administrator, except for
// who works on the database itself.
func TestFourEyesOverAFile(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.env = append(m.env, "COUNTERSIGN_FOUR_EYES=true")
		l, s := m.elsewhere("clients:read clients:write clients:approve")
		m.ok(goodPassword, "user", "create", "--username", "bob", "--password-stdin", "--permission", "configure_server")
		second := m.laptop(s.issuer)
		second.env = append(second.env, "COUNTERSIGN_API_KEY="+m.apiKeyOf("bob", "clients:read clients:write clients:approve"))
		const tool = "owner: x\nclients:\n  tool:\n    type: oidc\n    client_name: Tool\n    status: approved\n    redirect_uris: [http://127.0.0.1/cb]\n    token_endpoint_auth_method: none\n"
		approved, pending := l.write("clients.yaml", tool), l.write("pending.yaml", strings.Replace(tool, "approved", "pending", 1))
		l.refused(exitFailure, "", []string{"client", "apply", "-f", approved, "--dry-run"}, approved+":6:13: tool: status: Approves what you registered", "status: pending")
		l.ok("", "client", "apply", "-f", pending, "--yes")
		l.refused(exitFailure, "", []string{"client", "apply", "-f", approved, "--yes"}, "Approves what you registered")
		second.ok("", "client", "apply", "-f", approved, "--yes")
		renamed := l.write("renamed.yaml", strings.Replace(tool, "client_name: Tool", "client_name: Other", 1))
		for _, who := range []*machine{l, second} {
			who.refused(exitFailure, "", []string{"client", "apply", "-f", renamed, "--yes"}, renamed+":5:18: tool: client_name: Changes an approved client", "the server's machine")
		}
		secret := l.write("secret.yaml", strings.Replace(tool, "token_endpoint_auth_method: none", "token_endpoint_auth_method: client_secret_basic", 1))
		second.refused(exitFailure, "", []string{"client", "apply", "-f", secret, "--yes"}, "Changes an approved client")
		id := m.list("client", "list")[0]["client_id"].(string)
		l.ok("", "client", "disapprove", id, "--yes")
		l.refused(exitFailure, "", []string{"client", "approve", id, "--yes"}, "Under four_eyes nobody approves")
		second.ok("", "client", "approve", id, "--yes")
	})
}

// What is exported of a server elsewhere is what its own machine exports, and
// applied it changes nothing but whom the clients belong to.
func TestExportElsewhere(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		l, _ := m.elsewhere("clients:read clients:write clients:approve")
		for _, name := range []string{"tina", "tom", "nightly"} {
			m.ok(goodPassword, "user", "create", "--username", name, "--password-stdin")
		}
		create := func(args ...string) string {
			return m.object("", append([]string{"client", "create"}, args...)...)["client_id"].(string)
		}
		a := create("--type", "oidc", "--name", "Modeler", "--redirect-uri", "https://rp.example/cb")
		m.ok("", "client", "approve", a, "--yes", "--scope", "openid email", "--grant", "authorization_code", "--until", "2100-03-03", "--test-user", "tina", "--test-user", "tom")
		create("--type", "oauth1", "--name", "Nightly", "--redirect-uri", "https://old.example/cb", "--set", "oauth1_functional_account="+m.object("", "user", "show", "nightly")["id"].(string))
		b := create("--type", "oauth2", "--name", "Stopped", "--public", "--scope", "read write", "--redirect-uri", "https://s.example/cb")
		m.ok("", "client", "approve", b, "--yes", "--scope", "read", "--until", "2100-03-03T12:00:00Z")
		m.ok("", "client", "disapprove", b, "--yes", "--reason", "lost")
		m.ok("", "user", "remove", "tom", "--yes")

		here, there := l.ok("", "client", "export", "--owner", "all"), m.ok("", "client", "export", "--owner", "all")
		if here != there {
			t.Errorf("exported %s\non the server's machine %s", here, there)
		}
		for _, want := range []string{"    conditions:\n", "      scope: openid email\n", `until: "2100-03-03"`, `until: "2100-03-03T12:00:00Z"`, "        - tina\n", "oauth1_functional_account: nightly"} {
			if !strings.Contains(here, want) {
				t.Errorf("the export lacks %q:\n%s", want, here)
			}
		}
		before := comparable(m)
		file := l.write("all.yaml", here)
		if out := l.ok("", "client", "apply", "-f", file, "--dry-run"); strings.Contains(out, "conditions") || !strings.Contains(out, "3 to adopt") {
			t.Errorf("applied at home:\n%s", out)
		}
		l.ok("", "client", "apply", "-f", file, "--yes")
		if got := comparable(m); !slices.Equal(got, before) {
			t.Errorf("applied at home:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
		}
		if out := m.ok("", "client", "apply", "-f", l.write("again.yaml", l.ok("", "client", "export")), "--dry-run"); !strings.Contains(out, "nothing to do") {
			t.Errorf("exported again: %s", out)
		}
		if one := l.ok("", "client", "export", a, "-o", "json"); strings.Count(one, "client_name") != 1 || !strings.Contains(one, `"test_users"`) {
			t.Errorf("one of them: %s", one)
		}
	})
}
