package main

import (
	"context"
	"syscall"
	"time"
)

// unexcused is the tolerance of what may not fail a single request.
const unexcused = -time.Second

// rollingRestart is NM-19: one replica after another is told to stop, ends in
// peace and is started again.
func rollingRestart(l *lab, ctx context.Context) error {
	for {
		for _, r := range l.replicas {
			healed := l.fault("NM-19", r.name, unexcused)
			err := r.stop()
			if err == nil {
				err = l.revive(ctx, r)
			}
			healed()
			if err != nil {
				return err
			}
			time.Sleep(2 * probeEvery) // until the balancer knows
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// freezeReplicas is NM-02: a replica stops in the middle of everything, and
// wakes up with what it knew.
func freezeReplicas(l *lab, ctx context.Context) error {
	for ctx.Err() == nil {
		r := l.anyReplica()
		healed := l.fault("NM-02", r.name, afterKill)
		if err := r.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		sleep(ctx, l.dice.between(time.Second, 8*time.Second))
		err := r.signal(syscall.SIGCONT)
		healed()
		if err != nil {
			return err
		}
		sleep(ctx, l.dice.between(time.Second, 3*time.Second))
	}
	return nil
}

// skewClock is NM-09: a replica comes back with another time.
func skewClock(l *lab, ctx context.Context) error {
	offsets := []string{"5m", "-5m", "1h", "-1h"}
	for i := 0; ctx.Err() == nil; i++ {
		r, offset := l.anyReplica(), offsets[i%len(offsets)]
		if err := r.stop(); err != nil {
			return err
		}
		healed := l.fault("NM-09", r.name+" by "+offset, unexcused)
		err := l.revive(ctx, r, "FAULTLAB_CLOCK="+offset)
		if err == nil {
			sleep(ctx, 5*time.Second)
			err = r.stop()
		}
		healed()
		if err == nil {
			err = l.revive(ctx, r)
		}
		if err != nil {
			return err
		}
		time.Sleep(2 * probeEvery)
	}
	return nil
}

// rotateKeys is NM-11: the administrator rotates the signing keys, while
// replicas are killed.
func rotateKeys(l *lab, ctx context.Context) error {
	rotating, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for rotating.Err() == nil {
			l.toggling.rotate(context.WithoutCancel(ctx))
			sleep(rotating, rotateEvery)
		}
	}()
	err := killReplicas(l, ctx)
	stop()
	<-done
	return err
}

// rotateEvery is how often keys are rotated.
const rotateEvery = 30 * time.Second

// exhaustPool is NM-10: a replica with two connections and a slow line to the
// database, and many clients who ask it at once.
func exhaustPool(l *lab, ctx context.Context) error {
	r := l.anyReplica()
	if err := r.stop(); err != nil {
		return err
	}
	healed := l.fault("NM-10", r.name, afterKill)
	err := l.revive(ctx, r, "COUNTERSIGN_DATABASE_MAX_CONNS=2")
	if err == nil {
		r.toDB.set(ailment{latency: 20 * time.Millisecond, jitter: 30 * time.Millisecond})
		l.burst(ctx, r)
		r.toDB.set(ailment{})
		err = r.stop()
	}
	healed()
	if err != nil {
		return err
	}
	return l.revive(ctx, r)
}
