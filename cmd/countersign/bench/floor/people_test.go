package main

import (
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/cmd/countersign/bench/driver"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// The flows of people come to an end, by as many statements as Countersign's own
// (docs/decisions/0065-what-a-request-costs.md).
func TestFlowsByTheSameStatements(t *testing.T) {
	db := storagetest.OpenPostgres(t)
	keys := storagetest.Keys(t)
	b := borrow(db, keys)
	by := audit.Actor{Name: "test"}
	clients := clientstore.New(db, clientstore.Config{Keys: keys, Audit: audit.New(db)})
	a, err := account.New(db, account.Config{Keys: keys, Audit: audit.New(db)}).
		Create(t.Context(), by, account.Registration{Username: "ada", Password: "correct horse battery staple"})
	if err != nil {
		t.Fatal(err)
	}
	b.people = []account.Account{*a}
	c, _, err := clients.Register(t.Context(), by, clientstore.Registration{Type: clientstore.OIDC, Name: "Modeller", Metadata: clientstore.Metadata{
		RedirectURIs: []string{"http://127.0.0.1:9999/cb"}, Scope: "openid profile offline_access",
		GrantTypes: []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantDeviceCode},
	}})
	if err == nil {
		_, err = clients.Approve(t.Context(), by, c.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	known := driver.Client{ID: c.ID, Secret: secret, Scope: "openid offline_access", RedirectURI: "http://127.0.0.1:9999/cb"}
	server := &driver.Server{
		Issuer: serveFlows(t, b), Clients: map[string]driver.Client{"code": known, "device": known},
		Fields: map[string]string{"decision": "allow", "user_code": "{user_code}"},
	}
	if err := server.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := storagetest.CountStatements(db)
	statements := map[string]float64{"code_live": 4, "device_live": 7, "refresh": 2, "userinfo": 1}
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		r, err := runFlow(server, name, func() (int64, error) { return int64(count.Count()), nil })
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case r.Operations < enough || r.Errors != 0:
			t.Errorf("%s: %d operations, %d errors: %s", name, r.Operations, r.Errors, r.FirstError)
		case math.Round(r.Statements) != statements[name]:
			t.Errorf("%s takes %.1f statements; want %.0f", name, r.Statements, statements[name])
		}
	}
}

// enough operations are measured for the statements of the first, which began
// before, and of the next, which has not ended, to be lost in rounding.
const enough = 20

// runFlow measures a flow for as long as enough operations take, which on a busy
// machine is not known before.
func runFlow(server *driver.Server, name string, count func() (int64, error)) (r *driver.Result, err error) {
	scenario, err := driver.Find(name)
	if err != nil {
		return nil, err
	}
	for d := 200 * time.Millisecond; d < time.Minute; d *= 4 {
		r, err = driver.Run(server, driver.Load{Scenario: scenario, Concurrency: 1, Warm: d / 10, For: d, Count: count})
		if err != nil || r.Errors != 0 || r.Operations >= enough {
			break
		}
	}
	return r, err
}

// serveFlows serves the floor's flows and returns its issuer.
func serveFlows(t *testing.T, b *borrowed) string {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	h := &handler{issuer: s.URL, key: newKey()}
	h.people = &people{b, h.issuer, h.key}
	h.people.routes(mux)
	mux.Handle("GET /.well-known/openid-configuration", h.metadata())
	mux.HandleFunc("POST /token", h.token)
	return s.URL
}
