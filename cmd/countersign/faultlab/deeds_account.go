package main

import (
	"context"
	"net/http"
)

// disable has somebody let an application in and an administrator disable their
// account, asks everywhere for what the application got, and enables the account
// again, which brings nothing back. One worker does it at a time.
func (w *worker) disable(ctx context.Context) {
	w.leaving.Lock()
	defer w.leaving.Unlock()
	about := *w
	about.who = w.leaver
	if about.decide(ctx, "enable") != OK { // whoever came before may have left it disabled
		return
	}
	defer w.guest.forget()
	r := newRequest(w.client(), allScopes)
	code := about.authorize(ctx, w.guest, r)
	if code == "" {
		return
	}
	f := about.redeem(ctx, r, code)
	if f == nil {
		return
	}
	about.introspect(ctx, f)
	if about.decide(ctx, "disable") == Refused {
		return
	}
	about.askEverywhere(ctx, f)
	if about.decide(ctx, "enable") == OK {
		about.introspect(ctx, f)
	}
}

// decide disables or enables the account.
func (w *worker) decide(ctx context.Context, what string) Outcome {
	o := w.begin(what, w.who.ID)
	req := w.call.request(ctx, http.MethodPost, "/admin/api/v1/accounts/"+w.who.ID+"/"+what, "")
	req.Header.Set("Authorization", "Bearer "+w.apiKey)
	w.call.send(req).note(o)
	w.done(o)
	return o.Result
}
