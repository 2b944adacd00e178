package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/dghubble/oauth1"
)

// captured is a transport that keeps the request that a library signed, and
// sends nothing.
type captured struct {
	request *http.Request
	body    string
}

// RoundTrip keeps the request.
func (c *captured) RoundTrip(r *http.Request) (*http.Response, error) {
	c.request = r
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.body = string(body)
	}
	return nil, http.ErrUseLastResponse
}

// signed returns a request that the library signed; each time it can be sent is
// a new one with the same signature.
func (w *worker) signed(ctx context.Context, sign func(*oauth1.Config) error) func() *http.Request {
	kept := &captured{}
	config := &oauth1.Config{
		ConsumerKey: w.consumer.ID, ConsumerSecret: w.consumer.Secret, CallbackURL: redirect, HTTPClient: &http.Client{Transport: kept},
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: w.call.base + "/oauth1/request_token", AuthorizeURL: w.call.base + "/oauth1/authorize", AccessTokenURL: w.call.base + "/oauth1/access_token",
		},
	}
	_ = sign(config) // which fails, since nothing is sent
	return func() *http.Request {
		req := w.call.request(ctx, kept.request.Method, kept.request.URL.String(), kept.body)
		req.Header = kept.request.Header.Clone()
		return req
	}
}

// formOf reads an answer of OAuth 1.0a.
func formOf(a *answer) url.Values {
	form, err := url.ParseQuery(string(a.Body))
	if err != nil || a.Status != http.StatusOK {
		return url.Values{}
	}
	return form
}

// oauth1 goes the three legs, sends its first request twice and its verifier
// three times at once.
func (w *worker) oauth1(ctx context.Context) {
	token, secret := w.requestToken(ctx)
	if token == "" {
		return
	}
	verifier := w.allowConsumer(ctx, token)
	if verifier == "" {
		return
	}
	var mu sync.Mutex
	var access, accessSecret string
	var sent sync.WaitGroup
	for range w.lab.cfg.replicas {
		send := w.signed(ctx, func(c *oauth1.Config) error { _, _, err := c.AccessToken(token, secret, verifier); return err })
		sent.Go(func() {
			o := w.begin("verifier", fingerprint(token), "client", w.consumer.ID, "race", "yes")
			a := w.call.send(send())
			a.note(o)
			got := formOf(a)
			o.Out["access"] = w.lab.vault.keep("OAuth 1.0a token", got.Get("oauth_token"))
			w.lab.vault.keep("OAuth 1.0a token secret", got.Get("oauth_token_secret"))
			w.done(o)
			if o.Result == OK {
				mu.Lock()
				access, accessSecret = got.Get("oauth_token"), got.Get("oauth_token_secret")
				mu.Unlock()
			}
		})
	}
	sent.Wait()
	if access != "" {
		w.useOAuth1(ctx, access, accessSecret)
	}
}

// requestToken asks for a temporary credential, with one request twice.
func (w *worker) requestToken(ctx context.Context) (token, secret string) {
	send := w.signed(ctx, func(c *oauth1.Config) error { _, _, err := c.RequestToken(); return err })
	nonce := fingerprint(send().Header.Get("Authorization"))
	for range 2 {
		o := w.begin("nonce", nonce, "client", w.consumer.ID)
		a := w.call.send(send())
		a.note(o)
		got := formOf(a)
		o.Out["token"] = w.lab.vault.keep("temporary credential", got.Get("oauth_token"))
		w.lab.vault.keep("temporary credential's secret", got.Get("oauth_token_secret"))
		w.done(o)
		if o.Result == OK && token == "" {
			token, secret = got.Get("oauth_token"), got.Get("oauth_token_secret")
		}
	}
	return token, secret
}

func (w *worker) allowConsumer(ctx context.Context, token string) string {
	o := w.begin("allow_consumer", fingerprint(token), "sub", w.who.ID)
	p := w.call.allow(ctx, w.call.open(ctx, "/oauth1/authorize?oauth_token="+url.QueryEscape(token)), w.who)
	p.note(o)
	verifier := ""
	if p.callback != nil {
		verifier = p.callback.Query().Get("oauth_verifier")
	}
	w.lab.vault.keep("verifier", verifier)
	switch {
	case verifier != "":
		o.Result = OK
	case o.Result != Unknown:
		o.Result, o.Error = Refused, p.say()
	}
	w.done(o)
	return verifier
}

// useOAuth1 asks who the credentials speak for.
func (w *worker) useOAuth1(ctx context.Context, token, secret string) {
	send := w.signed(ctx, func(c *oauth1.Config) error {
		client := c.Client(context.WithValue(ctx, oauth1.HTTPClient, c.HTTPClient), oauth1.NewToken(token, secret))
		res, err := client.Get(w.call.base + "/oauth1/verify") //nolint:noctx // nothing is sent
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	})
	o := w.begin("verify", fingerprint(token), "client", w.consumer.ID, "sub", w.who.ID)
	a := w.call.send(send())
	a.note(o)
	o.Out["sub"] = strings.TrimSpace(a.str("sub"))
	w.done(o)
}
