package e2e

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

// lesson is a program that the Settings application gives to who sets a client
// up, with what stands around it where it is a part of a program. Where it
// tells to send the person away, it is made to print the address and to read
// what comes back.
type lesson struct {
	name    string
	snippet string // of the page
	before  string
	wait    string // in place of the comment that tells to send the person away
	after   string
	file    string // where it is kept
	folder  string // where it runs
	command []string
	brings  string // the parameter that it is told, or the whole address
}

var goBefore = `package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
%s
)

func line() string { l, _ := bufio.NewReader(os.Stdin).ReadString('\n'); return strings.TrimSpace(l) }

func main() {
	ctx := context.Background()
`

const nodeBefore = `import { readSync } from "node:fs";
const line = () => { const b = Buffer.alloc(4096); return b.toString("utf8", 0, readSync(0, b)).trim(); };
`

var lessons = map[string][]lesson{
	"oidc": {
		{name: "curl", snippet: "curl", file: "a.sh", folder: ".", command: []string{"bash", "-eu"}, brings: "code"},
		{
			name: "Go", snippet: "go", before: strings.Replace(goBefore, "%s", "\t\"crypto/rand\"\n\t\"golang.org/x/oauth2\"", 1),
			wait: "fmt.Println(address); code := line()", after: "if err != nil { log.Fatal(err) }; fmt.Println(token.AccessToken) }",
			file: "main.go", folder: ".", command: []string{"go", "run"}, brings: "code",
		},
		{
			name: "Node.js", snippet: "node", before: nodeBefore, wait: "console.log(address.href); const answer = new URL(line());",
			after: "console.log(tokens.access_token);", file: "snippet-oidc.mjs", folder: "node", command: []string{"node"}, brings: "",
		},
	},
	"oauth1": {
		{
			name: "Go", snippet: "go", before: strings.Replace(goBefore, "%s", "\t\"github.com/dghubble/oauth1\"", 1),
			wait: "if err != nil { log.Fatal(err) }; fmt.Println(address); verifier := line(); _ = ctx", after: "if err != nil { log.Fatal(err) }; fmt.Println(accessToken, accessSecret) }",
			file: "main.go", folder: ".", command: []string{"go", "run"}, brings: "oauth_verifier",
		},
		{
			name: "Node.js", snippet: "node", before: nodeBefore, wait: "const verifier = line();",
			file: "snippet-oauth1.mjs", folder: "node", command: []string{"node"}, brings: "oauth_verifier",
		},
	},
}

var (
	sendAway = regexp.MustCompile(`(?m)^\s*(//|#) Send the person.*$`)
	address  = regexp.MustCompile(`https?://\S+`)
	// issued is an access token, or token credentials of OAuth 1.0a.
	issued = regexp.MustCompile(`cs_(at|o1a)_\w+`)
)

// TestSnippets creates clients in the Settings application, and runs the
// programs that it shows for them: each of them gets a token that works.
func TestSnippets(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	u, b := s.administrator(), s.browse()
	b.SignIn(b.Open(s.settings("/oauth-clients")), u.Username, u.password)
	for kind, list := range lessons {
		created := b.createClient(kind, url.Values{"name": {"Snippets"}, "redirect_uris": {webRedirect}})
		for _, l := range list {
			t.Run(kind+", "+l.name, func(t *testing.T) {
				t.Parallel()
				l.run(t, s.as(t), created, u)
			})
		}
	}
	// A public client proves itself by nothing but its proof key.
	public := b.createClient("oidc", url.Values{"name": {"Public snippets"}, "redirect_uris": {webRedirect}, "credentials": {"none"}})
	for _, l := range []lesson{lessons["oidc"][0], lessons["oidc"][2]} {
		l.file = "public-" + l.file
		t.Run("public, "+l.name, func(t *testing.T) {
			t.Parallel()
			l.run(t, s.as(t), public, u)
		})
	}
	own := b.createClient("oauth2", url.Values{"name": {"Own snippets"}, "grant": {"client_credentials"}, "response": {}, "scope": {"metrics:write"}})
	out, err := exec.CommandContext(t.Context(), "bash", "-eu", "-c", own.snippet("own")).Output()
	if err != nil || !issued.Match(out) {
		t.Errorf("for itself: %v\n%s\n%s", err, own.snippet("own"), out)
	}
	s.canaries.add("access token", issued.FindString(string(out)))
}

// createClient creates a client in the Settings application, approves it, and
// returns the page that shows what belongs to it.
func (b *browser) createClient(kind string, filled url.Values) *page {
	b.t.Helper()
	p := b.Open(b.s.settings("/oauth-clients/create?type=" + kind))
	p = b.Submit(p, p.formWith("once"), filled)
	if p.Status != http.StatusCreated {
		b.t.Fatalf("creating a client answers %d: %s", p.Status, p.Text())
	}
	b.s.canaries.add("client secret", p.byID("secret-value"))
	b.s.CLI("", "client", "approve", p.byID("key"), "--yes")
	return p
}

// byID is the text of an element, as it is written.
func (p *page) byID(id string) string {
	for _, tag := range []string{"code", "pre"} {
		for _, n := range e2etest.Elements(p.doc, tag) {
			if e2etest.Attr(n, "id") == id {
				return strings.TrimSuffix(e2etest.Text(n), " ")
			}
		}
	}
	return ""
}

func (p *page) snippet(id string) string { return p.byID("code-" + id) }

func (l lesson) run(t *testing.T, s *server, created *page, u *user) {
	t.Helper()
	text := created.snippet(l.snippet)
	if l.wait != "" {
		if !sendAway.MatchString(text) {
			t.Fatalf("the program does not say when to send the person away:\n%s", text)
		}
		text = l.before + sendAway.ReplaceAllLiteralString(text, l.wait) + l.after
	}
	folder := t.TempDir()
	if l.folder != "." { // its packages are there
		folder = l.folder
	}
	file, err := filepath.Abs(filepath.Join(folder, l.file))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(file) }) // some are in the working tree
	cmd := exec.CommandContext(t.Context(), l.command[0], append(l.command[1:], file)...)
	cmd.Dir = l.folder
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	var trouble logs
	cmd.Stderr = &trouble
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if inErr != nil || outErr != nil || cmd.Start() != nil {
		t.Fatalf("%v does not start", l.command)
	}
	defer func() {
		_ = in.Close() // so that it does not wait for more
		_ = cmd.Wait() // what it printed counts
	}()
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !address.MatchString(line) {
		t.Fatalf("no address: %q, %v\n%s\n%s", line, err, trouble.String(), text)
	}
	p := s.browse().Authorize(address.FindString(line), u)
	if p.Callback == nil {
		t.Fatalf("no answer: %d %s", p.Status, p.Text())
	}
	brought := p.Callback.String()
	if l.brings != "" {
		brought = p.Callback.Query().Get(l.brings)
		s.canaries.add(l.brings, brought)
	}
	if _, err := io.WriteString(in, brought+"\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	got := issued.FindString(string(rest))
	if err != nil || got == "" {
		t.Fatalf("no token: %v\n%s%s\n%s", err, rest, trouble.String(), text)
	}
	s.canaries.add("token", got)
	if strings.HasPrefix(got, "cs_at_") {
		if a := s.Userinfo(got); a.Status != http.StatusOK {
			t.Errorf("the token does not work: %d %s", a.Status, a.Body)
		}
	}
}
