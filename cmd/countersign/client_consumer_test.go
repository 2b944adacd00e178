package main

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
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

// What a running server refused is there to be read a moment later, and what
// it refused last is written before it stops.
func TestClientFailures(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
		c := m.object("", "client", "create", "--type", "oauth1", "--name", "Tool", "--redirect-uri", "https://rp.example/cb", "--approve")
		id := c["client_id"].(string)
		if list := m.list("client", "failures", id); len(list) != 0 {
			t.Errorf("nothing was refused: %v", list)
		}
		config := oauth1.NewConfig(id, "not its secret")
		config.CallbackURL, config.Endpoint.RequestTokenURL = "https://rp.example/cb", s.issuer+"/oauth1/request_token"
		if _, _, err := config.RequestToken(); err == nil {
			t.Fatal("a wrong secret is taken")
		}
		s.stop()
		s.wait()
		list := m.list("client", "failures", id)
		if len(list) != 1 || list[0]["code"] != "signature_invalid" || list[0]["endpoint"] != "/oauth1/request_token" || list[0]["remedy"] == nil ||
			!strings.HasPrefix(list[0]["base_string"].(string), "POST&"+url.QueryEscape(s.issuer+"/oauth1/request_token")+"&") {
			t.Errorf("failures %v", list)
		}
		if shown := m.ok("", "client", "failures", id); !strings.Contains(shown, "base string") || !strings.Contains(shown, "client's secret") {
			t.Errorf("shown: %s", shown)
		}
		m.refused(exitFailure, "", []string{"client", "failures", "nobody"}, "no client has the key", "Fix:")
	})
}
