package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

const modelerSecret = "a secret that the file refers to"

// write writes a file of the machine and returns its path.
func (m *machine) write(name, content string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

const twoClients = `owner: platform/clients.yaml
clients:
  modeler:
    type: oidc
    client_name: Modeler
    status: approved
    redirect_uris: [https://modeler.example.org/cb]
    scope: openid profile
    secret: {file: secrets/modeler}
  tool:
    type: oidc
    client_name: Desktop tool
    redirect_uris: [http://127.0.0.1/cb]
    token_endpoint_auth_method: none
`

// step returns what was done with the client that the file calls so.
func step(t *testing.T, plan map[string]any, handle string) map[string]any {
	t.Helper()
	for _, s := range plan["steps"].([]any) {
		if s := s.(map[string]any); s["handle"] == handle {
			return s
		}
	}
	t.Fatalf("no %s in %v", handle, plan)
	return nil
}

func TestClientApply(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		file := m.write("clients.yaml", twoClients)
		m.refused(exitFailure, "", []string{"client", "apply", "-f", file}, file+":9:13: modeler: secret: read the client secret", "Fix:")
		m.write("secrets/modeler", modelerSecret+"\n")

		out := m.ok("", "client", "apply", "-f", file, "--dry-run")
		for _, want := range []string{"+ modeler: Modeler, oidc, approved", "    + redirect_uris: https://modeler.example.org/cb", "~ secret: is set", "+ tool: Desktop tool, oidc, pending", "2 to register"} {
			if !strings.Contains(out, want) {
				t.Errorf("the plan lacks %q:\n%s", want, out)
			}
		}
		if strings.Contains(out, modelerSecret) {
			t.Error("the plan has the secret")
		}
		if r := m.run("", "client", "apply", "-f", file, "--dry-run", "--detailed-exitcode"); r.exit != exitChanges || r.stderr != "" {
			t.Errorf("exit %d, %s; want %d for something to do", r.exit, r.stderr, exitChanges)
		}
		if list := m.list("client", "list"); len(list) != 0 {
			t.Errorf("a dry run made %v", list)
		}
		m.refused(exitUsage, "", []string{"client", "apply", "-f", file}, "This registers 2 clients.", "--yes")

		applied := m.object("", "client", "apply", "-f", file, "--yes")
		id, _ := step(t, applied, "modeler")["client_id"].(string)
		if c := m.object("", "client", "show", id); c["status"] != "approved" || c["managed_by"] != "platform/clients.yaml" || c["managed_handle"] != "modeler" {
			t.Errorf("made %v", c)
		}
		if r := m.run("", "client", "apply", "-f", file, "--dry-run", "--detailed-exitcode"); r.exit != exitOK || !strings.Contains(r.stdout, "nothing to do") {
			t.Errorf("again: exit %d, %s%s", r.exit, r.stdout, r.stderr)
		}
		m.ok("", "client", "apply", "-f", file) // nothing to do is nothing to ask

		for _, args := range [][]string{{"edit", id, "--name", "X"}, {"remove", id, "--yes"}, {"rotate-secret", id}} {
			m.refused(exitFailure, "", append([]string{"client"}, args...), `belongs to the clients file "platform/clients.yaml", as "modeler"`, "Fix: change that file")
		}

		m.write("clients.yaml", strings.Replace(twoClients, "Modeler\n", "Modeler 2\n", 1))
		m.write("secrets/modeler", "another secret of that client\n")
		out = m.ok("", "client", "apply", "-f", file, "--dry-run")
		if !strings.Contains(out, "~ client_name: Modeler → Modeler 2") || !strings.Contains(out, "~ secret: changed") || strings.Contains(out, "+ ") || strings.Contains(out, "another secret") {
			t.Errorf("the plan of a change:\n%s", out)
		}
		m.ok("", "client", "apply", "-f", file, "--yes")
		if c := m.object("", "client", "show", id); c["client_name"] != "Modeler 2" || len(c["secrets"].([]any)) != 2 {
			t.Errorf("changed %v; want another name and two secrets", c)
		}

		m.ok("", "client", "disapprove", id, "--reason", "stolen", "--yes")
		r := m.run("", "client", "apply", "-f", file)
		if r.exit != exitOK || !strings.Contains(r.stderr, "stays disapproved") || m.object("", "client", "show", id)["status"] != "disapproved" {
			t.Errorf("after a disapproval: exit %d, %s", r.exit, r.stderr)
		}
		m.ok("", "client", "approve", id, "--yes")

		only := m.write("clients.yaml", twoClients[:strings.Index(twoClients, "  tool:")])
		if out := m.ok("", "client", "apply", "-f", only, "--dry-run"); !strings.Contains(out, "? tool: Desktop tool") || !strings.Contains(out, "--prune removes it") {
			t.Errorf("a client that is not listed any more:\n%s", out)
		}
		m.refused(exitUsage, "", []string{"client", "apply", "-f", only, "--prune"}, "- tool: Desktop tool", "0 live tokens of 0 users, which die now", "removes for good 1 client", "--yes")
		m.ok("", "client", "apply", "-f", only, "--prune", "--yes")
		if list := m.list("client", "list"); len(list) != 1 {
			t.Errorf("after prune: %v", list)
		}
		m.refused(exitUsage, "", []string{"client", "release", id}, "takes Modeler", "--yes")
		m.ok("", "client", "release", id, "--yes")
		m.refused(exitFailure, "", []string{"client", "release", id, "--yes"}, "belongs to no clients file", "Fix:")
		m.ok("", "client", "edit", id, "--name", "Mine")
	})
}

