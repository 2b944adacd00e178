package main

import (
	"context"
	"fmt"
	"time"
)

// family is what came of one authorization.
type family struct {
	id      string // fingerprint of what it was redeemed for
	of      *client
	who     *person
	access  string // the latest
	refresh string // the latest, empty for none
	spent   string // the one before
	spentAt time.Duration
	offline bool
}

// worker is an application with its user, who does one thing after another.
type worker struct {
	lab *lab
	*cast
	call     *caller
	guest    *caller // a second browser of the same person
	dice     *dice
	process  int
	who      *person
	families []*family
	keys     *keyCache
}

// deed is something that a worker does, and how often of a hundred times.
type deed struct {
	name   string
	weight int
	do     func(*worker, context.Context)
}

// workload is the mix of research: mostly refreshes, some of everything.
var workload = []deed{
	{"refresh", 35, (*worker).refreshSome},
	{"code", 16, (*worker).authorizeSome},
	{"introspect", 14, (*worker).introspectSome},
	{"revoke", 5, (*worker).revokeSome},
	{"device", 5, (*worker).device},
	{"client_credentials", 4, (*worker).credentials},
	{"assertion", 2, (*worker).assertTwice},
	{"oauth1", 3, (*worker).oauth1},
	{"toggled", 4, (*worker).useToggled},
	{"logout", 3, (*worker).logout},
	{"race", 2, (*worker).raceForCode},
	{"reuse", 2, (*worker).reuse},
	{"push", 3, (*worker).push},
	{"disable", 2, (*worker).disable},
}

func (l *lab) newWorker(i int) *worker {
	from := fmt.Sprintf("10.1.%d.1", i)
	w := &worker{
		lab: l, cast: l.cast, dice: l.dice.fork(), process: i, who: l.cast.people[i],
		call: newCaller(l.balancer.url(), from), guest: newCaller(l.balancer.url(), from),
	}
	w.keys = &keyCache{call: w.call, lab: l, process: i}
	return w
}

// pause is between two deeds: the lab is about faults, not about load.
const pause = 25 * time.Millisecond

// run does one thing after another until ctx ends, and each of them whole.
func (w *worker) run(ctx context.Context) {
	whole := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		w.choose().do(w, whole)
		time.Sleep(w.dice.between(pause/2, pause*2))
	}
}

func (w *worker) choose() deed {
	total := 0
	for _, d := range workload {
		total += d.weight
	}
	n := w.dice.below(total)
	for _, d := range workload {
		if n -= d.weight; n < 0 {
			return d
		}
	}
	return workload[0]
}

func (w *worker) begin(kind, key string, args ...string) *Op {
	return w.lab.history.begin(w.process, kind, key, args...)
}

func (w *worker) done(o *Op) { w.lab.history.done(o) }

// some returns one of the families, nil when there is none.
func (w *worker) some() *family {
	if len(w.families) == 0 {
		return nil
	}
	return w.families[w.dice.below(len(w.families))]
}

// mostFamilies is how many a worker keeps; it lets go of the oldest.
const mostFamilies = 12

func (w *worker) adopt(f *family) {
	w.families = append(w.families, f)
	if len(w.families) > mostFamilies {
		w.families = w.families[1:]
	}
}

func (w *worker) drop(f *family) {
	for i, one := range w.families {
		if one == f {
			w.families = append(w.families[:i], w.families[i+1:]...)
			return
		}
	}
}

// client returns one of the clients that stay approved.
func (w *worker) client() *client {
	if w.dice.below(2) == 0 {
		return w.public
	}
	return w.confidential
}
