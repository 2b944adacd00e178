//go:build unix

package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// supervise makes the server's data and runs the server until standard input
// ends, which it does with the test process however that ends, and leaves
// nothing behind. The role "guarded" is asked for a password, so that tests
// can give a wrong one.
const supervise = `"$1/initdb" -D "$2/data" -U countersign -A trust --no-sync --locale=C -E UTF8 >"$2/log" 2>&1 || exit
printf 'local all %s\n' 'guarded scram-sha-256' 'all trust' >"$2/data/pg_hba.conf"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200 >"$2/log" 2>&1 &
read -r _
kill -QUIT $!
wait
rm -rf "$2"`

// startServer starts a throw-away server and returns its URL and what ends it
// when it is closed. The server listens on a socket in a private folder only,
// so that no other user of the machine can reach it.
func startServer() (string, io.Closer, error) {
	bin, err := PostgresBinaries()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "countersign-pg-")
	if err != nil {
		return "", nil, err
	}
	as, err := Unprivileged(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.Command("/bin/sh", "-c", supervise, "supervise", bin, dir) //nolint:noctx,gosec // it lives as long as the process; the folders are our own
	cmd.Dir, cmd.SysProcAttr = dir, as
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	raw := (&url.URL{
		Scheme: "postgres", User: url.User("countersign"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "sslmode": {"disable"}}.Encode(),
	}).String()
	if err := awaitServer(raw, ended); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) //nolint:gosec // our own folder; what there is of it
		return "", nil, errors.Join(fmt.Errorf("the server did not start: %w: %s", err, log), stdin.Close(), os.RemoveAll(dir))
	}
	return raw, stdin, nil
}

// Unprivileged gives dir to the user that the server shall run as: PostgreSQL
// refuses to run as root.
func Unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // so that an interrupt at the terminal leaves the cleaning up to supervise
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("this runs as root, and PostgreSQL does not: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

// PostgresBinaries returns the folder with initdb and postgres, which find their
// library beside themselves: a link to one of them does not do.
func PostgresBinaries() (string, error) {
	candidates := []string{}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			candidates = append(candidates, path)
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb"} {
		found, _ := filepath.Glob(pattern) // the pattern is well-formed
		candidates = append(candidates, found...)
	}
	for _, path := range candidates {
		bin := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(bin, "postgres")); err == nil {
			return bin, nil
		}
	}
	return "", errors.New("PostgreSQL 15 or newer is needed: initdb and postgres are neither in PATH nor in the usual folders (Debian and Ubuntu: `apt-get install postgresql`)")
}

// awaitServer waits until the server answers, or its supervisor ended.
func awaitServer(raw string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", raw)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing to lose
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case end := <-ended:
			return errors.Join(errors.New("it ended"), end)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
