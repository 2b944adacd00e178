package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/seal"
)

// usesData reports whether anything is kept in the data folder.
func usesData(cfg *config.Config) bool {
	return cfg.SQLitePath() != "" && (cfg.Database == "" || cfg.Secret == "")
}

func checkDataFolder(_ context.Context, pt *patient) finding {
	folder := pt.cfg.Folder()
	if !usesData(pt.cfg) {
		return found(skipped, "database and key are kept elsewhere", "")
	}
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return finef("%s does not exist yet; the first `countersign serve` makes it", folder)
	}
	if err != nil {
		return found(failed, err.Error(), "let this user read the folder")
	}
	if !info.IsDir() {
		return found(failed, folder+" is not a folder", "set COUNTERSIGN_DATA to a folder")
	}
	f, err := os.CreateTemp(folder, ".doctor-*")
	if err != nil {
		return found(failed, err.Error(), "let this user write to the folder")
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return found(failed, err.Error(), "let this user write to the folder")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return found(warning, fmt.Sprintf("other users of this machine may look into %s (mode %04o)", folder, info.Mode().Perm()), "chmod 700 "+folder)
	}
	return finef("%s can be written", folder)
}

func checkKeyFile(_ context.Context, pt *patient) finding {
	cfg := pt.cfg
	path := cfg.SecretFile
	if cfg.Secret == "" {
		path = cfg.GeneratedSecret()
		if cfg.SQLitePath() == "" {
			return found(failed, "there is none, and PostgreSQL needs one that all servers share",
				"make it with `openssl rand -hex 32 > FILE; chmod 600 FILE` and set COUNTERSIGN_SECRET_FILE=FILE")
		}
		if f := generatedKey(cfg, path); f.Status != fine {
			return f
		}
	} else if _, err := seal.ParseKey(cfg.Secret.Reveal()); err != nil {
		return found(failed, err.Error(), "restore the key that the database was made with")
	}
	if path == "" {
		return found(fine, "comes from the environment or the configuration", "")
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return found(fine, "the first `countersign serve` makes it", "")
	}
	if err := checkPrivate(path); err != nil {
		cause, fix := explain(err)
		if cfg.SecretFile != "" { // container platforms mount secrets like that
			return found(warning, cause, fix)
		}
		return found(failed, cause, fix)
	}
	return finef("%s is readable by its owner only", path)
}

func generatedKey(cfg *config.Config, path string) finding {
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Stat(cfg.SQLitePath()); err == nil && info.Size() > 0 {
			return found(failed, "the database exists, but its key "+path+" does not", "restore that file from your backup")
		}
		return found(fine, "", "")
	}
	if err != nil {
		return found(failed, err.Error(), "let this user read the file")
	}
	if _, err := seal.ParseKey(string(trimLine(content))); err != nil {
		return found(failed, path+": "+err.Error(), "restore that file from your backup")
	}
	return found(fine, "", "")
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// maxSkew is how far the database's clock may be off this machine's. Servers
// follow the database, so that they agree with one another at any rate; what
// applications are told must agree with their clocks.
const maxSkew = 5 * time.Second

func checkDatabase(ctx context.Context, pt *patient) finding {
	path := pt.cfg.SQLitePath()
	if path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return finef("%s does not exist yet; the first `countersign serve` makes it", path)
		}
		if kind := networkFileSystem(filepath.Dir(path)); kind != "" {
			return found(failed, path+" is on "+kind+", where SQLite loses data when locks fail", "move it to a local disk, or use PostgreSQL")
		}
	}
	db, err := storage.Open(ctx, storage.Config{URL: pt.cfg.DatabaseURL(), MaxConns: 1})
	if err != nil {
		return found(failed, err.Error(), "start the database and check its URL")
	}
	defer db.Close() //nolint:errcheck // only looked at
	if err := db.CheckSchema(ctx); err != nil {
		return found(failed, err.Error(), "run `countersign migrate up` or `countersign serve` of the right release")
	}
	d, err := db.Diagnose(ctx)
	if err != nil {
		return found(failed, err.Error(), "let this user write to the database; look for a full disk")
	}
	if d.Skew.Abs() > maxSkew {
		return found(failed, fmt.Sprintf("its clock is off by %s", d.Skew), "let both machines keep time by NTP")
	}
	if path != "" && d.Journal != "wal" {
		return found(failed, "its journal mode is "+d.Journal, "move it to a local disk, where a write-ahead log works")
	}
	if f := checkSealed(ctx, pt, db); f.Status == failed {
		return f
	}
	return finef("%s %s, schema current, writable", db.Dialect(), d.Version)
}

// checkSealed compares the database with the key-encryption key, if it exists.
func checkSealed(ctx context.Context, pt *patient, db *storage.DB) finding {
	text := pt.cfg.Secret.Reveal()
	if text == "" {
		content, err := os.ReadFile(pt.cfg.GeneratedSecret())
		if err != nil {
			return found(skipped, "", "")
		}
		text = string(trimLine(content))
	}
	kek, err := seal.ParseKey(text)
	if err != nil {
		return found(skipped, "", "")
	}
	keys, err := seal.New(kek)
	if err == nil {
		err = db.CheckKey(ctx, keys)
	}
	if err != nil {
		return found(failed, err.Error(), "use the key that the database was made with")
	}
	return found(fine, "", "")
}
