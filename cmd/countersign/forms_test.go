package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What is printed as YAML is what is printed as JSON, member by member, and
// what is printed quietly is what the next command takes.
func TestFormsOfOutput(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	made := m.object(goodPassword+"\n", "user", "create", "--username", "ada", "--password-stdin", "--name", "yes: no")
	var same map[string]any
	text := m.ok("", "user", "show", "ada", "-o", "yaml")
	if err := yaml.Unmarshal([]byte(text), &same); err != nil || same["name"] != "yes: no" || same["id"] != made["id"] || same["disabled"] != false || strings.Contains(text, "{") {
		t.Errorf("%v:\n%s", err, text)
	}
	m.object("", "client", "create", "--name", "Tool", "--public", "--redirect-uri", "http://127.0.0.1/cb")
	id := strings.TrimSpace(m.ok("", "client", "create", "--name", "Other", "--redirect-uri", "https://rp.example/cb", "--quiet"))
	if got := m.object("", "client", "show", id); got["client_name"] != "Other" {
		t.Errorf("client create --quiet printed %q", id)
	}
	if got := strings.Fields(m.ok("", "client", "list", "-q")); len(got) != 2 || got[0] != id {
		t.Errorf("client list -q printed %q", got)
	}
	if got := m.ok("", "user", "list", "-q"); got != "ada\n" {
		t.Errorf("user list -q printed %q", got)
	}
	m.refused(exitUsage, "", []string{"user", "list", "-o", "xml"}, "table, json or yaml")
	m.refused(exitUsage, "", []string{"user", "list", "-q", "-o", "json"}, "--quiet")
}

// The configuration is shown with where each value comes from, and without
// secrets.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "NAME=Ours", "SECRET="+strings.Repeat("ab", 32))
	file := filepath.Join(m.dir, "config.yaml")
	if err := os.WriteFile(file, []byte("contact: desk@example.org\nname: Theirs\ntrusted_proxies: [10.0.0.0/8, 10.1.2.3]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := map[string][2]any{}
	for _, s := range m.list("config", "show", "--config", file, "--four-eyes", "true") {
		shown[s["setting"].(string)] = [2]any{s["value"], s["from"]}
	}
	for name, want := range map[string][2]any{
		"name": {"Ours", "COUNTERSIGN_NAME"}, "contact": {"desk@example.org", file}, "four_eyes": {"true", "--four-eyes"},
		"secret": {"[redacted]", "COUNTERSIGN_SECRET"}, "policy": {"default", "default"}, "trusted_proxies": {"10.0.0.0/8, 10.1.2.3/32", file},
	} {
		if shown[name] != want {
			t.Errorf("%s is %v; want %v", name, shown[name], want)
		}
	}
	if got := m.run("", "config", "check", "--config", file); got.exit != exitOK || got.stdout != "" || !strings.Contains(got.stderr, "usable") {
		t.Errorf("%+v", got)
	}
	m.refused(exitFailure, "", []string{"config", "check", "--policy", "lax"}, "policy (--policy)", "Fix:")
}

// Every command has a manual page, and nothing in one is taken for a request of
// the formatter.
func TestManual(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if page := m.ok("", "man", "client", "create"); !strings.HasPrefix(page, ".TH COUNTERSIGN\\-CLIENT\\-CREATE 1") ||
		!strings.Contains(page, `.B \-\-redirect\-uri`) || !strings.Contains(page, ".SH EXAMPLES") || !strings.Contains(page, ".BR countersign\\-client (1)") {
		t.Errorf("the page:\n%s", page)
	}
	m.ok("", "man", "--folder", filepath.Join(m.dir, "share", "man1"))
	pages, err := filepath.Glob(filepath.Join(m.dir, "share", "man1", "*.1"))
	if err != nil || len(pages) < 40 {
		t.Errorf("%d pages, %v", len(pages), err)
	}
	if got := roff(".a\\b\n'c"); got != "\\&.a\\eb\n\\&'c" {
		t.Errorf("roff() = %q", got)
	}
	m.refused(exitUsage, "", []string{"man", "clint"}, `no command "clint"`)
	m.refused(exitFailure, "", []string{"man", "--folder", filepath.Join(pages[0], "none")}, "Fix:")
}

// No line has a colour or another control sequence, whatever NO_COLOR says and
// wherever it goes.
func TestNoColours(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, args := range [][]string{{"--help"}, {"doctor"}, {"user", "list"}, {"sevre"}, {"config", "show"}} {
		if got := m.run("", args...); strings.ContainsRune(got.stdout+got.stderr, '\x1b') {
			t.Errorf("%v: a control sequence", args)
		}
	}
}
