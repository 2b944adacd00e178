package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// TestSmuggledRequests is HT-04: of a message whose end two readers could see
// at different places, nothing is answered after the first answer, and where
// that end cannot be known not even the message is.
func TestSmuggledRequests(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	host := strings.TrimPrefix(s.issuer, "http://")
	for name, m := range ambiguous {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.smuggle(t, host)
		})
	}
}

// message is a request whose end two readers could see at different places.
type message struct {
	head string // behind its other headers
	body string
}

var ambiguous = map[string]message{
	"two lengths":                {"Content-Length: 5\r\nContent-Length: 6\r\n", "a=b&c=d"},
	"two lengths in one":         {"Content-Length: 5, 6\r\n", "a=b&c=d"},
	"signed length":              {"Content-Length: +5\r\n", "a=b&c"},
	"negative length":            {"Content-Length: -5\r\n", "a=b&c"},
	"unknown coding":             {"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"},
	"coding before the last":     {"Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"},
	"two codings":                {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"},
	"space before the colon":     {"Content-Length : 5\r\n", "a=b&c"},
	"folded line":                {"X-Folded: a\r\n Content-Length: 5\r\n", "a=b&c"},
	"line that is not one":       {"Content-Length\r\n", "a=b&c"},
	"chunk size that is not one": {"Transfer-Encoding: chunked\r\n", "5;\n\r\na=b&c\r\nz\r\n"},
	"chunk that LF alone begins": {"Transfer-Encoding: chunked\r\n", "5\na=b&c\r\n0\r\n\r\n"},
	"chunk that LF alone ends":   {"Transfer-Encoding: chunked\r\n", "5\r\na=b&c\n0\r\n\r\n"},
	"length and coding":          {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
}

// smuggle sends the message, and asserts that nobody answers what is behind it.
func (m message) smuggle(t *testing.T, host string) {
	t.Helper()
	first, rest := m.send(t, host)
	if first != 0 && (first < 400 || first > 599) {
		t.Errorf("the message got %d", first)
	}
	if strings.Contains(rest, `"keys"`) {
		t.Errorf("what was smuggled behind it is answered: %.300s", rest)
	}
}

// send sends the message with another behind it. It returns the status of the
// first answer, 0 for none, and what comes after that answer.
func (m message) send(t *testing.T, host string) (first int, rest string) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // read to its end
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n%s\r\n%s"+ //nolint:errcheck // what comes back tells
		"GET /.well-known/jwks.json HTTP/1.1\r\nHost: %[1]s\r\nConnection: close\r\n\r\n", host, formType, m.head, m.body)
	answered := bufio.NewReader(conn)
	res, err := http.ReadResponse(answered, nil)
	if err != nil {
		return 0, "" // closed without a word
	}
	defer func() { _ = res.Body.Close() }() // it was read
	_, _ = io.Copy(io.Discard, res.Body)    // its status is what matters
	after, _ := io.ReadAll(answered)        // a reset is an end as well
	return res.StatusCode, string(after)
}

// TestNoSecretsAmongTheProcesses is SL-03: what other users of the machine see
// of the running program has no secret in it.
func TestNoSecretsAmongTheProcesses(t *testing.T) {
	t.Parallel()
	s := shared(t, postgres)
	c, u := s.Client(), s.User()
	s.Tokens(c, u)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.canaries.all() {
		if strings.Contains(string(line), value) {
			t.Errorf("the command line holds the %s: %q", name, line)
		}
	}
	for _, command := range [][]string{
		{"user", "create", "--username", "eve", "--password", "x"},
		{"user", "set-password", "eve", "--password", "x"},
		{"client", "create", "--secret", "x"},
		{"serve", "--secret", strings.Repeat("0", 64)},
		{"token", "get", "--client-secret", "x"},
		{"token", "get", "--password", "x"},
	} {
		if out, complaint, err := s.tryCLI("", command...); err == nil || !strings.Contains(complaint, "--") {
			t.Errorf("countersign %s takes a secret: %s%s", strings.Join(command, " "), out, complaint)
		}
	}
}

// TestPagesAreNotFramed is BR-03: Chromium shows none of the pages in a frame
// of another site.
func TestPagesAreNotFramed(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	c := s.Client()
	var frames strings.Builder
	pages := []string{"/login", "/logout", "/device", "/", "/setup", "/no-such-page", "/authorize?client_id=unknown", "/settings/"}
	for _, path := range pages {
		fmt.Fprintf(&frames, `<iframe src="%s"></iframe>`, s.issuer+path)
	}
	framed := len(pages) + 1
	for _, address := range []string{s.Request(c).URL(), s.endpoint("check_session_iframe")} { // the last may be framed
		fmt.Fprintf(&frames, `<iframe src="%s"></iframe>`, strings.ReplaceAll(address, "&", "&amp;"))
	}
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>thief</title>`+frames.String())
	}))
	defer thief.Close()
	at, _ := url.Parse(thief.URL) // it is the listener's
	b := newTab(t)
	blocked := make(chan string, 100)
	chromedp.ListenTarget(b.ctx, func(event any) {
		if entry, ok := event.(*log.EventEntryAdded); ok && strings.Contains(entry.Entry.Text, "frame-ancestors") {
			blocked <- entry.Entry.Text
		}
	})
	b.open("http://localhost:" + at.Port() + "/")
	for said := range framed {
		select {
		case text := <-blocked:
			if strings.Contains(text, "/session/iframe") {
				t.Errorf("the page that is made to be framed is not: %s", text)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d pages were kept out of frames", said, framed)
		}
	}
}
