package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// documents are Countersign's, by the paths that the copies have here.
var documents = map[string]string{
	"/copy/metadata": "/.well-known/openid-configuration", "/copy/keys": "/.well-known/jwks.json",
}

// copyDocuments serves the documents of the issuer as it answers them, from memory.
func copyDocuments(ctx context.Context, mux *http.ServeMux, issuer string) error {
	for path, from := range documents {
		h, err := copied(ctx, issuer+from)
		if err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
		mux.Handle("GET "+path, h)
	}
	return nil
}

// copied answers every request with the headers and the body that the address
// answered with once.
func copied(ctx context.Context, address string) (http.Handler, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}}).Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", res.Status)
	}
	header := res.Header
	header.Del("Date") // which each answer has of its own
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		_, _ = w.Write(body) // who asked has gone
	}), err
}
