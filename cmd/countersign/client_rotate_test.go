package main

import (
	"strings"
	"testing"
)

// Under four eyes a secret that one administrator made works when another one
// has confirmed it, and by no endpoint before.
func TestRotateUnderFourEyes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.env = append(m.env, "COUNTERSIGN_FOUR_EYES=true")
		scopes := "clients:read clients:write clients:approve"
		l, s := m.elsewhere(scopes)
		m.ok(goodPassword, "user", "create", "--username", "bob", "--password-stdin", "--permission", "configure_server")
		second := m.laptop(s.issuer)
		second.env = append(second.env, "COUNTERSIGN_API_KEY="+m.apiKeyOf("bob", scopes))
		const first = "the first secret of it"
		id := m.object(first, "client", "create", "--type", "oauth2", "--name", "Robot", "--grant", "client_credentials", "--scope", "read", "--secret-stdin", "--approve")["client_id"].(string)
		token := []string{"token", "get", "--issuer", s.issuer, "--client", id, "--secret-stdin", "--grant", "client-credentials"}

		r := l.run("", "client", "rotate-secret", id, "--overlap", "1h", "-o", "json")
		made := parse[map[string]any](t, r.stdout)
		secret, _ := made["client_secret"].(string)
		waiting, _ := made["secret_waiting"].(map[string]any)
		sid, _ := waiting["id"].(string)
		if r.exit != exitOK || secret == "" || sid == "" || !strings.Contains(r.stderr, "does not work yet") || !strings.Contains(r.stderr, "--confirm "+sid) {
			t.Fatalf("rotated: exit %d, %s%s", r.exit, r.stdout, r.stderr)
		}
		m.refused(exitFailure, secret, token, "invalid_client")
		m.ok(first, token...)
		for _, where := range []*machine{m, second} {
			if shown := where.ok("", "client", "show", id); !strings.Contains(shown, sid) || strings.Contains(shown, secret) {
				t.Errorf("shown: %s", shown)
			}
		}
		l.refused(exitFailure, "", []string{"client", "rotate-secret", id, "--confirm", sid}, "Under four_eyes nobody approves", "Fix:")
		second.refused(exitFailure, "", []string{"client", "rotate-secret", id, "--confirm", "other"}, "no secret \"other\" of Robot", "client show")
		second.refused(exitFailure, "", []string{"client", "rotate-secret", id}, "waits already")
		m.refused(exitFailure, secret, token, "invalid_client")
		if after := second.object("", "client", "rotate-secret", id, "--confirm", sid); len(after["secrets"].([]any)) != 2 || after["client_secret"] != nil {
			t.Errorf("confirmed %v", after)
		}
		m.ok(secret, token...)
		m.ok(first, token...) // for the overlap

		sid = l.object("", "client", "rotate-secret", id)["secret_waiting"].(map[string]any)["id"].(string)
		second.ok("", "client", "rotate-secret", id, "--reject", sid)
		m.refused(exitFailure, "", []string{"client", "rotate-secret", id, "--confirm", sid}, "waits")
		if m.object("", "client", "rotate-secret", id)["secret_waiting"] != nil { // who has the machine needs nobody
			t.Error("a secret of the server's machine waits")
		}
		m.refused(exitUsage, "", []string{"client", "rotate-secret", id, "--confirm", sid, "--reject", sid}, "one of them alone")
	})
}
