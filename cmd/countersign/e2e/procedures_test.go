package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign/cmd/countersign/e2e/e2etest"
)

// desk is the Settings application in a browser without JavaScript, with an
// administrator who is signed in.
type desk struct {
	*browser
	user *user
}

func (s *server) desk() *desk {
	s.t.Helper()
	d := &desk{s.browse(), s.administrator()}
	d.SignIn(d.Open(s.settings("/oauth-clients")), d.user.Username, d.user.password)
	return d
}

// send fills in the form that has the field and sends it by its button; the
// page that follows has to say so.
func (d *desk) send(path, field string, filled url.Values, says ...string) *page {
	d.t.Helper()
	p := d.Open(d.s.settings(path))
	f := p.formWith(field)
	if f == nil {
		d.t.Fatalf("%s has no form with %s: %s", path, field, p.Text())
	}
	return d.says(d.Submit(p, f, filled), says...)
}

// press presses a button of a page.
func (d *desk) press(path, decision string, filled url.Values, says ...string) *page {
	d.t.Helper()
	p := d.Open(d.s.settings(path))
	f := p.formDeciding(decision)
	if f == nil {
		d.t.Fatalf("%s has no button to %s: %s", path, decision, p.Text())
	}
	form := url.Values{"decision": {decision}}
	for name, v := range filled {
		form[name] = v
	}
	return d.says(d.Submit(p, f, form), says...)
}

func (d *desk) says(p *page, words ...string) *page {
	d.t.Helper()
	for _, w := range words {
		if !strings.Contains(p.Text(), w) {
			d.t.Errorf("the page at %s (%d) lacks %q:\n%s", p.URL, p.Status, w, p.Text())
		}
	}
	return p
}

// row is what the list shows of the client: whether it is in full colour, and
// what it says.
func (d *desk) row(c *client) (coloured bool, text string) {
	d.t.Helper()
	p := d.Open(d.s.settings("/oauth-clients?type=" + c.Type + "&q=" + c.ID))
	for _, tr := range e2etest.Elements(p.doc, "tr") {
		if t := e2etest.Text(tr); strings.Contains(t, c.ID) {
			return e2etest.Attr(tr, "class") != "off", strings.Join(strings.Fields(t), " ")
		}
	}
	return false, ""
}

// stands fails unless the list shows the client as it stands, and the protocol
// does what that means.
func (d *desk) stands(p breadth, c *client, status string) {
	d.t.Helper()
	coloured, text := d.row(c)
	works, there := status == "Approved", status != ""
	if coloured != works || !strings.Contains(text, status) || there != strings.Contains(text, c.Name) {
		d.t.Errorf("the list shows (in colour: %v) %q; want %s", coloured, text, status)
	}
	if got := p.works(d.s, c); got != works {
		d.t.Errorf("a client that is %q works: %v", status, got)
	}
}

// breadth is a type of client, with all that an administrator may say of it.
type breadth struct {
	clientType string
	created    url.Values
	edited     url.Values
	works      func(s *server, c *client) bool
	// keeps reports whether the protocol keeps to what was edited.
	keeps func(s *server, c *client, u *user) bool
}

const editedRedirect = "https://rp.example/other"

var breadths = []breadth{
	{
		"oauth1",
		url.Values{"redirect_uris": {webRedirect}},
		url.Values{"redirect_uris": {editedRedirect}},
		func(s *server, c *client) bool { return getsTemporary(s, c, c.RedirectURIs[0]) },
		func(s *server, c *client, _ *user) bool {
			return getsTemporary(s, c, editedRedirect) && !getsTemporary(s, c, webRedirect)
		},
	},
	{
		"oauth2",
		url.Values{"grant": {"client_credentials"}, "response": {}, "scope": {"models:read metrics:write"}},
		url.Values{"scope": {"models:read"}},
		getsTokenForItself,
		func(s *server, c *client, _ *user) bool {
			ask := func(scope string) int {
				return s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}).Status
			}
			return ask("models:read") == http.StatusOK && ask("metrics:write") == http.StatusBadRequest
		},
	},
	{
		"oidc",
		url.Values{"redirect_uris": {webRedirect}},
		url.Values{"redirect_uris": {editedRedirect}},
		beginsSignIn,
		func(s *server, c *client, u *user) bool {
			b, edited := s.browse(), *c
			edited.RedirectURIs = []string{editedRedirect}
			p := b.Authorize(s.Request(&edited).URL(), u)
			old := b.Open(s.Request(c).URL())
			return p.Callback != nil && strings.HasPrefix(p.Callback.String(), editedRedirect+"?") && old.Callback == nil && old.Status == http.StatusBadRequest
		},
	},
}

func getsTemporary(s *server, c *client, callback string) bool {
	cfg := s.goConsumer(c)
	cfg.CallbackURL = callback
	token, _, err := cfg.RequestToken()
	return err == nil && token != ""
}

