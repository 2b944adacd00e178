package main

import (
	"context"
	"time"
)

// nemesis is a kind of fault.
type nemesis struct {
	id   string // as research numbers it
	name string
	// strike does harm until ctx ends, notes each fault, and heals what it did.
	strike func(*lab, context.Context) error
	// rest is how long afterwards requests may still fail.
	rest time.Duration
	// share is how much of the time it gets, beside the others.
	share int
}

// fault notes a fault in the history while it lasts. For tolerance afterwards
// requests may fail; with a negative one, none may fail at all.
func (l *lab) fault(id, target string, tolerance time.Duration) (healed func()) {
	o := l.history.begin(-1, "fault", id, "target", target, "tolerance", tolerance.String())
	o.Result = OK
	return func() { l.history.done(o) }
}

// anyReplica draws a replica.
func (l *lab) anyReplica() *replica { return l.replicas[l.dice.below(len(l.replicas))] }

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// afterKill is how long the balancer's clients may notice that a replica died.
const afterKill = 2 * time.Second

// killReplicas is NM-01: one replica after another is killed and started again.
func (l *lab) killReplicas(ctx context.Context) error {
	for ctx.Err() == nil {
		r := l.anyReplica()
		healed := l.fault("NM-01", r.name, afterKill)
		r.kill()
		healed()
		sleep(ctx, l.dice.between(500*time.Millisecond, 4*time.Second))
		if err := l.revive(ctx, r); err != nil {
			return err
		}
		sleep(ctx, l.dice.between(2*time.Second, 5*time.Second))
	}
	return nil
}

// revive starts a replica again and waits until it is ready.
func (l *lab) revive(ctx context.Context, r *replica, more ...string) error {
	ctx = context.WithoutCancel(ctx)
	o := l.history.begin(-1, "start", r.name)
	err := r.start(ctx, more...)
	if err == nil {
		err = r.await(ctx)
	}
	if o.Result = OK; err != nil {
		o.Result, o.Error = Refused, err.Error()
	}
	l.history.done(o)
	return err
}

// toggleFast is NM-13: approvals come and go quickly while replicas are killed.
func (l *lab) toggleFast(ctx context.Context) error {
	l.toggling.speed(100 * time.Millisecond)
	defer l.toggling.speed(time.Second)
	return l.killReplicas(ctx)
}
