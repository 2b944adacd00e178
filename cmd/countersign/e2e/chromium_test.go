package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"countersign/cmd/countersign/e2e/e2etest"
)

// tab is a tab of a real Chromium, in a profile of its own.
type tab struct {
	t       testing.TB
	ctx     context.Context //nolint:containedctx // it is chromedp's handle of the tab
	profile cdp.BrowserContextID
}

// newTab opens a tab that shares nothing with others.
func newTab(t testing.TB) *tab {
	t.Helper()
	return openTab(t, e2etest.NewProfile(t))
}

// secondTab opens another tab of the same profile.
func (b *tab) secondTab() *tab {
	b.t.Helper()
	return openTab(b.t, b.profile)
}

func openTab(t testing.TB, profile cdp.BrowserContextID) *tab {
	t.Helper()
	return &tab{t: t, ctx: e2etest.OpenTab(t, profile), profile: profile}
}

// run does actions or fails the test with what the tab shows.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var address, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&address), chromedp.Evaluate(`document.body.innerText`, &text)) // the failure is reported below
		b.t.Fatalf("%v\nat %s:\n%s", err, address, text)
	}
}

// withoutScripts turns JavaScript off.
func (b *tab) withoutScripts() {
	b.t.Helper()
	b.run(emulation.SetScriptExecutionDisabled(true))
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.run(chromedp.Navigate(address))
}

// await waits until the page has an element.
func (b *tab) await(selector string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery))
}

// has reports whether the page has an element now.
func (b *tab) has(selector string) bool {
	b.t.Helper()
	return b.evaluate(`document.querySelector(`+quote(selector)+`) ? "yes" : ""`) != ""
}

// click presses what leads to another page, and waits until that is there.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.await(selector)
	b.leave(chromedp.Click(selector, chromedp.ByQuery))
}

// leave does what leads to another page, and waits until that is there.
func (b *tab) leave(actions ...chromedp.Action) {
	b.t.Helper()
	b.run(chromedp.Evaluate(`window.stale = true`, nil))
	b.run(actions...)
	for range 300 {
		var gone bool
		err := chromedp.Run(b.ctx, chromedp.Evaluate(`typeof window.stale === "undefined" && document.readyState === "complete"`, &gone))
		if err == nil && gone { // it fails while the page changes
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("nothing happens at %s:\n%s", b.location(), b.text())
}

// fill types over what the field holds.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	b.await(selector)
	b.run(chromedp.Focus(selector, chromedp.ByQuery), chromedp.Evaluate(`document.activeElement.select()`, nil), chromedp.KeyEvent(value))
}

func (b *tab) value(selector string) string {
	b.t.Helper()
	return b.evaluate(`document.querySelector(` + quote(selector) + `).value`)
}

func (b *tab) text() string { b.t.Helper(); return b.evaluate(`document.body.innerText`) }

func (b *tab) location() *url.URL {
	b.t.Helper()
	var address string
	b.run(chromedp.Location(&address))
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// evaluate returns the value of an expression that is text.
func (b *tab) evaluate(expression string) string {
	b.t.Helper()
	var value string
	b.run(chromedp.Evaluate(expression, &value))
	return value
}

func quote(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// The parts of the pages that the contract names.
const (
	usernameField = `input[name="username"]`
	passwordField = `input[name="password"]`
	allowButton   = `button[name="decision"][value="allow"]`
	denyButton    = `button[name="decision"][value="deny"]`
	signInButton  = `main form button[type="submit"]`
)

// signIn fills in and submits the sign-in form.
func (b *tab) signIn(username, password string) {
	b.t.Helper()
	b.fill(usernameField, username)
	b.fill(passwordField, password)
	b.click(signInButton)
}

// application is the web server of a relying party: it takes the answer.
type application struct {
	*httptest.Server
	answers chan url.Values
}

// newApplication starts a relying party on a loopback address.
func newApplication(t testing.TB) *application {
	t.Helper()
	a := &application{answers: make(chan url.Values, 16)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cb" {
			http.NotFound(w, r)
			return
		}
		a.answers <- r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Application</title><h1 id="arrived">Back in the application</h1>`)) // the browser reports
	}))
	t.Cleanup(a.Close)
	return a
}

// redirectURI is where the application takes answers, by the name of its host.
func (a *application) redirectURI(host string) string { return a.at(host, "/cb") }

// at is an address of the application.
func (a *application) at(host, path string) string {
	u, _ := url.Parse(a.URL) // httptest made it
	return "http://" + host + ":" + u.Port() + path
}

// answer waits for the browser to arrive.
func (a *application) answer(b *tab) url.Values {
	b.t.Helper()
	b.await("#arrived")
	select {
	case q := <-a.answers:
		return q
	case <-time.After(10 * time.Second):
		b.t.Fatalf("the browser does not arrive at the application; it is at %s:\n%s", b.location(), b.text())
		return nil
	}
}
