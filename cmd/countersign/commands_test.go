package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"countersign/clientstore"
)

const goodPassword = "correct horse battery staple"

func TestUsers(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		ada := m.object(goodPassword+"\n", "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada", "--email", "a@x.test",
			"--permission", "configure_server", "--claim", "locale=de", "--claim", "email_verified=true", "--claim", `address={"locality":"Rome"}`)
		claims, _ := ada["claims"].(map[string]any)
		if ada["id"] == "" || ada["username"] != "ada" || ada["name"] != "Ada" || ada["email"] != "a@x.test" || ada["disabled"] != false ||
			claims["email_verified"] != true || claims["locale"] != "de" || ada["permissions"].([]any)[0] != "configure_server" {
			t.Errorf("created %v", ada)
		}
		file := filepath.Join(m.dir, "password")
		if err := os.WriteFile(file, []byte(goodPassword), 0o600); err != nil {
			t.Fatal(err)
		}
		m.ok("", "user", "create", "--username", "bob", "--password-file", file)
		if list := m.list("user", "list"); len(list) != 2 || list[0]["username"] != "ada" {
			t.Errorf("list %v; want ada and bob", list)
		}

		m.refused(exitFailure, goodPassword, []string{"user", "create", "--username", "ADA", "--password-stdin"}, "exists already", "Fix:")
		m.refused(exitFailure, "short\n", []string{"user", "create", "--username", "eve", "--password-stdin"}, "password", "Fix:")
		m.refused(exitUsage, "", []string{"user", "create", "--username", "eve"}, "--password-stdin")
		m.refused(exitUsage, "", []string{"user", "create", "--password-stdin"}, "--username is missing")
		m.refused(exitUsage, goodPassword, []string{"user", "create", "--username", "eve", "--password-stdin", "--claim", "locle=de"}, "did you mean locale?")
		m.refused(exitUsage, goodPassword, []string{"user", "create", "--username", "eve", "--password-stdin", "--claim", "email_verified=maybe"}, "does not fit")
		m.refused(exitFailure, "", []string{"user", "show", "nobody"}, `no user is named "nobody"`, "Fix:")

		m.refused(exitFailure, "", []string{"user", "permit", "ada", "--revoke", "configure_server"}, "last account", "Fix: give another account")
		bob := m.object("", "user", "permit", "bob", "--permission", "configure_server")
		if len(bob["permissions"].([]any)) != 1 {
			t.Errorf("permitted %v", bob)
		}
		if ada := m.object("", "user", "permit", "ada", "--revoke", "configure_server"); len(ada["permissions"].([]any)) != 0 {
			t.Errorf("revoked %v", ada)
		}

		m.ok("", "user", "disable", "ada")
		if ada := m.object("", "user", "show", "ada"); ada["disabled"] != true {
			t.Errorf("disabled %v", ada)
		}
		m.ok("", "user", "enable", "ada")
		m.ok("another good phrase here\n", "user", "set-password", "ada", "--password-stdin")
		m.refused(exitUsage, "", []string{"user", "remove", "ada"}, "--yes")
		m.ok("", "user", "remove", "ada", "--yes")
		if list := m.list("user", "list"); len(list) != 1 {
			t.Errorf("list %v; want bob alone", list)
		}
		want := []string{
			"account.remove", "account.set_password", "account.enable", "account.disable",
			"account.set_permissions", "account.set_permissions", "account.create", "account.create",
		}
		if got := actions(t, m); !slices.Equal(got, want) {
			t.Errorf("audit record %s; want %s", got, want)
		}
	})
}

// actions returns the audit record's actions, newest first, and checks that
// they were made here.
func actions(t *testing.T, m *machine) []string {
	t.Helper()
	var list []string
	for _, e := range m.list("audit", "list") {
		list = append(list, e["action"].(string))
		if e["via"] != "cli" || e["ip"] != "" || e["actor_name"] == "" {
			t.Errorf("event %v; want one of the command line", e)
		}
	}
	return list
}

