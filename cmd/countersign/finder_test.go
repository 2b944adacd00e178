package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/cmd/countersign/config"
	"countersign/storage/seal"
)

// The commands on the last page of the set-up work on the data of the server that
// shows them, from whatever folder and without its environment. Who did not set
// the server up does not see where that is.
func TestSetupShowsCommandsThatFindTheData(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.env[0] = "COUNTERSIGN_DATA=" + filepath.Join(m.dir, "the server's data")
	s := m.serve()
	link, err := url.Parse(setupLink.FindString(s.out.String()))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"token": {link.Query().Get("token")}, "username": {"ada"}, "password": {strings.TrimSpace(goodPassword)}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.issuer+"/setup", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Jar: jar}).Do(req) // follows to the page
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	commands := regexp.MustCompile(`(?s)<pre[^>]*><code>countersign (.*?)</code>`).FindAllStringSubmatch(page, -1)
	if len(commands) != 2 {
		t.Fatalf("the page has %d commands:\n%s", len(commands), page)
	}
	elsewhere := &machine{t: t, dir: t.TempDir()}
	elsewhere.ok("", shellWords(t, html.UnescapeString(commands[0][1]))...)
	if list := m.list("client", "list"); len(list) != 1 || list[0]["client_name"] != "My application" {
		t.Errorf("the server has the clients %v", list)
	}
	if !slices.Contains(shellWords(t, html.UnescapeString(commands[1][1])), s.issuer) {
		t.Errorf("the second command does not name the issuer %s: %s", s.issuer, commands[1][1])
	}
	if other := s.get(s.issuer + "/setup/done"); strings.Contains(other.body, "data&#39;") || strings.Contains(other.body, m.dir) || !strings.Contains(other.body, "--data") {
		t.Errorf("anybody is shown\n%s", other.body)
	}
}

// shellWords are the words of a command line, as a shell reads them.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestFinders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &machine{t: t, dir: dir}
	path := func(name string) string { return filepath.Join(dir, name) }
	secret := m.write("key", seal.GenerateKey())
	address := m.write("address", "postgres://ada:hunter2@db.example/ada")
	whole := m.write("whole.yaml", "data: "+path("data")+"\nsecret: "+seal.GenerateKey()+"\ndatabase: postgres://ada:hunter2@db.example/ada\n")
	partly := m.write("partly.yaml", "data: data\nlog_level: warn\n")
	here, err := filepath.Abs("data")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file  string
		env   []string
		flags map[string]string
		want  string
	}{
		"nothing":          {want: ""},
		"what is default":  {env: []string{"DATA=countersign-data"}, want: ""},
		"of no matter":     {env: []string{"LISTEN=127.0.0.1:9000"}, want: ""},
		"a folder":         {env: []string{"DATA=data"}, want: "--data " + here},
		"by a flag":        {flags: map[string]string{"data": "/srv/it's"}, want: `--data '/srv/it'\''s'`},
		"a file":           {file: whole, want: "--config " + whole},
		"a file and more":  {file: whole, env: []string{"DATA=/srv/x"}, want: "--config " + whole + " --data /srv/x"},
		"a relative one":   {file: partly, want: "--config " + partly + " --data " + here},
		"SQLite":           {env: []string{"DATABASE=sqlite:///srv/a%20b.db"}, want: "--database sqlite:///srv/a%20b.db"},
		"PostgreSQL":       {env: []string{"DATABASE=postgres://ada:hunter2@db.example/ada", "SECRET=" + seal.GenerateKey()}, want: "COUNTERSIGN_DATABASE  COUNTERSIGN_SECRET "},
		"in its parameter": {flags: map[string]string{"database": "postgres://db.example/ada?password=hunter2", "secret_file": secret}, want: "COUNTERSIGN_DATABASE  --secret-file " + secret},
		"in a file":        {env: []string{"DATABASE_FILE=" + address, "SECRET_FILE=" + secret}, want: "--database-file " + address + " --secret-file " + secret},
	} {
		for i := range tt.env {
			tt.env[i] = config.EnvPrefix + tt.env[i]
		}
		cfg, err := config.Load(config.Source{File: tt.file, Env: tt.env, Flags: tt.flags})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var words []string
		for _, f := range finders(cfg, tt.file) {
			words = append(words, f.Name+" "+f.Value)
		}
		if got := strings.Join(words, " "); got != tt.want || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}
