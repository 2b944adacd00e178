package snippet

import (
	"go/parser"
	gotoken "go/token"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// nasty is a secret that ends the quotes of every language.
const nasty = `a'b"c\d $e` + "`f`" + ` %g {h} <i> ^j^ #k`

// clients are those that the texts differ for.
func clients() map[string]Client {
	base := Client{
		Key: "k3y", Name: "Bridge", Secret: nasty, Scope: `openid models:read"`, Redirect: "https://app.example/cb?a=b&c='d'",
		Grants: []string{codeGrant, deviceGrant, ownGrant}, Issuer: "https://id.example/auth",
	}
	all := map[string]Client{}
	for name, change := range map[string]func(c *Client){
		"oidc": func(c *Client) { c.Type = "oidc" }, "oauth1": func(c *Client) { c.Type = "oauth1" },
		"public": func(c *Client) { c.Type, c.Public, c.Secret = "oauth2", true, "" }, "posts": func(c *Client) { c.Type, c.Posts = "oidc", true },
		"without TLS": func(c *Client) { c.Type, c.Issuer = "oidc", "http://127.0.0.1:8080" },
	} {
		c := base
		change(&c)
		all[name] = c
	}
	return all
}

// Every text can be read by what it is for, whatever the client's values are.
// That they work is tested with the whole program.
func TestTextsAreWellFormed(t *testing.T) {
	t.Parallel()
	for name, c := range clients() {
		for _, s := range All(c) {
			if strings.ContainsAny(s.Text, "«»") {
				t.Errorf("%s, %s: a mark is left:\n%s", name, s.ID, s.Text)
			}
			if fault := malformed(s); fault != "" {
				t.Errorf("%s, %s: %s:\n%s", name, s.ID, fault, s.Text)
			}
		}
	}
}

func malformed(s Snippet) string {
	switch {
	case s.ID == "go":
		if _, err := parser.ParseFile(gotoken.NewFileSet(), "", "package main\nfunc main() {\n"+s.Text+"}\n", 0); err != nil {
			return err.Error()
		}
	case strings.HasPrefix(s.Title.String(), "curl"):
		if out, err := exec.Command("sh", "-n", "-c", s.Text).CombinedOutput(); err != nil {
			return string(out)
		}
	case strings.Contains(s.Note.String(), "application.yml"):
		var document map[string]any
		if err := yaml.Unmarshal([]byte(s.Text), &document); err != nil {
			return err.Error()
		}
	case s.ID == "tool":
		for line := range strings.Lines(s.Text) {
			if _, _, ok := strings.Cut(line, ": "); !ok {
				return "a line is no setting: " + line
			}
		}
	default:
		return unbalanced(s.Text)
	}
	return ""
}

// unbalanced says what is not closed in a program of the family of C.
func unbalanced(text string) string {
	var open []byte
	closes := map[byte]byte{')': '(', ']': '[', '}': '{'}
	for line := range strings.Lines(text) {
		inString := byte(0)
		for i := 0; i < len(line); i++ {
			switch b := line[i]; {
			case inString != 0 && b == '\\':
				i++
			case inString != 0:
				if b == inString {
					inString = 0
				}
			case b == '"' || b == '\'':
				inString = b
			case b == '#' || strings.HasPrefix(line[i:], "//"):
				i = len(line)
			case b == '(' || b == '[' || b == '{':
				open = append(open, b)
			case closes[b] != 0:
				if len(open) == 0 || open[len(open)-1] != closes[b] {
					return "closes what is not open: " + line
				}
				open = open[:len(open)-1]
			}
		}
		if inString != 0 {
			return "a string goes on behind its line: " + line
		}
	}
	if len(open) > 0 {
		return "something is left open: " + string(open)
	}
	return ""
}

// A secret never becomes a command: a shell hands it to curl as it is.
func TestShellTakesValuesAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, value := range []string{nasty, "plain", "", "-x", "$(touch /tmp/never)", "line\nbreak"} {
		out, err := exec.Command("sh", "-c", "printf %s "+Shell(value)).Output()
		if err != nil || string(out) != value {
			t.Errorf("%q becomes %q: %v", value, out, err)
		}
	}
	c := clients()["oauth1"]
	for _, s := range All(c) {
		if s.ID != "curl" {
			continue
		}
		_, rest, _ := strings.Cut(s.Text, `oauth_signature="`)
		encoded, _, _ := strings.Cut(rest, `"`)
		once, err := url.PathUnescape(encoded)
		if err != nil || once != escape(nasty)+"&" || strings.Contains(encoded, "'") {
			t.Errorf("the signature is %s (%v)", encoded, err)
		}
	}
}

// What a client is not registered for has no text.
func TestTextsFitTheGrants(t *testing.T) {
	t.Parallel()
	for grant, want := range map[string]string{codeGrant: "curl go python node java dotnet tool", deviceGrant: "device tool", ownGrant: "own tool"} {
		var got []string
		for _, s := range All(Client{Type: "oauth2", Grants: []string{grant}, Issuer: "https://id.example"}) {
			got = append(got, s.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v; want %s", grant, got, want)
		}
	}
}
