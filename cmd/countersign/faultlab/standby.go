package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// promoteStandby is NM-16: PostgreSQL dies, and a synchronous standby takes its
// place. Nothing that was confirmed may be lost.
func (l *lab) promoteStandby(ctx context.Context) error {
	standby, err := l.db.makeStandby(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	sleep(ctx, l.dice.between(time.Second, 3*time.Second))
	healed := l.fault("NM-16", "postgres", afterDatabase)
	err = l.db.failOver(context.WithoutCancel(ctx), standby)
	healed()
	sleep(ctx, l.dice.between(2*time.Second, 5*time.Second))
	return err
}

// standby is a server that follows.
type standby struct {
	data, port string
	cmd        *exec.Cmd
}

// makeStandby copies the server while it runs, and returns when it waits with
// each confirmation until the copy has it.
func (p *postgres) makeStandby(ctx context.Context) (*standby, error) {
	p.standbys++
	s := &standby{data: fmt.Sprintf("standby%d", p.standbys)}
	var err error
	if s.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if err := p.copy(ctx, s.data, "-R"); err != nil {
		return nil, err
	}
	if s.cmd, err = p.run(ctx, s.data, s.port); err != nil {
		return nil, err
	}
	return s, p.awaitSynchronous(ctx)
}

// copy copies the server's data to a folder while it runs.
func (p *postgres) copy(ctx context.Context, data string, more ...string) error {
	args := append([]string{"-h", "127.0.0.1", "-p", p.currentPort(), "-U", "countersign", "-D", filepath.Join(p.dir, data), "-X", "stream", "-c", "fast", "--no-sync"}, more...)
	if p.space != "" {
		// A copy on the same machine has its tables elsewhere.
		args = append(args, "-T", filepath.Join(p.space, "files")+"="+filepath.Join(p.dir, data+"-files"))
	}
	if err := p.command(ctx, "pg_basebackup", args...).Run(); err != nil {
		return fmt.Errorf("copy PostgreSQL: %w; see %s", err, p.log.Name())
	}
	return nil
}

var errNotFollowing = errors.New("the standby does not follow")

func (p *postgres) awaitSynchronous(ctx context.Context) error {
	db, err := p.open("postgres")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing to lose
	for _, statement := range []string{`ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("wait for the standby with each confirmation: %w", err)
		}
	}
	for end := time.Now().Add(pgPatience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var following bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync')`).Scan(&following)
		if err == nil && following {
			return nil
		}
	}
	return errNotFollowing
}

// failOver kills the server and has the standby take its place.
func (p *postgres) failOver(ctx context.Context, s *standby) error {
	if err := p.stop(syscall.SIGQUIT); err != nil {
		return err
	}
	old := filepath.Join(p.dir, p.data)
	p.cmd, p.data = s.cmd, s.data
	p.movePort(s.port)
	if err := p.await(ctx); err != nil {
		return err
	}
	db, err := p.open("postgres")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing to lose
	var promoted bool
	if err := db.QueryRowContext(ctx, `SELECT pg_promote(true, 30)`).Scan(&promoted); err != nil || !promoted {
		return fmt.Errorf("promote the standby: %w", errors.Join(err, errNotFollowing))
	}
	_ = os.RemoveAll(old) // it is never started again
	return nil
}
