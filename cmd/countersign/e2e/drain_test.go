package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestDrain stops a server as a service manager does, under load balancers: it
// says that it is not ready while it still takes requests, then takes none;
// what runs is finished, and who waits is answered.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := prepare(t, sqlite, setting{"TRUSTED_PROXIES", "127.0.0.0/8"}, setting{"REGISTRATION", "open"})
	address := strings.TrimPrefix(s.issuer, "http://")
	s.set("LISTEN", "0.0.0.0"+address[strings.LastIndex(address, ":"):])
	s.Start()
	t.Cleanup(s.finish)
	slow := dialSlowly(t, address)
	waited, asked := make(chan time.Duration, 1), make(chan struct{})
	go func() { waited <- s.waitForApproval(asked) }()
	<-asked

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitLog("stopping: running requests may finish")
	if status := s.ask("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d while the server stops; want 503", status)
	}
	if status := s.ask("/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d while the server stops; want 200", status)
	}
	if status := s.ask("/.well-known/openid-configuration"); status != http.StatusOK {
		t.Errorf("a request that comes before load balancers noticed is answered %d", status)
	}
	if took := <-waited; took > 10*time.Second {
		t.Errorf("who waited for an approval was kept for %v", took)
	}
	for end := time.Now().Add(10 * time.Second); s.ask("/livez") != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the port stays open")
		}
	}
	if answer := slow.finish(t); !strings.HasPrefix(answer, "HTTP/1.1 4") || !strings.Contains(answer, "invalid_") {
		t.Errorf("the request that ran was answered %q", answer)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server does not end")
	}
	s.cmd = nil
}

// ask returns the status of an answer on a new connection, 0 for none.
func (s *server) ask(path string) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := client.Get(s.issuer + path)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// awaitLog waits until the server has logged the text.
func (s *server) awaitLog(text string) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the server does not log %q", text)
		}
	}
}

// waitForApproval registers a client, has it wait for its approval, and returns
// how long it did. It closes asked once it has asked to wait.
func (s *server) waitForApproval(asked chan<- struct{}) time.Duration {
	sent := sync.OnceFunc(func() { close(asked) })
	defer sent()
	res, err := http.Post(s.issuer+"/register", "application/json", strings.NewReader(`{"redirect_uris":["https://app.example/cb"]}`))
	if err != nil {
		s.t.Error(err)
		return 0
	}
	var client struct {
		URI   string `json:"registration_client_uri"`
		Token string `json:"registration_access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&client)
	_ = res.Body.Close()
	if err != nil || client.URI == "" {
		s.t.Errorf("registered: %v, %s", err, res.Status)
		return 0
	}
	req, err := http.NewRequest(http.MethodGet, client.URI, nil)
	if err != nil {
		s.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+client.Token)
	req.Header.Set("Prefer", "wait=30")
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }}))
	begin := time.Now()
	if res, err = http.DefaultClient.Do(req); err != nil {
		s.t.Errorf("who waits gets no answer: %v", err)
		return 0
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		s.t.Errorf("who waits is answered %s", res.Status)
	}
	return time.Since(begin)
}

// slowly is a request whose body is not complete yet.
type slowly struct{ net.Conn }

const slowBody = "grant_type=client_credentials&client_id=nobody"

func dialSlowly(t *testing.T, address string) slowly {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		address, len(slowBody), slowBody[:10])
	if err != nil {
		t.Fatal(err)
	}
	return slowly{conn}
}

// finish sends the rest and returns the answer.
func (c slowly) finish(t *testing.T) string {
	t.Helper()
	if _, err := io.WriteString(c, slowBody[10:]); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(bufio.NewReader(c))
	if err != nil {
		t.Errorf("the answer breaks off: %v", err)
	}
	return string(answer)
}
