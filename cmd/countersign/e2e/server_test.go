package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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

// server is a running countersign.
type server struct {
	t        testing.TB
	bin      string
	issuer   string
	dir      string   // its home, with the data folder in it
	args     []string // of serve
	env      []string
	log      *logs
	cmd      *exec.Cmd
	exited   chan error
	canaries *canaries
	metadata map[string]any

	// via leads to a replica; nil where the issuer's address does.
	via *http.Transport

	// from is where requests come from, as a proxy says; empty for no proxy.
	from string

	// expectFaults lets the log speak of errors, which a test injected.
	expectFaults bool
}

// setting is an environment variable of the program, without COUNTERSIGN_.
type setting struct{ name, value string }

// The databases that tests run on.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// each runs a test against the two servers that all tests share, one on each
// database. The test makes its own clients and users.
func each(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			test(t, shared(t, database))
		})
	}
}

// eachAlone is [each] with servers that no other test uses.
func eachAlone(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, database))
		})
	}
}

// shared returns the server on the database that all tests share.
func shared(t testing.TB, database string) *server {
	t.Helper()
	if database == postgres {
		return sharedPostgres().as(t)
	}
	return sharedSQLite().as(t)
}

var (
	sharedSQLite   = sync.OnceValue(func() *server { return start(process, sqlite) })
	sharedPostgres = sync.OnceValue(func() *server { return start(process, postgres) })
)

// as returns the server with failures reported to t.
func (s *server) as(t testing.TB) *server {
	t.Helper()
	view := *s
	view.t = t
	return &view
}

// prepare makes a home and an environment for a server that does not run yet.
func prepare(t testing.TB, database string, settings ...setting) *server {
	t.Helper()
	s := &server{t: t, bin: binary(t), dir: t.TempDir(), log: &logs{}, canaries: &canaries{}}
	listen := freeAddress(t)
	s.issuer = "http://" + listen
	s.set("ISSUER", s.issuer)
	s.set("LISTEN", listen)
	s.set("DATA", filepath.Join(s.dir, "data"))
	s.set("PASSWORD_MEMORY", "64") // KiB: hashing is not what is tested here
	s.set("PASSWORD_PASSES", "1")
	s.set("LOG_FORMAT", "json")
	s.set("LOG_LEVEL", "debug")
	if database == postgres {
		s.set("DATABASE", storagetest.PostgresURL(t))
		s.set("SECRET_FILE", s.keyFile())
	}
	for _, setting := range settings {
		s.set(setting.name, setting.value)
	}
	return s
}

// start runs a server of its own for a test and waits until it is ready.
func start(t testing.TB, database string, settings ...setting) *server {
	t.Helper()
	s := prepare(t, database, settings...)
	s.Start()
	t.Cleanup(s.finish)
	return s
}

// startPlain is start on SQLite with the program as users build it, for tests that
// look at its pages: others race the same code.
func startPlain(t testing.TB, settings ...setting) *server {
	t.Helper()
	s := prepare(t, sqlite, settings...)
	s.bin = e2etest.PlainBinary(t)
	s.Start()
	t.Cleanup(s.finish)
	return s
}

func (s *server) set(name, value string) {
	s.env = append(s.env, "COUNTERSIGN_"+name+"="+value)
}

// keyFile writes a new key-encryption key and returns its path.
func (s *server) keyFile() string {
	s.t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	path := filepath.Join(s.dir, "key-"+rand.Text()[:6])
	if err := os.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.canaries.add("key-encryption key", hex.EncodeToString(key))
	return path
}

// command is the program with the server's environment and nothing else.
func (s *server) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Dir = s.dir
	cmd.Env = append([]string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "USER=tester",
		"GORACE=atexit_sleep_ms=0", // else the race detector makes every command last a second longer
	}, s.env...)
	return cmd
}

