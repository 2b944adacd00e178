package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"countersign/clientstore"
)

// leaves are the commands under cmd that do something.
func leaves(cmd *cobra.Command) []string {
	if !cmd.HasSubCommands() {
		return []string{strings.TrimPrefix(cmd.CommandPath(), "countersign ")}
	}
	var list []string
	for _, c := range cmd.Commands() {
		list = append(list, leaves(c)...)
	}
	return list
}

// Every command on users and clients prints JSON for scripts: what the user or
// client is afterwards, and of a removed one what it was. The words in capitals
// stand for what commands before printed.
func TestUsersAndClientsAsJSON(t *testing.T) {
	t.Parallel()
	steps := []struct {
		command, args, stdin string
		member               string // that the answer has, if it is an object
		want                 any
	}{
		{"user create", "--username ada --password-stdin", goodPassword, "username", "ada"},
		{"user list", "", "", "", nil},
		{"user show", "ada", "", "disabled", false},
		{"user edit", "ada --name Ada", "", "name", "Ada"},
		{"user set-password", "ada --password-stdin", "another good phrase here", "username", "ada"},
		{"user permit", "ada --permission configure_server", "", "username", "ada"},
		{"user remove-factors", "ada --yes", "", "username", "ada"},
		{"user disable", "ada", "", "disabled", true},
		{"user enable", "ada", "", "disabled", false},
		{"user remove", "ada --yes", "", "removed", true},
		{"client create", "--name Tool --redirect-uri https://rp.example/cb", "", "status", "pending"},
		{"client list", "", "", "", nil},
		{"client show", "CLIENT", "", "client_name", "Tool"},
		{"client edit", "CLIENT --name Other", "", "client_name", "Other"},
		{"client rotate-secret", "CLIENT", "", "client_name", "Other"},
		{"client approve", "CLIENT --yes", "", "status", "approved"},
		{"client disapprove", "CLIENT --yes", "", "status", "disapproved"},
		{"client failures", "CLIENT", "", "", nil},
		{"client export", "CLIENT", "", "owner", "clients.yaml"},
		{"client remove", "CLIENT --yes", "", "removed", true},
		{"client schema", "", "", "type", "object"},
		{"client apply", "-f FILE --yes", "", "owner", "ours"},
		{"client release", "MANAGED --yes", "", "client_name", "Managed"},
		{"client initial-token create", "--name pipeline", "", "name", "pipeline"},
		{"client initial-token list", "", "", "", nil},
		{"client initial-token revoke", "TOKEN", "", "name", "pipeline"},
	}
	var covered []string
	for _, s := range steps {
		covered = append(covered, s.command)
	}
	p := &program{}
	slices.Sort(covered)
	if all := append(leaves(newRootOf(p, "client")), leaves(newRootOf(p, "user"))...); !slices.Equal(covered, slices.Sorted(slices.Values(all))) {
		t.Errorf("the commands are %q; this test runs %q", all, covered)
	}
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.ok(goodPassword, "user", "create", "--username", "root", "--password-stdin", "--permission", "configure_server")
		file := filepath.Join(m.dir, "clients.yaml")
		if err := os.WriteFile(file, []byte("owner: ours\nclients: {it: {type: oidc, client_name: Managed, redirect_uris: ['https://rp.example/cb']}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		words := map[string]string{"FILE": file}
		for _, s := range steps {
			args := strings.Fields(s.command + " " + s.args + " -o json")
			for i, arg := range args {
				if word, ok := words[arg]; ok {
					args[i] = word
				}
			}
			out := m.ok(s.stdin, args...)
			var object map[string]any
			if !json.Valid([]byte(out)) || s.member != "" && (json.Unmarshal([]byte(out), &object) != nil || object[s.member] != s.want) {
				t.Errorf("%s prints %s; want %s %v", s.command, out, s.member, s.want)
			}
			switch s.command {
			case "client create":
				words["CLIENT"] = text(object["client_id"])
			case "client apply":
				words["MANAGED"] = text(m.list("client", "list", "--search", "Managed")[0]["client_id"])
			case "client initial-token create":
				words["TOKEN"] = text(object["id"])
			case "client remove":
				if object["client_id"] != words["CLIENT"] || object["client_secret"] != nil {
					t.Errorf("removed %v", object)
				}
			case "client initial-token revoke":
				if object["id"] != words["TOKEN"] || object["revoked_at"] == nil || object["token"] != nil {
					t.Errorf("revoked %v", object)
				}
			}
		}
	})
}

