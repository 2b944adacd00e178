package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// toggling is the administrator who approves and disapproves the toggled
// clients, by the API, and looks at once whether it holds everywhere.
type toggling struct {
	lab    *lab
	call   *caller
	worker *worker // to ask with
	dice   *dice

	mu      sync.Mutex
	pace    time.Duration
	offered []*family
}

// administrator is the process of who administers in the history.
const administrator = 100

func (l *lab) newToggling() *toggling {
	w := l.newWorker(0)
	w.process = administrator
	w.call = newCaller(l.balancer.url(), "10.1.200.1")
	return &toggling{lab: l, call: w.call, worker: w, dice: l.dice.fork(), pace: time.Second}
}

// offer hands over what a toggled client got.
func (t *toggling) offer(f *family) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offered = append(t.offered, f)
	if len(t.offered) > mostFamilies {
		t.offered = t.offered[1:]
	}
}

func (t *toggling) speed(pace time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pace = pace
}

func (t *toggling) families(of *client) (found []*family) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.offered {
		if f.of == of {
			found = append(found, f)
		}
	}
	return found
}

func (t *toggling) run(ctx context.Context) {
	whole := context.WithoutCancel(ctx)
	for i := 0; ctx.Err() == nil; i++ {
		t.toggle(whole, t.lab.cast.toggled[i%len(t.lab.cast.toggled)])
		t.mu.Lock()
		pace := t.pace
		t.mu.Unlock()
		time.Sleep(t.dice.between(pace/2, pace))
	}
	for _, c := range t.lab.cast.toggled { // nobody is left out in the end
		if status, tag := t.look(whole, c); status == "disapproved" {
			t.decide(whole, c, "approve", tag)
		}
	}
}

// toggle turns the client's status around.
func (t *toggling) toggle(ctx context.Context, c *client) {
	status, tag := t.look(ctx, c)
	switch status {
	case "approved":
		if t.decide(ctx, c, "disapprove", "") == OK {
			for _, f := range t.families(c) {
				t.worker.askEverywhere(ctx, f)
				break
			}
		}
	case "disapproved":
		t.decide(ctx, c, "approve", tag)
	}
}

// look reads the client.
func (t *toggling) look(ctx context.Context, c *client) (status, tag string) {
	o := t.lab.history.begin(administrator, "read_status", c.ID)
	a := t.call.get(ctx, "/admin/api/v1/clients/"+c.ID, t.lab.cast.apiKey)
	a.note(o)
	status = a.str("status")
	o.Out["status"] = status
	t.lab.history.done(o)
	if o.Result != OK {
		return "", ""
	}
	return status, a.Header.Get("ETag")
}

// decide approves or disapproves the client.
func (t *toggling) decide(ctx context.Context, c *client, what, tag string) Outcome {
	o := t.lab.history.begin(administrator, what, c.ID)
	req := t.call.request(ctx, http.MethodPost, "/admin/api/v1/clients/"+c.ID+"/"+what, "")
	req.Header.Set("Authorization", "Bearer "+t.lab.cast.apiKey)
	if tag != "" {
		req.Header.Set("If-Match", tag)
	}
	a := t.call.send(req)
	a.note(o)
	t.lab.history.done(o)
	return o.Result
}

// rotate rotates the signing keys.
func (t *toggling) rotate(ctx context.Context) {
	o := t.lab.history.begin(administrator, "rotate", "")
	req := t.call.request(ctx, http.MethodPost, "/admin/api/v1/keys/rotate", "")
	req.Header.Set("Authorization", "Bearer "+t.lab.cast.apiKey)
	t.call.send(req).note(o)
	t.lab.history.done(o)
}
