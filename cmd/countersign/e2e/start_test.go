package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var setupLine = regexp.MustCompile(`https?://[^\s"]+/setup\?token=[^\s"]+`)

// findSetupURL returns the last set-up URL in what the server printed, "" if
// there is none.
func findSetupURL(printed string) string {
	found := setupLine.FindAllString(printed, -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// TestFirstStart creates the first administrator through the printed URL, and
// sees that the door is closed afterwards, for good.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			address := setupURL(t, s)
			token, _ := url.Parse(address) // setupURL has seen it
			b := s.browse()

			if p := b.Open(s.issuer + "/setup?token=wrong"); p.formWith("password") != nil {
				t.Error("a wrong token opens the set-up page")
			}
			p := b.Open(address)
			f := p.formWith("password")
			if f == nil {
				t.Fatalf("no set-up form: %d %s", p.Status, p.Text())
			}
			wantPageHeaders(t, p)

			short := b.Submit(p, f, url.Values{"username": {"ada"}, "password": {"short"}})
			if f = short.formWith("password"); f == nil || f.values.Get("username") != "ada" {
				t.Fatalf("a refused password loses what was typed: %s", short.Text())
			}
			password := s.canaries.add("password", "a longer sentence "+newVerifier())
			done := b.Submit(short, f, url.Values{"username": {"ada"}, "password": {password}})
			if done.Status >= 400 || done.formWith("password") != nil {
				t.Fatalf("the administrator is not created: %d %s", done.Status, done.Text())
			}

			admin := mustJSON[struct{ Permissions []string }](t, s.CLI("", "user", "show", "ada", "-o", "json"))
			if strings.Join(admin.Permissions, " ") != "configure_server" {
				t.Errorf("the first account has the permissions %q; want configure_server", admin.Permissions)
			}
			for name, address := range map[string]string{"the same URL": address, "without a token": s.issuer + "/setup"} {
				if p := s.browse().Open(address); p.formWith("password") != nil || p.Status < 400 {
					t.Errorf("%s opens the set-up page again: %d %s", name, p.Status, p.Text())
				}
			}
			again := s.do(s.formPost(s.issuer+"/setup", url.Values{
				"token": {token.Query().Get("token")}, "username": {"eve"}, "password": {password},
			}))
			if again.Status < 400 {
				t.Errorf("a second administrator is created: %d", again.Status)
			}

			before := strings.Count(s.log.String(), "/setup?token=")
			s.Restart()
			if got := strings.Count(s.log.String(), "/setup?token="); got != before {
				t.Error("the server prints a set-up URL although it has an account")
			}
			if p := b.SignIn(b.Open(s.issuer+"/login"), "ada", password); p.asksToSignIn() {
				t.Errorf("the administrator cannot sign in: %s", p.Text())
			}
		})
	}
}

func (s *server) formPost(address string, form url.Values) *http.Request {
	s.t.Helper()
	req := s.newRequest(http.MethodPost, address, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// TestNothingNeeded starts the server as the README does, without any
// configuration: it runs within seconds and says where.
func TestNothingNeeded(t *testing.T) {
	t.Parallel()
	s := prepare(t, sqlite)
	keep := s.env[:0]
	for _, variable := range s.env { // the port alone, since others may use 8080
		if strings.HasPrefix(variable, "COUNTERSIGN_ISSUER=") || strings.HasPrefix(variable, "COUNTERSIGN_LISTEN=") {
			keep = append(keep, variable)
		}
	}
	s.env = keep
	began := time.Now()
	s.Start()
	t.Cleanup(s.finish)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the first start took %s", took)
	}
	for _, want := range []string{s.issuer, "/setup?token="} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the start does not print %q:\n%s", want, s.log)
		}
	}
	for name, mode := range map[string]os.FileMode{"countersign-data": 0o700, "countersign-data/secret": 0o600} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o; want %o", name, info.Mode().Perm(), mode)
		}
	}
}

