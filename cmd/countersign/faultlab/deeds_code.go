package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// request is an authorization request.
type request struct {
	of       *client
	scope    string
	nonce    string
	verifier string
}

func newRequest(of *client, scope string) *request {
	return &request{of: of, scope: scope, nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
}

func (r *request) url() string { return pathAuthorize + "?" + r.parameters().Encode() }

func (r *request) parameters() url.Values {
	sum := sha256.Sum256([]byte(r.verifier))
	return url.Values{
		"client_id": {r.of.ID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {r.scope},
		"state": {rand.Text()}, "nonce": {r.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// authorize has the person allow a request and returns the code, empty for none.
func (w *worker) authorize(ctx context.Context, browser *caller, r *request) string {
	o := w.begin("authorize", r.of.ID, "scope", r.scope, "sub", w.who.ID)
	code := w.answered(o, browser.allow(ctx, browser.open(ctx, r.url()), w.who))
	w.done(o)
	return code
}

// answered notes where a browser ended with a request and returns the code,
// empty for none.
func (w *worker) answered(o *Op, p *page) string {
	p.note(o)
	if p.callback == nil {
		if o.Result != Unknown { // a page where there should be an answer
			o.Result, o.Error = Refused, p.say()
		}
		return ""
	}
	code := p.callback.Query().Get("code")
	o.Out["code"] = w.lab.vault.keep("authorization code", code)
	if o.Result = OK; code == "" {
		o.Result, o.Error = Refused, p.callback.Query().Get("error")
	}
	return code
}

// redeem redeems a code and returns what came of it, nil for nothing.
func (w *worker) redeem(ctx context.Context, r *request, code string, more ...string) *family {
	o := w.begin("redeem", fingerprint(code), append([]string{
		"client", r.of.ID, "scope", r.scope, "sub", w.who.ID, "family", fingerprint(code),
		"offline", offline(r.scope),
	}, more...)...)
	a := w.call.post(ctx, pathToken, r.of, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {r.verifier},
	})
	a.note(o)
	w.tokens(ctx, a, o, r.nonce)
	w.done(o)
	if o.Result != OK {
		return nil
	}
	return &family{id: fingerprint(code), of: r.of, who: w.who, access: a.str("access_token"), refresh: a.str("refresh_token"), offline: offline(r.scope) == "yes"}
}

func offline(scope string) string {
	if strings.Contains(scope, "offline_access") {
		return "yes"
	}
	return "no"
}

// tokens notes the tokens of an answer, and verifies the ID token as its
// audience does: with keys that were fetched a while ago.
func (w *worker) tokens(ctx context.Context, a *answer, o *Op, nonce string) {
	if o.Result != OK {
		return
	}
	o.Out["access"] = w.lab.vault.keep("access token", a.str("access_token"))
	o.Out["refresh"] = w.lab.vault.keep("refresh token", a.str("refresh_token"))
	o.Out["scope"] = a.str("scope")
	if id := a.str("id_token"); id != "" {
		w.lab.vault.keep("ID token", id)
		w.keys.verify(ctx, id, o, nonce)
	}
}

// authorizeSome goes through the whole code flow.
func (w *worker) authorizeSome(ctx context.Context) {
	scope := []string{allScopes, "openid offline_access", "openid profile offline_access api"}[w.dice.below(3)]
	w.newFamily(ctx, w.client(), scope)
}

func (w *worker) newFamily(ctx context.Context, of *client, scope string) *family {
	r := newRequest(of, scope)
	code := w.authorize(ctx, w.call, r)
	if code == "" {
		return nil
	}
	f := w.redeem(ctx, r, code)
	if f != nil && of != w.toggled[0] && of != w.toggled[1] {
		w.adopt(f)
	}
	return f
}

// racers is how many redeem one code at once.
const racers = 6

// raceForCode has several redeem one code at once, and later once more.
func (w *worker) raceForCode(ctx context.Context) {
	r := newRequest(w.client(), allScopes)
	code := w.authorize(ctx, w.call, r)
	if code == "" {
		return
	}
	var mu sync.Mutex
	var won *family
	var done sync.WaitGroup
	for range racers {
		done.Go(func() {
			if f := w.redeem(ctx, r, code, "race", "yes"); f != nil {
				mu.Lock()
				won = f
				mu.Unlock()
			}
		})
	}
	done.Wait()
	w.redeem(ctx, r, code, "race", "yes")
	if won != nil {
		w.askEverywhere(ctx, won)
	}
}

// useToggled uses a client whose approval comes and goes.
func (w *worker) useToggled(ctx context.Context) {
	c := w.toggled[w.dice.below(len(w.toggled))]
	o := w.begin("client_credentials", c.ID, "toggled", "yes")
	a := w.call.post(ctx, pathToken, c, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
	a.note(o)
	w.lab.vault.keep("access token", a.str("access_token"))
	w.done(o)
	if o.Status == http.StatusOK {
		if f := w.newFamily(ctx, c, allScopes); f != nil {
			w.introspect(ctx, f)
			w.lab.toggling.offer(f)
		}
	}
}
