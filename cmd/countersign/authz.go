package main

import (
	"net/http"

	"countersign/authz"
	"countersign/authz/engine"
	"countersign/cmd/countersign/assets"
)

// authz builds the door for applications and resource owners.
func (s *server) authz() (http.Handler, error) {
	return authz.New(authz.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name, Contact: s.cfg.Contact,
		Lifetimes: engine.Lifetimes{
			Code: s.cfg.CodeLifetime, AccessToken: s.cfg.AccessTokenLifetime, IDToken: s.cfg.IDTokenLifetime,
			RefreshIdle: s.cfg.RefreshIdle, RefreshAbsolute: s.cfg.RefreshAbsolute, RefreshGrace: s.cfg.RefreshGrace,
		},
		Tx:       s.stores.db.Tx(),
		Accounts: s.stores.accounts, Sessions: s.stores.sessions, Interactions: s.stores.interactions,
		Clients: s.stores.clients, Grants: s.stores.grants, Keys: s.stores.keys, Used: s.stores.used, Pushed: s.stores.pushed,
		Log: s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
}
