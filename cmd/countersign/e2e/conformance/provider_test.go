package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
	"countersign/storage/storagetest"
)

// provider is the program under test, with what a certification run is given:
// an account with every standard claim, and an initial access token that
// carries approval in advance.
type provider struct {
	issuer, dir, initialToken string
	username, password        string
	env                       []string
	log                       *e2etest.Logs
	cmd                       *exec.Cmd
	exited                    chan error
	http                      *http.Client
	metadata                  map[string]any

	mu   sync.Mutex
	keys map[string]any // key ID → public key
}

// The databases that the provider runs on.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

var providers = map[string]func() *provider{
	sqlite:   sync.OnceValue(func() *provider { return start(e2etest.Process, sqlite) }),
	postgres: sync.OnceValue(func() *provider { return start(e2etest.Process, postgres) }),
}

func start(t testing.TB, database string) *provider {
	t.Helper()
	dir, tlsFiles := t.TempDir(), certificates()
	_, port, err := net.SplitHostPort(e2etest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	op := &provider{
		issuer: "https://localhost:" + port, dir: dir, username: "ada", password: "pw " + rand.Text(), log: &e2etest.Logs{}, keys: map[string]any{},
		http: &http.Client{
			Timeout:       time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:     dial,
				TLSClientConfig: &tls.Config{RootCAs: tlsFiles.roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true,
			},
		},
		// What the program fetches is served by the relying parties of this
		// test, whose authority nobody else knows.
		env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + tlsFiles.rootFile, "GORACE=atexit_sleep_ms=0"},
	}
	for name, value := range map[string]string{
		"ISSUER": op.issuer, "LISTEN": "127.0.0.1:" + port, "DATA": filepath.Join(dir, "data"),
		"TLS_CERTIFICATE": tlsFiles.certFile, "TLS_KEY": tlsFiles.keyFile,
		"PASSWORD_MEMORY": "64", "PASSWORD_PASSES": "1", // KiB: hashing is not what is tested here
		"TRUSTED_PROXIES": "127.0.0.1", // each browser comes from an address of its own
		"LOG_FORMAT":      "json", "LOG_LEVEL": "info",
	} {
		op.set(name, value)
	}
	if database == postgres {
		op.set("DATABASE", storagetest.PostgresURL(t))
		op.set("SECRET", newKey())
	}
	op.run(t)
	op.prepare(t)
	return op
}

// dial finds the relying parties where browsers do.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == partyHost {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func newKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return hex.EncodeToString(key)
}

func (op *provider) set(name, value string) {
	op.env = append(op.env, "COUNTERSIGN_"+name+"="+value)
}

func (op *provider) command(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, e2etest.PlainBinary(t), args...)
	cmd.Dir, cmd.Env = op.dir, op.env
	return cmd
}

// run starts the program and waits until it is ready.
func (op *provider) run(t testing.TB) {
	t.Helper()
	op.cmd = op.command(context.Background(), t, "serve")
	op.cmd.Stdout, op.cmd.Stderr = op.log, op.log
	if err := op.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e2etest.Watch(t, op.cmd.Process.Pid)
	op.exited = make(chan error, 1)
	go func() { op.exited <- op.cmd.Wait() }()
	t.Cleanup(func() { op.stop(t) })
	deadline := time.After(time.Minute)
	for {
		if res, err := op.http.Get(op.issuer + "/readyz"); err == nil {
			_ = res.Body.Close() // nothing in it matters
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-op.exited:
			t.Fatalf("the provider ended before it was ready: %v\n%s", err, op.log)
		case <-deadline:
			t.Fatalf("the provider is not ready after a minute\n%s", op.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the program and looks through its log for what no module asks for.
func (op *provider) stop(t testing.TB) {
	t.Helper()
	_ = op.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-op.exited:
		if err != nil {
			t.Errorf("the provider did not stop cleanly: %v\n%s", err, op.log.Tail())
		}
	case <-time.After(40 * time.Second):
		_ = op.cmd.Process.Kill() // the failure is reported
		t.Errorf("the provider does not stop on SIGTERM\n%s", op.log.Tail())
	}
	log := op.log.String()
	for _, sign := range []string{"DATA RACE", "panic:", `"level":"ERROR"`} {
		if i := strings.Index(log, sign); i >= 0 {
			t.Errorf("the log says %s: %.3000s", sign, log[max(0, i-200):])
		}
	}
}

// cli runs a command of the program beside the running provider.
func (op *provider) cli(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := op.command(ctx, t, args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("countersign %s: %v\n%s%s", strings.Join(args, " "), err, &out, &complaint)
	}
	return out.String()
}

// everyClaim is every standard claim (OpenID Connect Core 1.0, section 5.1)
// but those that the account has anyway.
var everyClaim = []string{
	"given_name=Ada", "family_name=Lovelace", "middle_name=King", "nickname=The Countess", "preferred_username=countess",
	"profile=https://ada.example/", "picture=https://ada.example/ada.jpg", "website=https://www.ada.example/", "gender=female",
	"birthdate=1815-12-10", "zoneinfo=Europe/London", "locale=en-GB", "email_verified=true",
	"phone_number=+44 20 7946 0000", "phone_number_verified=true",
	`address={"formatted":"12 St James's Square\nLondon","street_address":"12 St James's Square","locality":"London","postal_code":"SW1Y 4JH","country":"GB"}`,
}

func (op *provider) prepare(t testing.TB) {
	t.Helper()
	args := []string{
		"user", "create", "--username", op.username, "--password-stdin", "--name", "Ada Lovelace", "--email", "ada@example.test", "-o", "json",
	}
	for _, claim := range everyClaim {
		args = append(args, "--claim", claim)
	}
	op.cli(t, op.password+"\n", args...)
	token := decode(t, op.cli(t, "", "client", "initial-token", "create", "--name", "conformance", "--approve", "--uses", "100000", "-o", "json"))
	op.initialToken = text(token, "token")
	op.metadata = op.get(t, op.issuer+"/.well-known/openid-configuration").JSON
}

// answer is an answer to an application.
type answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any // nil when the body is no JSON object
}

func (a answer) contentType() string {
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	return kind
}

// send sends a request as an application does.
func (op *provider) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	res, err := op.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}
	_ = json.Unmarshal(body, &a.JSON) // what is no JSON leaves it nil
	if a.Status >= http.StatusInternalServerError {
		t.Errorf("%s %s answers %d: %s", req.Method, req.URL, a.Status, a.Body)
	}
	return a
}

func (op *provider) get(t testing.TB, address string, headers ...string) answer {
	t.Helper()
	return op.send(t, newRequest(t, http.MethodGet, address, "", headers...))
}

// newRequest builds a request with headers, which are names and values.
func newRequest(t testing.TB, method, address, body string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// endpoint is an address of the discovery document.
func (op *provider) endpoint(t testing.TB, member string) string {
	t.Helper()
	address := text(op.metadata, member)
	if address == "" {
		t.Fatalf("the discovery document has no %s", member)
	}
	return address
}

func decode(t testing.TB, raw string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(raw), &members); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return members
}

// text is a member that is text, empty when it is not there.
func text(members map[string]any, name string) string {
	value, _ := members[name].(string) // "" is what no text reads as
	return value
}

// list is a member that is a list of texts.
func list(members map[string]any, name string) []string {
	values, _ := members[name].([]any) // nil is what no list reads as
	var texts []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}