// TestProcedures registers, approves, edits, disapproves and removes a client
// of each type: what the list shows, and what the protocol does then.
func TestProcedures(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		d, person := s.desk(), s.User()
		for _, p := range breadths {
			name := "Breadth " + newVerifier()[:8]
			filled := url.Values{"name": {name}, "credentials": {"typed"}, "secret": {"a secret of ours"}, "secret_again": {"a secret of ours"}}
			for n, v := range p.created {
				filled[n] = v
			}
			made := d.send("/oauth-clients/create?type="+p.clientType, "once", filled, "is created", "the one you typed", "Approve now")
			c := &client{Name: name, Type: p.clientType, AuthMethod: "client_secret_basic", ID: made.byID("key"), Secret: "a secret of ours", RedirectURIs: []string{webRedirect}}
			d.stands(p, c, "Pending")
			d.press("/oauth-clients/approve?key="+c.ID, "allow", nil, "The client is approved")
			d.stands(p, c, "Approved")

			rotated := d.press("/oauth-clients/"+c.ID+"/secrets", "rotate", url.Values{"credentials": {"generate"}, "overlap": {"0s"}}, "Take this along")
			d.stands(p, &client{Name: c.Name, Type: c.Type, AuthMethod: c.AuthMethod, ID: c.ID, Secret: s.canaries.add("client secret", rotated.byID("secret-value")), RedirectURIs: c.RedirectURIs}, "Approved")
			if p.works(s, c) {
				t.Errorf("%s: the secret before works", p.clientType)
			}
			c.Secret = rotated.byID("secret-value")

			edited := url.Values{"name": {name + " 2"}}
			for n, v := range p.edited {
				edited[n] = v
			}
			d.send("/oauth-clients/"+c.ID+"/edit", "version", edited, "The changes are saved", name+" 2", c.ID)
			c.Name = name + " 2"
			if !p.keeps(s, c, person) {
				t.Errorf("%s: the protocol does not keep to the edit", p.clientType)
			}
			d.send("/oauth-clients/"+c.ID+"/edit", "version", p.created, "The changes are saved")
			d.stands(p, c, "Approved")

			d.press("/oauth-clients/"+c.ID+"/disapprove", "disapprove", url.Values{"reason": {"The test says so."}}, "The client is disapproved", "The test says so.")
			d.stands(p, c, "Disapproved")
			d.press("/oauth-clients/approve?key="+c.ID, "allow", nil, "The client is approved")
			d.stands(p, c, "Approved")
			removal := url.Values{}
			if d.Open(s.settings("/oauth-clients/"+c.ID+"/remove")).formWith("name") != nil { // something is live
				removal.Set("name", c.Name)
			}
			d.press("/oauth-clients/"+c.ID+"/remove", "remove", removal, "The client is removed")
			d.stands(p, c, "")
		}
	})
}

// TestSettingsKeyboard goes through the five procedures without a mouse: by
// Tab, Enter and Space, and by what is typed.
func TestSettingsKeyboard(t *testing.T) {
	t.Parallel()
	s, b := shared(t, postgres), newTab(t)
	u := s.administrator()
	b.open(s.settings("/oauth-clients/create?type=oauth1"))
	b.tabTo(`document.activeElement.name === "username"`)
	b.run(chromedp.KeyEvent(u.Username))
	b.tabTo(`document.activeElement.name === "password"`)
	b.run(chromedp.KeyEvent(u.password))
	b.strike(kb.Enter)

	b.tabTo(`document.activeElement.id === "name"`)
	b.run(chromedp.KeyEvent("Typed by keyboard"))
	b.strike(kb.Enter)
	c := &client{Type: "oauth1", ID: b.read("#key"), Secret: s.canaries.add("client secret", b.read("#secret-value"))}
	b.tabTo(`document.activeElement.hasAttribute("data-keeps")`)
	b.run(chromedp.KeyEvent(" ")) // taken along
	b.tabTo(`document.activeElement.textContent === "Approve now"`)
	b.strike(kb.Enter)
	b.tabTo(`document.activeElement.value === "allow"`)
	b.strike(" ")
	b.shows("The client is approved")
	if !getsTemporaryCredentials(s, c) {
		t.Error("the approved client does not work")
	}

	b.tabTo(`document.activeElement.matches(".actions a[href$='/edit']")`)
	b.strike(kb.Enter)
	b.tabTo(`document.activeElement.id === "name"`)
	b.run(chromedp.KeyEvent(kb.End), chromedp.KeyEvent(" on"))
	b.strike(kb.Enter)
	b.shows("The changes are saved", "Typed by keyboard on")

	b.tabTo(`document.activeElement.matches(".actions a[href$='/disapprove']")`)
	b.strike(kb.Enter)
	b.tabTo(`document.activeElement.value === "disapprove"`)
	b.strike(" ")
	b.shows("The client is disapproved")
	if getsTemporaryCredentials(s, c) {
		t.Error("the disapproved client works")
	}

	b.tabTo(`document.activeElement.matches(".actions a[href$='/remove']")`)
	b.strike(kb.Enter)
	b.tabTo(`document.activeElement.value === "remove"`)
	b.strike(" ")
	b.shows("The client is removed")
}

// strike presses a key that leads to another page.
func (b *tab) strike(key string) { b.t.Helper(); b.leave(chromedp.KeyEvent(key)) }
