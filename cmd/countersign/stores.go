package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os/user"
	"time"

	"countersign/authz/outbound"
	"countersign/authz/picture"
	"countersign/clientstore"
	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/apikey"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/idempotency"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/logo"
	"countersign/storage/pushed"
	"countersign/storage/replay"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/tryout"
)

// stores are all records of one database.
type stores struct {
	db           *storage.DB
	opened       storage.Installation // as it was then
	sealing      *seal.Keys
	outbound     *http.Client // by which addresses that clients registered are reached
	pictures     *http.Client // the same for logos, which may be longer
	keys         *keyset.Store
	audit        *audit.Store
	accounts     *account.Store
	sessions     *session.Store
	interactions *interaction.Store
	clients      *clientstore.Store
	grants       *grant.Store
	signOut      *signout.Store
	logos        *logo.Store
	used         *replay.Store
	pushed       *pushed.Store
	failures     *failure.Store
	apiKeys      *apikey.Store
	once         *idempotency.Store
	tryouts      *tryout.Store
}

// openDatabase opens the database as it is.
func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*storage.DB, error) {
	if cfg.SQLitePath() != "" && cfg.Database == "" {
		if err := makeDataFolder(cfg); err != nil {
			return nil, err
		}
	}
	return storage.Open(ctx, storage.Config{URL: cfg.DatabaseURL(), MaxConns: cfg.DatabaseMaxConns, Log: log, Clock: machineClock()})
}

// openStores opens a database whose schema is current, or that is new. The
// key-encryption key is looked at before the database, since a new one may
// only be made while there is none.
func openStores(ctx context.Context, cfg *config.Config, log *slog.Logger, migrate func(context.Context, *storage.DB) error) (*stores, error) {
	keys, err := keyEncryptionKey(cfg)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	err = migrate(ctx, db)
	if err == nil {
		err = db.CheckKey(ctx, keys)
	}
	if err == nil {
		err = db.CheckHere(ctx)
	}
	var opened storage.Installation
	if err == nil {
		opened, err = db.Installation(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := newStores(db, keys, cfg)
	s.opened = opened
	return s, nil
}

// migrateAlways brings the schema up to date, whatever it is.
func migrateAlways(ctx context.Context, db *storage.DB) error { return db.Migrate(ctx) }

// migrateNew makes the schema of a new database. An older one is left to
// `serve` and `migrate up`, because a server of that release may be using it.
func migrateNew(ctx context.Context, db *storage.DB) error {
	err := db.CheckSchema(ctx)
	if e, ok := errors.AsType[*storage.SchemaError](err); ok && e.Database == 0 {
		return db.Migrate(ctx)
	}
	return err
}

func newStores(db *storage.DB, keys *seal.Keys, cfg *config.Config) *stores {
	trail := audit.New(db)
	// A server on this very machine has its applications there too.
	reach := outbound.Config{Allow: cfg.OutboundAllow, Local: cfg.LoopbackIssuer()}
	return &stores{
		db:       db,
		sealing:  keys,
		outbound: outbound.New(reach),
		pictures: outbound.New(outbound.Config{Allow: reach.Allow, Local: reach.Local, MaxBody: picture.MaxFile + 1}),
		audit:    trail,
		keys: keyset.New(db, keyset.Config{
			Keys: keys, Audit: trail, PublishedBefore: cfg.KeyPublishBefore,
			KeptAfter: keptAfter(cfg), RotateEvery: cfg.KeyRotation,
		}),
		accounts: account.New(db, account.Config{
			Keys: keys, Audit: trail, FourEyes: cfg.FourEyes,
			Cost: account.HashCost{Memory: uint32(cfg.PasswordMemory), Passes: uint32(cfg.PasswordPasses)}, //nolint:gosec // Validate bounds both
		}),
		sessions:     session.New(db, session.Config{Keys: keys, Audit: trail, Idle: cfg.SessionIdle, Absolute: cfg.SessionAbsolute}),
		interactions: interaction.New(db, keys),
		clients: clientstore.New(db, clientstore.Config{
			Keys: keys, Audit: trail, Policy: clientstore.Policy(cfg.Policy),
			MaxPending: cfg.RegistrationMaxPending, PendingLifetime: cfg.RegistrationPendingLifetime,
			UnusedLifetime: cfg.RegistrationUnusedLifetime, FourEyes: cfg.FourEyes, Notices: channels(cfg),
		}),
		grants:   grant.New(db, keys),
		signOut:  signout.New(db),
		logos:    logo.New(db),
		used:     replay.New(db, keys),
		pushed:   pushed.New(db, keys),
		failures: failure.New(db, keys),
		apiKeys:  apikey.New(db, apikey.Config{Keys: keys, Audit: trail, Scopes: clientstore.AdministrationScopes}),
		once:     idempotency.New(db, keys),
		tryouts:  tryout.New(db, keys),
	}
}

// clockSkew is how far an application's clock may be off.
const clockSkew = 5 * time.Minute

// keptAfter is how long a retired signing key is needed: for what it signed,
// and to recognise an ID token that an application kept and brings back as a
// hint, for as long as its grant may live.
func keptAfter(cfg *config.Config) time.Duration {
	return max(cfg.IDTokenLifetime, cfg.AccessTokenLifetime, cfg.SessionAbsolute, cfg.RefreshAbsolute) + clockSkew
}

// actor is who changes something by the command line: the operating system's
// user, who may read the database and therefore do anything.
func actor() audit.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return audit.Actor{Name: name, Via: audit.ViaCLI}
}
