package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"countersign/cmd/countersign/config"
)

func checkPorts(ctx context.Context, pt *patient) finding {
	if pt.running {
		return finef("a server answers on %s", pt.cfg.Listen)
	}
	l, err := openListeners(ctx, pt.cfg)
	if err != nil {
		return found(failed, err.Error(), "see `ss -ltnp` for which program it is")
	}
	l.close()
	return finef("%s is free", pt.cfg.Listen)
}

func checkHTTPS(_ context.Context, pt *patient) finding {
	u := pt.cfg.IssuerURL()
	switch {
	case u.Scheme == "https" && pt.cfg.TLS():
		return found(fine, "the server speaks TLS itself", "")
	case u.Scheme == "https" && len(pt.cfg.TrustedProxies) == 0:
		return found(warning, "a proxy has to speak TLS for the issuer, but trusted_proxies is empty, so that every request seems to come from it",
			"set COUNTERSIGN_TRUSTED_PROXIES to the proxy's address")
	case u.Scheme == "https":
		return found(fine, "a proxy speaks TLS", "")
	default:
		return found(fine, "not needed: only this machine can use the server", "")
	}
}

// soon is when a certificate that ends needs attention.
const soon = 14 * 24 * time.Hour

func checkCertificate(_ context.Context, pt *patient) finding {
	if !pt.cfg.TLS() {
		return found(skipped, "the server does not speak TLS itself", "")
	}
	pair, err := tls.LoadX509KeyPair(pt.cfg.TLSCertificate, pt.cfg.TLSKey)
	if err != nil {
		return found(failed, err.Error(), "name PEM files that this user may read, with the key that belongs to the certificate")
	}
	host := pt.cfg.IssuerURL().Hostname()
	if err := pair.Leaf.VerifyHostname(host); err != nil {
		return found(failed, err.Error(), "get a certificate for "+host)
	}
	left := time.Until(pair.Leaf.NotAfter)
	switch {
	case left < 0:
		return found(failed, "it ended on "+cell(pair.Leaf.NotAfter), "renew it; the server takes up the new one by itself")
	case left < soon:
		return found(warning, "it ends on "+cell(pair.Leaf.NotAfter), "renew it; the server takes up the new one by itself")
	}
	return finef("valid for %s until %s", host, cell(pair.Leaf.NotAfter))
}

func checkIssuer(ctx context.Context, pt *patient) finding {
	if !pt.running {
		return found(skipped, "no server answers on "+pt.cfg.Listen+"; start it to have this checked", "")
	}
	address := pt.cfg.Issuer + "/.well-known/openid-configuration"
	client, err := probeClient(pt.cfg)
	if err != nil {
		return found(failed, err.Error(), "see the certificate's check")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return found(failed, err.Error(), "set COUNTERSIGN_ISSUER to the URL that browsers use")
	}
	res, err := client.Do(req)
	if err != nil {
		return found(failed, err.Error(), "let the name in the issuer lead to this server, through the proxy if there is one")
	}
	defer res.Body.Close() //nolint:errcheck // only read
	var doc struct {
		Issuer string `json:"issuer"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&doc)
	if err != nil || res.StatusCode != http.StatusOK || doc.Issuer != pt.cfg.Issuer {
		return found(failed, fmt.Sprintf("%s answered %s with the issuer %q", address, res.Status, doc.Issuer),
			"let the issuer lead to this server, and the proxy pass Host and path on")
	}
	return finef("%s leads to this server", pt.cfg.Issuer)
}

// probeClient trusts what browsers trust and the configured certificate, which
// may be one of a private authority.
func probeClient(cfg *config.Config) (*http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if cfg.TLS() {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pair, err := tls.LoadX509KeyPair(cfg.TLSCertificate, cfg.TLSKey)
		if err != nil {
			return nil, err
		}
		pool.AddCert(pair.Leaf)
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: cfg.IssuerURL().Hostname()}
	}
	return &http.Client{Transport: transport, Timeout: probeTimeout}, nil
}
