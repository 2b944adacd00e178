package e2e

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/cmd/countersign/e2e/e2etest"
)

// A script of the folder node is a relying party that goes through flows. The
// test plays the person with a browser, and the administrator.
type (
	// call names the flow that the script shall go through.
	call struct {
		Flow         string `json:"flow"`
		Issuer       string `json:"issuer"`
		RedirectURI  string `json:"redirectURI"`
		InitialToken string `json:"initialToken"`
		Username     string `json:"username"`
		Password     string `json:"password"`

		Consumer *consumer `json:"consumer,omitempty"`
	}
	// wish is what the script asks for, or how it ended.
	wish struct {
		Open    string // an address for the browser
		Device  string // an address at which to allow a device
		Approve string // a client to approve
		// Register has a client made, with these options of the command line.
		Register []string
		Failed   string
		Done     *struct {
			Subject *string // who signed in, nil where nobody did
			Secrets []string
		}
	}
	// outcome is what came of a wish.
	outcome struct {
		Callback string `json:"callback,omitempty"`
		Form     string `json:"form,omitempty"`

		Client *client `json:"client,omitempty"`
	}
)

// TestRelyingParties goes through every flow of npm's openid-client and
// oauth4webapi. docs/interop.md lists them.
func TestRelyingParties(t *testing.T) {
	t.Parallel()
	for _, library := range []string{"openid-client", "oauth4webapi"} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *server) { testRelyingParty(t, s, library, node(t, library+".mjs")) })
		})
	}
}

func testRelyingParty(t *testing.T, s *server, library string, rp *script) {
	t.Helper()
	u, b := s.User(), s.browse()
	var known struct{ Flows []string }
	rp.read(&known)
	if want := flowsOf(t, library); !slices.Equal(known.Flows, want) {
		t.Fatalf("the script has the flows %q; testdata/interop.tsv lists %q", known.Flows, want)
	}
	initial := mustJSON[struct{ Token string }](t, s.CLI("", "client", "initial-token", "create", "--name", library, "--uses", "100", "--approve", "-o", "json"))
	s.canaries.add("initial access token", initial.Token)
	for _, flow := range known.Flows {
		t.Run(flow, func(t *testing.T) {
			s, b, rp := s.as(t), *b, *rp
			b.t, rp.t = t, t
			rp.write(call{flow, s.issuer, webRedirect, initial.Token, u.Username, u.password, nil})
			converse(t, s, &b, u, &rp)
		})
	}
}

// converse does what the script asks for, until it has ended.
func converse(t *testing.T, s *server, b *browser, u *user, rp *script) {
	t.Helper()
	for {
		var w wish
		rp.read(&w)
		switch {
		case w.Open != "":
			rp.write(b.goFor(w.Open, u))
		case w.Device != "":
			b.allowDevice(w.Device, u)
			rp.write(outcome{})
		case w.Approve != "":
			s.CLI("", "client", "approve", w.Approve, "--yes")
			rp.write(outcome{})
		case w.Register != nil:
			rp.write(outcome{Client: s.register(w.Register...)})
		case w.Failed != "":
			t.Error(w.Failed)
			return
		default:
			for _, secret := range w.Done.Secrets {
				s.canaries.add("token", secret)
			}
			if w.Done.Subject != nil && *w.Done.Subject != u.ID {
				t.Errorf("the application saw %q sign in; want %q", *w.Done.Subject, u.ID)
			}
			return
		}
	}
}

// goFor opens an address for an application, and does what the pages ask for.
// It returns where the browser left the server for, and what it posts there.
func (b *browser) goFor(address string, u *user) outcome {
	b.t.Helper()
	p := b.Authorize(address, u)
	if p.Callback != nil {
		return outcome{Callback: p.Callback.String()}
	}
	for _, f := range p.forms() {
		if !strings.HasPrefix(f.action, b.s.issuer) && strings.HasPrefix(f.action, "http") { // form_post
			b.s.canaries.add("authorization code", f.values.Get("code"))
			return outcome{Callback: f.action, Form: f.values.Encode()}
		}
	}
	if onward := p.onward(b.s.issuer); onward != "" { // signed out, after others were told
		return outcome{Callback: onward}
	}
	b.t.Fatalf("the browser stays at %s (%d): %s", p.URL, p.Status, p.Text())
	return outcome{}
}

// onward is a link of the page that leads out of the server.
func (p *page) onward(issuer string) string {
	for n := range p.doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			continue
		}
		if href, err := url.Parse(e2etest.Attr(n, "href")); err == nil && href.IsAbs() && !strings.HasPrefix(href.String(), issuer) {
			return href.String()
		}
	}
	return ""
}

// allowDevice opens the address that a device shows, and allows it.
func (b *browser) allowDevice(address string, u *user) {
	b.t.Helper()
	p := b.Open(address)
	if p.asksToSignIn() {
		p = b.SignIn(p, u.Username, u.password)
	}
	if p = b.Decide(p, "allow"); p.Status != 200 || p.formDeciding("allow") != nil {
		b.t.Fatalf("the device is not allowed: %s (%d): %s", p.URL, p.Status, p.Text())
	}
}

// flowsOf returns the flows that testdata/interop.tsv lists for a client, in
// its order.
func flowsOf(t testing.TB, client string) []string {
	t.Helper()
	table, err := os.ReadFile("testdata/interop.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var flows []string
	for line := range strings.Lines(string(table)) {
		if fields := strings.Split(strings.TrimSpace(line), "\t"); fields[0] == client {
			flows = append(flows, fields[1])
		}
	}
	return flows
}
