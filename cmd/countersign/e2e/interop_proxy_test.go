//go:build interop

package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// proxied is the example resource server behind a reverse proxy, at an address
// of the tests' domain.
type proxied struct {
	t       testing.TB
	origin  string
	cert    string // file of the certificate
	folder  string
	backend string // address of the resource server
	port    string
	site    *client
	server  *server
}

// newProxied starts the resource server and reserves the proxy's address.
func newProxied(t testing.TB, s *server) *proxied {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxied{
		t: t, folder: t.TempDir(), port: port, origin: "https://models." + homeDomain + ":" + port,
		backend: strings.TrimPrefix(s.exampleServer(nil), "http://"), site: s.resourceClient(), server: s,
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p.cert = p.write("models.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	p.write("models.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return p
}

func (p *proxied) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// configuration is a file of docs/examples with the test's addresses in place
// of the example's.
func (p *proxied) configuration(name string, more ...string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../docs/examples/resource-server", name))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.NewReplacer(append(more,
		"https://id.example.org", p.server.issuer, "https://models.example.org&", p.origin+"&", "models.example.org", "models."+homeDomain,
		"127.0.0.1:9000", p.backend, "CLIENT_ID", p.site.ID, "CLIENT_SECRET", p.site.Secret,
	)...).Replace(string(text))
}

// run runs the proxy until the test ends.
func (p *proxied) run(name string, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+p.folder, "XDG_DATA_HOME="+p.folder, "XDG_CONFIG_HOME="+p.folder)
	out := &logs{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("%v: run `make interop`, which installs it", err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		_ = cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("%s: %s", name, out)
		}
	})
	awaitListener(p.t, "127.0.0.1:"+p.port, out)
}

// nginx starts nginx with the example's site.
func nginx(p *proxied) {
	p.t.Helper()
	site := p.configuration("nginx.conf",
		"listen 443", "listen 127.0.0.1:"+p.port, "/etc/nginx/models.example.org", filepath.Join(p.folder, "models"))
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // the folder is the tester's alone
	}
	config := p.write("nginx.conf", user+"daemon off;\nworker_processes 1;\npid "+p.folder+"/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path "+p.folder+"/body;\nproxy_temp_path "+p.folder+"/proxy;\nfastcgi_temp_path "+p.folder+"/f;\nuwsgi_temp_path "+p.folder+"/u;\nscgi_temp_path "+p.folder+"/s;\n"+
		site+"}\n")
	p.run("/usr/sbin/nginx", "-p", p.folder, "-c", config)
}

// caddy starts Caddy with the example's site.
func caddy(p *proxied) {
	p.t.Helper()
	site := p.configuration("Caddyfile", "models.example.org {", "https://models."+homeDomain+":"+p.port+" {\n\tbind 127.0.0.1\n\ttls "+p.cert+" "+filepath.Join(p.folder, "models.key"))
	config := p.write("Caddyfile", "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"+site)
	p.run("/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", config)
}

// curl sends a request, and returns its status, its headers and its body.
func (p *proxied) curl(path string, args ...string) (status, headers, body string) {
	p.t.Helper()
	args = append([]string{
		"--silent", "--show-error", "--path-as-is", "--noproxy", "*", "--cacert", p.cert, "--resolve", "models." + homeDomain + ":" + p.port + ":127.0.0.1",
		"--include", "--http1.1", p.origin + path,
	}, args...)
	out, err := exec.CommandContext(p.t.Context(), "curl", args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("curl: %v, %s", err, out)
	}
	headers, body, _ = strings.Cut(string(out), "\r\n\r\n")
	_, status, _ = strings.Cut(headers, " ")
	return status[:3], headers, body
}

// sign is the Authorization header that requests-oauthlib makes for a request
// to the site.
func (p *proxied) sign(c *consumer, token [2]string, method, url string) string {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "/usr/bin/python3", "-c",
		"import sys, requests, requests_oauthlib as o; k, s, t, ts, m, u = sys.argv[1:]; "+
			"print(requests.Request(m, u, auth=o.OAuth1(k, s, t, ts)).prepare().headers['Authorization'].decode())",
		c.Key, c.Secret, token[0], token[1], method, url).CombinedOutput()
	if err != nil {
		p.t.Fatalf("requests-oauthlib: %v, %s", err, out)
	}
	return "Authorization: " + strings.TrimSpace(string(out))
}

