package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/backup"
)

func newRestore(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into the database, without what may have been taken back since", Args: oneArg,
		Long: "Puts a backup into an empty database, or with --replace in the place of what is there. No server may\n" +
			"run on it. FILE may be - for standard input. The file and the key-encryption key are checked first.\n\n" +
			"Nobody knows what was revoked, used up, disapproved or replaced after the backup. So nothing that\n" +
			"could have been works again: sessions, tokens, codes, consents, API keys, initial access tokens,\n" +
			"recovery codes and signing keys end, clients await approval and need new secrets, accounts are\n" +
			"disabled and need new passwords. If no client was disapproved, removed or given another secret since\n" +
			"the backup, --keep-approvals leaves clients as they were; if no account was disabled, removed or\n" +
			"given another password or factor, --keep-accounts leaves accounts as they were.",
		Example: `  countersign restore --dry-run countersign.backup
  countersign restore countersign.backup --keep-accounts --keep-approvals`,
	}
	r := &restore{program: p}
	cmd.Flags().BoolVar(&r.replace, "replace", false, "replace what the database holds")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "check the file and say what would happen")
	cmd.Flags().BoolVar(&r.policy.KeepApprovals, "keep-approvals", false, "leave clients approved, with their secrets")
	cmd.Flags().BoolVar(&r.policy.KeepAccounts, "keep-accounts", false, "leave accounts enabled, with the passwords, factors and permissions of the backup")
	r.confirm, r.out = addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withFile(cmd, args[0], func(cfg *config.Config, f *backup.File) error { return r.run(cmd, cfg, f) })
	}
	return cmd
}

type restore struct {
	*program

	replace, dryRun bool
	policy          backup.Policy
	confirm         *confirmation
	out             *output
}

func (r *restore) run(cmd *cobra.Command, cfg *config.Config, f *backup.File) error {
	if r.dryRun {
		r.talk("%s", r.impact(cfg, f.Header))
		return r.out.print(r.stdout, f.Header, func(tw *tabwriter.Writer) { row(tw, "The file is good; nothing was changed.") })
	}
	if err := r.confirm.ask(cmd, r.program, r.impact(cfg, f.Header)); err != nil {
		return err
	}
	done, err := f.Restore(cmd.Context(), backup.Target{URL: cfg.DatabaseURL(), Replace: r.replace}, actor(), r.policy)
	if err != nil {
		return restoreFix(err)
	}
	return r.out.print(r.stdout, done, func(tw *tabwriter.Writer) {
		row(tw, "Restored", count(done.Clients, "client")+", "+count(done.Accounts, "account"))
		for _, line := range r.next() {
			row(tw, "Now", line)
		}
	})
}

// impact says what the restore does.
func (r *restore) impact(cfg *config.Config, h backup.Header) string {
	var b strings.Builder
	line := func(s string) { b.WriteString(s + "\n") }
	line("The backup has the state of " + cell(h.CreatedAt) + ": " + count(h.Rows["clients"], "client") + ", " + count(h.Rows["accounts"], "account") + ", issuer " + printable(cell(h.Issuer)) + ".")
	if r.replace {
		line("What " + shownURL(cfg.DatabaseURL()) + " holds is replaced by it and lost.")
	}
	line("Ended for good: sessions, tokens, codes, pending requests, consents, recovery codes, API keys, initial access tokens, signing keys.")
	if r.policy.KeepApprovals {
		line("Clients stay approved, with the secrets of the backup: also those that were disapproved, removed or given another secret since.")
	} else {
		line("Clients that were approved await approval again, and need new secrets.")
	}
	if r.policy.KeepAccounts {
		b.WriteString("Accounts stay enabled, with the passwords, factors and permissions of the backup: also those that were disabled, removed, demoted or given others since.")
	} else {
		b.WriteString("Accounts are disabled, without password, passkeys, authenticators and permissions.")
	}
	return b.String()
}

// next says what people have to do after the restore.
func (r *restore) next() []string {
	var list []string
	if !r.policy.KeepAccounts {
		list = append(list, "for each account that shall sign in, administrators first: countersign user set-password USERNAME, countersign user enable USERNAME, and for administrators: countersign user permit USERNAME --permission configure_server")
	}
	list = append(list, "start the servers; they make new signing keys, and take signed OAuth 1.0a requests after 5 minutes")
	if !r.policy.KeepApprovals {
		list = append(list, "review every client, then: countersign client rotate-secret CLIENT_ID, countersign client approve CLIENT_ID")
	}
	return append(list, "people sign in and consent again; programs of administrators need new API keys, pipelines new initial access tokens")
}

// withFile runs a command with a file that was read and found good.
func (p *program) withFile(cmd *cobra.Command, path string, do func(*config.Config, *backup.File) error) error {
	cfg, err := p.config(cmd)
	if err != nil {
		return err
	}
	keys, err := existingKey(cfg)
	if err != nil {
		return err
	}
	from, dir := io.NopCloser(p.stdin), ""
	if path != "-" {
		if from, err = os.Open(path); err != nil { //nolint:gosec // the operator names it
			return remedy(err, "read the file: "+err.Error(), "check the path and that this user may read the file")
		}
	}
	defer func() { _ = from.Close() }()
	if sqlite := cfg.SQLitePath(); sqlite != "" {
		if dir, err = filepath.Dir(sqlite), dataFolder(cfg); err != nil {
			return err
		}
	}
	f, err := backup.Open(cmd.Context(), from, keys, dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(cfg, f)
}

// dataFolder makes the folder of the database, if that is the default one.
func dataFolder(cfg *config.Config) error {
	if cfg.Database != "" {
		return nil
	}
	return makeDataFolder(cfg)
}

// restoreFix says what to do when a file could not be put into the database.
func restoreFix(err error) error {
	if e, ok := errors.AsType[*backup.WentOnError](err); ok {
		return remedy(err, e.Error()+". Nothing was changed", "go on with the database as it is. To move it, write an export of it, or of the one that is served; "+
			"to go back in time, `countersign restore` a backup, which brings nothing back that was taken back")
	}
	switch {
	case errors.Is(err, backup.ErrNotEmpty):
		return remedy(err, "the database has an installation already; nothing was changed",
			"name an empty database, or repeat the command with --replace to lose what it holds")
	case errors.Is(err, storage.ErrInUse):
		return remedy(err, err.Error()+"; nothing was changed", "stop every server on it, and end other programs that have it open")
	default:
		return err
	}
}

// watch ends the server when its database is not its own any more. A database
// that does not answer is no reason: requests are told so.
func (s *server) watch(ctx context.Context) error {
	var verdict error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	every(ctx, watchEvery, func(ctx context.Context) {
		err := s.stores.db.CheckStill(ctx, s.stores.opened)
		if err != nil && !errors.Is(err, storage.ErrUnavailable) {
			verdict = err
			cancel()
		}
	})
	return verdict
}
