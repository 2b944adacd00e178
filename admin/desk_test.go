package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// desk is the Settings application, with an administrator who is signed in.
type desk struct {
	*site
	who     *account.Account
	cookie  string // of the session
	browser string
}

// each runs a test with the application on both databases.
func each(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		test(t, newDesk(t, db))
	})
}

func newDesk(t *testing.T, db *storage.DB, change ...func(*clientstore.Config)) *desk {
	t.Helper()
	d := &desk{site: openOn(t, db, change...), browser: seal.NewToken(seal.BrowserCookie)}
	d.who = d.account("ada", account.ConfigureServer)
	d.cookie = d.signIn(d.who)
	return d
}

var root1 = audit.Actor{Name: "root", Via: audit.ViaCLI}

func (d *desk) account(username string, permissions ...account.Permission) *account.Account {
	d.t.Helper()
	a, err := d.accounts.Create(d.t.Context(), root1, account.Registration{Username: username, Password: password, Permissions: permissions})
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

func (d *desk) signIn(a *account.Account) string {
	d.t.Helper()
	_, cookie, err := d.sessions.Start(d.t.Context(), session.SignIn{AccountID: a.ID, AccountEpoch: a.Epoch, AMR: []string{"pwd"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return cookie
}

// as returns the application as somebody else sees it.
func (d *desk) as(cookie string) *desk {
	other := *d
	other.cookie = cookie
	return &other
}

// register keeps a pending client.
func (d *desk) register(name string, t clientstore.Type) *clientstore.Client {
	d.t.Helper()
	r := clientstore.Registration{Type: t, Name: name}
	if t != clientstore.OAuth1 {
		r.Metadata.RedirectURIs = []string{"https://app.example/cb"}
	}
	c, _, err := d.clients.Register(d.t.Context(), root1, r)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func (d *desk) approve(c *clientstore.Client) *clientstore.Client {
	d.t.Helper()
	c, err := d.clients.Approve(d.t.Context(), root1, c.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func (d *desk) status(key string) clientstore.Status {
	d.t.Helper()
	c, err := d.clients.Get(d.t.Context(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	return c.Status
}

func (d *desk) request(method, path string, form url.Values) *http.Request {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), method, "https://id.example/auth"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range map[string]string{"session": d.cookie, "browser": d.browser} {
		if value != "" {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	return r
}

// open gets a page of the application.
func (d *desk) open(path string) answer {
	d.t.Helper()
	return d.do(d.request(http.MethodGet, path, nil))
}

// send posts a form to its page.
func (d *desk) send(path string, form url.Values) answer {
	d.t.Helper()
	return d.do(d.request(http.MethodPost, path, form))
}

// fields are the values with which a form of the page would be sent, the one
// that has a field of that name.
func (a answer) fields(having string) url.Values {
	for _, f := range a.elements("form") {
		v := formValues(f)
		if v.Has(having) {
			return v
		}
	}
	return url.Values{}
}

func formValues(f *html.Node) url.Values {
	v := url.Values{}
	for n := range f.Descendants() {
		name := attr(n, "name")
		switch {
		case n.Type != html.ElementNode || name == "":
		case n.Data == "input" && (attr(n, "type") == "checkbox" || attr(n, "type") == "radio"):
			if has(n, "checked") {
				v.Add(name, attr(n, "value"))
			}
		case n.Data == "input":
			v.Add(name, attr(n, "value"))
		case n.Data == "textarea":
			v.Add(name, strings.TrimPrefix(textOf(n), "\n"))
		case n.Data == "select":
			v.Add(name, chosen(n))
		}
	}
	return v
}

func chosen(list *html.Node) string {
	value, first := "", true
	for n := range list.Descendants() {
		if n.Type == html.ElementNode && n.Data == "option" && (first || has(n, "selected")) {
			value, first = attr(n, "value"), false
		}
	}
	return value
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// links are the addresses that the page leads to.
func (a answer) links() []string {
	var list []string
	for _, n := range a.elements("a") {
		list = append(list, attr(n, "href"))
	}
	return list
}

// led fails unless the answer leads to a path.
func (d *desk) led(a answer, path string) {
	d.t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != "/auth"+path {
		d.t.Errorf("%d to %q; want 303 to %q: %s", a.status, got, "/auth"+path, a.text())
	}
}

// recorded returns the newest event about a target.
func (d *desk) recorded(id string) audit.Event {
	d.t.Helper()
	list, err := d.audit.List(context.WithoutCancel(d.t.Context()), audit.Filter{TargetID: id, Limit: 1})
	if err != nil || len(list) == 0 {
		d.t.Fatalf("no event about %s: %v", id, err)
	}
	return list[0]
}