func TestClients(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		c := m.object("", "client", "create", "--type", "oidc", "--name", "Modeler", "--redirect-uri", "https://rp.example/cb",
			"--grant", "authorization_code", "--grant", "refresh_token", "--response-type", "code",
			"--scope", "openid profile", "--set", "id_token_signed_response_alg=ES256", "--approve")
		id, _ := c["client_id"].(string)
		if id == "" || c["status"] != "approved" || c["type"] != "oidc" || c["client_name"] != "Modeler" || c["scope"] != "openid profile" ||
			!strings.HasPrefix(c["client_secret"].(string), "cs_cs_") || c["client_secret_expires_at"] != 0.0 || c["id_token_signed_response_alg"] != "ES256" {
			t.Errorf("created %v", c)
		}
		if shown := m.object("", "client", "show", id); shown["client_secret"] != nil {
			t.Errorf("the secret is shown again: %v", shown)
		}

		typed := m.object("a secret that an administrator typed 1\n", "client", "create", "--name", "Typed", "--secret-stdin", "--redirect-uri", "https://rp.example/cb")
		if typed["client_secret"] != nil || typed["status"] != "pending" {
			t.Errorf("typed secret: %v; want a pending client without echo", typed)
		}
		public := m.object("", "client", "create", "--name", "Native", "--public", "--redirect-uri", "http://127.0.0.1/cb")
		if public["client_secret"] != nil || public["token_endpoint_auth_method"] != "none" {
			t.Errorf("public client: %v", public)
		}
		if list := m.list("client", "list"); len(list) != 3 || list[0]["client_name"] != "Modeler" {
			t.Errorf("list %v; want three by name", list)
		}
		if list := m.list("client", "list", "--status", "pending", "--search", "typ"); len(list) != 1 {
			t.Errorf("found %v; want the typed one", list)
		}

		edited := m.object("", "client", "edit", id, "--name", "Modeler 2", "--redirect-uri", "https://a.example/cb", "--redirect-uri", "https://b.example/cb")
		if edited["client_name"] != "Modeler 2" || len(edited["redirect_uris"].([]any)) != 2 || edited["scope"] != "openid profile" {
			t.Errorf("edited %v; want name and redirect URIs changed alone", edited)
		}
		m.refused(exitFailure, "", []string{"client", "edit", id, "--name", "X", "--version", "1"}, "changed by somebody else", "Fix:")

		rotated := m.object("", "client", "rotate-secret", id, "--overlap", "24h")
		if rotated["client_secret"] == c["client_secret"] || len(rotated["secrets"].([]any)) != 2 {
			t.Errorf("rotated %v; want a second secret", rotated)
		}

		m.refused(exitUsage, "", []string{"client", "disapprove", id}, "0 live tokens of 0 users", "--yes")
		if got := m.object("", "client", "disapprove", id, "--reason", "stolen", "--yes"); got["status"] != "disapproved" || got["status_reason"] != "stolen" {
			t.Errorf("disapproved %v", got)
		}
		m.refused(exitUsage, "", []string{"client", "approve", id}, "This lets Modeler 2", "--yes")
		if got := m.object("", "client", "approve", id, "--yes"); got["status"] != "approved" {
			t.Errorf("approved %v", got)
		}
		m.refused(exitUsage, "", []string{"client", "remove", id}, "removes Modeler 2", "--yes")
		m.ok("", "client", "remove", id, "--yes")
		m.refused(exitFailure, "", []string{"client", "show", id}, "no client has the key", "Fix:")
		want := []string{
			"client.remove", "client.approve", "client.disapprove", "client.rotate_secret", "client.edit",
			"client.register", "client.register", "client.approve", "client.register",
		}
		if got := actions(t, m); !slices.Equal(got, want) {
			t.Errorf("audit record %s", got)
		}
	})
}

