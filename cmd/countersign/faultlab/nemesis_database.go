package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// restartDatabase is NM-03: PostgreSQL stops without a checkpoint and comes
// back.
func (l *lab) restartDatabase(ctx context.Context) error {
	for ctx.Err() == nil {
		healed := l.fault("NM-03", "postgres", afterDatabase)
		err := l.db.stop(syscall.SIGQUIT)
		if err == nil {
			err = l.db.start(context.WithoutCancel(ctx))
		}
		healed()
		if err != nil {
			return err
		}
		sleep(ctx, l.dice.between(3*time.Second, 10*time.Second))
	}
	return nil
}

// stopDatabase is NM-04: PostgreSQL is away for a while. The replicas live, say
// that they are not ready, and answer 503.
func (l *lab) stopDatabase(ctx context.Context) error {
	healed := l.fault("NM-04", "postgres", afterDatabase)
	err := l.db.stop(syscall.SIGQUIT)
	sleep(ctx, time.Second)
	for err == nil && ctx.Err() == nil {
		for _, r := range l.replicas {
			l.probe(ctx, r, "/livez", http.StatusOK)
			l.probe(ctx, r, "/readyz", http.StatusServiceUnavailable)
		}
		sleep(ctx, time.Second)
	}
	if err == nil {
		err = l.db.start(context.WithoutCancel(ctx))
	}
	healed()
	return err
}

// probe asks a replica how it is, and notes what it should say.
func (l *lab) probe(ctx context.Context, r *replica, path string, want int) {
	call := newCaller("http://"+r.address, "10.1.202.1")
	o := l.history.begin(-1, "probe", r.name, "path", path, "want", strconv.Itoa(want))
	a := call.get(context.WithoutCancel(ctx), path, "")
	a.note(o)
	l.history.done(o)
}

// sickenLines is NM-05: lines to the database and to the replicas are slow, or
// break after some bytes, which is now and then within a COMMIT.
func (l *lab) sickenLines(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		r := l.anyReplica()
		line, name := r.toDB.toxics, r.name+" to the database"
		if i%3 == 2 {
			line, name = r.front.toxics, "balancer to "+r.name
		}
		a := ailment{resetAfter: 200 + l.dice.below(20000)}
		if i%2 == 1 {
			a = ailment{latency: l.dice.between(20*time.Millisecond, 300*time.Millisecond), jitter: 200 * time.Millisecond}
		}
		healed := l.fault("NM-05", name, afterKill)
		line.set(a)
		sleep(ctx, l.dice.between(2*time.Second, 4*time.Second))
		line.set(ailment{})
		line.resetAll()
		healed()
		sleep(ctx, time.Second)
	}
	return nil
}

// isolateReplica is NM-06: a replica has lost its database and can still be
// reached.
func (l *lab) isolateReplica(ctx context.Context) error {
	r := l.anyReplica()
	healed := l.fault("NM-06", r.name, afterDatabase)
	r.toDB.set(ailment{cut: true})
	l.burst(ctx, r)
	l.probe(ctx, r, "/livez", http.StatusOK)
	l.probe(ctx, r, "/readyz", http.StatusServiceUnavailable)
	r.toDB.set(ailment{})
	r.toDB.resetAll()
	healed()
	return nil
}

// hideReplica is NM-07: the balancer does not reach a replica, and nobody says
// so.
func (l *lab) hideReplica(ctx context.Context) error {
	r := l.anyReplica()
	healed := l.fault("NM-07", r.name, afterKill)
	r.front.set(ailment{cut: true})
	sleep(ctx, time.Hour)
	r.front.set(ailment{})
	r.front.resetAll()
	healed()
	return nil
}

// fillDisk is NM-08: the file system of the database is full.
func (l *lab) fillDisk(ctx context.Context) error {
	if l.db.space == "" {
		l.say("          left out: it needs root, to mount a small file system")
		return nil
	}
	healed := l.fault("NM-08", "postgres", afterKill)
	ballast := filepath.Join(l.db.space, "ballast")
	err := fill(ballast)
	for err == nil && ctx.Err() == nil {
		sleep(ctx, time.Second)
		err = fill(ballast) // what was freed meanwhile
	}
	healed()
	return errors.Join(err, os.Remove(ballast))
}

// fill appends to a file until no space is left.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	for size := 1 << 20; size >= 1; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 4
		}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// storeFailsFor is how long an operation of the stores fails.
const storeFailsFor = 600 * time.Millisecond

// failing is what a trigger makes fail: the operations on one table.
type failing struct{ table, event string }

// stores are the operations that the program's stores live on.
var stores = []failing{
	{"access_tokens", "INSERT"},
	{"refresh_tokens", "INSERT"},
	{"refresh_tokens", "UPDATE"},
	{"grants", "INSERT"},
	{"grants", "UPDATE"},
	{"authorization_codes", "INSERT"},
	{"authorization_codes", "UPDATE"},
	{"interactions", "INSERT"},
	{"interactions", "UPDATE"},
	{"sessions", "INSERT"},
	{"sessions", "UPDATE"},
	{"consents", "INSERT"},
	{"consents", "UPDATE"},
	{"session_clients", "INSERT"},
	{"device_codes", "INSERT"},
	{"device_codes", "UPDATE"},
	{"used_jtis", "INSERT"},
	{"temporary_credentials", "INSERT"},
	{"temporary_credentials", "UPDATE"},
	{"token_credentials", "INSERT"},
	{"sign_in_throttles", "INSERT"},
	{"clients", "UPDATE"},
	{"account_activities", "INSERT"},
	{"application_uses", "INSERT"},
	{"pushed_requests", "INSERT"},
	{"pushed_requests", "UPDATE"},
	{"accounts", "UPDATE"},
}

// storesFrom are the operations in their turn. The seed alone says with which
// they begin: a short run does not come to the last of them, and several do.
func storesFrom(seed uint64) []failing {
	first := newDice(seed).below(len(stores))
	return append(slices.Clone(stores[first:]), stores[:first]...)
}

// failStores is NM-20: each operation of the stores fails in its turn.
func (l *lab) failStores(ctx context.Context) error {
	turns := storesFrom(l.cfg.seed)
	for i := 0; ctx.Err() == nil; i++ {
		if err := l.failWhile(ctx, "NM-20", turns[i%len(turns)], storeFailsFor); err != nil {
			return err
		}
	}
	return nil
}

// failAudit is NM-22: nothing can be written to the audit record, and so no
// decision holds.
func (l *lab) failAudit(ctx context.Context) error {
	l.toggling.speed(100 * time.Millisecond)
	defer l.toggling.speed(time.Second)
	return l.failWhile(ctx, "NM-22", failing{"audit_events", "INSERT"}, time.Hour)
}

// failWhile has a trigger refuse an operation for a while.
func (l *lab) failWhile(ctx context.Context, id string, f failing, length time.Duration) error {
	db, err := l.db.open("lab")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	whole := context.WithoutCancel(ctx)
	const refuse = `CREATE OR REPLACE FUNCTION lab_refuses() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'the lab refuses' USING ERRCODE = 'io_error'; END $$`
	if _, err := db.ExecContext(whole, refuse); err != nil {
		return err
	}
	healed := l.fault(id, f.event+" "+f.table, afterKill)
	_, err = db.ExecContext(whole, `CREATE TRIGGER lab_refuses BEFORE `+f.event+` ON `+f.table+` FOR EACH ROW EXECUTE FUNCTION lab_refuses()`)
	if err == nil {
		sleep(ctx, length)
		_, err = db.ExecContext(whole, `DROP TRIGGER lab_refuses ON `+f.table)
	}
	healed()
	return err
}
