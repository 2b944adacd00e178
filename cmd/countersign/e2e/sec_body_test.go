package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// tooMuch is what no endpoint reads of a request. It is more than the buffers of
// both ends of a connection hold, which take what nobody reads.
const tooMuch = 64 << 20

// TestEndlessBodies is TK-03: a body of 64 MiB, and one that never ends, are
// refused before they are there, whatever the endpoint. Who goes on sending finds
// the connection closed.
func TestEndlessBodies(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	c := s.Client()
	basic := s.postRequest(s.issuer, c, nil).Header.Get("Authorization")
	chunk := strings.Repeat("x", 32<<10)
	for name, tt := range map[string]struct{ head, piece string }{
		"64 MiB":  {fmt.Sprintf("Content-Length: %d\r\n", tooMuch), chunk},
		"endless": {"Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)},
	} {
		for _, endpoint := range []struct {
			address, contentType string
			status               int
		}{
			{s.endpoint("token_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("introspection_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("revocation_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("pushed_authorization_request_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("device_authorization_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("userinfo_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("authorization_endpoint"), formType, http.StatusRequestEntityTooLarge},
			{s.endpoint("registration_endpoint"), "application/json", http.StatusUnauthorized}, // who may not register is not listened to
			{s.issuer + "/login", formType, http.StatusBadRequest},
		} {
			at, err := url.Parse(endpoint.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name+at.Path, func(t *testing.T) {
				t.Parallel()
				head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Type: %s\r\nAuthorization: %s\r\n%s\r\n",
					at.Path, at.Host, s.issuer, endpoint.contentType, basic, tt.head)
				status, sent := pour(t, at.Host, head, tt.piece)
				if status != endpoint.status {
					t.Errorf("answered with %d; want %d", status, endpoint.status)
				}
				if sent >= tooMuch {
					t.Errorf("%d bytes were taken", sent)
				}
			})
		}
	}
}

const formType = "application/x-www-form-urlencoded"

// pour sends a head, and then the piece again and again until the server is not
// there any more or has taken too much. It returns the status of the answer and
// how much of the body went away.
func pour(t *testing.T, host, head, piece string) (status, sent int) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // read to its end
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	poured := make(chan int)
	go func() {
		all := 0
		for all < tooMuch {
			n, err := io.WriteString(conn, piece)
			all += n
			if err != nil {
				break
			}
		}
		poured <- all
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	sent = <-poured
	if err != nil {
		t.Fatalf("no answer after %d bytes: %v", sent, err)
	}
	_ = res.Body.Close() // its status is what matters
	return res.StatusCode, sent
}

// TestManyHeaders is HT-06: a request with more headers than fit into 32 KiB is
// refused, and many that fit change nothing.
func TestManyHeaders(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	many := func(n int, name, value string) http.Header {
		h := http.Header{}
		for i := range n {
			h.Set(fmt.Sprintf(name, i), value)
		}
		return h
	}
	for name, tt := range map[string]struct {
		headers http.Header
		status  int
	}{
		"1 000 small headers":         {many(1000, "X-%d", "a"), http.StatusOK},
		"1 000 headers of 40 bytes":   {many(1000, "X-%d", strings.Repeat("a", 40)), http.StatusRequestHeaderFieldsTooLarge},
		"one header of 40 KiB":        {many(1, "X-%d", strings.Repeat("a", 40<<10)), http.StatusRequestHeaderFieldsTooLarge},
		"10 000 cookies":              {http.Header{"Cookie": {strings.Repeat("c=1; ", 10000)}}, http.StatusRequestHeaderFieldsTooLarge},
		"10 000 cookies in as many":   {http.Header{"Cookie": slices.Repeat([]string{"c=1"}, 10000)}, http.StatusRequestHeaderFieldsTooLarge},
		"5 000 cookies that fit":      {http.Header{"Cookie": {strings.Repeat("c=1; ", 5000)}}, http.StatusOK},
		"2 000 of our own cookie":     {http.Header{"Cookie": {strings.Repeat("cs_session=1;", 2000)}}, http.StatusOK},
		"1 000 times the same header": {http.Header{"X": slices.Repeat([]string{"a"}, 1000)}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.as(t)
			for _, path := range []string{"/login", "/.well-known/openid-configuration"} {
				req := s.newRequest(http.MethodGet, s.issuer+path, "")
				req.Header = tt.headers
				if a := s.do(req); a.Status != tt.status {
					t.Errorf("%s: %d %.200s; want %d", path, a.Status, a.Body, tt.status)
				}
			}
		})
	}
}