// TestSurvivesKill ends the server without warning: what it has answered is
// there afterwards (INV-01, RT-12).
func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			c, u := s.Client(), s.User()
			live, revoked := s.Tokens(c, u), s.Tokens(c, u)
			if a := s.Revoke(c, revoked.refresh); a.Status != http.StatusOK {
				t.Fatalf("revocation got %d %s", a.Status, a.Body)
			}
			s.Kill()
			s.Start()
			wantActive(t, s.Introspect(c, live.access))
			wantTokens(t, s.Refresh(c, live.refresh))
			wantInactive(t, s.Introspect(c, revoked.access))
			wantError(t, s.Refresh(c, revoked.refresh), http.StatusBadRequest, "invalid_grant")
		})
	}
}

// TestBadStart starts the server with what it cannot work with. It ends with
// one message that says the cause and the remedy, and shows no internals.
func TestBadStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(t *testing.T, s *server)
		want    []string // in the message
	}{
		{"unknown key in the environment", func(_ *testing.T, s *server) { s.set("ISSUR", "http://localhost") }, []string{"ISSUR", "ISSUER"}},
		{"unknown key in the file", func(t *testing.T, s *server) {
			path := filepath.Join(s.dir, "countersign.yaml")
			if err := os.WriteFile(path, []byte("acess_token_lifetime: 5m\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.args = []string{"--config", path}
		}, []string{"acess_token_lifetime", "access_token_lifetime"}},
		{"a value that is no duration", func(_ *testing.T, s *server) { s.set("CODE_LIFETIME", "soon") }, []string{"code_lifetime", "soon", "30s"}},
		{"unreachable database", func(t *testing.T, s *server) {
			s.set("DATABASE", "postgres://countersign:hunter2-hunter2@"+freeAddress(t)+"/countersign?sslmode=disable")
			s.set("SECRET_FILE", s.keyFile())
			s.canaries.add("database password", "hunter2-hunter2")
		}, []string{"127.0.0.1", "database"}},
		{"PostgreSQL without a key-encryption key", func(_ *testing.T, s *server) {
			s.set("DATABASE", "postgres://countersign@127.0.0.1/countersign")
		}, []string{"secret"}},
		{"issuer on plain http that is not loopback", func(_ *testing.T, s *server) {
			s.set("ISSUER", "http://id.example.com")
		}, []string{"issuer", "https"}},
		{"listening everywhere without TLS", func(_ *testing.T, s *server) { s.set("LISTEN", "0.0.0.0:0") }, []string{"TLS", "trusted_proxies"}},
		{"port in use", func(t *testing.T, s *server) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() }) // it was only in the way
			s.set("LISTEN", l.Addr().String())
		}, []string{"another program listens", "--listen"}},
		{"data folder that cannot be made", func(t *testing.T, s *server) {
			path := filepath.Join(s.dir, "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s.set("DATA", filepath.Join(path, "data"))
		}, []string{"file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, sqlite)
			tt.prepare(t, s)
			message := s.refusesToStart(t)
			for _, want := range tt.want {
				if !strings.Contains(strings.ToLower(message), strings.ToLower(want)) {
					t.Errorf("the message does not say %q:\n%s", want, message)
				}
			}
		})
	}
}

