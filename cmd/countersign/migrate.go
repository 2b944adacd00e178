package main

import (
	"errors"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/storage"
)

func newMigrate(p *program) *cobra.Command {
	return noun("migrate", "Bring the database's schema up to date", `  countersign migrate status
  countersign migrate up`, newMigrateStatus(p), newMigrateUp(p))
}

// withDatabase runs a command on the database as it is, whatever its schema.
func (p *program) withDatabase(cmd *cobra.Command, do func(*storage.DB) error) (err error) {
	cfg, err := p.config(cmd)
	if err != nil {
		return err
	}
	if path := cfg.SQLitePath(); path != "" {
		// A new database gets its key first: see makeSecret.
		if _, err := keyEncryptionKey(cfg); err != nil {
			return err
		}
	}
	db, err := openDatabase(cmd.Context(), cfg, p.logger(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

func newMigrateStatus(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "List the migrations and when each was applied", Args: noArgs,
		Example: `  countersign migrate status
  countersign migrate status -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withDatabase(cmd, func(db *storage.DB) error { return printMigrations(cmd, p, out, db) })
	}
	return cmd
}

func printMigrations(cmd *cobra.Command, p *program, out *output, db *storage.DB) error {
	list, err := db.Migrations(cmd.Context())
	if err != nil {
		return err
	}
	return out.print(p.stdout, list, func(tw *tabwriter.Writer) {
		row(tw, "VERSION", "NAME", "APPLIED")
		for _, m := range list {
			if m.AppliedAt.IsZero() {
				row(tw, m.Version, m.Name, "pending")
				continue
			}
			row(tw, m.Version, m.Name, m.AppliedAt)
		}
	})
}

func newMigrateUp(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "up", Short: "Apply the migrations that are pending", Args: noArgs,
		Long: "Applies the migrations that are pending. `serve` does the same when it starts; back the database up\n" +
			"before you upgrade, because an older release does not serve a newer schema.",
		Example: `  countersign migrate up
  countersign --database postgres://countersign@db.example.org/countersign migrate up`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withDatabase(cmd, func(db *storage.DB) error {
			if err := db.Migrate(cmd.Context()); err != nil {
				return err
			}
			return printMigrations(cmd, p, out, db)
		})
	}
	return cmd
}
