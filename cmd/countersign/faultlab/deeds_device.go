package main

import (
	"context"
	"net/url"
	"sync"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// device lets a device in, which polls from two windows at once.
func (w *worker) device(ctx context.Context) {
	of := w.client()
	o := w.begin("device", of.ID)
	started := w.call.post(ctx, pathDevice, of, url.Values{"scope": {"openid offline_access"}})
	started.note(o)
	code, link := started.str("device_code"), started.str("verification_uri_complete")
	o.Out["device_code"] = w.lab.vault.keep("device code", code)
	w.done(o)
	if code == "" || !w.allowDevice(ctx, of, link) {
		return
	}
	var polled sync.WaitGroup
	var mu sync.Mutex
	var won *family
	for range 2 {
		polled.Go(func() {
			if f := w.pollDevice(ctx, of, code); f != nil {
				mu.Lock()
				won = f
				mu.Unlock()
			}
		})
	}
	polled.Wait()
	if won != nil {
		w.introspect(ctx, won)
	}
}

// allowDevice is what the person does.
func (w *worker) allowDevice(ctx context.Context, of *client, link string) bool {
	o := w.begin("allow_device", of.ID, "sub", w.who.ID)
	p := w.call.open(ctx, link)
	if f := p.form("password", ""); f != nil {
		p = w.call.submit(ctx, p, f, "username", w.who.Username, "password", w.who.password)
	}
	asked := p.form("decision", "allow")
	if asked != nil {
		p = w.call.submit(ctx, p, asked, "decision", "allow")
	}
	p.note(o)
	if o.Result == OK && (asked == nil || p.form("decision", "allow") != nil) {
		o.Result, o.Error = Refused, p.say()
	}
	w.done(o)
	return o.Result == OK
}

func (w *worker) pollDevice(ctx context.Context, of *client, code string) *family {
	o := w.begin("poll_device", fingerprint(code), "client", of.ID, "sub", w.who.ID, "family", fingerprint(code), "offline", "yes", "scope", "openid offline_access")
	a := w.call.post(ctx, pathToken, of, url.Values{"grant_type": {deviceGrant}, "device_code": {code}})
	a.note(o)
	w.tokens(ctx, a, o, "")
	w.done(o)
	if o.Result != OK {
		return nil
	}
	return &family{id: fingerprint(code), of: of, who: w.who, access: a.str("access_token"), refresh: a.str("refresh_token"), offline: true}
}
