package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// laptop is a machine that has no server and no database, and knows where one
// is.
func (m *machine) laptop(server string) *machine {
	m.t.Helper()
	dir := m.t.TempDir()
	return &machine{t: m.t, dir: dir, env: []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"), "COUNTERSIGN_SERVER=" + server}}
}

func (m *machine) credentials() string {
	return filepath.Join(m.dir, "config", "countersign", "credentials.json")
}

// kept reads what the sign-in left on the machine.
func (m *machine) kept(server string) signIn {
	m.t.Helper()
	info, err := os.Stat(m.credentials())
	if err != nil {
		m.t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		m.t.Errorf("tokens are kept with mode %o", info.Mode().Perm())
	}
	content, err := os.ReadFile(m.credentials())
	if err != nil {
		m.t.Fatal(err)
	}
	return parse[signIns](m.t, string(content)).Servers[server]
}

// TestLogin signs in at a server elsewhere, whose administrator approves the
// command line first, and manages clients there until the sign-in is over.
func TestLogin(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--permission", "configure_server")
		l := m.laptop(s.issuer)
		l.refused(exitFailure, "", []string{"client", "list"}, "nobody is signed in", "countersign login --server "+s.issuer)
		printed := m.allowDevice("approve countersign-cli", l.env, []string{"login"})
		if !strings.Contains(printed, "ada") || strings.Contains(printed, "cs_at_") || strings.Contains(printed, "cs_rt_") {
			t.Errorf("login printed %s", printed)
		}
		l.manageClients(m)

		before := l.kept(s.issuer)
		aged := before
		aged.ExpiresAt = time.Now().Add(-time.Minute)
		l.keep(s.issuer, aged)
		l.ok("", "client", "list")
		if after := l.kept(s.issuer); after.AccessToken == before.AccessToken || after.RefreshToken == before.RefreshToken {
			t.Error("the tokens were not renewed")
		}
		if err := os.Chmod(l.credentials(), 0o644); err != nil {
			t.Fatal(err)
		}
		l.refused(exitFailure, "", []string{"client", "list"}, "other users of this machine may read the tokens", "chmod 600")
		if err := os.Chmod(l.credentials(), 0o600); err != nil {
			t.Fatal(err)
		}
		token := l.kept(s.issuer).RefreshToken
		l.ok("", "logout")
		l.refused(exitFailure, "", []string{"client", "list"}, "nobody is signed in")
		m.refused(exitFailure, token, []string{"token", "get", "--issuer", s.issuer, "--client", "countersign-cli", "--grant", "refresh", "--refresh-token-stdin"}, "invalid_grant")

		m.allowDevice("allow", l.env, []string{"login", "--scope", "clients:read"})
		l.refused(exitFailure, "", []string{"client", "create", "--name", "No"}, "clients:write", "Fix:")
		m.ok("", "client", "disapprove", "countersign-cli", "--yes")
		l.refused(exitFailure, "", []string{"client", "list"}, "has ended", "countersign login")
		m.ok("", "client", "remove", "countersign-cli", "--yes")
		l.refused(exitFailure, "", []string{"login"}, "removed", "--client-id")
		if _, err := os.Stat(filepath.Join(l.dir, "countersign-data")); err == nil {
			t.Error("a database was made on a machine without server")
		}
	})
}

