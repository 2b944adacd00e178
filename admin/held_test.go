package admin

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
)

// meanwhile is a part of a body in which something happens.
type meanwhile func()

func (m meanwhile) Read([]byte) (int, error) {
	m()
	return 0, io.EOF
}

// hold sends a form of which five bytes come, then nothing until the event is
// over, then the rest.
func (d *desk) hold(path string, form url.Values, event func()) answer {
	d.t.Helper()
	happened, body := false, form.Encode()
	r := d.request(http.MethodPost, path, form)
	r.Body = io.NopCloser(io.MultiReader(
		strings.NewReader(body[:5]), meanwhile(func() { happened = true; event() }), strings.NewReader(body[5:]),
	))
	a := d.do(r)
	if !happened {
		d.t.Errorf("POST %s was not waited for", path)
	}
	return a
}

// falls are how an administrator ceases to be one, and what they are answered.
var falls = map[string]struct {
	status int
	fall   func(d *desk, a *account.Account) error
}{
	"disabled": {http.StatusSeeOther, func(d *desk, a *account.Account) error { return d.accounts.Disable(d.t.Context(), root1, a.ID) }},
	"demoted": {http.StatusForbidden, func(d *desk, a *account.Account) error {
		return d.accounts.SetPermissions(d.t.Context(), root1, a.ID, nil)
	}},
	"signed out": {http.StatusSeeOther, func(d *desk, a *account.Account) error { return d.sessions.EndAll(d.t.Context(), a.ID) }},
}

// fallen refuses an answer that is not the one for who may not any more.
func (d *desk) fallen(what string, a answer, status int) {
	d.t.Helper()
	if to := a.header.Get("Location"); a.status != status || status == http.StatusSeeOther && !strings.HasPrefix(to, "/auth/login?interaction=") {
		d.t.Errorf("%s: %d to %q; want %d", what, a.status, to, status)
	}
}

// AD-32: who ceases to be an administrator while a form is on its way does
// nothing by it, whatever form it is.
func TestHeldForm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.register("Modeler", clientstore.OIDC)
		for how, f := range falls {
			for _, route := range d.door.routes() {
				if route.guard == anybody || route.methods[http.MethodPost] == nil {
					continue
				}
				bob := d.account("bob", account.ConfigureServer)
				var before int
				a := d.as(d.signIn(bob)).hold(strings.NewReplacer("{key}", c.ID, "{id}", d.who.ID).Replace(route.path), url.Values{"decision": {"approve"}}, func() {
					if err := f.fall(d, bob); err != nil {
						t.Error(err)
					}
					before = d.events()
				})
				d.fallen(route.path+", "+how, a, f.status)
				if after := d.events(); after != before {
					t.Errorf("%s, %s: %d events were recorded", route.path, how, after-before)
				}
				if err := d.accounts.Remove(t.Context(), root1, bob.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// AD-32: a client is not approved by who was an administrator when the form
// began to come.
func TestHeldApproval(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.register("Modeler", clientstore.OIDC)
		form := d.open(approvePage + "?key=" + c.ID).fields("version")
		form.Set("decision", "allow")
		for how, f := range falls {
			bob := d.account("bob "+how, account.ConfigureServer)
			a := d.as(d.signIn(bob)).hold(approvePage, form, func() {
				if err := f.fall(d, bob); err != nil {
					t.Error(err)
				}
			})
			d.fallen(how, a, f.status)
			if d.status(c.ID) != clientstore.Pending {
				t.Fatalf("approved by who is %s", how)
			}
		}
		d.led(d.hold(approvePage, form, func() {}), "/settings/oauth-clients/"+c.ID+"?done=approved")
	})
}

// AD-32: who shows no session is answered without anything being read, and a form
// that is too long is none.
func TestHeldByNobody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r := d.as("").request(http.MethodPost, approvePage, nil)
		r.Body = io.NopCloser(meanwhile(func() { t.Error("it was waited for") }))
		d.fallen("nobody", d.do(r), http.StatusSeeOther)
		long := url.Values{"decision": {strings.Repeat("x", 300<<10)}}
		d.want(d.send(approvePage, long), http.StatusBadRequest, "E-FORM", "too long")
		d.fallen("no session", d.as("rubbish").send(approvePage, long), http.StatusSeeOther)
	})
}

// AD-32: the machine that the server asks for a client's addresses is the
// client's own, and answers when it likes.
func TestHeldSector(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob, asked := d.account("bob", account.ConfigureServer), false
		d.door.cfg.Sector = func(ctx context.Context, _, _ *clientstore.Metadata) (*clientstore.Sector, error) {
			if err := d.accounts.Disable(ctx, root1, bob.ID); err != nil {
				t.Error(err)
			}
			asked = true
			return clientstore.ParseSector("https://app.example/sector.json", []byte(`["https://app.example/cb"]`))
		}
		other, before := d.as(d.signIn(bob)), d.events()
		form := d.open("/settings/oauth-clients/create?type=oidc").fields("once")
		for name, value := range map[string]string{
			"name": "Modeler", "redirect_uris": "https://app.example/cb",
			"further": "subject_type=pairwise\nsector_identifier_uri=https://app.example/sector.json",
		} {
			form.Set(name, value)
		}
		other.want(other.send("/settings/oauth-clients/create", form), http.StatusForbidden, "E-FORBIDDEN")
		if after := d.events(); !asked || after != before+1 { // that bob is disabled
			t.Errorf("%d events were recorded", after-before)
		}
	})
}
