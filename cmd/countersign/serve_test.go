package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/cmd/countersign/config"
	"countersign/storage/interaction"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

var setupLink = regexp.MustCompile(`https?://\S+/setup\?token=\S+`)

func TestAFirstStartNeedsNothingAndPrintsTheSetUpLinkOnceMore(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.serve()
	link := setupLink.FindString(first.out.String())
	if !strings.HasPrefix(link, first.issuer+"/setup?token=cs_otp_") {
		t.Fatalf("no set-up link under the issuer in:\n%s", first.out.String())
	}
	if got := first.get(link); got.status != http.StatusOK && got.status != http.StatusSeeOther {
		t.Errorf("the set-up link answers %s", got)
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		if got := first.get(first.issuer + path); got.status != http.StatusOK {
			t.Errorf("%s answers %s", path, got)
		}
	}
	info, err := os.Stat(filepath.Join(m.dir, "data", "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info, err)
	}
	if info, err := os.Stat(filepath.Join(m.dir, "data")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder: %v, %v; want mode 0700", info, err)
	}
	first.stop()
	if exit := first.wait(); exit != exitOK {
		t.Errorf("stopped with exit status %d: %s", exit, first.log.String())
	}

	second := m.serve()
	if again := setupLink.FindString(second.out.String()); again == "" || strings.HasSuffix(again, link[len(link)-20:]) {
		t.Errorf("second link %q; want a new one", again)
	}
	m.ok("correct horse battery staple\n", "user", "create", "--username", "ada", "--password-stdin")
	second.stop()
	second.wait()
	third := m.serve()
	if link := setupLink.FindString(third.out.String()); link != "" {
		t.Errorf("a set-up link though there is an account: %s", link)
	}
}

// HT-01, HT-08 and HT-13 of the security catalogue, on the whole server.
func TestWhatThePublicListenerDoesNotServe(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "PRIVATE_LISTEN=127.0.0.1:0")
	s := m.serve()
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/.git/config", "/.env", "//token", "/%74oken", "/TOKEN", "/token/", "/x/../token", "/token;x"} {
		if got := s.get(s.issuer + path); got.status != http.StatusNotFound || got.header.Get("Location") != "" {
			t.Errorf("%s answers %s; want 404", path, got)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host: %s; want 421", res.Status)
	}
	private := strings.TrimSuffix(s.listenerURLs["Metrics"], "/metrics")
	if got := s.get(private + "/metrics"); got.status != http.StatusOK || !strings.Contains(got.body, `http_route="other"`) {
		t.Errorf("metrics: %d, no measurement of the requests before", got.status)
	}
	if got := s.get(private + "/readyz"); !strings.Contains(got.body, "ok     database") {
		t.Errorf("readyz with details: %s", got)
	}
}

func TestTheAdministratorsListenerIsTheOnlyDoor(t *testing.T) {
	t.Parallel()
	s := newMachine(t, "ADMIN_LISTEN=127.0.0.1:0").serve()
	link := setupLink.FindString(s.out.String())
	if !strings.HasPrefix(link, s.listenerURLs["Admin"]+"/setup") {
		t.Fatalf("set-up link %q; want it on %s", link, s.listenerURLs["Admin"])
	}
	if got := s.get(link); got.status >= http.StatusBadRequest {
		t.Errorf("the administrators' listener answers %s", got)
	}
	if got := s.get(s.issuer + "/setup"); got.status != http.StatusNotFound {
		t.Errorf("the main listener answers %s; want 404", got)
	}
	if got := s.get(s.listenerURLs["Admin"] + "/token"); got.status != http.StatusNotFound {
		t.Errorf("the administrators' listener serves /token: %s", got)
	}
}