func TestWhatClientCreateRefuses(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	good := []string{"client", "create", "--name", "X", "--redirect-uri", "https://rp.example/cb"}
	tests := []struct {
		name string
		exit int
		args []string
		want string
	}{
		{"a fragment in a redirect URI", exitFailure, []string{"--redirect-uri", "https://rp.example/cb#x"}, "redirect_uris"},
		{"an unknown member", exitFailure, []string{"--set", "logo_url=https://x.example/l"}, "did you mean logo_uri?"},
		{"a member that approves", exitFailure, []string{"--set", "status=approved"}, "not a registration's to set"},
		{"a member without value", exitUsage, []string{"--set", "scope"}, "member=value"},
		{"an unknown type", exitUsage, []string{"--type", "saml"}, "oauth1, oauth2, oidc"},
		{"a secret as an argument", exitUsage, []string{"--secret", "hunter2"}, "--secret-stdin or --client-secret-file"},
		{"a misspelt flag", exitUsage, []string{"--redirect-url", "https://x"}, "did you mean --redirect-uri?"},
		{"an unknown output", exitUsage, []string{"-o", "xml"}, "table, json or yaml"},
		{"a word too many", exitUsage, []string{"extra"}, `"extra"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := m.run("", append(good, tt.args...)...)
			if r.exit != tt.exit || !strings.Contains(r.stderr, tt.want) || !strings.Contains(r.stderr, "Fix: ") {
				t.Errorf("exit %d: %s; want %d with %q and a fix", r.exit, r.stderr, tt.exit, tt.want)
			}
			if strings.Contains(r.stderr, "hunter2") {
				t.Error("the secret is repeated")
			}
		})
	}
	if list := m.list("client", "list"); len(list) != 0 {
		t.Errorf("refused clients were kept: %v", list)
	}
}

func TestKeysMigrationsAndVersion(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		if list := m.list("migrate", "status"); len(list) == 0 || list[0]["applied_at"] != nil {
			t.Errorf("migrations of a new database: %v; want them pending", list)
		}
		if list := m.list("migrate", "up"); list[0]["applied_at"] == nil {
			t.Errorf("migrations after up: %v; want them applied", list)
		}
		if list := m.list("keys", "list"); len(list) != 0 {
			t.Errorf("keys before the first start: %v", list)
		}
		m.ok("", "keys", "rotate", "--alg", "ES256")
		m.refused(exitUsage, "", []string{"keys", "rotate", "--immediately"}, "--yes")
		m.ok("", "keys", "rotate", "--alg", "ES256", "--immediately", "--yes")
		m.refused(exitUsage, "", []string{"keys", "rotate", "--alg", "HS256"}, "RS256")
		list := m.list("keys", "list")
		if len(list) < 2 || list[0]["kid"] == "" || list[0]["alg"] != "ES256" || list[0]["state"] != "active" {
			t.Errorf("keys %v; want two, the newest active", list)
		}
		if v := m.object("", "version"); v["go"] == "" || v["version"] == "" {
			t.Errorf("version %v", v)
		}
		out := m.ok("", "doctor")
		if !strings.Contains(out, "schema current, writable") {
			t.Errorf("doctor:\n%s", out)
		}
	})
}

// An account that may not configure the server closes its set-up: who makes it,
// and who asks the doctor, learns how the server gets an administrator.
func TestServerWithoutAdministratorIsToldOf(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		const lacking, remedy = "none that is enabled may configure the server", "countersign user permit "
		m.ok("", "migrate", "up")
		if out := m.ok("", "doctor"); strings.Contains(out, lacking) {
			t.Errorf("doctor before there is an account:\n%s", out)
		}
		create := []string{"user", "create", "--password-stdin", "--username"}
		for _, name := range []string{"bob", "eve"} {
			if r := m.run(goodPassword, append(create, name)...); r.exit != exitOK || !strings.Contains(r.stderr, remedy+name+" --permission configure_server") {
				t.Errorf("exit %d, %s; want a warning with the remedy", r.exit, r.stderr)
			}
		}
		if r := m.run("", "doctor"); r.exit != exitOK || !strings.Contains(r.stdout, lacking) || !strings.Contains(r.stdout, "warning  administrators") || !strings.Contains(r.stdout, remedy) {
			t.Errorf("doctor: exit %d\n%s", r.exit, r.stdout)
		}
		m.ok("", "user", "permit", "bob", "--permission", "configure_server")
		if out := m.ok("", "doctor"); strings.Contains(out, lacking) {
			t.Errorf("doctor:\n%s", out)
		}
		if r := m.run(goodPassword, append(create, "kim")...); strings.Contains(r.stderr, "Warning") {
			t.Errorf("warned though bob administers: %s", r.stderr)
		}
	})
}

func TestDoctorSaysWhatIsWrongAndHowToMendIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.ok("", "migrate", "up")
	if err := os.Chmod(filepath.Join(m.dir, "data", "secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := m.run("", "doctor", "-o", "json")
	if r.exit != exitFailure || !strings.Contains(r.stderr, "1 check failed") {
		t.Errorf("exit %d, %s; want one failure", r.exit, r.stderr)
	}
	var found bool
	for _, f := range parse[[]map[string]any](t, r.stdout) {
		if f["status"] == "failed" {
			found = f["check"] == "key-encryption key" && strings.HasPrefix(f["fix"].(string), "chmod 600 ")
		}
	}
	if !found {
		t.Errorf("findings %s; want the key's", r.stdout)
	}
	m.env = append(m.env, "COUNTERSIGN_POLICY=lax")
	if r := m.run("", "doctor"); r.exit != exitFailure || !strings.Contains(r.stdout, "policy") {
		t.Errorf("exit %d, %s; want the configuration's fault", r.exit, r.stdout)
	}
	m = newMachine(t, "LISTEN=127.0.0.1:1")
	m.refused(exitFailure, "", []string{"healthcheck"}, "no server answers on 127.0.0.1:1", "Fix:")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.refused(exitUsage, "", nil, "needs a command")
	m.refused(exitUsage, "", []string{"sevre"}, "did you mean serve?")
	for _, far := range []struct {
		args []string
		want string
	}{
		{[]string{"kubernetes"}, "it has "},
		{[]string{"user", "list", "--kubernetes"}, "unknown flag --kubernetes of countersign user list"},
		{[]string{"user", "create", "--username", "eve", "--password-stdin", "--claim", "shoe_size=44"}, "there are name, "},
	} {
		if r := m.run(goodPassword, far.args...); r.exit != exitUsage || strings.Contains(r.stderr, "did you mean") || !strings.Contains(r.stderr, far.want) {
			t.Errorf("%v: exit %d, %s; want %q and no guess", far.args, r.exit, r.stderr, far.want)
		}
	}
	m.refused(exitUsage, "", []string{"user"}, "needs a command", "create")
	m.refused(exitUsage, "", []string{"user", "creat"}, "did you mean create?")
	m.refused(exitUsage, "", []string{"serve", "--isuer", "x"}, "did you mean --issuer?")
	m.refused(exitUsage, "", []string{"serve", "now"}, `"now"`)
	m.refused(exitUsage, "", []string{"user", "show"}, "one argument")
	m.refused(exitUsage, "", []string{"token", "get", "--client", "x", "--grant", "cheese"}, "code, device, password, client-credentials, refresh")
	m.refused(exitFailure, "", []string{"token", "get", "--client", "x", "--issuer", "http://127.0.0.1:1", "--no-browser"}, "discovery document", "Fix:")
	if out := m.ok("", "completion", "bash"); !strings.Contains(out, "countersign") {
		t.Error("no completion for bash")
	}
}

func TestEveryHelpHasTwoExamples(t *testing.T) {
	t.Parallel()
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if n := len(strings.Split(strings.TrimSpace(cmd.Example), "\n")); n < 2 && cmd.Name() != "help" {
			t.Errorf("%s --help has %d examples", cmd.CommandPath(), n)
		}
		for _, c := range cmd.Commands() {
			if c.Name() != "completion" { // cobra's own, with instructions for each shell
				check(c)
			}
		}
	}
	check(newRoot(&program{}))
}

// A consumer gets its callbacks with its approval, or neither.
func TestApproveWithCallbacks(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		made := m.object("", "client", "create", "--type", "oauth1", "--name", "Jazz")
		id, _ := made["client_id"].(string)
		m.refused(exitUsage, "", []string{"client", "approve", id}, "It has no redirect URI", "--redirect-uri", "--yes")
		m.refused(exitUsage, "", []string{"client", "approve", id, "--redirect-uri", "https://a.example/cb"}, "It may send people back to https://a.example/cb.", "--yes")
		m.refused(exitFailure, "", []string{"client", "approve", id, "--yes", "--redirect-uri", "https://a.example/cb", "--redirect-uri", "javascript:x"}, "never a client")
		if got := m.object("", "client", "show", id); got["status"] != "pending" || got["redirect_uris"] == nil || got["requested"] != nil {
			t.Errorf("after a refusal: %v", got)
		}
		m.refused(exitUsage, "", []string{"client", "approve", id, "--redirect-uri", "https://a.example/cb", "--revision"}, "leave --trusted")
		got := m.object("", "client", "approve", id, "--yes", "--redirect-uri", "https://a.example/cb")
		if uris, _ := got["redirect_uris"].([]any); got["status"] != "approved" || !slices.Equal(uris, []any{"https://a.example/cb"}) {
			t.Errorf("approved %v", got)
		}
		if got, want := actions(t, m), []string{"client.approve", "client.register"}; !slices.Equal(got, want) {
			t.Errorf("audit record %s; want %s", got, want)
		}
	})
}

func TestWhatAClientAskedFor(t *testing.T) {
	t.Parallel()
	c := &clientstore.Client{ID: "k", Name: "Jazz", Type: clientstore.OAuth1, Requested: clientstore.Requested{
		Trusted: true, FunctionalUser: "jazz\u202eadmin", Key: "mine", Callbacks: []string{"https://a.example/cb"},
	}}
	got := approvalImpact(c, clientstore.Impact{})
	for _, want := range []string{
		"to be trusted", `to act for the user "jazz\u202eadmin"`, `for the key "mine"`, "to send people back to https://a.example/cb", "has no effect", "has no redirect URI",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	if asked := requested(&clientstore.Requested{}); asked != "" {
		t.Errorf("it asked %s", asked)
	}
}

func TestInitialTokensAndRevisions(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		made := m.object("", "client", "initial-token", "create", "--name", "pipeline", "--uses", "3", "--approve")
		token, _ := made["token"].(string)
		if !strings.HasPrefix(token, "cs_iat_") || made["uses_left"] != 3.0 || made["approve"] != true || made["hash"] != nil {
			t.Errorf("made %v", made)
		}
		m.refused(exitUsage, "", []string{"client", "initial-token", "create"}, "--name is missing")
		m.refused(exitFailure, "", []string{"client", "initial-token", "create", "--name", "x", "--uses", "0"}, "uses")
		m.refused(exitFailure, "", []string{"client", "initial-token", "create", "--name", "x", "--lifetime", "-1h"}, "lifetime")
		list := m.list("client", "initial-token", "list")
		if len(list) != 1 || list[0]["id"] != made["id"] || list[0]["token"] != nil || list[0]["revoked_at"] != nil {
			t.Errorf("listed %v", list)
		}
		id, _ := made["id"].(string)
		m.ok("", "client", "initial-token", "revoke", id)
		m.refused(exitFailure, "", []string{"client", "initial-token", "revoke", id}, "revoked before", "Fix:")
		c := m.object("", "client", "create", "--name", "X", "--redirect-uri", "https://rp.example/cb", "--approve")
		m.refused(exitFailure, "", []string{"client", "approve", c["client_id"].(string), "--revision", "--yes"}, "no revision", "Fix:")
		want := []string{"client.approve", "client.register", "initial_token.revoke", "initial_token.create"}
		if got := actions(t, m); !slices.Equal(got, want) {
			t.Errorf("audit record %s; want %s", got, want)
		}
	})
}
