package listen

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pair writes a new certificate for localhost with its key.
func pair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// clock is moved by tests.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano())
	return c
}

func name(t *testing.T, c *Certificate) string {
	t.Helper()
	pair, err := c.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.Subject.CommonName
}

func TestTheCertificateFollowsItsFiles(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), newClock()
	var log bytes.Buffer
	certFile, keyFile := pair(t, dir, "first")
	c, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)), now.now)
	if err != nil {
		t.Fatal(err)
	}
	pair(t, dir, "second")
	if got := name(t, c); got != "first" {
		t.Errorf("certificate %q within the second; want the one that was read", got)
	}
	now.advance(2 * time.Second)
	if got := name(t, c); got != "second" {
		t.Errorf("certificate %q; want the new one", got)
	}

	write(t, certFile, []byte("rubbish"))
	for range 3 {
		now.advance(2 * time.Second)
		if got := name(t, c); got != "second" {
			t.Errorf("certificate %q after a broken file; want the old one", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("complained %d times; want once:\n%s", n, log.String())
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	now.advance(2 * time.Second)
	if got := name(t, c); got != "second" {
		t.Errorf("certificate %q without key file; want the old one", got)
	}
	if err := c.Reload(); err == nil {
		t.Error("reloading without a key succeeded")
	}
	pair(t, dir, "third")
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := name(t, c); got != "third" {
		t.Errorf("certificate %q after a reload by hand; want the third", got)
	}
}

func TestHandshakesDoNotWaitForOneAnother(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), newClock()
	certFile, keyFile := pair(t, dir, "first")
	c, err := LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler), now.now)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 50 {
				now.advance(time.Second)
				if got, err := c.Get(&tls.ClientHelloInfo{}); err != nil || got == nil {
					t.Errorf("Get() = %v, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestACertificateThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := LoadCertificate("/no/cert", "/no/key", slog.New(slog.DiscardHandler), time.Now); err == nil || !strings.Contains(err.Error(), "/no/cert") {
		t.Errorf("error %v; want one that names the file", err)
	}
}

// serving starts a server for a test.
func serving(t *testing.T, s Server, stop Stop) (addr string, end func() error) {
	t.Helper()
	l, err := Open(t.Context(), "listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	if stop.Announce == nil {
		stop.Announce = func() {}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, slog.New(slog.DiscardHandler), stop, s) }()
	var once sync.Once
	end = func() error {
		err := errors.New("ended before")
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = end() })
	return l.Addr().String(), end
}

// HT-14 of the security catalogue.
func TestOnlySafeTLSIsSpoken(t *testing.T) {
	t.Parallel()
	certFile, keyFile := pair(t, t.TempDir(), "server")
	c, err := LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serving(t, Server{Handler: http.NotFoundHandler(), TLS: c.TLS()}, Stop{})
	tests := []struct {
		name     string
		min, max uint16
		suites   []uint16
		want     bool
	}{
		{"TLS 1.3", tls.VersionTLS13, tls.VersionTLS13, nil, true},
		{"TLS 1.2", tls.VersionTLS12, tls.VersionTLS12, nil, true},
		{"TLS 1.1", tls.VersionTLS10, tls.VersionTLS11, nil, false},
		{"TLS 1.2 with CBC", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}, false},
		{"TLS 1.2 without forward secrecy", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &tls.Dialer{Config: &tls.Config{MinVersion: tt.min, MaxVersion: tt.max, CipherSuites: tt.suites, InsecureSkipVerify: true}}
			conn, err := d.DialContext(t.Context(), "tcp", addr)
			if err == nil {
				_ = conn.Close()
			}
			if (err == nil) != tt.want {
				t.Errorf("handshake error %v; want success: %t", err, tt.want)
			}
		})
	}
}

func TestAPortInUseIsSaid(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, err = Open(t.Context(), "admin_listen", l.Addr().String())
	if e, ok := errors.AsType[*InUseError](err); !ok || e.Key != "admin_listen" || e.Addr != l.Addr().String() {
		t.Errorf("error %v; want an InUseError of the address", err)
	}
}

func TestRunningRequestsFinishWhenTheServerStops(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}), make(chan struct{})
	var announced atomic.Bool
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-release
		_, _ = io.WriteString(w, "whole")
	})
	addr, end := serving(t, Server{Handler: h}, Stop{Announce: func() { announced.Store(true) }})
	body := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			body <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		body <- string(b)
	}()
	<-inside
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	for !announced.Load() {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("stopped while a request ran: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if got := <-body; got != "whole" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("stopped with %v; want nil", err)
	}
}

// HT-06 of the security catalogue.
func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	addr, _ := serving(t, Server{Handler: http.NotFoundHandler()}, Stop{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", strings.Repeat("x", 64<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the connection was cut, which is as good
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d; want 431", res.StatusCode)
	}
}