// newRootOf returns one noun of the program.
func newRootOf(p *program, noun string) *cobra.Command {
	for _, c := range newRoot(p).Commands() {
		if c.Name() == noun {
			return c
		}
	}
	return nil
}

// What is printed quietly of a change is what the next command takes, and tables
// say what was removed.
func TestQuietChanges(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, name := range []string{"ada", "bob"} {
		m.ok(goodPassword, "user", "create", "--username", name, "--password-stdin")
	}
	id := strings.TrimSpace(m.ok("", "client", "create", "--name", "Tool", "--redirect-uri", "https://rp.example/cb", "-q"))
	other := strings.TrimSpace(m.ok("", "client", "create", "--name", "Other", "--redirect-uri", "https://rp.example/cb", "-q"))
	token := strings.TrimSpace(m.ok("", "client", "initial-token", "create", "--name", "x", "-q"))
	for _, tt := range []struct{ args, want string }{
		{"user disable ada -q", "ada\n"},
		{"user enable ada -q", "ada\n"},
		{"user remove ada --yes -q", "ada\n"},
		{"client remove " + id + " --yes -q", id + "\n"},
		{"client initial-token revoke " + token + " -q", token + "\n"},
	} {
		if got := m.ok("", strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s printed %q; want %q", tt.args, got, tt.want)
		}
	}
	for _, args := range [][]string{{"user", "remove", "bob", "--yes"}, {"client", "remove", other, "--yes"}} {
		if got := m.ok("", args...); !strings.Contains(got, args[2]) || !strings.Contains(got, "removed") {
			t.Errorf("%v printed %q", args, got)
		}
	}
	m.refused(exitUsage, "", []string{"client", "schema", "-o", "xml"}, "json or yaml")
	if got := m.ok("", "client", "schema", "-o", "yaml"); !strings.Contains(got, "\ntype: object\n") {
		t.Errorf("the schema as YAML:\n%s", got)
	}
}

// Who decides about a client that may come back by itself is told for whom.
func TestImpactTellsOfTheAbsent(t *testing.T) {
	t.Parallel()
	c := &clientstore.Client{ID: "k", Name: "Nightly", Type: clientstore.OAuth2}
	for name, got := range map[string]string{
		"approve": approvalImpact(c, clientstore.Impact{Absent: 2}), "disapprove": disapproving.impact(c, clientstore.Impact{Absent: 2}), "remove": removing.impact(c, clientstore.Impact{Absent: 2}),
	} {
		if !strings.Contains(got, "It may come back for 2 users while they are away") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := removing.impact(c, clientstore.Impact{}); strings.Contains(got, "come back") {
		t.Error(got)
	}
}

// Who approves a client that people use already is told how much hangs on it,
// and of one that nobody uses no more than what begins.
func TestApproveStatesTheImpact(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		const secret = "a secret of some length"
		id := text(m.object(secret, "client", "create", "--type", "oauth2", "--name", "Robot", "--grant", "client_credentials", "--scope", "read", "--secret-stdin", "--approve")["client_id"])
		r := m.run("", "client", "approve", id, "--scope", "read")
		if r.exit != exitUsage || strings.Contains(r.stderr, "live token") || !strings.HasPrefix(r.stderr, "This lets Robot ("+id+") work") {
			t.Errorf("exit %d: %s; want no word of tokens that there are not", r.exit, r.stderr)
		}
		for range 2 {
			m.ok(secret, "token", "get", "--issuer", s.issuer, "--client", id, "--secret-stdin", "--grant", "client-credentials")
		}
		r = m.run("", "client", "approve", id, "--scope", "read")
		if r.exit != exitUsage || !strings.HasPrefix(r.stderr, "Robot ("+id+") has 2 live tokens of 0 users") || !strings.Contains(r.stderr, "This lets Robot") {
			t.Errorf("exit %d: %s; want how many live tokens of how many users, first", r.exit, r.stderr)
		}
	})
}