// refusesToStart runs serve, which has to end by itself with one message.
func (s *server) refusesToStart(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := s.command(ctx, append([]string{"serve"}, s.args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil || ctx.Err() != nil {
		t.Fatalf("the server starts, or hangs: %v\n%s", err, &out)
	}
	message := out.String()
	if lines := strings.Count(strings.TrimSpace(message), "\n") + 1; lines > 8 {
		t.Errorf("the message has %d lines:\n%s", lines, message)
	}
	for _, internal := range []string{"goroutine", "panic", ".go:", "gorm", "SQLSTATE"} {
		if strings.Contains(message, internal) {
			t.Errorf("the message shows internals (%s):\n%s", internal, message)
		}
	}
	for name, value := range s.canaries.all() {
		if strings.Contains(message, value) {
			t.Errorf("the message holds the %s:\n%s", name, message)
		}
	}
	return message
}

// TestWrongKey starts the server with a key-encryption key that is not the
// database's, and then with the right one again: nothing is lost.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, database)
			right := s.keyFile()
			s.set("SECRET_FILE", right)
			s.Start()
			t.Cleanup(s.finish)
			c, u := s.Client(), s.User()
			live := s.Tokens(c, u)
			s.Stop()

			s.set("SECRET_FILE", s.keyFile())
			if message := s.refusesToStart(t); !strings.Contains(message, "key") {
				t.Errorf("the message does not speak of the key:\n%s", message)
			}
			if message := s.refuses("user", "list"); !strings.Contains(message, "key") {
				t.Errorf("user list does not speak of the key:\n%s", message)
			}
			s.set("SECRET_FILE", right)
			s.Start()
			wantActive(t, s.Introspect(c, live.access))
			wantTokens(t, s.Refresh(c, live.refresh))
		})
	}
}

// TestNewerSchema starts the server on a database that a newer version has
// migrated: it refuses, and changes nothing.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			s.Stop()
			db := s.database()
			res := db.With(t.Context()).Exec("INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (?, ?, ?)", 99999, true, db.Now())
			if res.Error != nil {
				t.Fatal(res.Error)
			}
			// A newer schema is served, unless this release is too old for it.
			if err := db.With(t.Context()).Exec("UPDATE schema_support SET oldest = ?", 99999).Error; err != nil {
				t.Fatal(err)
			}
			if message := s.refusesToStart(t); !strings.Contains(message, "newer") {
				t.Errorf("the message does not say that the database is newer:\n%s", message)
			}
		})
	}
}

// TestBadCommands gives the command line what it cannot accept.
func TestBadCommands(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	u := s.User()
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{
			"redirect URI with a fragment",
			[]string{"client", "create", "--type", "oidc", "--name", "X", "--redirect-uri", "https://rp.example/cb#x"},
			[]string{"redirect_uris", "fragment"},
		},
		{"unknown client", []string{"client", "approve", "no-such-client", "--yes"}, []string{"no-such-client", "client list"}},
		{"unknown user", []string{"user", "show", "nobody-here"}, []string{"nobody-here", "user list"}},
		{"a name that is taken", []string{"user", "create", "--username", u.Username, "--password-file", "password"}, []string{u.Username}},
		{"secret as an argument", []string{"client", "create", "--secret", "x"}, []string{"--secret-stdin"}},
		{"no confirmation without a terminal", []string{"user", "remove", u.Username}, []string{"--yes"}},
		{"unknown command", []string{"client", "aprove", "x"}, []string{"approve"}},
	}
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte(u.password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message := s.as(t).refuses(tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message does not say %q:\n%s", want, message)
				}
			}
			if strings.Contains(message, "goroutine") || strings.Contains(message, ".go:") {
				t.Errorf("the message shows internals:\n%s", message)
			}
		})
	}
}

// TestSmallCommands runs the commands that a service manager and a packager use.
func TestSmallCommands(t *testing.T) {
	t.Parallel()
	s := start(t, sqlite)
	s.CLI("", "healthcheck")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"version"}, "go1."},
		{[]string{"migrate", "status"}, ""},
		{[]string{"completion", "bash"}, "countersign"},
		{[]string{"doctor"}, ""},
		{[]string{"audit", "list"}, ""},
		{[]string{"keys", "list"}, "RS256"},
	} {
		if out := s.CLI("", tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("countersign %s does not print %q:\n%s", strings.Join(tt.args, " "), tt.want, out)
		}
	}
	s.Stop()
	if message := s.refuses("healthcheck"); message == "" {
		t.Error("healthcheck says nothing of a server that does not run")
	}
}