// keep writes a sign-in as another time left it.
func (m *machine) keep(server string, s signIn) {
	m.t.Helper()
	content, err := json.Marshal(signIns{Servers: map[string]signIn{server: s}})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.credentials(), content, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// manageClients takes a client through its life from here, and sees the same
// on the server's machine.
func (m *machine) manageClients(server *machine) {
	m.t.Helper()
	made := m.object("", "client", "create", "--name", "Modeler", "--redirect-uri", "https://modeler.example/cb", "--set", "contacts=a@example.org", "--approve")
	id, secret := made["client_id"].(string), made["client_secret"]
	if made["status"] != "approved" || secret == nil {
		m.t.Errorf("created %v", made)
	}
	for _, args := range [][]string{{"client", "show", id, "-o", "json"}, {"client", "show", id}, {"client", "list", "--search", "modeler", "-o", "json"}} {
		if here, there := m.ok("", args...), server.ok("", args...); here != there {
			m.t.Errorf("%v prints %s; on the server's machine %s", args, here, there)
		}
	}
	edited := m.object("", "client", "edit", id, "--name", "Modeler 2", "--set", "contacts=", "--redirect-uri", "https://modeler.example/cb2")
	if edited["client_name"] != "Modeler 2" || edited["contacts"] != nil || edited["version"] != 3.0 {
		m.t.Errorf("edited %v", edited)
	}
	m.refused(exitFailure, "", []string{"client", "edit", id, "--name", "X", "--version", "2"}, "changed by somebody else", "show")
	m.refused(exitFailure, "", []string{"client", "edit", id, "--redirect-uri", "javascript:x"}, "redirect_uris", "Fix:")
	if rotated := m.object("a typed secret of some length", "client", "rotate-secret", id, "--overlap", "1h", "--secret-stdin"); len(rotated["secrets"].([]any)) != 2 {
		m.t.Errorf("rotated %v", rotated)
	}
	if rotated := m.object("", "client", "rotate-secret", id, "--expires-in", "24h"); rotated["client_secret"] == nil || rotated["client_secret"] == secret {
		m.t.Errorf("rotated %v", rotated)
	}
	if stopped := m.object("", "client", "disapprove", id, "--yes", "--reason", "a test"); stopped["status_reason"] != "a test" {
		m.t.Errorf("disapproved %v", stopped)
	}
	narrowed, _ := m.object("", "client", "approve", id, "--yes", "--scope", "openid", "--until", "2100-03-03")["conditions"].(map[string]any)
	if narrowed["scope"] != "openid" || narrowed["until"] != "2100-03-03T23:59:59Z" {
		m.t.Errorf("approved under %v", narrowed)
	}
	m.ok("", "client", "failures", id)
	m.refused(exitFailure, "", []string{"client", "approve", id, "--revision", "--yes"}, "no revision of this client waits")
	if removed := m.object("", "client", "remove", id, "--yes"); removed["removed"] != true || removed["client_id"] != id {
		m.t.Errorf("removed %v", removed)
	}
	m.refused(exitFailure, "", []string{"client", "show", id}, "no client has the key", "client list")
	m.refused(exitFailure, "", []string{"client", "initial-token", "list"}, "works on a database only", "COUNTERSIGN_SERVER")
}

// TestAPIKeys makes a key on the server's machine, and uses it elsewhere until
// it is revoked.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--permission", "configure_server")
		m.ok(goodPassword, "user", "create", "--username", "bob", "--password-stdin")
		create := []string{"api-key", "create", "--username", "ada", "--name", "pipeline", "--scope", "clients:read clients:write clients:approve"}
		made := m.object("", create...)
		key := made["api_key"].(string)
		l := m.laptop(s.issuer)
		l.env = append(l.env, "COUNTERSIGN_API_KEY="+key)
		l.manageClients(m)
		list := m.list("api-key", "list")
		if len(list) != 1 || list[0]["username"] != "ada" || list[0]["live"] != true || list[0]["used_at"] == nil || list[0]["api_key"] != nil {
			t.Errorf("listed %v", list)
		}
		if strings.Contains(m.ok("", "api-key", "list"), key) {
			t.Error("a key is listed with its value")
		}
		m.ok("", "api-key", "revoke", made["id"].(string))
		l.refused(exitFailure, "", []string{"client", "list"}, "revoked", "Fix:")
		m.refused(exitFailure, "", []string{"api-key", "revoke", made["id"].(string)}, "revoked before", "api-key list")

		file := filepath.Join(l.dir, "key")
		if err := os.WriteFile(file, []byte(m.object("", create...)["api_key"].(string)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l.env[len(l.env)-1] = "COUNTERSIGN_API_KEY_FILE=" + file
		l.ok("", "client", "list")
		m.ok("an engine weaves algebraic patterns", "user", "set-password", "ada", "--password-stdin")
		l.refused(exitFailure, "", []string{"client", "list"}, "not valid")
		l.env = append(l.env, "COUNTERSIGN_API_KEY="+key)
		l.refused(exitFailure, "", []string{"client", "list"}, "both set")
		l.env[len(l.env)-2] = "COUNTERSIGN_API_KEY_FILE="
		l.env[len(l.env)-1] = "COUNTERSIGN_API_KEY=" + key[:20]
		l.refused(exitFailure, "", []string{"client", "list"}, "cut or mistyped")

		m.refused(exitFailure, "", []string{"api-key", "create", "--username", "bob", "--name", "x"}, "may not configure the server", "user permit bob")
		m.refused(exitFailure, "", []string{"api-key", "create", "--username", "ada", "--name", "x", "--scope", "everything"}, "not a scope")
		m.refused(exitFailure, "", []string{"api-key", "create", "--username", "ada", "--name", "x", "--expires-in", "9000h"}, "366 days")
		m.refused(exitUsage, "", []string{"api-key", "create"}, "--username and --name")
		l.refused(exitUsage, "", []string{"client", "list", "--server", "http://id.example.org"}, "not https")
		l.refused(exitUsage, "", []string{"client", "list", "--server", "id.example.org"}, "not the address of a server")
	})
}