func TestAnIssuerWithAPath(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := newMachine(t, "LISTEN="+addr, "ISSUER=http://"+addr+"/auth").serve()
	for path, want := range map[string]int{
		"/auth/.well-known/openid-configuration": 200, "/.well-known/oauth-authorization-server/auth": 200, "/auth/.well-known/jwks.json": 200,
		"/livez": 200, "/.well-known/openid-configuration": 404, "/authorize": 404, "/authx": 404,
	} {
		if got := s.get("http://" + addr + path); got.status != want {
			t.Errorf("%s answers %d; want %d", path, got.status, want)
		}
	}
	if link := setupLink.FindString(s.out.String()); !strings.HasPrefix(link, "http://"+addr+"/auth/setup?") || s.get(link).status >= 400 {
		t.Errorf("set-up link %q does not work", link)
	}
	style := regexp.MustCompile(`href="(/auth/assets/style[^"]+)"`).FindStringSubmatch(s.get("http://" + addr + "/auth/setup").body)
	if style == nil || s.get("http://"+addr+style[1]).status != http.StatusOK {
		t.Errorf("the style sheet %v is not served", style)
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	tests := []struct {
		name     string
		settings []string
		want     []string
	}{
		{"a port in use", []string{"LISTEN=" + taken.Addr().String()}, []string{"another program listens on", "Fix: stop that program", "COUNTERSIGN_LISTEN"}},
		{"plain http for others", []string{"LISTEN=0.0.0.0:0", "ISSUER=https://id.example.org", "PASSWORD_MEMORY=0", "PASSWORD_PASSES=0"}, []string{"without TLS", "Fix:"}},
		{"an unknown setting", []string{"ISUER=x"}, []string{"did you mean COUNTERSIGN_ISSUER?", "Fix:"}},
		{"a database that is not there", []string{"DATABASE=postgres://nobody@127.0.0.1:1/none?connect_timeout=2", "SECRET=" + seal.GenerateKey()}, []string{"cannot be reached", "check"}},
		{"PostgreSQL without key", []string{"DATABASE=postgres://nobody@127.0.0.1:1/none"}, []string{"key-encryption key is missing", "Fix: make it with"}},
		{"a database of another kind", []string{"DATABASE=mysql://u:hunter2@h/d"}, []string{`"mysql"`, "sqlite:///path/to/file or postgres://user@host/name", "COUNTERSIGN_DATABASE", "Fix:"}},
		{"a database without its file", []string{"DATABASE=sqlite:data.db"}, []string{"absolute path", "Fix:"}},
		{"a key that is none", []string{"SECRET=abc"}, []string{"64 hexadecimal digits", "Fix:"}},
		{"a certificate that is not there", []string{"TLS_CERTIFICATE=/no/c", "TLS_KEY=/no/k"}, []string{"/no/c", "Fix:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			newMachine(t, tt.settings...).refused(exitFailure, "", []string{"serve"}, tt.want...)
		})
	}
}

func TestAKeyThatIsLostOrWrongChangesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.ok("correct horse battery staple\n", "user", "create", "--username", "ada", "--password-stdin")
	path := filepath.Join(m.dir, "data", "secret")
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	m.refused(exitFailure, "", []string{"serve"}, "exists, but its key-encryption key", "Fix: restore that file")
	m.refused(exitFailure, "", []string{"user", "list"}, "exists, but its key-encryption key")
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key was made for an old database")
	}

	if err := os.WriteFile(path, []byte(seal.GenerateKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.refused(exitFailure, "", []string{"serve"}, "key-encryption key is not the one")
	m.refused(exitFailure, "", []string{"keys", "rotate"}, "key-encryption key is not the one")

	if err := os.WriteFile(path, right, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	m.refused(exitFailure, "", []string{"serve"}, "other users", "Fix: chmod 600")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if list := m.list("user", "list"); len(list) != 1 {
		t.Errorf("users %v; want the one that was there", list)
	}
}

func TestTLSFromTheFirstByte(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	pool := x509.NewCertPool()
	m.env = append(m.env, "COUNTERSIGN_TLS_CERTIFICATE="+certificate(t, m.dir, pool), "COUNTERSIGN_TLS_KEY="+filepath.Join(m.dir, "key.pem"))
	s := m.serve()
	if !strings.HasPrefix(s.issuer, "https://localhost:") {
		t.Fatalf("issuer %s; want https", s.issuer)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}, ForceAttemptHTTP2: true}}
	got := s.do(client, s.issuer+"/.well-known/openid-configuration")
	if got.status != http.StatusOK || got.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %s; want 200 with HSTS", got)
	}
	plain := s.get("http" + strings.TrimPrefix(s.issuer, "https") + "/")
	if plain.status != http.StatusBadRequest {
		t.Errorf("plain http: %s; want 400", plain)
	}
	m.env = append(m.env, "COUNTERSIGN_LISTEN="+strings.TrimPrefix(s.listenerURLs["Listening"], "https://"))
	m.ok("", "healthcheck")
	if out := m.ok("", "doctor"); !strings.Contains(out, "tls certificate") || strings.Contains(out, "failed") {
		t.Errorf("doctor:\n%s", out)
	}
}

// certificate writes a certificate for localhost and adds it to pool.
func certificate(t *testing.T, dir string, pool *x509.CertPool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * 24 * time.Hour),
		DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	path := filepath.Join(dir, "cert.pem")
	for file, block := range map[string]*pem.Block{
		path: {Type: "CERTIFICATE", Bytes: der}, filepath.Join(dir, "key.pem"): {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestReadyIsTakenBackBeforeTheServerStops(t *testing.T) {
	t.Parallel()
	srv := &server{stores: storesFor(t)}
	if err := srv.stores.keys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range srv.checks() {
		if err := c.check(t.Context()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	restore := storagetest.FailStatements(srv.stores.db, nil)
	if err := srv.checks()[1].check(t.Context()); err == nil {
		t.Error("ready without a database")
	}
	restore()
	srv.draining.Store(true)
	if err := srv.checks()[0].check(t.Context()); err == nil {
		t.Error("ready while stopping")
	}
}

func storesFor(t *testing.T) *stores {
	t.Helper()
	cfg := config.Default()
	cfg.PasswordMemory, cfg.PasswordPasses = 64, 1
	return newStores(storagetest.Open(t), storagetest.Keys(t), cfg)
}

func TestTheRegularWorkDeletesWhatExpired(t *testing.T) {
	t.Parallel()
	s := storesFor(t)
	clock := storagetest.Clock(s.db)
	var log stream
	srv := &server{stores: s, log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		if _, err := s.interactions.Create(t.Context(), interaction.Waiting{ClientID: "c", ResumePath: "/authorize/resume"}); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(48 * time.Hour)
	if err := srv.purge(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := s.interactions.Purge(t.Context(), 10); err != nil || n != 0 {
		t.Errorf("%d left, %v; want none", n, err)
	}
	restore := storagetest.FailStatements(s.db, nil)
	if err := srv.purge(t.Context()); err == nil {
		t.Error("a failing purge is not reported")
	}
	restore()
	if n := strings.Count(log.String(), "tried again"); n == 0 {
		t.Error("a failing purge was not logged")
	}
}
