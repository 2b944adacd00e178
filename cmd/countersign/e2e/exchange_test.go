package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var program = regexp.MustCompile("(?ms)^```js\n(.*?)^```$")

// TestTokenExchangeHowTo runs what docs/token-exchange.md shows, with the
// clients that it names: npm's oauth-1.0a signs, and openid-client exchanges
// what was signed for a bearer token.
func TestTokenExchangeHowTo(t *testing.T) {
	t.Parallel()
	page := howTo(t, "token-exchange.md")
	each(t, func(t *testing.T, s *server) {
		followHowTo(t, s, page)
		testExchangeProgram(t, s, page)
	})
}

// howTo is the path of a page of the documentation.
func howTo(t *testing.T, name string) string {
	t.Helper()
	page, err := filepath.Abs("../../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// followHowTo runs the commands of the page where npm's packages are, and is Ada
// where they need a person.
func followHowTo(t *testing.T, s *server, page string) {
	t.Helper()
	s.CLI("The engine weaves patterns\n", "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada Lovelace")
	modules, err := filepath.Abs("node/node_modules")
	if err == nil {
		err = os.Symlink(modules, filepath.Join(s.dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, dir: s.dir, env: append([]string{"HOME=" + s.dir, "PATH=" + filepath.Dir(s.bin) + ":" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, s.env...)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, b := range blocks(t, page) {
		out, done := &logs{}, make(chan error, 1)
		go func() { done <- sh.run(ctx, b.commands, out) }()
		if b.kind == "browser" {
			signInAsAda(t, s, out)
		}
		if err := <-done; err != nil {
			t.Fatalf("block %d: %v\n%s\n%s", i, err, b.commands, out)
		}
	}
}

// howToProgram returns the program of the page: each run returns what it
// printed as JSON, nil if that is none, and what it complained of.
func howToProgram(t *testing.T, s *server, page string) func() (map[string]any, string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	source := program.FindSubmatch(text)
	if source == nil {
		t.Fatal("the page has no program")
	}
	return func() (map[string]any, string) {
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-")
		cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(string(source[1]))
		cmd.Env = append(os.Environ(), "ISSUER="+s.issuer)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, _ := cmd.Output() // what it says, stderr says
		var tokens map[string]any
		_ = json.Unmarshal(out, &tokens) // nil is not what was wanted
		return tokens, stderr.String()
	}
}

// testExchangeProgram runs the program, and looks at what it got: until the
// administrator takes back what the credentials stand on.
func testExchangeProgram(t *testing.T, s *server, page string) {
	t.Helper()
	run := howToProgram(t, s, page)
	tokens, said := run()
	access, _ := tokens["access_token"].(string)
	if access == "" || tokens["scope"] != "models" || tokens["issued_token_type"] != "urn:ietf:params:oauth:token-type:access_token" || tokens["refresh_token"] != nil {
		t.Fatalf("%v\n%s", tokens, said)
	}
	s.canaries.add("access token", access)
	auditor := s.Client("--set", "introspection_scope=all")
	a := s.Introspect(auditor, access)
	if a.JSON["active"] != true || a.JSON["username"] != "ada" || a.JSON["client_id"] != howToID(t, s, "client.json") {
		t.Errorf("introspection: %s", a.Body)
	}
	s.CLI("", "client", "disapprove", howToID(t, s, "consumer.json"), "--yes")
	wantInactive(t, s.Introspect(auditor, access))
	if tokens, said := run(); tokens != nil || !strings.Contains(said, "invalid_request") || !strings.Contains(said, "disapproved") {
		t.Errorf("after the disapproval of the consumer: %v\n%s", tokens, said)
	}
}

// howToID is the key of the client that the page made.
func howToID(t *testing.T, s *server, file string) string {
	t.Helper()
	var c map[string]any
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	id, ok := c["client_id"].(string)
	if err != nil || !ok {
		t.Fatalf("%s: %v %s", file, err, text)
	}
	return id
}
