package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"countersign/storage"
	"countersign/storage/account"
)

// checkAdministrators looks whether somebody may configure the server. It is no
// more than a warning: a server can be run by the command line alone.
func checkAdministrators(ctx context.Context, pt *patient) finding {
	if path := pt.cfg.SQLitePath(); path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return found(skipped, "there is no database yet", "")
		}
	}
	db, err := storage.Open(ctx, storage.Config{URL: pt.cfg.DatabaseURL(), MaxConns: 1})
	if err != nil {
		return found(skipped, "the database cannot be read", "")
	}
	defer db.Close() //nolint:errcheck // only looked at
	if db.CheckSchema(ctx) != nil {
		return found(skipped, "the database cannot be read", "")
	}
	nobody, err := account.New(db, account.Config{}).Unadministered(ctx)
	if err != nil {
		return found(failed, err.Error(), "let this user read the database")
	}
	if nobody {
		return found(warning, "there are accounts, but none that is enabled may configure the server, and set-up is closed",
			"countersign user permit USERNAME --permission configure_server; `countersign user list` shows who there is")
	}
	return found(fine, "somebody may configure the server, or set-up is still open", "")
}
