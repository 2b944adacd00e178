package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// config says what is run.
type config struct {
	bin      string
	length   time.Duration
	seed     uint64
	replicas int
	workers  int
	nemeses  []nemesis
	sqlite   int    // how often the server on SQLite is killed
	onSQLite bool   // whether this is that server's lab
	brief    bool   // whether calm and rest at the end are short
	dir      string // where everything is kept
	out      io.Writer

	onlySQLite bool // whether the lab on PostgreSQL is left out
}

// history is where what was done is written down.
func (c config) history() string { return filepath.Join(c.dir, "history.jsonl") }

// lab is a run: replicas of the program behind a balancer on one database, and
// people and programs who use them.
type lab struct {
	cfg      config
	dice     *dice
	history  *History
	vault    *vault
	watch    *watchdog
	db       *postgres
	balancer *balancer
	replicas []*replica
	cast     *cast
	toggling *toggling
	stale    []stale
	closers  []func()
}

// person is an account.
type person struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	password string
}

// open starts the database, the replicas and the balancer.
func open(ctx context.Context, cfg config) (l *lab, err error) {
	l = &lab{cfg: cfg, dice: newDice(cfg.seed), vault: &vault{}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	file, err := os.Create(cfg.history())
	if err != nil {
		return l, err
	}
	l.onClose(func() { _ = file.Close() })
	l.history = newHistory(file)
	if l.watch, err = openWatchdog(ctx); err != nil {
		return l, err
	}
	l.onClose(l.watch.close)
	if cfg.onSQLite {
		return l, l.openReplicas(ctx)
	}
	if l.db, err = makePostgres(ctx, cfg.dir, l.watch); err != nil {
		return l, err
	}
	l.onClose(func() { l.db.close(ctx) })
	size := "256m"
	if cfg.length > 10*time.Minute {
		size = "1g" // the longer, the more there is
	}
	if err := l.db.createDatabase(ctx, size); err != nil {
		return l, err
	}
	return l, l.openReplicas(ctx)
}

func (l *lab) openReplicas(ctx context.Context) (err error) {
	if l.balancer, err = openBalancer(ctx); err != nil {
		return err
	}
	secret, err := keyFile(l.cfg.dir)
	if err != nil {
		return err
	}
	for i := range l.cfg.replicas {
		r, err := newReplica(ctx, l.cfg.bin, l.cfg.dir, fmt.Sprintf("r%d", i+1), l.watch)
		if err != nil {
			return err
		}
		l.onClose(r.kill)
		if err := l.configure(ctx, r, secret); err != nil {
			return err
		}
		l.replicas = append(l.replicas, r)
		r.front = &backend{toxics: newToxics(l.dice.fork()), name: r.name, address: r.address}
		l.balancer.backends = append(l.balancer.backends, r.front)
	}
	for _, r := range l.replicas {
		if err := r.start(ctx); err != nil {
			return err
		}
		if err := r.await(ctx); err != nil { // one after another: the first brings the schema up to date
			return err
		}
	}
	return nil
}

// Times of the lab. A key is published for so long before it signs. Replicas take
// up to five seconds to notice it, and so applications may keep what they
// fetched for what is left.
const (
	publishBefore = 12 * time.Second
	jwksAge       = 6 * time.Second
	refreshGrace  = 10 * time.Second
)

func (l *lab) configure(ctx context.Context, r *replica, secret string) (err error) {
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return err
	}
	if l.db == nil {
		l.configureSQLite(ctx, r)
	} else {
		if r.toDB, err = openRelay(ctx, l.db.address, l.dice.fork()); err != nil {
			return err
		}
		l.onClose(r.toDB.close)
		r.set("DATABASE", l.db.url("lab", r.toDB.address()))
		r.set("DATABASE_MAX_CONNS", "8")
	}
	r.set("ISSUER", l.balancer.url())
	r.set("LISTEN", "0.0.0.0:"+port) // a server that others reach tells balancers before it stops
	r.set("TRUSTED_PROXIES", "127.0.0.0/8")
	r.set("SECRET_FILE", secret)
	r.set("KEY_PUBLISH_BEFORE", publishBefore.String())
	r.set("REFRESH_GRACE", refreshGrace.String())
	return nil
}

// keyFile makes a key-encryption key.
func keyFile(dir string) (string, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	path := filepath.Join(dir, "secret")
	return path, os.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600)
}

func (l *lab) onClose(f func()) { l.closers = append(l.closers, f) }

// close ends everything, last first.
func (l *lab) close() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
	l.closers = nil
}

// say tells whoever watches.
func (l *lab) say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.cfg.out, format+"\n", args...) // nobody may be watching
}
