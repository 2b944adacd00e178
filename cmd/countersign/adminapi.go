package main

import (
	"context"
	"net/http"
	"strings"

	"countersign/admin/api"
	"countersign/authz/limit"
	"countersign/authz/outbound"
	"countersign/clientstore"
)

// How often one caller may ask the administration's API: enough for a pipeline
// that registers many clients, and too little to keep the database from others.
const (
	callsPerSecond = 20
	callsAtOnce    = 100
)

// adminAPI builds the API for administrators' programs.
func (s *server) adminAPI() (http.Handler, error) {
	calls := limit.New(callsPerSecond, callsAtOnce, s.stores.db.Now)
	return api.New(api.Config{
		SecondFactor: s.cfg.AdminMFA(),
		Issuer:       s.cfg.Issuer, Tx: s.stores.db.Tx(), Accounts: s.stores.accounts, Clients: s.stores.clients, Grants: s.stores.grants,
		APIKeys: s.stores.apiKeys, Once: s.stores.once, Audit: s.stores.audit, Keys: s.stores.keys, Failures: s.stores.failures,
		Sector: func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
			return outbound.Sector(ctx, s.stores.outbound, before, m)
		},
		Allow: func(caller string) bool { return calls.Allow(callerNetwork(caller)) },
		Log:   s.log, Now: s.stores.db.Now,
	})
}

// callerNetwork counts strangers by their network, and callers that proved who
// they are by themselves.
func callerNetwork(caller string) string {
	if ip, ok := strings.CutPrefix(caller, "address "); ok {
		return limit.Network(ip)
	}
	return caller
}
