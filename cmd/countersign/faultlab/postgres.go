package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"countersign/storage/storagetest"
)

// postgres is a PostgreSQL server of the lab's own, which keeps what it
// confirmed: fsync is on.
type postgres struct {
	bin, dir string
	data     string // folder, within dir
	as       *syscall.SysProcAttr
	watch    *watchdog
	cmd      *exec.Cmd
	log      *os.File
	space    string // the mounted folder of the database's files, empty for none
	standbys int    // that were made

	mu   sync.Mutex
	port string // which a standby changes that takes the place
}

func (p *postgres) currentPort() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.port
}

func (p *postgres) movePort(port string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.port = port
}

const pgPatience = 60 * time.Second

// makePostgres makes a server's data, in a folder that its user can reach, and
// has it write its log beside those of the replicas.
func makePostgres(ctx context.Context, logs string, w *watchdog) (*postgres, error) {
	bin, err := storagetest.PostgresBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "countersign-faultlab-")
	if err != nil {
		return nil, err
	}
	p := &postgres{bin: bin, dir: dir, data: "data", watch: w}
	if p.as, err = storagetest.Unprivileged(dir); err != nil {
		return nil, err
	}
	if p.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if p.log, err = os.Create(filepath.Join(logs, "postgres.log")); err != nil { //nolint:gosec // our own folder
		return nil, err
	}
	init := p.command(ctx, "initdb", "-D", filepath.Join(dir, "data"), "-U", "countersign", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")
	if err := init.Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w; see %s", err, p.log.Name())
	}
	return p, p.start(ctx)
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...) //nolint:gosec // PostgreSQL's own programs
	cmd.Dir, cmd.SysProcAttr = p.dir, p.as
	cmd.Stdout, cmd.Stderr = p.log, p.log
	return cmd
}

// start runs the server and waits until it takes connections.
func (p *postgres) start(ctx context.Context) error {
	cmd, err := p.run(ctx, p.data, p.currentPort())
	if err != nil {
		return err
	}
	p.cmd = cmd
	return p.await(ctx)
}

// run runs a server on the data in the folder.
func (p *postgres) run(ctx context.Context, data, port string) (*exec.Cmd, error) {
	cmd := p.command(context.WithoutCancel(ctx), "postgres", "-D", filepath.Join(p.dir, data), "-k", p.dir, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100", "-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.watch.add(cmd.Process.Pid)
	return cmd, nil
}

func (p *postgres) await(ctx context.Context) error {
	db, err := sql.Open("pgx", p.url("postgres", p.address()))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing to lose
	for end := time.Now().Add(pgPatience); ; time.Sleep(20 * time.Millisecond) {
		if err = db.PingContext(ctx); err == nil || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// stop ends the server: with SIGQUIT at once and without a checkpoint, which is
// what an immediate stop is.
func (p *postgres) stop(signal os.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = p.cmd.Wait() // it was told to end
	p.watch.remove(p.cmd.Process.Pid)
	p.cmd = nil
	return nil
}

func (*postgres) url(database, at string) string {
	return "postgres://countersign@" + at + "/" + database + "?sslmode=disable"
}

func (p *postgres) address() string { return "127.0.0.1:" + p.currentPort() }

// open opens a connection of the lab's own, which no fault touches.
func (p *postgres) open(database string) (*sql.DB, error) {
	db, err := sql.Open("pgx", p.url(database, p.address()))
	if err == nil {
		db.SetMaxOpenConns(2)
	}
	return db, err
}

// createDatabase makes the lab's database. Where the lab may mount a file
// system, its files are on one that can be filled up; the log of what was
// confirmed is not.
func (p *postgres) createDatabase(ctx context.Context, size string) error {
	db, err := p.open("postgres")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	statement := `CREATE DATABASE lab`
	if space, err := p.mount(ctx, size); err == nil {
		p.space = space
		if _, err := db.ExecContext(ctx, `CREATE TABLESPACE small LOCATION '`+filepath.Join(space, "files")+`'`); err != nil {
			return err
		}
		statement += ` TABLESPACE small`
	}
	_, err = db.ExecContext(ctx, statement)
	return err
}

// mount mounts a small file system, which takes root.
func (p *postgres) mount(ctx context.Context, size string) (string, error) {
	space := filepath.Join(p.dir, "space")
	if err := mountSmall(ctx, space, size); err != nil {
		return "", err
	}
	files := filepath.Join(space, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		return "", err
	}
	if c := p.as.Credential; c != nil {
		for _, dir := range []string{space, files} {
			if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
				return "", err
			}
		}
	}
	return space, nil
}

func (p *postgres) close(ctx context.Context) {
	_ = p.stop(syscall.SIGQUIT) // the folder goes away
	if p.space != "" {
		unmount(ctx, p.space)
	}
	_ = p.log.Close()
	_ = os.RemoveAll(p.dir) // its log is elsewhere
}

// mountSmall mounts a file system of a size in memory.
func mountSmall(ctx context.Context, dir, size string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root may mount")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "tmpfs", dir).CombinedOutput() //nolint:gosec // our own folder
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

func unmount(ctx context.Context, dir string) {
	_ = exec.CommandContext(context.WithoutCancel(ctx), "umount", "-l", dir).Run() //nolint:gosec // at worst a mount is left
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // it was only to learn the port
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
