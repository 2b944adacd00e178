package main

import (
	"context"
	"net/http"

	"countersign/admin"
	"countersign/authz/browser"
	"countersign/authz/outbound"
	"countersign/clientstore"
	"countersign/cmd/countersign/assets"
)

// admin builds the door for administrators. They are signed in at the other
// one, by cookies that both read.
func (s *server) admin() (http.Handler, error) {
	cookies := browser.New(s.cfg.IssuerURL())
	return admin.New(admin.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name,
		Tx: s.stores.db.Tx(), Accounts: s.stores.accounts, Sessions: s.stores.sessions, Interactions: s.stores.interactions,
		Clients: s.stores.clients, Audit: s.stores.audit, Keys: s.stores.keys, Failures: s.stores.failures,
		SessionCookie: cookies.Session, BrowserCookie: cookies.EnsureBrowser, LanguageCookie: cookies.Language,
		SecondFactor: s.cfg.AdminMFA(),
		Sector: func(ctx context.Context, before, after *clientstore.Metadata) (*clientstore.Sector, error) {
			return outbound.Sector(ctx, s.stores.outbound, before, after)
		},
		Diagnose: s.diagnose,
		Log:      s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
}

// diagnose makes the doctor's checks from within the running server.
func (s *server) diagnose(ctx context.Context) []admin.Finding {
	var list []admin.Finding
	for _, f := range (&patient{cfg: s.cfg, program: s.program, running: true}).examine(ctx) {
		list = append(list, admin.Finding(f))
	}
	return list
}
