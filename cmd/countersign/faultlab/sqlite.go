package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// sqlitePath is where a replica has its database.
func (r *replica) sqlitePath() string { return filepath.Join(r.dir, "data", "countersign.db") }

// configureSQLite gives the server a data folder, on a small file system of its
// own where the lab may mount one.
func (l *lab) configureSQLite(ctx context.Context, r *replica) {
	data := filepath.Dir(r.sqlitePath())
	if err := mountSmall(ctx, data, "64m"); err != nil {
		return // the nemeses that need it say so
	}
	r.mounted = true
	l.onClose(func() {
		r.kill()
		unmount(ctx, data)
	})
}

// idSQLite is the nemesis of SQLite, which has a lab of its own.
const idSQLite = "NM-21"

// onSQLite are the nemeses of NM-21: a server with its database in a file.
func onSQLite(kills int) []nemesis {
	return []nemesis{
		{id: idSQLite, name: fmt.Sprintf("SQLite: kill -9, %d times", kills), share: 1, rest: afterKill, strike: func(l *lab, ctx context.Context) error {
			return l.killOften(context.WithoutCancel(ctx), kills)
		}},
		{id: idSQLite, name: "SQLite: full disk", share: 1, rest: afterKill, strike: (*lab).fillSQLite},
		{id: idSQLite, name: "SQLite: read-only file system", share: 1, rest: afterKill, strike: (*lab).readOnlySQLite},
	}
}

// afterStart is how long a server that is the only one may be missed after it
// is ready again: the balancer asks now and then.
const afterStart = 2 * time.Second

// killOften kills the server while it writes, and starts it again.
func (l *lab) killOften(ctx context.Context, times int) error {
	r := l.replicas[0]
	for range times {
		sleep(ctx, l.dice.between(10*time.Millisecond, 500*time.Millisecond))
		healed := l.fault(idSQLite, "kill", afterStart)
		r.kill()
		err := l.revive(ctx, r)
		healed()
		if err != nil {
			return err
		}
	}
	return nil
}

// diskFull is how long the disk is full, or cannot be written to.
const diskFull = 5 * time.Second

func (l *lab) fillSQLite(ctx context.Context) error {
	r := l.replicas[0]
	if !r.mounted {
		l.say("          left out: it needs root, to mount a small file system")
		return nil
	}
	healed := l.fault(idSQLite, "full disk", afterStart)
	ballast := filepath.Join(filepath.Dir(r.sqlitePath()), "ballast")
	err := fill(ballast)
	for end := time.Now().Add(diskFull); err == nil && time.Now().Before(end); {
		sleep(ctx, time.Second)
		err = fill(ballast)
	}
	if !r.running() {
		err = errors.Join(err, errors.New("the server ended because its disk was full"))
	}
	l.probe(ctx, r, "/livez", http.StatusOK)
	err = errors.Join(err, os.Remove(ballast))
	healed()
	return err
}

// readOnlySQLite starts the server on a file system that cannot be written to.
// It does not pretend to serve, and afterwards everything is there.
func (l *lab) readOnlySQLite(ctx context.Context) error {
	r := l.replicas[0]
	if !r.mounted {
		l.say("          left out: it needs root, to mount a small file system")
		return nil
	}
	healed := l.fault(idSQLite, "read-only file system", afterStart)
	defer healed()
	r.kill()
	if err := remount(ctx, r, "ro"); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	select {
	case err := <-r.exited:
		if err == nil {
			return errors.New("the server ends in peace on a file system that cannot be written to")
		}
		r.mu.Lock()
		r.cmd = nil
		r.mu.Unlock()
	case <-time.After(diskFull):
		l.probe(ctx, r, "/readyz", http.StatusServiceUnavailable)
		r.kill()
	}
	if err := remount(ctx, r, "rw"); err != nil {
		return err
	}
	return l.revive(ctx, r)
}

func remount(ctx context.Context, r *replica, how string) error {
	out, err := exec.CommandContext(ctx, "mount", "-o", "remount,"+how, filepath.Dir(r.sqlitePath())).CombinedOutput() //nolint:gosec // our own folder
	if err != nil {
		return fmt.Errorf("remount: %w: %s", err, out)
	}
	return nil
}
