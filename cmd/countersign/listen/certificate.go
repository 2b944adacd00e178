// Package listen opens the server's ports and serves on them: TLS with
// certificates that may be replaced beneath it, limits on slow clients, and a
// stop that lets running requests finish.
package listen

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// checkEvery bounds how often the files are looked at.
const checkEvery = time.Second

// Certificate is a TLS certificate that follows its files. Handshakes read it
// without a lock; one of them at most, once a second, looks at the files.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time
	current           atomic.Pointer[tls.Certificate]
	seen              atomic.Pointer[version] // of the files, when they were last read
	nextCheck         atomic.Int64            // in Unix nanoseconds
}

// version tells one content of the two files from another.
type version struct {
	cert, key         time.Time
	certSize, keySize int64
}

// LoadCertificate reads the certificate and its key.
func LoadCertificate(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	c.nextCheck.Store(now().Add(checkEvery).UnixNano())
	return c, nil
}

// Reload reads the files again. When they cannot be used, the certificate that
// was read before stays.
func (c *Certificate) Reload() error {
	v, err := c.version()
	if err == nil {
		c.seen.Store(v)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the TLS certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *Certificate) version() (*version, error) {
	cert, err := os.Stat(c.certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.Stat(c.keyFile)
	if err != nil {
		return nil, err
	}
	return &version{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}

// Get returns the certificate for a handshake.
func (c *Certificate) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := c.now().UnixNano()
	if next := c.nextCheck.Load(); now >= next && c.nextCheck.CompareAndSwap(next, now+int64(checkEvery)) {
		c.follow(hello.Context())
	}
	return c.current.Load(), nil
}

// follow reads the files if they changed since they were last read, whether
// that read succeeded or not, so that a broken file is complained of once.
func (c *Certificate) follow(ctx context.Context) {
	v, err := c.version()
	if err != nil || *v == *c.seen.Load() {
		return // between two steps of a replacement a file may be missing
	}
	if err := c.Reload(); err != nil {
		c.log.ErrorContext(ctx, "the TLS certificate changed and cannot be used; the old one stays", "cause", err.Error())
		return
	}
	c.log.InfoContext(ctx, "the TLS certificate was replaced")
}

// NotAfter is when the certificate expires that handshakes are given now.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// TLS returns the settings of a listener with this certificate: TLS 1.2 at
// least, and there only suites with forward secrecy and authenticated
// encryption (RFC 9325, section 4.2).
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.Get,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}