// TestInteropForwardAuth is curl through nginx and Caddy to the example
// resource server, with an OAuth 1.0a signature and with an access token.
func TestInteropForwardAuth(t *testing.T) {
	t.Parallel()
	for name, proxy := range map[string]struct {
		start     func(*proxied)
		malformed string // status of what RFC 6750 and RFC 5849 answer with 400
	}{"nginx": {nginx, "401"}, "Caddy": {caddy, "400"}} {
		for _, database := range []string{sqlite, postgres} {
			t.Run(name+"/"+database, func(t *testing.T) {
				t.Parallel()
				s := start(t, database, setting{"TRUSTED_PROXIES", "127.0.0.1"})
				p := newProxied(t, s)
				proxy.start(p)
				testForwardAuth(t, p, proxy.malformed)
			})
		}
	}
}

func testForwardAuth(t *testing.T, p *proxied, malformed string) {
	t.Helper()
	s, u := p.server, p.server.User()
	b, c, web := s.browse(), s.consumer("HMAC-SHA1"), s.Client()
	credentials, access := s.credentials(b, u, c), s.Tokens(web, u).access
	token := [2]string{credentials.Token, credentials.TokenSecret}
	signed := func(method, path string) string { return p.sign(c, token, method, p.origin+path) }
	want := func(what, wantStatus string, wantParts []string, path string, args ...string) {
		t.Helper()
		status, headers, body := p.curl(path, args...)
		for _, part := range wantParts {
			if !strings.Contains(headers+body, part) {
				t.Errorf("%s: %s%s has no %s", what, headers, body, part)
			}
		}
		if status != wantStatus {
			t.Errorf("%s: %s %s; want %s", what, headers, body, wantStatus)
		}
	}
	who := []string{`"sub":"` + u.ID + `"`, `"username":"` + u.Username + `"`}
	byToken, bySignature := append(who, `"client_id":"`+web.ID), append(who, `"client_id":"`+c.Key, `"scope":"models"`)
	const path = "/models?name=a%20b&x=%7E&y=1+2&z"
	want("signed", "200", bySignature, path, "-H", signed("GET", path))
	want("signed JSON", "200", bySignature, "/models", "-H", signed("POST", "/models"), "-H", "Content-Type: application/json", "-d", "{}")
	want("signed form", malformed, []string{"parameter_rejected"}, "/models", "-H", signed("POST", "/models"), "-d", "name=x")
	want("access token", "200", byToken, path, "-H", "Authorization: Bearer "+access)

	// FA-01: what the client says of itself is nothing to anybody.
	lies := []string{
		"-H", "X-Auth-Subject: evil", "-H", "X-Auth-Username: evil", "-H", "X-Auth-Client-Id: evil", "-H", "X-Auth-Scope: evil", "-H", "X-Client-Secret: evil",
		"-H", "X-Original-Method: GET", "-H", "X-Original-URI: /models", "-H", "X-Forwarded-Method: GET", "-H", "X-Forwarded-Uri: /models", "-H", "X-Forwarded-For: 127.0.0.1",
	}
	want("lies and a token", "200", byToken, path, append(lies, "-H", "Authorization: Bearer "+access)...)
	want("lies alone", "401", nil, path, lies...)
	want("signed for what the lies say", "401", []string{"signature_invalid"}, "/models?other", append(lies, "-H", signed("GET", "/models"))...)
	want("FA-05 dots", malformed, []string{"invalid_request"}, "/x/%2e%2e/models", "-H", "Authorization: Bearer "+access)
	want("FA-07 token in the query", malformed, []string{"invalid_request"}, "/models?access_token="+access)
	want("nothing", "401", []string{`OAuth realm="Countersign"`}, path)
	want("another secret", "401", []string{"invalid_token"}, path, "-H", "Authorization: Bearer cs_at_wrong")

	// A proxy of the server itself passes nothing on for strangers: they have
	// no client's secret.
	r := s.newRequest(http.MethodGet, s.issuer+"/forward-auth/nginx?origin="+p.origin+"&client_id="+p.site.ID, "")
	r.Header = http.Header{"Authorization": {"Bearer " + access}, "X-Original-Method": {"GET"}, "X-Original-Uri": {"/x"}}
	if a := s.do(r); a.Status != http.StatusForbidden {
		t.Errorf("without a secret: %d %s", a.Status, a.Body)
	}

	s.disapprove(&client{ID: c.Key})
	want("disapproved", "401", []string{"consumer_key_rejected"}, path, "-H", signed("GET", path))
	s.disapprove(web)
	want("disapproved", "401", []string{"invalid_token"}, path, "-H", "Authorization: Bearer "+access)
	s.disapprove(p.site)
	want("the site is disapproved", "403", nil, path, "-H", "Authorization: Bearer "+access)
}