// Start runs `countersign serve` and waits until it is ready.
func (s *server) Start() {
	s.t.Helper()
	s.cmd = s.command(context.Background(), append([]string{"serve"}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	e2etest.Watch(s.t, s.cmd.Process.Pid)
	cmd, exited := s.cmd, make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	s.exited = exited
	s.awaitReady()
	s.discover()
}

func (s *server) awaitReady() {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for {
		res, err := s.client().Get(s.issuer + "/readyz")
		if err == nil {
			_ = res.Body.Close() // nothing in it matters
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-s.exited:
			s.t.Fatalf("the server ended before it was ready: %v\n%s", err, s.log)
		case <-deadline:
			_ = s.cmd.Process.Kill() // the failure is reported
			s.t.Fatalf("the server is not ready after a minute\n%s", s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// discover reads where the endpoints are.
func (s *server) discover() {
	s.t.Helper()
	res, err := s.client().Get(s.issuer + "/.well-known/openid-configuration")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	if err := json.NewDecoder(res.Body).Decode(&s.metadata); err != nil {
		s.t.Fatalf("discovery document: %v", err)
	}
}

// endpoint returns the address that the discovery document gives.
func (s *server) endpoint(member string) string {
	s.t.Helper()
	address, ok := s.metadata[member].(string)
	if !ok {
		s.t.Fatalf("the discovery document has no %s", member)
	}
	return address
}

// Stop ends the server with SIGTERM, as a service manager does.
func (s *server) Stop() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("the server did not stop cleanly: %v\n%s", err, s.log.Tail())
		}
	case <-time.After(40 * time.Second):
		_ = s.cmd.Process.Kill() // the failure is reported
		s.t.Errorf("the server does not stop on SIGTERM\n%s", s.log.Tail())
	}
	s.cmd = nil
}

// Kill ends the server without warning.
func (s *server) Kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill() // it may have ended already
	if err := <-s.exited; err == nil {
		s.t.Error("the server ended in peace before it was killed")
	}
	s.cmd = nil
}

// Restart stops the server and starts it again.
func (s *server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// finish stops the server and looks through its log: no secret that a test saw
// may be in it (SL-01, G-2), and no panic, race or error that no test asked
// for (G-3).
func (s *server) finish() {
	s.Stop()
	log := s.log.String()
	for name, value := range s.canaries.all() {
		if strings.Contains(log, value) {
			s.t.Errorf("SL-01: the log holds a %s", name)
		}
	}
	for _, sign := range []string{"DATA RACE", "panic:", "goroutine 1 ["} {
		if i := strings.Index(log, sign); i >= 0 {
			s.t.Errorf("G-3: the log says %q: %.3000s", sign, log[i:])
		}
	}
	if i := strings.Index(log, `"level":"ERROR"`); i >= 0 && !s.expectFaults {
		s.t.Errorf("G-3: the log has an error: %.1000s", log[max(0, i-200):])
	}
}

// CLI runs a command of the program in a second process, on the same database,
// and returns what it printed.
func (s *server) CLI(stdin string, args ...string) string {
	s.t.Helper()
	out, complaint, err := s.tryCLI(stdin, args...)
	if err != nil {
		s.t.Fatalf("countersign %s: %v\n%s%s", strings.Join(args, " "), err, out, complaint)
	}
	return out
}

// patience is how long a command may take before it is asked where it hangs: a
// disk that others fill lets who waits for it wait for a minute.
const patience = 3 * time.Minute

// tryCLI is [server.CLI] for commands that may fail.
func (s *server) tryCLI(stdin string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.command(ctx, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	if s.bin == e2etest.Binary(s.t) {
		cmd.Path = e2etest.PlainBinary(s.t) // the commands are raced by the tests of their package
	}
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// refuses runs a command that has to fail and returns its one message.
func (s *server) refuses(args ...string) string {
	s.t.Helper()
	out, complaint, err := s.tryCLI("", args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() <= 0 {
		s.t.Fatalf("countersign %s: error %v; want an exit status\n%s%s", strings.Join(args, " "), err, out, complaint)
	}
	return complaint
}

// canaries are the secrets that tests saw.
type canaries struct {
	mu     sync.Mutex
	values map[string]string // value → what it is
}

// add registers a secret and returns it.
func (c *canaries) add(name, value string) string {
	if len(value) < 8 {
		return value // too short to tell from anything else
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = map[string]string{}
	}
	c.values[value] = name
	return value
}

// all yields the name and the value of every secret.
func (c *canaries) all() func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for value, name := range c.values {
			if !yield(name, value) {
				return
			}
		}
	}
}

// mustJSON decodes what a command printed.
func mustJSON[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, text))
	}
	return v
}
