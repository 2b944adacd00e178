package authz_test

import (
	"log/slog"
	"testing"
	"time"

	"countersign/authz"
	"countersign/authz/engine"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/logo"
	"countersign/storage/pushed"
	"countersign/storage/replay"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/storagetest"
	"countersign/storage/subject"
)

// doorConfig is a door on the database that says nothing of what it does.
func doorConfig(tb testing.TB, db *storage.DB, policy clientstore.Policy, issuer string) authz.Config {
	tb.Helper()
	keys, events := storagetest.Keys(tb), audit.New(db)
	subjects, err := subject.Open(tb.Context(), db, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return authz.Config{
		Issuer: issuer, Name: "Countersign", Contact: "admin@example.test",
		Lifetimes: engine.Lifetimes{
			Code: time.Minute, AccessToken: 10 * time.Minute, IDToken: 5 * time.Minute,
			RefreshIdle: 24 * time.Hour, RefreshAbsolute: 72 * time.Hour, RefreshGrace: 10 * time.Second,
			OAuth1Token: 2 * time.Hour,
		},
		Tx: db.Tx(), Accounts: account.New(db, account.Config{Keys: keys, Audit: events, Cost: account.HashCost{Memory: 8, Passes: 1}}),
		Sessions:     session.New(db, session.Config{Keys: keys, Idle: time.Hour, Absolute: 12 * time.Hour}),
		Interactions: interaction.New(db, keys), Grants: grant.New(db, keys),
		Clients: clientstore.New(db, clientstore.Config{Keys: keys, Audit: events, Policy: policy}),
		Keys:    keysettest.Open(tb, db, keyset.Config{Audit: events, PublishedBefore: 10 * time.Minute, KeptAfter: time.Hour}),
		SignOut: signout.New(db), Logos: logo.New(db), Used: replay.New(db, keys), Pushed: pushed.New(db, keys), Subjects: subjects, Audit: events, Failures: failure.New(db, keys),
		Log: slog.New(slog.DiscardHandler), Asset: func(name string) string { return "/assets/" + name }, Now: db.Now,
	}
}
