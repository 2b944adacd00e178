package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"countersign/cmd/countersign/e2e/e2etest"
)

// browser is a browser without JavaScript: it keeps cookies, follows redirects
// within the server, and submits the forms it sees.
type browser struct {
	t    testing.TB
	s    *server
	http *http.Client
}

// browse opens a new browser.
func (s *server) browse() *browser {
	jar, _ := cookiejar.New(nil) // never fails
	return &browser{t: s.t, s: s, http: &http.Client{
		Transport:     s.client().Transport,
		Jar:           jar,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is what the browser shows: a page of the server, or where the server
// sent it to.
type page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	doc    *html.Node

	// Callback is the address outside the server that the browser was sent
	// to; nil when it shows a page.
	Callback *url.URL
	// RedirectStatus is the status of that redirect.
	RedirectStatus int
}

// Open follows a link.
func (b *browser) Open(address string) *page {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "none")
	return b.follow(req)
}

// follow sends a request and goes where the answers send it.
func (b *browser) follow(req *http.Request) *page {
	b.t.Helper()
	for range 20 {
		req.Header.Set("Accept", "text/html,application/xhtml+xml")
		if b.s.from != "" {
			req.Header.Set("X-Forwarded-For", b.s.from)
		}
		res, err := b.http.Do(req)
		if err != nil {
			b.t.Fatal(err)
		}
		p := b.read(req, res)
		location := res.Header.Get("Location")
		if location == "" || res.StatusCode < 300 || res.StatusCode > 399 {
			return p
		}
		target, err := req.URL.Parse(location)
		if err != nil {
			b.t.Fatalf("redirect to %q: %v", location, err)
		}
		if !strings.HasPrefix(target.String(), b.s.issuer) {
			p.Callback, p.RedirectStatus = target, res.StatusCode
			b.learn(target)
			return p
		}
		if req.Method == http.MethodPost && (res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusPermanentRedirect) {
			b.t.Fatalf("AZ-20: a form post is answered with status %d, which posts it again", res.StatusCode)
		}
		site := req.Header.Get("Sec-Fetch-Site")
		if req, err = http.NewRequest(http.MethodGet, target.String(), nil); err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", site)
	}
	b.t.Fatalf("more than 20 redirects, the last to %s", req.URL)
	return nil
}

func (b *browser) read(req *http.Request, res *http.Response) *page {
	b.t.Helper()
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // read to its end
	if err != nil {
		b.t.Fatal(err)
	}
	if res.StatusCode >= 500 && !b.s.expectFaults {
		b.t.Errorf("G-3: %s %s answers %d: %s", req.Method, req.URL, res.StatusCode, body)
	}
	doc, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	return &page{URL: req.URL, Status: res.StatusCode, Header: res.Header, Body: string(body), doc: doc}
}

// learn registers what an authorization response carries as secret.
func (b *browser) learn(callback *url.URL) {
	b.s.canaries.add("authorization code", callback.Query().Get("code"))
}

// Cookie returns the value of a cookie of the server, "" when there is none.
func (b *browser) Cookie(name string) string {
	u, _ := url.Parse(b.s.issuer) // it has been used
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// form is a form as a page shows it.
type form struct {
	action  string
	values  url.Values // of its fields
	buttons []button
}

type button = e2etest.Button

// forms returns the forms of the page.
func (p *page) forms() []form {
	var all []form
	for _, f := range e2etest.Forms(p.doc) {
		if f.Action == "" {
			f.Action = p.URL.String()
		}
		all = append(all, form{f.Action, f.Values, f.Buttons})
	}
	return all
}

func (f *form) has(field string) bool { return f.values.Has(field) }

func (f *form) hasButton(name, value string) bool {
	for _, b := range f.buttons {
		if b.Name == name && b.Value == value {
			return true
		}
	}
	return false
}

// formWith returns the page's form that has the field.
func (p *page) formWith(field string) *form {
	for _, f := range p.forms() {
		if f.has(field) {
			return &f
		}
	}
	return nil
}

// formDeciding returns the page's form with a button of that decision.
func (p *page) formDeciding(decision string) *form {
	for _, f := range p.forms() {
		if f.hasButton("decision", decision) {
			return &f
		}
	}
	return nil
}

// asksToSignIn and asksForConsent tell what the page is.
func (p *page) asksToSignIn() bool {
	return p.Callback == nil && p.formWith("username") != nil && p.formWith("password") != nil
}
func (p *page) asksForConsent() bool { return p.Callback == nil && p.formDeciding("allow") != nil }

// Text returns what a person reads on the page.
func (p *page) Text() string { return strings.Join(strings.Fields(e2etest.Text(p.doc)), " ") }

// Submit sends a form of the page with further values.
func (b *browser) Submit(p *page, f *form, more url.Values) *page {
	b.t.Helper()
	values := url.Values{}
	for name, v := range f.values {
		values[name] = v
	}
	for name, v := range more {
		values[name] = v
	}
	target, err := p.URL.Parse(f.action)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.follow(b.post(target.String(), values))
}

// post builds a form post as a browser sends it from a page of the server.
func (b *browser) post(address string, values url.Values) *http.Request {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.s.issuer)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req
}

// SignIn fills in the sign-in form that the page shows.
func (b *browser) SignIn(p *page, username, password string) *page {
	b.t.Helper()
	f := p.formWith("username")
	if f == nil {
		b.t.Fatalf("%s (%d) has no sign-in form: %s%s", p.URL, p.Status, p.Text(), p.where())
	}
	return b.Submit(p, f, url.Values{"username": {username}, "password": {password}})
}

// Decide presses one of the page's decisions.
func (b *browser) Decide(p *page, decision string) *page {
	b.t.Helper()
	f := p.formDeciding(decision)
	if f == nil {
		b.t.Fatalf("%s (%d) has no button to %s: %s%s", p.URL, p.Status, decision, p.Text(), p.where())
	}
	return b.Submit(p, f, url.Values{"decision": {decision}})
}

func (p *page) where() string {
	if p.Callback == nil {
		return ""
	}
	return " → " + p.Callback.String()
}

// Authorize goes the whole way of an authorization request: it signs in and
// consents where it is asked to, and returns where the browser ended.
func (b *browser) Authorize(address string, u *user) *page {
	b.t.Helper()
	p := b.Open(address)
	if p.asksToSignIn() {
		p = b.SignIn(p, u.Username, u.password)
	}
	if p.asksForConsent() {
		p = b.Decide(p, "allow")
	}
	return p
}
