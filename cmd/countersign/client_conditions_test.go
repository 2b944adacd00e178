package main

import (
	"strings"
	"testing"
)

// The conditions of an approval by command: what is not named stays.
func TestApproveUnderConditions(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	ada := m.object("correct horse battery staple\n", "user", "create", "--username", "ada", "--password-stdin")
	c := m.object("", "client", "create", "--name", "App", "--redirect-uri", "https://rp.example/cb", "--scope", "openid email")
	id, _ := c["client_id"].(string)
	for flag, says := range map[string]string{
		"--scope=openid nope":   "a condition takes away, and adds nothing",
		"--grant=password":      "a condition takes away, and adds nothing",
		"--until=2001-01-01":    "is past",
		"--test-user=nobody":    `no user is named "nobody"`,
		"--grant=refresh_token": "lists refresh_token alone",
	} {
		m.refused(exitFailure, "", []string{"client", "approve", id, flag, "--yes"}, says, "Fix:")
	}
	m.refused(exitUsage, "", []string{"client", "approve", id, "--until=soon", "--yes"}, "neither a day")
	m.refused(exitUsage, "", []string{"client", "approve", id, "--revision", "--scope=openid", "--yes"}, "leave")
	m.refused(exitUsage, "", []string{"client", "approve", id, "--scope=openid"}, "Under conditions: no more scope than openid", "--yes")

	on := func(flags ...string) map[string]any {
		t.Helper()
		after := m.object("", append([]string{"client", "approve", id, "--yes"}, flags...)...)
		if after["status"] != "approved" || after["scope"] != "openid email" {
			t.Errorf("%v: %v", flags, after)
		}
		conditions, _ := after["conditions"].(map[string]any)
		return conditions
	}
	first := on("--scope", "openid", "--until", "2100-03-03", "--test-user", "ada")
	testers, _ := first["test_accounts"].([]any)
	if first["scope"] != "openid" || first["until"] != "2100-03-03T23:59:59Z" || len(testers) != 1 || testers[0] != ada["id"] {
		t.Errorf("approved under %v", first)
	}
	if listed := m.ok("", "client", "list"); !strings.Contains(listed, "until 2100-03-03, 1 test user, narrowed") {
		t.Errorf("listed: %s", listed)
	}
	if shown := m.ok("", "client", "show", id); !strings.Contains(shown, "test users only: ada") {
		t.Errorf("shown: %s", shown)
	}
	if shown := m.object("", "client", "show", id)["conditions"].(map[string]any); shown["test_users"].([]any)[0] != "ada" {
		t.Errorf("shown: %v", shown)
	}
	m.refused(exitUsage, "", []string{"client", "approve", id, "--scope=openid"}, "test users only: ada", "--yes")
	if kept := on(); kept["scope"] != "openid" || kept["until"] == nil {
		t.Errorf("an approval that says nothing lifts the conditions: %v", kept)
	}
	if later := on("--until", "never", "--test-user", ""); later["scope"] != "openid" || later["until"] != nil || later["test_accounts"] != nil {
		t.Errorf("two of three lifted: %v", later)
	}
	if shown := m.ok("", "client", "show", id); !strings.Contains(shown, "no more scope than openid") {
		t.Errorf("shown: %s", shown)
	}
	if none := on("--no-conditions"); none != nil {
		t.Errorf("lifted: %v", none)
	}
}
