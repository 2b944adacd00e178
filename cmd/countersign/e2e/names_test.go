package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
)

// homeDomain is a domain that tests have on this machine, with a certificate
// for its hosts, for what browsers do not do on loopback addresses: two hosts
// of it are two origins on one site.
const homeDomain = e2etest.HomeDomain

// certificate is that of the domain's hosts. Go's default client and that of
// the tests trust it.
var certificate = trustHome()

func trustHome() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: homeDomain}, DNSNames: []string{"*." + homeDomain, "localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, client := range []http.RoundTripper{http.DefaultTransport, machine.Transport} {
		if transport, ok := client.(*http.Transport); ok {
			transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			transport.DialContext = dialHome
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func dialHome(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, "."+homeDomain) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// certificateFile returns the file with the certificate of the server.
func (s *server) certificateFile() string { return filepath.Join(s.dir, "tls_certificate.pem") }

// startAtHome runs a server of its own with TLS at id.countersign.test.
func startAtHome(t testing.TB, database string) *server {
	t.Helper()
	return startWithTLS(t, database, "id."+homeDomain)
}

// startWithTLS runs a server of its own with TLS, at a name of this machine.
func startWithTLS(t testing.TB, database, host string) *server {
	t.Helper()
	s := prepare(t, database, setting{"PASSWORD_MEMORY", "0"}, setting{"PASSWORD_PASSES", "0"})
	listen := strings.TrimPrefix(s.issuer, "http://")
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	s.issuer = "https://" + host + ":" + port
	s.set("ISSUER", s.issuer)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"TLS_CERTIFICATE": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}, "TLS_KEY": {Type: "PRIVATE KEY", Bytes: key},
	} {
		path := filepath.Join(s.dir, strings.ToLower(name)+".pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		s.set(name, path)
	}
	s.Start()
	t.Cleanup(s.finish)
	return s
}
