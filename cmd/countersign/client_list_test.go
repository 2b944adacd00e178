package main

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The list says when each client was last used, here and from elsewhere, in
// every form, and can be in that order.
func TestListOfLastUse(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		l, s := m.elsewhere("clients:read")
		m.ok(goodPassword, "user", "create", "--username", "tina", "--password-stdin")
		m.ok("", "client", "create", "--name", "Idle", "--redirect-uri", "https://idle.example/cb")
		busy := m.object("a secret of some length", "client", "create", "--type", "oauth2", "--name", "Busy", "--grant", "client_credentials", "--scope", "read", "--secret-stdin", "--approve")
		id := busy["client_id"].(string)
		m.ok("", "client", "approve", id, "--yes", "--until", "2100-01-01")
		m.ok("", "client", "approve", m.list("client", "list", "--search", "Idle")[0]["client_id"].(string), "--yes", "--test-user", "tina")
		m.ok("a secret of some length", "token", "get", "--issuer", s.issuer, "--client", id, "--secret-stdin", "--grant", "client-credentials")
		s.stop()
		s.wait() // what was used is written behind, and at the end
		s = m.serve()
		l.env[2] = "COUNTERSIGN_SERVER=" + s.issuer

		for _, where := range []*machine{m, l} {
			list := where.list("client", "list", "--sort", "-used")
			at, err := time.Parse(time.RFC3339, text(list[0]["used_at"]))
			if list[0]["client_id"] != id || err != nil || time.Since(at) > time.Hour || list[1]["used_at"] != nil {
				t.Errorf("listed %v", list)
			}
			if on := list[1]["conditions"].(map[string]any); on["test_users"].([]any)[0] != "tina" {
				t.Errorf("listed %v", on)
			}
			if first := where.list("client", "list", "--sort", "used")[0]["client_name"]; first != "Idle" {
				t.Errorf("the least used is %v", first)
			}
			table := where.ok("", "client", "list")
			if !strings.Contains(table, "LAST USE") || !strings.Contains(table, "never") || !strings.Contains(table, at.UTC().Format("2006-01-02 15:04")) {
				t.Errorf("listed:\n%s", table)
			}
			var read []map[string]any
			if err := yaml.Unmarshal([]byte(where.ok("", "client", "list", "-o", "yaml")), &read); err != nil || len(read) != 2 || read[0]["client_name"] != "Busy" || read[0]["used_at"] == nil {
				t.Errorf("as YAML: %v, %v", read, err)
			}
			where.refused(exitUsage, "", []string{"client", "list", "--sort", "size"}, "-used")
			where.refused(exitUsage, "", []string{"client", "list", "-o", "toml"}, "table, json or yaml")
			if shown := where.ok("", "client", "show", id); !strings.Contains(shown, "used_at") {
				t.Errorf("shown:\n%s", shown)
			}
		}
	})
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
