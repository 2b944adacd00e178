package e2e

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// block is a block of commands of a document.
type block struct{ kind, commands string }

var fenced = regexp.MustCompile("(?ms)^```sh ?(\\w*)\n(.*?)^```$")

func blocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, m := range fenced.FindAllSubmatch(text, -1) {
		all = append(all, block{string(m[1]), string(m[2])})
	}
	if len(all) == 0 {
		t.Fatalf("%s has no commands", path)
	}
	return all
}

// shell runs blocks of commands like a person at a terminal: one shell, whose
// variables stay.
type shell struct {
	t    *testing.T
	dir  string
	env  []string
	vars string // assignments of the blocks before
}

// run runs a block and returns what it printed, and whether it succeeded.
func (sh *shell) run(ctx context.Context, commands string, out *logs) error {
	save := filepath.Join(sh.dir, "variables")
	script := "set -eu\n" + sh.vars + "\n" + commands + "\ndeclare -p CLIENT > " + save + " 2>/dev/null || true\n"
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = sh.dir, sh.env
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if vars, readErr := os.ReadFile(save); readErr == nil && len(vars) > 0 {
		sh.vars = string(vars)
	}
	return err
}

// TestTutorial runs the commands of docs/tutorial.md one after the other, with
// a browser where it speaks of one.
func TestTutorial(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	s := prepare(t, sqlite)
	installed := filepath.Dir(s.bin) // what `go install` would yield
	env := append([]string{"HOME=" + s.dir, "PATH=" + installed + ":" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, s.env...)
	sh := &shell{t: t, dir: s.dir, env: env}
	for i, b := range blocks(t, filepath.Join(root, "docs", "tutorial.md")) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out := &logs{}
		switch {
		case strings.HasPrefix(b.commands, "go install "):
			seeThatItInstalls(t, root, b.commands)
		case b.kind == "server":
			if b.commands != "countersign serve\n" {
				t.Fatalf("the server is started by %q", b.commands)
			}
			s.Start()
			t.Cleanup(s.finish)
		case b.kind == "browser":
			done := make(chan error, 1)
			go func() { done <- sh.run(ctx, b.commands, out) }()
			signInAsAda(t, s, out)
			if err := <-done; err != nil {
				t.Fatalf("block %d: %v\n%s\n%s", i, err, b.commands, out)
			}
		case b.kind == "fails":
			if err := sh.run(ctx, b.commands, out); err == nil || !strings.Contains(out.String(), "unauthorized_client") && !strings.Contains(out.String(), "invalid_client") {
				t.Fatalf("block %d should be refused: %v\n%s\n%s", i, err, b.commands, out)
			}
		default:
			if err := sh.run(ctx, b.commands, out); err != nil {
				t.Fatalf("block %d: %v\n%s\n%s", i, err, b.commands, out)
			}
		}
	}
}

// seeThatItInstalls checks the command that installs the program. It is not
// run again, since the binary that the tests use was built from the same path.
func seeThatItInstalls(t *testing.T, root, command string) {
	t.Helper()
	path, _ := strings.CutPrefix(strings.TrimSpace(command), "go install ")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Name}} {{.ImportPath}}", path)
	cmd.Dir = root
	if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "main countersign/cmd/countersign" {
		t.Errorf("%s: %v %s", command, err, out)
	}
}

var printedURL = regexp.MustCompile(`https?://\S+/authorize\?\S+`)

// signInAsAda opens the address that `token get` prints, signs in, consents
// and goes where the browser is sent.
func signInAsAda(t *testing.T, s *server, out *logs) {
	t.Helper()
	var address string
	for deadline := time.Now().Add(30 * time.Second); address == ""; time.Sleep(50 * time.Millisecond) {
		address = printedURL.FindString(out.String())
		if time.Now().After(deadline) {
			t.Fatalf("token get prints no address to open:\n%s", out)
		}
	}
	p := s.browse().Authorize(address, &user{Username: "ada", password: "The engine weaves patterns"})
	if p.Callback == nil {
		t.Fatalf("no answer: %s", p.Text())
	}
	res, err := http.Get(p.Callback.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read below
	var body bytes.Buffer
	if _, err := bufio.NewReader(res.Body).WriteTo(&body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("token get answers the browser with %d: %v", res.StatusCode, err)
	}
}
