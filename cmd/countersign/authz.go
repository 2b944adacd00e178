package main

import (
	"net/http"

	"countersign/authz"
	"countersign/authz/engine"
	"countersign/authz/logout"
	"countersign/authz/outbound"
	"countersign/authz/registration"
	"countersign/cmd/countersign/assets"
)

// sender builds what tells applications of sign-outs.
func (s *server) sender() *logout.Sender {
	return logout.NewSender(logout.SenderConfig{
		Issuer: s.cfg.Issuer, SignOut: s.stores.signOut, Keys: s.stores.keys,
		Client: outbound.New(outbound.Config{Allow: s.cfg.OutboundAllow, Local: s.cfg.LoopbackIssuer()}),
		Log:    s.log, Now: s.stores.db.Now,
	})
}

// authz builds the door for applications and resource owners.
func (s *server) authz() (http.Handler, error) {
	return authz.New(authz.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name, Contact: s.cfg.Contact,
		Lifetimes: engine.Lifetimes{
			Code: s.cfg.CodeLifetime, AccessToken: s.cfg.AccessTokenLifetime, IDToken: s.cfg.IDTokenLifetime,
			RefreshIdle: s.cfg.RefreshIdle, RefreshAbsolute: s.cfg.RefreshAbsolute, RefreshGrace: s.cfg.RefreshGrace,
			OAuth1Token: s.cfg.OAuth1TokenLifetime,
		},
		Registration: registration.Mode(s.cfg.Registration), Stopping: s.stopping,

		Tx:       s.stores.db.Tx(),
		Accounts: s.stores.accounts, Sessions: s.stores.sessions, Interactions: s.stores.interactions,
		Clients: s.stores.clients, Grants: s.stores.grants, Keys: s.stores.keys,
		SignOut: s.stores.signOut, Used: s.stores.used, Pushed: s.stores.pushed, OutboundAllow: s.cfg.OutboundAllow,
		Log: s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
}
