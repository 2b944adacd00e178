package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

// machine is a machine on which the program runs: its environment and data.
type machine struct {
	t   *testing.T
	env []string
	dir string
}

// newMachine returns a machine that knows nothing but cheap hashing. Further
// settings are NAME=value without the prefix.
func newMachine(t *testing.T, settings ...string) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	for _, s := range append([]string{"DATA=" + filepath.Join(m.dir, "data"), "PASSWORD_MEMORY=64", "PASSWORD_PASSES=1", "LISTEN=127.0.0.1:0", "LOG_LEVEL=warn"}, settings...) {
		m.env = append(m.env, "COUNTERSIGN_"+s)
	}
	return m
}

// eachDatabase runs a test with a new database of each dialect.
func eachDatabase(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		test(t, newMachine(t, "DATABASE="+url, "SECRET="+seal.GenerateKey()))
	})
}

// ran is what a command did.
type ran struct {
	exit           int
	stdout, stderr string
}

// run runs a command to its end.
func (m *machine) run(stdin string, args ...string) ran {
	m.t.Helper()
	var out, talk bytes.Buffer
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	exit := run(ctx, process{args, m.env, strings.NewReader(stdin), &out, &talk})
	return ran{exit, out.String(), talk.String()}
}

// ok runs a command that has to succeed and returns its output.
func (m *machine) ok(stdin string, args ...string) string {
	m.t.Helper()
	r := m.run(stdin, args...)
	if r.exit != exitOK {
		m.t.Fatalf("countersign %s: exit %d\n%s%s", strings.Join(args, " "), r.exit, r.stdout, r.stderr)
	}
	return r.stdout
}

// object runs a command that has to succeed and reads the object it prints.
func (m *machine) object(stdin string, args ...string) map[string]any {
	m.t.Helper()
	return parse[map[string]any](m.t, m.ok(stdin, append(args, "-o", "json")...))
}

// list runs a command that has to succeed and reads the array it prints.
func (m *machine) list(args ...string) []map[string]any {
	m.t.Helper()
	return parse[[]map[string]any](m.t, m.ok("", append(args, "-o", "json")...))
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	return v
}

// refused runs a command that has to fail with the exit status and say each
// of the texts, as a cause and a fix.
func (m *machine) refused(exit int, stdin string, args []string, texts ...string) {
	m.t.Helper()
	r := m.run(stdin, args...)
	if r.exit != exit {
		m.t.Errorf("countersign %s: exit %d; want %d\n%s%s", strings.Join(args, " "), r.exit, exit, r.stdout, r.stderr)
	}
	if r.stdout != "" {
		m.t.Errorf("countersign %s: printed %q beside its failure", strings.Join(args, " "), r.stdout)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			m.t.Errorf("countersign %s: said %q; want %q in it", strings.Join(args, " "), r.stderr, text)
		}
	}
}

// stream is a buffer that one goroutine writes and another reads.
type stream struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// await waits until the text was written.
func (s *stream) await(t *testing.T, text string) {
	t.Helper()
	for range 6000 {
		if strings.Contains(s.String(), text) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%q was not written: %s", text, s.String())
}

// running is a server in this process.
type running struct {
	t            *testing.T
	out, log     stream
	issuer       string
	stop         context.CancelFunc
	exited       chan int
	listenerURLs map[string]string
}

// serve starts the server and waits until it is ready.
func (m *machine) serve() *running {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	r := &running{t: m.t, stop: cancel, exited: make(chan int, 1), listenerURLs: map[string]string{}}
	go func() {
		r.exited <- run(ctx, process{[]string{"serve"}, m.env, strings.NewReader(""), &r.out, &r.log})
	}()
	m.t.Cleanup(func() { cancel(); r.wait() })
	r.awaitAnnouncement()
	return r
}

var announced = regexp.MustCompile(`(?m)^  (\w+) +(https?://\S+)$`)

func (r *running) awaitAnnouncement() {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); strings.Count(r.out.String(), "────\n") < 2; time.Sleep(5 * time.Millisecond) {
		select {
		case exit := <-r.exited:
			r.exited <- exit
			r.t.Fatalf("the server ended with %d: %s", exit, r.log.String())
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the server did not start: %s", r.log.String())
		}
	}
	for _, match := range announced.FindAllStringSubmatch(r.out.String(), -1) {
		r.listenerURLs[match[1]] = match[2]
	}
	r.issuer = r.listenerURLs["Issuer"]
}

// wait returns the exit status.
func (r *running) wait() int {
	select {
	case exit := <-r.exited:
		r.exited <- exit
		return exit
	case <-time.After(time.Minute):
		r.t.Error("the server does not stop")
		return -1
	}
}

// answer is an answer of the server.
type answer struct {
	status int
	header http.Header
	body   string
}

func (r *running) get(url string) answer {
	r.t.Helper()
	return r.do(http.DefaultClient, url)
}

func (r *running) do(c *http.Client, url string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (a answer) String() string { return fmt.Sprintf("%d %v\n%s", a.status, a.header, a.body) }
