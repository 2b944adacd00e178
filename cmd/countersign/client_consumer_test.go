package main

import (
	"slices"
	"strings"
	"testing"
)

// What an administrator decides of a client of OAuth 1.0a is given by name,
// told before it is decided, and shown so that people can read it.
func TestConsumerDecisions(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		export := m.object(goodPassword, "user", "create", "--username", "export", "--password-stdin")
		m.ok(goodPassword, "user", "create", "--username", "root", "--password-stdin", "--permission", "configure_server")
		c := m.object("", "client", "create", "--type", "oauth1", "--name", "Nightly", "--redirect-uri", "https://rp.example/cb")
		id := c["client_id"].(string)

		m.refused(exitFailure, "", []string{"client", "approve", id, "--functional-user", "nobody", "--yes"}, `no user is named "nobody"`, "Fix:")
		m.refused(exitFailure, "", []string{"client", "approve", id, "--functional-user", "root", "--yes"}, "may configure this server")
		m.refused(exitUsage, "", []string{"client", "approve", id, "--trusted", "--functional-user", "export"}, "Warning:", "trusted", "functional account", "--yes")
		m.refused(exitUsage, "", []string{"client", "approve", id, "--trusted", "--revision", "--yes"}, "revision")
		if got := m.object("", "client", "show", id); got["status"] != "pending" || got["oauth1_trusted"] != nil {
			t.Errorf("refused, and yet %v", got)
		}
		got := m.object("", "client", "approve", id, "--trusted", "--functional-user", "export", "--yes")
		if got["status"] != "approved" || got["oauth1_trusted"] != true || got["oauth1_functional_account"] != export["id"] {
			t.Errorf("approved %v", got)
		}
		if shown := m.ok("", "client", "show", id); !strings.Contains(shown, "export ("+export["id"].(string)+")") {
			t.Errorf("shown: %s", shown)
		}
		m.ok("", "user", "disable", "export")
		if shown := m.ok("", "client", "show", id); !strings.Contains(shown, "who is disabled") {
			t.Errorf("shown: %s", shown)
		}
		m.ok("", "user", "remove", "export", "--yes")
		if shown := m.ok("", "client", "show", id); !strings.Contains(shown, "who was removed") {
			t.Errorf("shown: %s", shown)
		}
		got = m.object("", "client", "edit", id, "--trusted=false", "--functional-user", "")
		if got["oauth1_trusted"] != nil || got["oauth1_functional_account"] != nil {
			t.Errorf("edited %v", got)
		}
		web := m.object("", "client", "create", "--type", "oidc", "--name", "Web", "--redirect-uri", "https://rp.example/cb")
		m.refused(exitFailure, "", []string{"client", "approve", web["client_id"].(string), "--trusted", "--yes"}, "OAuth 1.0a")
		if got := actions(t, m); !slices.Equal(got[:5], []string{"client.register", "client.edit", "account.remove", "account.disable", "client.approve"}) {
			t.Errorf("audit record %s", got)
		}
	})
}
