package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// introspect asks the resource server's question about the access token.
func (w *worker) introspect(ctx context.Context, f *family) {
	o := w.begin("introspect", fingerprint(f.access), "family", f.id, "client", f.of.ID, "sub", f.who.ID)
	a := w.call.post(ctx, pathIntrospect, w.resource, url.Values{"token": {f.access}})
	a.note(o)
	if o.Result == OK {
		o.Out["active"] = "no"
		if active, _ := a.JSON["active"].(bool); active {
			o.Out["active"], o.Out["client"], o.Out["sub"], o.Out["scope"] = "yes", a.str("client_id"), a.str("sub"), a.str("scope")
		}
	}
	w.done(o)
}

// userinfo asks for the claims of the access token.
func (w *worker) userinfo(ctx context.Context, f *family) {
	o := w.begin("userinfo", fingerprint(f.access), "family", f.id, "client", f.of.ID, "sub", f.who.ID)
	a := w.call.get(ctx, pathUserinfo, f.access)
	a.note(o)
	o.Out["sub"] = a.str("sub")
	w.done(o)
}

// introspectSome asks about a token.
func (w *worker) introspectSome(ctx context.Context) {
	f := w.some()
	switch {
	case f == nil:
		w.authorizeSome(ctx)
	case w.dice.below(3) == 0:
		w.userinfo(ctx, f)
	default:
		w.introspect(ctx, f)
	}
}

// refresh spends the family's refresh token. Until an answer comes, it is tried
// again, as an application does; whoever is refused lets go of the family.
func (w *worker) refresh(ctx context.Context, f *family) {
	for end := time.Now().Add(refreshPatience); ; time.Sleep(w.dice.between(50*time.Millisecond, 300*time.Millisecond)) {
		o := w.begin("refresh", fingerprint(f.refresh), "family", f.id, "client", f.of.ID, "sub", f.who.ID)
		a := w.call.post(ctx, pathToken, f.of, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {f.refresh}})
		a.note(o)
		w.tokens(ctx, a, o, "")
		w.done(o)
		switch {
		case o.Result == OK:
			f.spent, f.spentAt = f.refresh, o.End
			f.access, f.refresh = a.str("access_token"), a.str("refresh_token")
			return
		case o.Result == Refused || time.Now().After(end):
			w.drop(f)
			return
		}
	}
}

// refreshPatience is how long an application tries to get an answer.
const refreshPatience = 90 * time.Second

// refreshSome refreshes a family.
func (w *worker) refreshSome(ctx context.Context) {
	f := w.some()
	if f == nil || f.refresh == "" {
		w.authorizeSome(ctx)
		return
	}
	w.refresh(ctx, f)
}

// revokeSome revokes a family, and asks for it everywhere.
func (w *worker) revokeSome(ctx context.Context) {
	f := w.some()
	if f == nil {
		return
	}
	w.drop(f)
	token := f.refresh
	if token == "" {
		token = f.access
	}
	o := w.begin("revoke", fingerprint(token), "family", f.id, "client", f.of.ID)
	w.call.post(ctx, pathRevoke, f.of, url.Values{"token": {token}}).note(o)
	w.done(o)
	w.askEverywhere(ctx, f)
}

// askEverywhere asks about a family as often as there are replicas, at once
// after something should have ended it, and tries to refresh it.
func (w *worker) askEverywhere(ctx context.Context, f *family) {
	var asked sync.WaitGroup
	for range w.lab.cfg.replicas {
		asked.Go(func() { w.introspect(ctx, f) })
	}
	asked.Wait()
	w.userinfo(ctx, f)
	if f.refresh == "" {
		return
	}
	o := w.begin("refresh", fingerprint(f.refresh), "family", f.id, "client", f.of.ID, "sub", f.who.ID)
	a := w.call.post(ctx, pathToken, f.of, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {f.refresh}})
	a.note(o)
	w.tokens(ctx, a, o, "")
	w.done(o)
}

// reuse spends a refresh token that was replaced longer ago than the grace,
// which ends the family.
func (w *worker) reuse(ctx context.Context) {
	for _, f := range w.families {
		if f.spent == "" || w.lab.history.since() < f.spentAt+refreshGrace+reuseMargin {
			continue
		}
		w.drop(f)
		o := w.begin("reuse", fingerprint(f.spent), "family", f.id, "client", f.of.ID)
		w.call.post(ctx, pathToken, f.of, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {f.spent}}).note(o)
		w.done(o)
		w.askEverywhere(ctx, f)
		return
	}
}

// reuseMargin is what keeps a reuse clear of the grace.
const reuseMargin = 2 * time.Second

// credentials has a client act for itself.
func (w *worker) credentials(ctx context.Context) {
	o := w.begin("client_credentials", w.confidential.ID, "scope", "api")
	a := w.call.post(ctx, pathToken, w.confidential, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
	a.note(o)
	w.tokens(ctx, a, o, "")
	w.done(o)
}

// assertTwice sends one client assertion to every replica at once.
func (w *worker) assertTwice(ctx context.Context) {
	jti := rand.Text()
	assertion, err := w.asserting.signer.assert(w.asserting.ID, w.call.base, jti)
	if err != nil {
		panic("the lab cannot sign: " + err.Error()) // a fault of the lab's own
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"api"}, "client_id": {w.asserting.ID}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	var sent sync.WaitGroup
	for range w.lab.cfg.replicas {
		sent.Go(func() {
			o := w.begin("assertion", jti, "client", w.asserting.ID)
			a := w.call.post(ctx, pathToken, nil, form)
			a.note(o)
			w.tokens(ctx, a, o, "")
			w.done(o)
		})
	}
	sent.Wait()
}

// logout signs in with a second browser, lets an application in for as long as
// that lasts, and signs out.
func (w *worker) logout(ctx context.Context) {
	r := newRequest(w.client(), "openid profile")
	code := w.authorize(ctx, w.guest, r)
	if code == "" {
		w.guest.forget()
		return
	}
	f := w.redeem(ctx, r, code)
	if f == nil {
		w.guest.forget()
		return
	}
	w.introspect(ctx, f)
	o := w.begin("logout", w.who.ID, "family", f.id)
	p := w.guest.open(ctx, "/logout")
	if form := p.formTo("/logout"); form != nil {
		p = w.guest.submit(ctx, p, form)
	} else if p.Err == nil && p.Status < http.StatusInternalServerError {
		o.Error = p.say()
		p.Status = http.StatusConflict
	}
	p.note(o)
	w.done(o)
	w.guest.forget()
	w.askEverywhere(ctx, f)
}
