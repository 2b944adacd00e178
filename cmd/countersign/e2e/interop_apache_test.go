//go:build interop

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// apacheModules are the modules that Apache needs for what the test shows.
var apacheModules = []string{"mpm_event", "authz_core", "authn_core", "authz_user", "dir", "mime", "headers", "auth_openidc"}

// protected is a site of Apache whose folder /app asks mod_auth_openidc who is
// there.
type protected struct {
	held   net.Listener // until the site is served
	origin string
	port   string
	config string // of the module
}

// newProtected reserves an address.
func newProtected(t testing.TB) *protected {
	t.Helper()
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(held.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &protected{held: held, origin: "http://localhost:" + port, port: port}
}

// release lets somebody listen there.
func (p *protected) release() *protected {
	_ = p.held.Close() // it was only to have the port
	return p
}

// configure makes the site's configuration as docs/interop.md shows it.
func (p *protected) configure(s *server, file string, v settings, more ...string) {
	s.t.Helper()
	v.Issuer, v.EscapedIssuer, v.Origin, v.Passphrase = s.issuer, url.QueryEscape(s.issuer), p.origin, rand.Text()
	p.config = v.write(s.t, file) + strings.Join(append(more,
		"OIDCInfoHook id_token userinfo access_token refresh_token session", // what the test reads
		"OIDCSSLValidateServer Off",
	), "\n") + "\n"
}

// apache runs Apache with the sites until the test ends.
func apache(t testing.TB, sites ...*protected) {
	t.Helper()
	dir := t.TempDir()
	for folder, text := range map[string]string{"app/index.html": "protected", "left.html": "left"} {
		path := filepath.Join(dir, "www", folder)
		page := `<!doctype html><html lang="en"><title>Wiki</title><h1 id="` + text + `">Wiki</h1>`
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(page), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "apache2.conf")
	if err := os.WriteFile(config, []byte(apacheConfig(dir, sites)), 0o600); err != nil {
		t.Fatal(err)
	}
	allowWorkers(t, dir)
	for _, site := range sites {
		site.release()
	}
	cmd := exec.CommandContext(context.Background(), "/usr/sbin/apache2", "-d", dir, "-f", config, "-D", "FOREGROUND")
	out := &logs{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make interop`, which installs Apache", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		_ = cmd.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(filepath.Join(dir, "error.log")) // only to explain
			t.Logf("Apache: %s%s", out, said[max(0, len(said)-20000):])
		}
	})
	for _, site := range sites {
		awaitPort(t, site.port, out)
	}
}

func apacheConfig(dir string, sites []*protected) string {
	var b strings.Builder
	fmt.Fprintf(&b, "PidFile %[1]s/pid\nErrorLog %[1]s/error.log\nLogLevel warn auth_openidc:debug\nDefaultRuntimeDir %[1]s\nMutex file:%[1]s default\nServerName localhost\n", dir)
	for _, module := range apacheModules {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", module, module)
	}
	if os.Getuid() == 0 {
		b.WriteString("User nobody\nGroup nogroup\n")
	}
	b.WriteString("TypesConfig /dev/null\nAddType text/html .html\nDirectoryIndex index.html\n")
	for _, site := range sites {
		fmt.Fprintf(&b, "Listen 127.0.0.1:%[1]s\n<VirtualHost 127.0.0.1:%[1]s>\nServerName localhost:%[1]s\nDocumentRoot %[2]s/www\n%[3]s</VirtualHost>\n", site.port, dir, site.config)
	}
	return b.String()
}

// allowWorkers lets Apache's workers, which are nobody when it is started by
// root, reach the folder.
func allowWorkers(t testing.TB, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitPort(t testing.TB, port string, out fmt.Stringer) {
	t.Helper()
	for range 200 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = conn.Close() // it was only to see that somebody listens
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("Apache does not listen: %s", out)
}

// wiki is what mod_auth_openidc knows of who signed in.
type wiki struct {
	IDToken struct {
		Subject string `json:"sub"`
		Session string `json:"sid"`
	} `json:"id_token"`
	Userinfo struct {
		Email string `json:"email"`
	} `json:"userinfo"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// info asks the module what it knows.
func (p *protected) info(s *server, b *tab, parameters string) wiki {
	b.t.Helper()
	b.open(p.origin + "/app/oidc?info=json" + parameters)
	var known wiki
	if err := json.Unmarshal([]byte(b.text()), &known); err != nil {
		b.t.Fatalf("%v: %s", err, b.text())
	}
	s.canaries.add("access token", known.AccessToken)
	s.canaries.add("refresh token", known.RefreshToken)
	return known
}

// TestInteropApache is mod_auth_openidc with every response type that it
// knows, in Chromium.
func TestInteropApache(t *testing.T) {
	t.Parallel()
	tests := []struct {
		responseType string
		more         []string
		metadata     []string
	}{
		{responseType: "code"},
		{"code", []string{"OIDCResponseMode form_post"}, nil},
		{"code", []string{"OIDCProviderTokenEndpointAuth client_secret_post"}, []string{"token_endpoint_auth_method=client_secret_post"}},
		{"code", []string{"OIDCProviderTokenEndpointAuth client_secret_jwt"}, []string{"token_endpoint_auth_method=client_secret_jwt"}},
		{responseType: "id_token"},
		{"id_token", []string{"OIDCResponseMode form_post"}, nil},
		{responseType: "id_token token"},
		{responseType: "code id_token"},
		{"code id_token", []string{"OIDCResponseMode form_post"}, nil},
		{responseType: "code token"},
		{responseType: "code id_token token"},
		{"code id_token token", []string{"OIDCResponseMode form_post"}, nil},
	}
	each(t, func(t *testing.T, s *server) {
		u := s.User()
		sites := make([]*protected, len(tests))
		var names []string
		for i, tt := range tests {
			sites[i] = newProtected(t)
			c := sites[i].register(s, tt.responseType, tt.metadata...)
			sites[i].configure(s, "mod_auth_openidc.conf", settings{ResponseType: tt.responseType, ClientID: c.ID, ClientSecret: c.Secret}, tt.more...)
			names = append(names, strings.ReplaceAll(strings.TrimPrefix(strings.Join(append([]string{tt.responseType}, tt.more...), ", "), " "), "OIDC", ""))
		}
		apache(t, sites...)
		for i := range tests {
			t.Run(names[i], func(t *testing.T) {
				t.Parallel()
				sites[i].signInAndOut(t, s.as(t), u, tests[i].responseType)
			})
		}
	})
}

// register registers the site as a client.
func (p *protected) register(s *server, responseType string, metadata ...string) *client {
	s.t.Helper()
	args := []string{
		"--redirect-uri", p.origin + "/app/oidc", "--response-type", responseType,
		"--set", `post_logout_redirect_uris=["` + p.origin + `/left.html"]`,
		"--set", "backchannel_logout_uri=" + p.origin + "/app/oidc?logout=backchannel",
		"--scope", "openid profile email offline_access", "--approve",
	}
	for _, member := range metadata {
		args = append(args, "--set", member)
	}
	return s.register(args...)
}

// signInAndOut goes to the site, signs in, and signs out: by the site, and then
// at the server, which tells the site.
func (p *protected) signInAndOut(t *testing.T, s *server, u *user, responseType string) {
	t.Helper()
	b := newTab(t)
	b.open(p.origin + "/app/")
	b.signIn(u.Username, u.password)
	b.press(allowButton)
	b.arrive("#protected")
	p.wantKnown(t, s, b, u, responseType)

	b.open(p.origin + "/app/oidc?logout=" + url.QueryEscape(p.origin+"/left.html"))
	b.await("#left")
	b.open(p.origin + "/app/")
	b.await(usernameField) // both have forgotten
	b.fill(usernameField, u.Username)
	b.fill(passwordField, u.password)
	b.press(signInButton)
	b.arrive("#protected")

	server := b.secondTab()
	server.open(s.issuer + "/logout")
	server.click(signInButton)
	for range 100 { // the logout token is on its way
		b.open(p.origin + "/app/")
		if b.has(usernameField) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("after back-channel logout the site still knows somebody: %s", b.location())
}

func (p *protected) wantKnown(t *testing.T, s *server, b *tab, u *user, responseType string) {
	t.Helper()
	known := p.info(s, b, "")
	if known.IDToken.Subject != u.ID {
		t.Errorf("the site knows %+v; want %s", known.IDToken, u.ID)
	}
	kinds := strings.Fields(responseType)
	if hasToken := slices.Contains(kinds, "code") || slices.Contains(kinds, "token"); hasToken != (known.Userinfo.Email == u.email) {
		t.Errorf("the site knows the address %q", known.Userinfo.Email)
	}
	if !slices.Contains(kinds, "code") {
		return
	}
	refreshed := p.info(s, b, "&access_token_refresh_interval=0")
	if known.RefreshToken == "" || refreshed.AccessToken == known.AccessToken {
		t.Error("the site did not refresh")
	}
}

// arrive waits for an element behind pages that go on by themselves, during
// which a tab answers nothing.
func (b *tab) arrive(selector string) {
	b.t.Helper()
	for range 300 {
		var found bool
		err := chromedp.Run(b.ctx, chromedp.Evaluate(`document.readyState === "complete" && document.querySelector(`+quote(selector)+`) !== null`, &found))
		if err == nil && found {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatalf("%s does not come; the tab is at %s:\n%s", selector, b.location(), b.text())
}

// TestInteropApacheRegistration is mod_auth_openidc when it knows nothing but
// the issuer: it registers itself, somebody waits, an administrator approves.
func TestInteropApacheRegistration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, p, b := s.User(), newProtected(t), newTab(t)
		folder := t.TempDir()
		if err := os.Chmod(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		allowWorkers(t, filepath.Dir(folder))
		p.configure(s, "mod_auth_openidc-registration.conf", settings{Folder: folder})
		apache(t, p)
		b.open(p.origin + "/app/")
		b.signIn(u.Username, u.password)
		made, err := filepath.Glob(filepath.Join(folder, "*.client"))
		if err != nil || len(made) != 1 {
			t.Fatalf("the module keeps %q, %v", made, err)
		}
		text, err := os.ReadFile(made[0])
		if err != nil {
			t.Fatal(err)
		}
		c := mustJSON[client](t, string(text))
		s.canaries.add("client secret", c.Secret)
		b.await("main h1") // it waits for an administrator
		s.approve(&c)
		b.press(allowButton)
		b.arrive("#protected")
		if known := p.info(s, b, ""); known.IDToken.Subject != u.ID || known.Userinfo.Email != u.email {
			t.Errorf("the site knows %+v", known)
		}
	})
}
