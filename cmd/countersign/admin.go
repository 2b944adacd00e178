package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"countersign/admin"
	"countersign/authz"
	"countersign/authz/browser"
	"countersign/authz/outbound"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/cmd/countersign/assets"
)

// admin builds the door for administrators. They are signed in at the other
// one, by cookies that both read.
func (s *server) admin(applications *authz.Door) (http.Handler, error) {
	cookies := browser.New(s.cfg.IssuerURL())
	return admin.New(admin.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name, Look: admin.Look(s.look()),
		Contact: contact(s.cfg.Contact), ContactLink: page.ContactLink(s.cfg.Contact),
		Tx: s.stores.db.Tx(), Accounts: s.stores.accounts, Sessions: s.stores.sessions, Interactions: s.stores.interactions,
		Clients: s.stores.clients, Audit: s.stores.audit, Keys: s.stores.keys, Failures: s.stores.failures, Logos: s.stores.logos,
		SessionCookie: cookies.Session, BrowserCookie: cookies.EnsureBrowser, LanguageCookie: cookies.Language, SchemeCookie: cookies.Scheme,
		SecondFactor: s.cfg.AdminMFA(),
		Sector: func(ctx context.Context, before, after *clientstore.Metadata) (*clientstore.Sector, error) {
			return outbound.Sector(ctx, s.stores.outbound, before, after)
		},
		Grants: s.stores.grants, Tryouts: s.stores.tryouts, Applications: applications, Base: s.adminBase,
		Preview: func(ctx context.Context, asked admin.ClaimsAsked) (admin.ClaimsTold, error) {
			told, err := applications.Preview(ctx, authz.Asked(asked))
			return admin.ClaimsTold(told), err
		},
		Diagnose: s.diagnose, CommandLine: s.commandLine(),
		Log: s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
}

// adminBase is what the addresses of the administrators' pages begin with. On a
// listener of their own nobody may have said: what the browser asked for is one
// of its addresses then, or it would not have been let in.
func (s *server) adminBase(r *http.Request) string {
	if s.listeners.admin == nil || s.cfg.AdminURL != "" {
		return s.cfg.AdminBase()
	}
	u := url.URL{Scheme: "http", Host: r.Host, Path: s.cfg.IssuerURL().Path}
	if s.certificate != nil {
		u.Scheme = "https"
	}
	return strings.TrimSuffix(u.String(), "/")
}

// diagnose makes the doctor's checks from within the running server.
func (s *server) diagnose(ctx context.Context) []admin.Finding {
	var list []admin.Finding
	for _, f := range (&patient{cfg: s.cfg, program: s.program, running: true}).examine(ctx) {
		list = append(list, admin.Finding(f))
	}
	return list
}
