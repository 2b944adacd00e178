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
	const smuggled = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: HOST\r\n\r\n"
	for name, tt := range map[string]struct {
		head string
		body string
	}{
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
		"length and coding":          {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }() // read to its end
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n%s%s", //nolint:errcheck // what comes back tells
				host, tt.head, tt.body, strings.ReplaceAll(smuggled, "HOST", host))
			answered := bufio.NewReader(conn)
			first, err := http.ReadResponse(answered, nil)
			if err != nil {
				return // closed without a word
			}
			defer func() { _ = first.Body.Close() }() // it was read
			if first.StatusCode < 400 || first.StatusCode > 599 {
				t.Errorf("the message got %s", first.Status)
			}
			_, _ = io.Copy(io.Discard, first.Body) // its status is what matters
			rest, _ := io.ReadAll(answered)        // a reset is an end as well
			if strings.Contains(string(rest), `"keys"`) {
				t.Errorf("what was smuggled behind it is answered: %.300s", rest)
			}
		})
	}
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
