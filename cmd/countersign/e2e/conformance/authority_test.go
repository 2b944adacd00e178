package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
)

// authority issues the certificates of the provider and of the relying
// parties: the certification knows https only.
type authority struct {
	rootFile, certFile, keyFile string
	roots                       *x509.CertPool
	certificate                 tls.Certificate // for this machine
}

var certificates = sync.OnceValue(func() *authority { return newAuthority(e2etest.Process) })

func newAuthority(t testing.TB) *authority {
	t.Helper()
	dir := t.TempDir()
	rootKey, root := newCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Conformance Test Authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	key, cert := newCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost", partyHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{roots: x509.NewCertPool(), certificate: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	a.roots.AddCert(root)
	a.rootFile = writePEM(t, dir, "root.pem", "CERTIFICATE", root.Raw)
	a.certFile = writePEM(t, dir, "cert.pem", "CERTIFICATE", cert.Raw)
	a.keyFile = writePEM(t, dir, "key.pem", "PRIVATE KEY", encoded)
	return a
}

// newCertificate makes a certificate for two days, signed by the parent or, if
// there is none, by itself.
func newCertificate(t testing.TB, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func writePEM(t testing.TB, dir, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