func TestSecretsOfAppliedClients(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	client := func(secret string) string {
		return "owner: x\nclients:\n  a: {type: oidc, client_name: A, redirect_uris: [https://a.example/cb]" + secret + "}\n"
	}
	file := m.write("clients.yaml", client(""))
	applied := step(t, m.object("", "client", "apply", "-f", file, "--yes"), "a")
	if secret, _ := applied["client_secret"].(string); !seal.WellFormed(seal.ClientSecret, secret) || applied["secret"] != "generated" {
		t.Errorf("applied %v; want a generated secret", applied)
	}
	m.write("clients.yaml", client(", secret: {env: A_SECRET}"))
	m.refused(exitFailure, "", []string{"client", "apply", "-f", file}, file+":3:", "A_SECRET is not set")
	m.env = append(m.env, "A_SECRET=a secret of the environment")
	if s := step(t, m.object("", "client", "apply", "-f", file, "--yes"), "a"); s["secret"] != "rotated" || s["client_secret"] != nil {
		t.Errorf("applied %v", s)
	}

	m.write("clients.yaml", strings.Replace(client(", secret: {write_to: made}"), "owner: x", "owner: y", 1))
	m.keepsSecretOffTheScreen(file, filepath.Join(m.dir, "made"), "-o", "json")
	if info, err := os.Stat(filepath.Join(m.dir, "made")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if out := m.ok("", "client", "apply", "-f", file); !strings.Contains(out, "nothing") {
		t.Errorf("again: %s", out)
	}

	m.write("clients.yaml", strings.Replace(client(", secret: {write_to: no/such/folder}"), "owner: x", "owner: z", 1))
	m.refused(exitFailure, "", []string{"client", "apply", "-f", file, "--yes"}, "write_to: ")
	if list := m.list("client", "list"); len(list) != 2 {
		t.Errorf("%d clients; want nothing of what could not be written down", len(list))
	}

	r := m.run(client(", secret: {file: "+filepath.Join(m.dir, "made")+"}"), "client", "apply", "-f", "-", "--yes")
	if r.exit != exitOK {
		t.Errorf("from standard input: %s", r.stderr)
	}
	m.refused(exitFailure, "owner: x\nclients: {a: {type: oidc, client_name: A, secret: hunter2}}\n", []string{"client", "apply", "-f", "-"}, "standard input:2:", "secrets do not stand in the file", "Fix:")
	m.refused(exitUsage, "", []string{"client", "apply"}, "--file is missing")
	m.refused(exitUsage, "", []string{"client", "apply", "-f", file, "--detailed-exitcode"}, "--dry-run")
	m.refused(exitFailure, "", []string{"client", "apply", "-f", "/no/such/file"}, "read the clients file", "Fix:")
	m.refused(exitFailure, "", []string{"client", "apply", "-f", m.write("bad.yaml", "owner: x\nclients:\n  a: {type: oidc, client_name: A}\n")}, "bad.yaml:3:3: a: redirect_uris: is required")
}

// What one server exports another makes clients of that are the same, keys and
// all; the server itself has nothing to do but to call them the file's.
func TestExportedClientsAreApplied(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		m.ok("", "client", "create", "--type", "oidc", "--name", "Modeler", "--redirect-uri", "https://rp.example/cb", "--approve",
			"--set", "default_max_age=60", "--set", `jwks={"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
		device := m.object("", "client", "create", "--type", "oauth2", "--name", "Device", "--grant", "urn:ietf:params:oauth:grant-type:device_code", "--public")
		m.ok("", "client", "create", "--type", "oauth1", "--name", "Old tool", "--redirect-uri", "https://old.example/cb", "--approve")
		m.ok("", "client", "disapprove", device["client_id"].(string), "--reason", "lost", "--yes")
		before := comparable(m)

		file := m.write("exported.yaml", m.ok("", "client", "export", "--owner", "moved"))
		if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), "secret:") && strings.Contains(string(content), "cs_cs_") {
			t.Errorf("exported %s, %v", content, err)
		}
		other := newMachine(t)
		other.ok("", "client", "apply", "-f", file, "--yes")
		if got := comparable(other); !slices.Equal(got, before) {
			t.Errorf("applied elsewhere:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
		}
		r := m.run("", "client", "apply", "-f", file)
		if r.exit != exitUsage || !strings.Contains(r.stderr, "takes over 3 clients") {
			t.Errorf("adoption is not asked about: exit %d, %s", r.exit, r.stderr)
		}
		m.ok("", "client", "apply", "-f", file, "--yes")
		if got := comparable(m); !slices.Equal(got, before) {
			t.Errorf("applied at home: %s", got)
		}
		again := m.write("again.json", m.ok("", "client", "export", "-o", "json"))
		if r := m.run("", "client", "apply", "-f", again, "--dry-run", "--detailed-exitcode"); r.exit != exitOK {
			t.Errorf("what belongs to a file is exported as that file: exit %d, %s", r.exit, r.stdout)
		}
		one := m.ok("", "client", "export", device["client_id"].(string))
		if strings.Count(one, "client_name:") != 1 || !strings.Contains(one, "owner: moved") {
			t.Errorf("exported %s", one)
		}
		m.refused(exitUsage, "", []string{"client", "export", "-o", "table"}, "yaml or json")
		m.refused(exitFailure, "", []string{"client", "export", "nothing"}, "no client has the key")
	})
}

// comparable is what makes the machine's clients what they are.
func comparable(m *machine) []string {
	m.t.Helper()
	var list []string
	for _, c := range m.list("client", "list") {
		for _, own := range []string{"secrets", "version", "created_by", "updated_at", "status_at", "status_by", "client_id_issued_at", "managed_by", "managed_handle", "managed_status"} {
			delete(c, own)
		}
		list = append(list, shown([]any{c}))
	}
	return list
}

// A file names an account as people do, and its risks are said before anybody
// confirms.
func TestAccountsInAClientsFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := m.write("clients.yaml", `owner: x
clients:
  export:
    type: oauth1
    client_name: Export
    redirect_uris: [https://x.example/cb]
    oauth1_functional_account: nightly
`)
	m.refused(exitFailure, "", []string{"client", "apply", "-f", file}, file+":7:32: export: oauth1_functional_account: no user is named \"nightly\"", "Fix:")
	m.ok(goodPassword, "user", "create", "--username", "nightly", "--password-stdin")
	m.refused(exitUsage, "", []string{"client", "apply", "-f", file}, "+ oauth1_functional_account: nightly", "! The client has a functional account", "--yes")
	m.ok("", "client", "apply", "-f", file, "--yes")
	m.write("clients.yaml", m.ok("", "client", "export"))
	if r := m.run("", "client", "apply", "-f", file, "--dry-run", "--detailed-exitcode"); r.exit != exitOK {
		t.Errorf("what was exported: exit %d, %s%s", r.exit, r.stdout, r.stderr)
	}
	m.ok(goodPassword, "user", "create", "--username", "root", "--password-stdin", "--permission", "configure_server")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.write("clients.yaml", strings.Replace(string(content), "nightly", "root", 1))
	m.refused(exitFailure, "", []string{"client", "apply", "-f", file}, "may configure this server")
	m.ok("", "user", "remove", "nightly", "--yes")
	if r := m.run("", "client", "export"); r.exit != exitOK || strings.Contains(r.stdout, "functional") || !strings.Contains(r.stderr, "is gone") {
		t.Errorf("export of a client whose account is gone: %s%s", r.stdout, r.stderr)
	}
}

func TestClientSchemaIsThePublishedOne(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../docs/clients.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := newMachine(t).ok("", "client", "schema"); got != string(want) {
		t.Error("client schema prints another schema than docs/clients.schema.json")
	}
}

// hangups is held by whoever sends SIGHUP to this process, which all servers in
// it get.
var hangups sync.Mutex

// The whole program: start, SIGHUP with another file, with one that cannot be
// used, and another replica.
func TestServeAppliesItsClientsFile(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		hangups.Lock()
		t.Cleanup(hangups.Unlock)
		m := newMachine(t, "DATABASE="+url, "SECRET="+seal.GenerateKey(), "LOG_LEVEL=info")
		m.write("secrets/modeler", modelerSecret)
		file := m.write("clients.yaml", strings.Replace(twoClients, "https://modeler", "modeler", 1))
		m.env = append(m.env, "COUNTERSIGN_CLIENTS_FILE="+file)
		m.refused(exitFailure, "", []string{"serve"}, file+":7:20: modeler: redirect_uris", "Fix:")

		m.write("clients.yaml", twoClients)
		server, replica := m.serve(), m.serve()
		names := func() string {
			var list []string
			for _, c := range m.list("client", "list") {
				list = append(list, c["client_name"].(string)+" "+c["status"].(string))
			}
			return strings.Join(list, ", ")
		}
		if got := names(); got != "Desktop tool pending, Modeler approved" {
			t.Errorf("started with %s", got)
		}

		hangup := func(content, awaited string) {
			t.Helper()
			m.write("clients.yaml", content)
			n := strings.Count(server.log.String(), awaited)
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			for range 6000 {
				if strings.Count(server.log.String(), awaited) > n {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
			t.Fatalf("%q was not logged: %s", awaited, server.log.String())
		}
		renamed := strings.Replace(twoClients, "client_name: Modeler", "client_name: Modeler 2", 1)
		hangup(renamed, "the clients file was applied")
		if got := names(); got != "Desktop tool pending, Modeler 2 approved" {
			t.Errorf("after SIGHUP: %s", got)
		}
		hangup(strings.Replace(renamed, "client_name: Modeler 2", "client_nam: Modeler 3", 1), "client_nam")
		if log := server.log.String(); !strings.Contains(log, "clients.yaml:5:5: ") || !strings.Contains(log, "did you mean client_name?") {
			t.Errorf("the log says nothing of use: %s", log)
		}
		hangup("owner: platform/clients.yaml\nprune: true\nclients: {}\n", "does not remove all of them")
		hangup(strings.Replace(renamed, "    secret: {file: secrets/modeler}\n", "", 1)+"  new: {type: oidc, client_name: New, redirect_uris: [https://n.example/cb]}\n", "nowhere to show")
		if got := names(); got != "Desktop tool pending, Modeler 2 approved" {
			t.Errorf("after files that cannot be used: %s", got)
		}
		for _, r := range []*running{server, replica} {
			r.stop()
			r.wait()
		}
	})
}

// The page's example and its commands, one after the other.
func TestClientsAsAFilePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/clients-as-a-file.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.write("secrets/modeler", modelerSecret)
	var ran int
	for _, block := range strings.Split(string(page), "\n```")[1:] {
		kind, text, _ := strings.Cut(block, "\n")
		if kind == "yaml" {
			m.write("clients.yaml", text+"\n")
		}
		if kind != "sh" {
			continue
		}
		for command := range strings.SplitSeq(text, "\n") {
			command, _, redirected := strings.Cut(command, " > ")
			args := strings.Fields(strings.ReplaceAll(command, "clients.yaml -", filepath.Join(m.dir, "clients.yaml")+" -"))
			out := m.ok("", args[1:]...)
			if redirected {
				m.ok("", "client", "apply", "--dry-run", "-f", m.write("exported.yaml", out))
			}
			ran++
		}
	}
	if list := m.list("client", "list"); ran != 5 || len(list) != 3 {
		t.Errorf("%d commands made %v; want 5 and 3 clients", ran, list)
	}
	if out := m.ok("", "client", "apply", "-f", filepath.Join(m.dir, "clients.yaml"), "--dry-run"); !strings.Contains(out, "nothing to do") {
		t.Errorf("at the end: %s", out)
	}
	m.env = append(m.env, "COUNTERSIGN_CLIENTS_FILE="+filepath.Join(m.dir, "clients.yaml"))
	if out := m.ok("", "doctor"); !strings.Contains(out, "clients.yaml, 3 clients") {
		t.Errorf("doctor: %s", out)
	}
	m.write("clients.yaml", "owner: x\n")
	if r := m.run("", "doctor"); r.exit != exitFailure || !strings.Contains(r.stdout, "clients is missing") {
		t.Errorf("doctor: exit %d, %s", r.exit, r.stdout)
	}
}
