package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/backup"
	"countersign/storage/seal"
)

func newExport(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export FILE", Short: "Write all of the database into a file, to go on with another database", Args: oneArg,
		Long: "Writes all that the database holds, live sessions and tokens too, into a file for `countersign import`,\n" +
			"and closes the database: it serves no more. Stop every server first. Guard the file as you do the\n" +
			"database, and remove it when the import is done.",
		Example: `  countersign export /var/tmp/countersign.export
  countersign export --reopen`,
	}
	reopen := cmd.Flags().Bool("reopen", false, "let the database serve again, when no import of the file was or will be served")
	f := exportFlags{addReplaceFile(cmd), addConfirmation(cmd), addOutput(cmd)}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if *reopen {
			return noArgs(cmd, args)
		}
		return oneArg(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reopen {
			return p.reopen(cmd, f.confirm)
		}
		if args[0] == "-" {
			return usagef(cmd, "an export is a file: the database is closed once the file lasts, which is not known of a pipe")
		}
		if err := f.confirm.ask(cmd, p, "The database is closed: no server and no command works with it any more."); err != nil {
			return err
		}
		return p.withInstallation(cmd, func(cfg *config.Config, keys *seal.Keys) error { return p.export(cmd, cfg, keys, f, args[0]) })
	}
	return cmd
}

// exportFlags are those of `export`.
type exportFlags struct {
	replace *bool
	confirm *confirmation
	out     *output
}

func (p *program) export(cmd *cobra.Command, cfg *config.Config, keys *seal.Keys, f exportFlags, path string) error {
	ctx := cmd.Context()
	err := p.withDatabase(cmd, func(db *storage.DB) error { return checkInstallation(ctx, db, keys) })
	if err != nil {
		return err
	}
	to, err := p.create(path, *f.replace)
	if err != nil {
		return err
	}
	defer to.discard()
	h, err := writer(cfg, keys, to).Export(ctx, cfg.DatabaseURL(), time.Now().UTC().Truncate(time.Microsecond), to, to.keep)
	if err != nil {
		return restoreFix(err)
	}
	return p.printWritten(f.out, written{path, h})
}

func (p *program) reopen(cmd *cobra.Command, confirm *confirmation) error {
	err := confirm.ask(cmd, p, "The database serves again. If an import of the file is served as well, what one spends or revokes the other still accepts.")
	if err != nil {
		return err
	}
	return p.withDatabase(cmd, func(db *storage.DB) error {
		if err := db.CheckHere(cmd.Context()); err == nil {
			return remedy(nil, "the database is not closed", "start the server")
		}
		if err := backup.Reopen(cmd.Context(), db, actor()); err != nil {
			return err
		}
		p.talk("The database serves again.")
		return nil
	})
}

func newImport(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Go on in this database with what another one exported", Args: oneArg,
		Long: "Puts an export into an empty database, or with --replace in the place of what is there, with all that\n" +
			"it holds: sessions and tokens go on. The key-encryption key has to be the same. FILE may be - for\n" +
			"standard input.",
		Example: `  countersign --database postgres://countersign@db.example.org/countersign import countersign.export
  ssh old.example.org 'cat countersign.export' | countersign import -`,
	}
	willing := cmd.Flags().Bool("replace", false, "replace what the database holds")
	confirm, out := addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withFile(cmd, args[0], func(cfg *config.Config, f *backup.File) error {
			if *willing {
				if err := confirm.ask(cmd, p, "What "+shownURL(cfg.DatabaseURL())+" holds is replaced and lost."); err != nil {
					return err
				}
			}
			rows, err := f.Import(cmd.Context(), backup.Target{URL: cfg.DatabaseURL(), Replace: *willing}, actor())
			if err != nil {
				return restoreFix(err)
			}
			return p.printImported(out, f.Header, rows)
		})
	}
	return cmd
}

func (p *program) printImported(out *output, h backup.Header, rows map[string]int64) error {
	return out.print(p.stdout, map[string]any{"exported_at": h.CreatedAt, "rows": rows}, func(tw *tabwriter.Writer) {
		var all int64
		for _, n := range rows {
			all += n
		}
		row(tw, "Imported", fmt.Sprintf("%s in %s", count(all, "row"), count(int64(len(rows)), "table")))
		row(tw, "Now", "start the servers with this database and the same key-encryption key, and remove the file")
	})
}
