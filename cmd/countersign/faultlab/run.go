package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// calmLength is how long the lab goes on without faults at the end.
const calmLength = 6 * time.Second

// run lets everybody work while one nemesis after another strikes, then looks
// at what is left.
func (l *lab) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var err error
	if l.cast, err = hire(ctx, l.replicas[0], l.vault, l.cfg.workers); err != nil {
		return err
	}
	go l.balancer.run(ctx)
	l.toggling = l.newToggling()
	l.measure(ctx, "before")
	working, finish := context.WithCancel(ctx)
	defer finish()
	var workers []*worker
	var busy sync.WaitGroup
	for i := range l.cfg.workers {
		w := l.newWorker(i)
		workers = append(workers, w)
		busy.Go(func() { w.run(working) })
	}
	busy.Go(func() { l.toggling.run(working) })
	l.getStale(ctx, l.newWorker(0))
	err = l.strikes(ctx)
	if err == nil {
		err = l.calm(ctx, workers)
	}
	finish()
	busy.Wait()
	if err != nil {
		return err
	}
	for _, w := range workers {
		for _, f := range w.families { // what was acknowledged is still there
			w.askEverywhere(ctx, f)
		}
	}
	sleep(ctx, l.short(settle))
	l.measure(ctx, "after")
	return l.examine(ctx)
}

// short is a while, or almost none in a brief run.
func (l *lab) short(d time.Duration) time.Duration {
	if l.cfg.brief {
		return d / 10
	}
	return d
}

// strikes runs the nemeses, each for its share of the time.
func (l *lab) strikes(ctx context.Context) error {
	shares := 0
	for _, n := range l.cfg.nemeses {
		shares += n.share
	}
	for _, n := range l.cfg.nemeses {
		length := l.cfg.length * time.Duration(n.share) / time.Duration(shares)
		l.say("%8v  %s %s for %v", l.history.since().Round(time.Second), n.id, n.name, length.Round(time.Second))
		striking, over := context.WithTimeout(ctx, length)
		err := n.strike(l, striking)
		over()
		if err != nil {
			return fmt.Errorf("%s: %w", n.id, err)
		}
		sleep(ctx, n.rest)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// calm notes that all is well from now on, and has everything done once.
func (l *lab) calm(ctx context.Context, workers []*worker) error {
	for _, r := range l.replicas {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	o := l.history.begin(-1, "calm", "")
	o.Result = OK
	l.history.done(o)
	probe := l.newWorker(0)
	probe.process = len(workers)
	for end := time.Now().Add(l.short(calmLength)); ; {
		for _, d := range workload {
			d.do(probe, ctx)
		}
		probe.signIn(ctx)
		if time.Now().After(end) {
			return nil
		}
	}
}

// signIn signs in with a new browser.
func (w *worker) signIn(ctx context.Context) {
	w.lab.signIn(ctx, newCaller(w.call.base, w.call.from), w.who)
}
