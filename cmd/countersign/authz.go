package main

import (
	"countersign/authz"
	"countersign/authz/clientjwt"
	"countersign/authz/engine"
	"countersign/authz/logout"
	"countersign/authz/registration"
	"countersign/cmd/countersign/assets"
	"countersign/cmd/countersign/config"
)

// approvalPath is the administrators' page that approves a consumer, under
// where their pages are.
const approvalPath = "/settings/oauth-clients/approve"

// sender builds what tells applications of sign-outs.
func (s *server) sender() *logout.Sender {
	return logout.NewSender(logout.SenderConfig{
		Issuer: s.cfg.Issuer, SignOut: s.stores.signOut, Subjects: s.subjects, Keys: s.stores.keys, Clients: s.stores.clients,
		ClientKeys: clientjwt.New(clientjwt.Config{Clients: s.stores.clients, HTTP: s.stores.outbound, Log: s.log, Now: s.stores.db.Now}),
		Client:     s.stores.outbound,
		Tried:      s.metrics.LogoutToken,
		Log:        s.log, Now: s.stores.db.Now,
	})
}

// authz builds the door for applications and resource owners.
func (s *server) authz() (*authz.Door, error) {
	return authz.New(authz.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name, Contact: s.cfg.Contact, Look: s.look(),
		Lifetimes: engine.Lifetimes{
			Code: s.cfg.CodeLifetime, AccessToken: s.cfg.AccessTokenLifetime, IDToken: s.cfg.IDTokenLifetime,
			RefreshIdle: s.cfg.RefreshIdle, RefreshAbsolute: s.cfg.RefreshAbsolute, RefreshGrace: s.cfg.RefreshGrace,
			OAuth1Token: s.cfg.OAuth1TokenLifetime,
		},
		Registration: registration.Mode(s.cfg.Registration), SignUp: s.cfg.SignUp == "open", AdminSecondFactor: s.cfg.AdminMFA(), Settings: s.listeners.admin == nil, Stopping: s.stopping,
		Realm: s.cfg.OAuth1Realm, TeamworkCloud: s.cfg.Compat == config.CompatTeamworkCloud,
		OSLC: authz.OSLC{Domain: s.cfg.OSLCDomain, Catalogs: s.cfg.Catalogs(), Approval: s.cfg.AdminBase() + approvalPath},

		Tx:       s.stores.db.Tx(),
		Accounts: s.stores.accounts, Sessions: s.stores.sessions, Interactions: s.stores.interactions,
		Clients: s.stores.clients, Grants: s.stores.grants, Keys: s.stores.keys,
		SignOut: s.stores.signOut, Logos: s.stores.logos, Used: s.stores.used, Pushed: s.stores.pushed, Subjects: s.subjects, Audit: s.stores.audit, Lender: s.stores.tryouts.Lends, Failures: s.stores.failures, OutboundAllow: s.cfg.OutboundAllow,
		Measure: authz.Measure{
			TokensIssued: s.metrics.TokensIssued, Refused: s.metrics.Refused, SignedIn: s.metrics.SignedIn, SignInFailed: s.metrics.SignInFailed,
		},
		Log: s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
}
