package conformance

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"countersign/cmd/countersign/e2e/e2etest"
)

// browser is a browser without scripts: it keeps cookies, follows redirects
// within the provider, and sends the forms that it sees.
type browser struct {
	r       *run
	http    *http.Client
	address string   // its own, as a proxy in front of the provider tells
	shown   []string // the pages that asked somebody to do something
}

// The pages that ask somebody to do something.
const (
	signInPage  = "sign-in"
	consentPage = "consent"
)

// browse opens a new browser.
func (r *run) browse() *browser {
	jar, _ := cookiejar.New(nil) // never fails
	client := *r.op.http
	client.Jar = jar
	var raw [3]byte
	_, _ = rand.Read(raw[:]) // never fails
	return &browser{r: r, http: &client, address: fmt.Sprintf("10.%d.%d.%d", raw[0], raw[1], raw[2])}
}

// visit is what the browser shows, or what it brings a relying party.
type visit struct {
	URL      *url.URL
	Status   int
	Header   http.Header
	Body     string
	doc      *html.Node
	callback *callback // nil while the browser stays with the provider
}

// callback is a request that the browser sends to a relying party.
type callback struct {
	method                string
	url                   *url.URL // without query and fragment
	query, fragment, form url.Values
}

func (v *visit) text() string { return strings.Join(strings.Fields(e2etest.Text(v.doc)), " ") }

// String is what a failure says of a visit.
func (v *visit) String() string {
	if v.callback != nil {
		c := v.callback
		return fmt.Sprintf("%s %s, query %v, fragment %v, form %v", c.method, c.url, c.query, c.fragment, c.form)
	}
	return fmt.Sprintf("%s (%d): %s", v.URL, v.Status, v.text())
}

// open follows a link from another site.
func (b *browser) open(address string) *visit {
	b.r.Helper()
	return b.follow(newRequest(b.r, http.MethodGet, address, "", "Sec-Fetch-Site", "cross-site"))
}

// follow sends a request and goes where the answers send it.
func (b *browser) follow(req *http.Request) *visit {
	b.r.Helper()
	return b.followBy(b.http, req)
}

// followBy sends the first request by a client of its own.
func (b *browser) followBy(client *http.Client, req *http.Request) *visit {
	b.r.Helper()
	for range 20 {
		v := b.send(client, req)
		location := v.Header.Get("Location")
		if location == "" {
			return b.look(v)
		}
		target, err := req.URL.Parse(location)
		if err != nil {
			b.r.Fatalf("redirect to %q: %v", location, err)
		}
		if !b.r.op.owns(target) {
			v.callback = newCallback(http.MethodGet, target, nil)
			return v
		}
		client = b.http
		req = newRequest(b.r, http.MethodGet, target.String(), "", "Sec-Fetch-Site", req.Header.Get("Sec-Fetch-Site"))
	}
	b.r.Fatalf("more than 20 redirects, the last to %s", req.URL)
	return nil
}

func (op *provider) owns(u *url.URL) bool { return u.Scheme+"://"+u.Host == op.issuer }

func (b *browser) send(client *http.Client, req *http.Request) *visit {
	b.r.Helper()
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	req.Header.Set("X-Forwarded-For", b.address)
	res, err := client.Do(req)
	if err != nil {
		b.r.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.r.Fatal(err)
	}
	if res.StatusCode >= http.StatusInternalServerError {
		b.r.Errorf("%s %s answers %d: %s", req.Method, req.URL, res.StatusCode, body)
	}
	doc, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		b.r.Fatal(err)
	}
	return &visit{URL: req.URL, Status: res.StatusCode, Header: res.Header, Body: string(body), doc: doc}
}

// look reads a page. One whose form leads to a relying party is sent on, as
// its script or the person does.
func (b *browser) look(v *visit) *visit {
	b.r.Helper()
	for _, f := range e2etest.Forms(v.doc) {
		target, err := v.URL.Parse(f.Action)
		if err == nil && !b.r.op.owns(target) {
			v.callback = newCallback(strings.ToUpper(f.Method), target, f.Values)
			return v
		}
	}
	return v
}

func newCallback(method string, target *url.URL, form url.Values) *callback {
	c := &callback{method: method, query: target.Query(), form: form}
	c.fragment, _ = url.ParseQuery(target.EscapedFragment()) // what cannot be read is nothing
	bare := *target
	bare.RawQuery, bare.Fragment, bare.RawFragment = "", "", ""
	c.url = &bare
	return c
}

// formWith returns the form that has the field, or a decision of that name.
func (v *visit) formWith(field, decision string) *e2etest.Form {
	for _, f := range e2etest.Forms(v.doc) {
		if field != "" && f.Values.Has(field) {
			return &f
		}
		for _, button := range f.Buttons {
			if decision != "" && button.Name == "decision" && button.Value == decision {
				return &f
			}
		}
	}
	return nil
}

// submit sends a form of a page with further values.
func (b *browser) submit(v *visit, f *e2etest.Form, more ...string) *visit {
	b.r.Helper()
	target, err := v.URL.Parse(f.Action)
	if err != nil {
		b.r.Fatal(err)
	}
	for i := 0; i+1 < len(more); i += 2 {
		f.Values.Set(more[i], more[i+1])
	}
	return b.follow(newRequest(b.r, http.MethodPost, target.String(), f.Values.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", b.r.op.issuer, "Sec-Fetch-Site", "same-origin"))
}

// authorize sends an authorization request, signs in and consents where it is
// asked to, and returns where that leads.
func (b *browser) authorize(q url.Values) *visit {
	b.r.Helper()
	return b.finish(b.open(b.r.op.endpoint(b.r, "authorization_endpoint") + "?" + q.Encode()))
}

func (b *browser) finish(v *visit) *visit {
	b.r.Helper()
	b.shown = nil
	for range 4 {
		if f := v.formWith("username", ""); f != nil && v.callback == nil {
			b.shown = append(b.shown, signInPage)
			v = b.submit(v, f, "username", b.r.op.username, "password", b.r.op.password)
		} else if f := v.formWith("", "allow"); f != nil && v.callback == nil {
			b.shown = append(b.shown, consentPage)
			v = b.submit(v, f, "decision", "allow")
		} else {
			return v
		}
	}
	return v
}

// post sends a form from another site: without the cookies that are for this
// site's own requests and for links. Those that come back are kept.
func (b *browser) post(address string, form url.Values) *visit {
	b.r.Helper()
	client := *b.http
	client.Jar = oneWay{b.http.Jar}
	return b.finish(b.followBy(&client, newRequest(b.r, http.MethodPost, address, form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", "https://rp.example", "Sec-Fetch-Site", "cross-site")))
}

// oneWay is a jar that cookies go into and do not come out of.
type oneWay struct{ http.CookieJar }

func (oneWay) Cookies(*url.URL) []*http.Cookie { return nil }
