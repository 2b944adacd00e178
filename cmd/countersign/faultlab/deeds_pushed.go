package main

import (
	"context"
	"net/url"
	"sync"
)

// push has the client push a request, and the person's browser bring the
// reference from several windows at once. One of them gets a code, and one that
// comes later gets none.
func (w *worker) push(ctx context.Context) {
	of := w.client()
	if w.newFamily(ctx, of, allScopes) == nil {
		return // from here the person is signed in, and nothing is asked any more
	}
	r := newRequest(of, allScopes)
	reference := w.pushRequest(ctx, r)
	if reference == "" {
		return
	}
	var mu sync.Mutex
	var won string
	var opened sync.WaitGroup
	for range racers {
		opened.Go(func() {
			if code := w.bring(ctx, r, reference); code != "" {
				mu.Lock()
				won = code
				mu.Unlock()
			}
		})
	}
	opened.Wait()
	w.bring(ctx, r, reference)
	if won == "" {
		return
	}
	if f := w.redeem(ctx, r, won); f != nil {
		w.adopt(f)
	}
}

// pushRequest pushes a request and returns its reference, empty for none.
func (w *worker) pushRequest(ctx context.Context, r *request) string {
	o := w.begin("push", r.of.ID)
	a := w.call.post(ctx, pathPush, r.of, r.parameters())
	a.note(o)
	reference := a.str("request_uri")
	o.Out["reference"] = w.lab.vault.keep("reference of a pushed request", reference)
	w.done(o)
	return reference
}

// bring opens a request that was pushed and returns the code, empty for none.
func (w *worker) bring(ctx context.Context, r *request, reference string) string {
	o := w.begin("pushed", fingerprint(reference), "client", r.of.ID, "sub", w.who.ID)
	link := pathAuthorize + "?" + url.Values{"client_id": {r.of.ID}, "request_uri": {reference}}.Encode()
	code := w.answered(o, w.call.allow(ctx, w.call.open(ctx, link), w.who))
	w.done(o)
	return code
}
