//go:build interop

package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// agent is an oidc-agent with a home of its own.
type agent struct {
	t   testing.TB
	s   *server
	env []string
}

func newAgent(t testing.TB, s *server) *agent {
	t.Helper()
	home, err := os.MkdirTemp("", "agent") //nolint:usetesting // the path of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) }) // a temporary folder
	if err := os.MkdirAll(filepath.Join(home, ".config", "oidc-agent"), 0o700); err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, s: s, env: []string{
		"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "OIDC_ENCRYPTION_PW=" + s.canaries.add("password", "pw "+newVerifier()),
	}}
	cmd := a.command("oidc-agent", "--no-scheme", "-d", "-a", home+"/socket")
	out := &logs{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make interop`", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("oidc-agent: %s", out)
		}
	})
	a.env = append(a.env, "OIDC_SOCK="+home+"/socket")
	for range 100 {
		if _, err := os.Stat(home + "/socket"); err == nil {
			return a
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("oidc-agent does not listen: %s", out)
	return nil
}

func (a *agent) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Env = a.env
	return cmd
}

// Where oidc-gen tells the person to go.
var (
	agentAuthorize = regexp.MustCompile(`http\S+/authorize\?\S+`)
	agentUserCode  = regexp.MustCompile(`enter the code: (\S+)`)
)

// generate runs oidc-gen for an account, shows each line that it prints to
// watch until that is content, and waits for its end.
func (a *agent) generate(account string, watch func(line string) (done bool), args ...string) {
	a.t.Helper()
	args = append([]string{
		"--pw-env", "--prompt=none", "--confirm-yes", "--no-url-call", "--iss=" + a.s.issuer, "--scope=openid profile email offline_access",
	}, args...)
	cmd := a.command("oidc-gen", append(args, account)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // it would poll for ever
	defer stop.Stop()
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	for lines.Scan() && !watch(lines.Text()) {
	}
	_, _ = io.Copy(&said, out) // it ends with the program
	if err := cmd.Wait(); err != nil {
		a.t.Fatalf("oidc-gen %v: %v\n%s", args, err, said.String())
	}
}

// token asks the agent for a new access token, which it gets by refreshing, and
// sees whose it is.
func (a *agent) token(account string, u *user) {
	a.t.Helper()
	seen := map[string]bool{}
	for range 2 {
		out, err := a.command("oidc-token", "--force-new", account).CombinedOutput()
		token := a.s.canaries.add("access token", strings.TrimSpace(string(out)))
		if err != nil || seen[token] {
			a.t.Fatalf("oidc-token: %v, %s", err, out)
		}
		seen[token] = true
		if claims := a.s.Userinfo(token); claims.str("sub") != u.ID {
			a.t.Errorf("the agent's token reads %d %s", claims.Status, claims.Body)
		}
	}
}

// TestInteropOIDCAgent is oidc-agent: device grant, code grant and refresh.
func TestInteropOIDCAgent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, a, b := s.User(), newAgent(t, s), s.browse()
		redirect := newProtected(t).release().origin
		c := s.PublicClient("--redirect-uri", redirect, "--grant", "urn:ietf:params:oauth:grant-type:device_code")

		a.generate("device", a.allowing(b, u), "--client-id="+c.ID, "--client-secret=", "--flow=device")
		a.token("device", u)

		a.generate("code", a.authorizing(b, u, nil), "--client-id="+c.ID, "--client-secret=", "--flow=code", "--redirect-uri="+redirect)
		a.token("code", u)
	})
}

// TestInteropOIDCAgentRegistration is oidc-agent when it knows nothing but the
// issuer: an administrator approves while it waits, or has approved in advance.
// It calls itself a web application, which has no scheme of its own.
func TestInteropOIDCAgentRegistration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, a, b := s.User(), newAgent(t, s), s.browse()
		a.generate("registered", a.authorizing(b, u, func(id string) {
			s.CLI("", "client", "approve", id, "--yes")
		}), "--flow=code", "--no-scheme", "--port="+newProtected(t).release().port)
		a.token("registered", u)

		initial := mustJSON[struct{ Token string }](t, s.CLI("", "client", "initial-token", "create", "--name", "agents", "--approve", "-o", "json"))
		s.canaries.add("initial access token", initial.Token)
		a.generate("in-advance", a.authorizing(b, u, nil), "--flow=code", "--no-scheme", "--port="+newProtected(t).release().port, "--at="+initial.Token)
		a.token("in-advance", u)
	})
}

// allowing plays the person when oidc-gen prints a user code.
func (a *agent) allowing(b *browser, u *user) func(line string) bool {
	return func(line string) bool {
		code := agentUserCode.FindStringSubmatch(line)
		if code != nil {
			b.allowDevice(a.s.issuer+"/device?user_code="+code[1], u)
		}
		return code != nil
	}
}

// authorizing plays the person when oidc-gen prints where to go, after the
// client has been dealt with.
func (a *agent) authorizing(b *browser, u *user, before func(clientID string)) func(line string) bool {
	return func(line string) bool {
		address := agentAuthorize.FindString(line)
		if address == "" {
			return false
		}
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			a.t.Fatal(err)
		}
		if before != nil {
			before(req.URL.Query().Get("client_id"))
		}
		p := b.Authorize(address, u)
		if p.Callback == nil {
			a.t.Fatalf("the browser stays at %s (%d): %s", p.URL, p.Status, p.Text())
		}
		res, err := http.Get(p.Callback.String())
		if err != nil {
			a.t.Fatal(err)
		}
		_ = res.Body.Close() // oidc-gen tells the rest
		return true
	}
}
