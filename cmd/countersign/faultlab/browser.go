package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"countersign/cmd/countersign/e2e/e2etest"
)

// page is where a browser ended: on a page, or sent away to callback.
type page struct {
	*answer
	at       *url.URL
	callback *url.URL
	doc      *html.Node
}

var errTooManyRedirects = errors.New("more than 20 redirects")

// open follows a link as a browser does.
func (c *caller) open(ctx context.Context, address string) *page {
	req := c.request(ctx, http.MethodGet, address, "")
	req.Header.Set("Sec-Fetch-Site", "none")
	return c.follow(ctx, req)
}

// follow goes where the answers send it, as long as that is the server.
func (c *caller) follow(ctx context.Context, req *http.Request) *page {
	for range 20 {
		req.Header.Set("Accept", "text/html")
		a := c.send(req)
		p := &page{answer: a, at: req.URL}
		if a.Err != nil {
			return p
		}
		location := a.Header.Get("Location")
		if location == "" || a.Status < 300 || a.Status > 399 {
			if p.doc, a.Err = html.Parse(bytes.NewReader(a.Body)); a.Err != nil {
				return p
			}
			return p
		}
		target, err := req.URL.Parse(location)
		if err != nil {
			a.Err = err
			return p
		}
		if !strings.HasPrefix(target.String(), c.base) {
			p.callback = target
			return p
		}
		site := req.Header.Get("Sec-Fetch-Site")
		req = c.request(ctx, http.MethodGet, target.String(), "")
		req.Header.Set("Sec-Fetch-Site", site)
	}
	return &page{answer: &answer{Err: errTooManyRedirects}, at: req.URL}
}

// form finds the page's form that has the field or, with a value, the button.
func (p *page) form(name, value string) *e2etest.Form {
	if p.doc == nil {
		return nil
	}
	for _, f := range e2etest.Forms(p.doc) {
		if value == "" && f.Values.Has(name) {
			return &f
		}
		for _, b := range f.Buttons {
			if value != "" && b.Name == name && b.Value == value {
				return &f
			}
		}
	}
	return nil
}

// formTo finds the page's form that is sent to a path.
func (p *page) formTo(path string) *e2etest.Form {
	if p.doc == nil {
		return nil
	}
	for _, f := range e2etest.Forms(p.doc) {
		if strings.HasSuffix(f.Action, path) {
			return &f
		}
	}
	return nil
}

// submit sends a form of the page.
func (c *caller) submit(ctx context.Context, p *page, f *e2etest.Form, more ...string) *page {
	for i := 0; i+1 < len(more); i += 2 {
		f.Values.Set(more[i], more[i+1])
	}
	target := p.at
	if f.Action != "" {
		var err error
		if target, err = p.at.Parse(f.Action); err != nil {
			return &page{answer: &answer{Err: err}, at: p.at}
		}
	}
	req := c.request(ctx, http.MethodPost, target.String(), f.Values.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", c.base)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return c.follow(ctx, req)
}

// allow signs in and consents wherever the server asks for it, and returns
// where the browser ended.
func (c *caller) allow(ctx context.Context, p *page, who *person) *page {
	if f := p.form("password", ""); f != nil {
		p = c.submit(ctx, p, f, "username", who.Username, "password", who.password)
	}
	if f := p.form("decision", "allow"); f != nil {
		p = c.submit(ctx, p, f, "decision", "allow")
	}
	return p
}

// say is what a person reads on the page.
func (p *page) say() string {
	if p.callback != nil {
		return p.callback.Path + " " + p.callback.Query().Get("error")
	}
	if p.doc == nil {
		return ""
	}
	return excerpt(fmt.Sprintf("%s: %s", p.at.Path, e2etest.Text(p.doc)))
}
