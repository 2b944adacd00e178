package main

import (
	"context"
	"net/url"
	"syscall"
	"time"
)

// unexcused is the tolerance of what may not fail a single request.
const unexcused = -time.Second

// rollingRestart is NM-19: one replica after another is told to stop, ends in
// peace and is started again. Each has its turn, however short the time is.
func (l *lab) rollingRestart(ctx context.Context) error {
	for again := true; again; again = ctx.Err() == nil {
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
	}
	return nil
}

// freezeReplicas is NM-02: a replica stops in the middle of everything, and
// wakes up with what it knew.
func (l *lab) freezeReplicas(ctx context.Context) error {
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
func (l *lab) skewClock(ctx context.Context) error {
	offsets := []string{"5m", "-5m", "1h", "-1h"}
	for i := 0; ctx.Err() == nil; i++ {
		r, offset := l.anyReplica(), offsets[i%len(offsets)]
		if err := r.stop(); err != nil {
			return err
		}
		healed := l.fault("NM-09", r.name+" by "+offset, unexcused)
		err := l.revive(ctx, r, "FAULTLAB_CLOCK="+offset)
		if err == nil {
			l.redeemStale(ctx, r)
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
func (l *lab) rotateKeys(ctx context.Context) error {
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
	err := l.killReplicas(ctx)
	stop()
	<-done
	return err
}

// rotateEvery is how often keys are rotated.
const rotateEvery = 30 * time.Second

// exhaustPool is NM-10: a replica with two connections and a slow line to the
// database, and many clients who ask it at once.
func (l *lab) exhaustPool(ctx context.Context) error {
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

// stale is a code that somebody got and forgot.
type stale struct {
	request *request
	code    string
	got     time.Duration
}

// staleAfter is when nobody may take such a code any more, whatever the clock of
// a machine says: it lasts a minute, and a minute is tolerated.
const staleAfter = 2*time.Minute + 5*time.Second

// getStale gets codes to be forgotten.
func (l *lab) getStale(ctx context.Context, w *worker) {
	for range 4 {
		r := newRequest(w.confidential, allScopes)
		if code := w.authorize(ctx, w.call, r); code != "" {
			l.stale = append(l.stale, stale{r, code, l.history.since()})
		}
	}
}

// redeemStale tries an expired code at a replica with another clock.
func (l *lab) redeemStale(ctx context.Context, r *replica) {
	if len(l.stale) == 0 || l.history.since() < l.stale[0].got+staleAfter {
		return
	}
	s := l.stale[0]
	l.stale = l.stale[1:]
	o := l.history.begin(processPest, "expired", fingerprint(s.code), "at", r.name)
	a := l.direct(r, "10.1.205.1").post(context.WithoutCancel(ctx), pathToken, s.request.of, url.Values{
		"grant_type": {"authorization_code"}, "code": {s.code}, "redirect_uri": {redirect}, "code_verifier": {s.request.verifier},
	})
	a.note(o)
	l.history.done(o)
}
