package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/backup"
	"countersign/storage/seal"
)

// written is what a command says of the file that it wrote.
type written struct {
	File string `json:"file"`
	backup.Header
}

func newBackup(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write a backup of the database while servers run", Args: oneArg,
		Long: "Writes a backup of the database as it is at one moment into a file that only you can read, or to\n" +
			"standard output when FILE is -. Servers go on. The file has no session, token or signing key: a\n" +
			"restore ends them all. It does not have the key-encryption key, without which it is of no use: keep\n" +
			"that apart from it, and as carefully.",
		Example: `  countersign backup /var/backups/countersign.backup
  countersign backup --replace /var/backups/countersign.backup
  countersign backup - | ssh vault.example.org 'cat > countersign.backup'`,
	}
	replace, out := addReplaceFile(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withInstallation(cmd, func(cfg *config.Config, keys *seal.Keys) error {
			to, err := p.create(args[0], *replace)
			if err != nil {
				return err
			}
			defer to.discard()
			return p.backup(cmd.Context(), cfg, keys, out, to)
		})
	}
	return cmd
}

func (p *program) backup(ctx context.Context, cfg *config.Config, keys *seal.Keys, out *output, to *newFile) (err error) {
	db, err := openDatabase(ctx, cfg, p.logger(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkInstallation(ctx, db, keys); err != nil {
		return err
	}
	h, err := writer(cfg, keys, to).Backup(ctx, db, to)
	if err != nil {
		return err
	}
	if err := to.keep(); err != nil {
		return err
	}
	return p.printWritten(out, written{to.path, h})
}

// checkInstallation refuses a database that is not one that servers use, which
// the check of its key would else make it.
func checkInstallation(ctx context.Context, db *storage.DB, keys *seal.Keys) error {
	if err := db.CheckSameSchema(ctx); err != nil {
		return err
	}
	return db.CheckKey(ctx, keys)
}

func writer(cfg *config.Config, keys *seal.Keys, to *newFile) backup.Writer {
	return backup.Writer{Keys: keys, Dir: to.dir, Origin: backup.Origin{Issuer: cfg.Issuer, Program: readBuild().Version}}
}

func (p *program) printWritten(out *output, w written) error {
	to := p.stdout
	if w.File == "-" {
		to = p.stderr // the file itself is there
	}
	return out.print(to, w, func(tw *tabwriter.Writer) {
		row(tw, "Written", w.File)
		row(tw, "State of", w.CreatedAt)
		row(tw, "Clients", w.Rows["clients"])
		row(tw, "Accounts", w.Rows["accounts"])
		row(tw, "Schema", w.Schema)
		row(tw, "Keep too", "the key-encryption key, apart from this file: without it the file is of no use")
	})
}

// withInstallation runs a command on a database that is there, with the
// key-encryption key that is there. Neither is made.
func (p *program) withInstallation(cmd *cobra.Command, do func(*config.Config, *seal.Keys) error) error {
	cfg, err := p.config(cmd)
	if err != nil {
		return err
	}
	if path := cfg.SQLitePath(); path != "" {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			return remedy(err, "there is no database "+path, "name the one that the server uses, by --data, --database or --config")
		}
	}
	keys, err := existingKey(cfg)
	if err != nil {
		return err
	}
	return do(cfg, keys)
}

// existingKey is [keyEncryptionKey] where a new key would be of no use.
func existingKey(cfg *config.Config) (*seal.Keys, error) {
	if cfg.Secret.Reveal() == "" && cfg.SQLitePath() != "" {
		if _, err := os.Stat(cfg.GeneratedSecret()); err != nil {
			return nil, remedy(err, "the key-encryption key "+cfg.GeneratedSecret()+" is missing",
				"put the key that the database was made with there, with mode 0600, or set COUNTERSIGN_SECRET_FILE")
		}
	}
	return keyEncryptionKey(cfg)
}

// newFile is a file that is there as a whole or not at all, and readable by its
// owner only. It may be standard output instead.
type newFile struct {
	io.Writer

	path, dir string
	temp      *os.File // nil for standard output, and once it is kept
	replace   bool     // another file at the path, which is refused otherwise
}

// addReplaceFile gives a command that writes a file the flag --replace.
func addReplaceFile(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("replace", false, "replace the file when there is one already, once the new one is complete")
}

// create begins the file at the path; "-" is standard output.
func (p *program) create(path string, replace bool) (*newFile, error) {
	if path == "-" {
		if isTerminal(p.stdout) {
			return nil, &usageError{"standard output is a terminal, and a backup is not text", "name a file, or write to a pipe"}
		}
		return &newFile{Writer: p.stdout, path: path}, nil
	}
	dir := filepath.Dir(path)
	f := &newFile{path: path, dir: dir, replace: replace}
	if err := f.free(); err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(dir, ".countersign-*") // with mode 0600
	if err != nil {
		return nil, remedy(err, "write "+path+": "+err.Error(), "name a file in a folder that this user may write to")
	}
	f.Writer, f.temp = temp, temp
	return f, nil
}

// free refuses a path that something else has, unless that may be replaced.
func (f *newFile) free() error {
	if f.replace {
		return nil
	}
	if _, err := os.Lstat(f.path); err != nil {
		return nil //nolint:nilerr // it is not there, or writing it says what is wrong
	}
	return remedy(fs.ErrExist, f.path+" is there already; nothing was written", "name another file, or give --replace to replace that one")
}

// keep makes the file last and gives it its name. It looks once more whether the
// name is free, since writing took a while.
func (f *newFile) keep() error {
	if f.temp == nil {
		return nil
	}
	if err := f.free(); err != nil {
		return err
	}
	if err := errors.Join(f.temp.Sync(), f.temp.Close(), os.Rename(f.temp.Name(), f.path)); err != nil {
		return remedy(err, "write "+f.path+": "+err.Error(), "make room, or name another file")
	}
	f.temp = nil
	folder, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return folder.Sync()
}

// discard removes a file that was not kept.
func (f *newFile) discard() {
	if f.temp != nil {
		_ = f.temp.Close()           // it may be closed
		_ = os.Remove(f.temp.Name()) // its owner alone can read it
	}
}
