package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/seal"
)

// maxSecret bounds what is read as a secret.
const maxSecret = 4096

// readSecret reads a secret from a file, or from standard input when the file
// is "-": one line, without its end.
func (p *program) readSecret(what, file string) (string, error) {
	from := p.stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the person names the file
		if err != nil {
			return "", remedy(err, fmt.Sprintf("read the %s: %v", what, err), "check the path and that this user may read the file")
		}
		defer f.Close() //nolint:errcheck // only read
		from = f
	}
	content, err := io.ReadAll(io.LimitReader(from, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case len(content) > maxSecret:
		return "", remedy(nil, "the "+what+" is too long", fmt.Sprintf("give at most %d bytes", maxSecret))
	case text == "":
		return "", remedy(nil, "the "+what+" is empty", "write it to standard input or into the file")
	case strings.ContainsAny(text, "\r\n"):
		return "", remedy(nil, "the "+what+" has several lines", "give exactly one line")
	}
	return text, nil
}

// typeSecret asks for a secret twice at the terminal, without showing it.
func (p *program) typeSecret(what string) (string, error) {
	stdin, ok := p.stdin.(*os.File)
	if !ok {
		return "", errors.New("standard input is no terminal")
	}
	ask := func(prompt string) (string, error) {
		_, _ = fmt.Fprint(p.stderr, prompt) // a prompt that is not seen can still be answered
		typed, err := term.ReadPassword(int(stdin.Fd()))
		p.talk("")
		return string(typed), err
	}
	first, err := ask("New " + what + ": ")
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	second, err := ask("The same again: ")
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	if first != second {
		return "", remedy(nil, "the two "+what+"s differ", "repeat the command and type the same twice")
	}
	return first, nil
}

// keyEncryptionKey returns the derived keys. With SQLite it makes the
// key-encryption key where there is none and nothing that one could have
// sealed.
func keyEncryptionKey(cfg *config.Config) (*seal.Keys, error) {
	text, origin := cfg.Secret.Reveal(), "secret"
	if text == "" {
		if cfg.SQLitePath() == "" {
			return nil, remedy(nil, "the key-encryption key is missing; with PostgreSQL every server needs the same one",
				"make it with `openssl rand -hex 32 > FILE; chmod 600 FILE` and set COUNTERSIGN_SECRET_FILE=FILE")
		}
		var err error
		if text, err = generatedSecret(cfg); err != nil {
			return nil, err
		}
		origin = cfg.GeneratedSecret()
	}
	kek, err := seal.ParseKey(text)
	if err != nil {
		return nil, remedy(err, fmt.Sprintf("%s: %v", origin, err), "restore the key that this database was made with, or make one for a new database")
	}
	return seal.New(kek)
}

func generatedSecret(cfg *config.Config) (string, error) {
	path := cfg.GeneratedSecret()
	if err := makeDataFolder(cfg); err != nil {
		return "", err
	}
	if err := makeSecret(cfg, path); err != nil {
		return "", err
	}
	if err := checkPrivate(path); err != nil {
		return "", err
	}
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return "", remedy(err, fmt.Sprintf("read the key-encryption key: %v", err), "let this user read the file")
	}
	return strings.TrimSpace(string(content)), nil
}

func makeDataFolder(cfg *config.Config) error {
	if err := os.MkdirAll(cfg.Folder(), 0o700); err != nil {
		return remedy(err, fmt.Sprintf("make the data folder: %v", err), "set COUNTERSIGN_DATA to a folder that this user may write to")
	}
	info, err := os.Stat(cfg.Folder())
	if err != nil {
		return remedy(err, fmt.Sprintf("look at the data folder: %v", err), "set COUNTERSIGN_DATA to a folder that this user may read")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return remedy(nil, fmt.Sprintf("others may write to the data folder %s, and so put another database or key in place", cfg.Folder()),
			"run `chmod go-w "+cfg.Folder()+"`")
	}
	return nil
}

// makeSecret makes the file unless it exists. It is written elsewhere and then
// linked, so that of two programs that start together one wins and neither
// reads half a key.
func makeSecret(cfg *config.Config, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if info, err := os.Stat(cfg.SQLitePath()); err == nil && info.Size() > 0 {
		return remedy(nil, fmt.Sprintf("the database %s exists, but its key-encryption key %s does not", cfg.SQLitePath(), path),
			"restore that file from your backup; a new key could not read what the old one sealed")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // with mode 0600
	if err != nil {
		return remedy(err, fmt.Sprintf("make the key-encryption key: %v", err), "let this user write to the data folder")
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a left-over holds a key that is not in use
	if _, err = f.WriteString(seal.GenerateKey() + "\n"); err == nil {
		err = errors.Join(storage.GiveToFolder(f), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make the key-encryption key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the key-encryption key: %w", err)
	}
	return nil
}

// checkPrivate refuses a key that other users of the machine can read.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return remedy(err, fmt.Sprintf("read the key-encryption key: %v", err), "let this user read the file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return remedy(nil, fmt.Sprintf("other users of this machine may read the key-encryption key %s (mode %04o)", path, info.Mode().Perm()),
			"chmod 600 "+path)
	}
	return nil
}
