package admin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// walk visits every guarded route by every method.
func walk(d *desk, visit func(method, path string)) {
	c := d.register("Modeler", clientstore.OIDC)
	for _, r := range d.door.routes() {
		if r.guard == anybody {
			continue
		}
		path := strings.NewReplacer("{key}", c.ID, "{id}", d.who.ID).Replace(r.path)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			visit(method, path)
		}
	}
	visit(http.MethodGet, "/settings/no-such-page")
}

// AD-01: every route, by every method, asks who it is.
func TestGateForNobody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		nobody := d.as("")
		before := d.events()
		walk(d, func(method, path string) {
			a := nobody.do(nobody.request(method, path, url.Values{"decision": {"approve"}}))
			if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/auth/login?interaction=") {
				t.Errorf("%s %s: %d to %q", method, path, a.status, to)
			}
		})
		if after := d.events(); after != before+1 { // the client of the walk
			t.Errorf("%d events were recorded", after-before-1)
		}
	})
}

// Every route refuses an account without the permission, also a session whose
// account lost it a moment ago (AD-20, AP-20), and lets nothing of the application
// be seen.
func TestGateForOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob := d.account("bob", account.ConfigureServer)
		other := d.as(d.signIn(bob))
		other.want(other.open("/settings/oauth-clients"), http.StatusOK, "OAuth clients")
		if err := d.accounts.SetPermissions(t.Context(), root1, bob.ID, nil); err != nil {
			t.Fatal(err)
		}
		before := d.events()
		walk(d, func(method, path string) {
			a := other.do(other.request(method, path, url.Values{"decision": {"approve"}}))
			if a.status != http.StatusForbidden || strings.Contains(a.text(), "Modeler") {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.text())
			}
		})
		if after := d.events(); after != before+1 {
			t.Errorf("%d events were recorded", after-before-1)
		}
		other.want(other.open("/settings/oauth-clients"), http.StatusForbidden, "bob", "configure_server", "E-FORBIDDEN")
		if err := d.accounts.Disable(t.Context(), root1, bob.ID); err != nil {
			t.Fatal(err)
		}
		if a := other.open("/settings/oauth-clients"); a.status != http.StatusSeeOther {
			t.Errorf("disabled: %d; want to be asked to sign in", a.status)
		}
	})
}

// LG-03, AP-20: no other site sends a form in an administrator's name.
func TestGateForOtherSites(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	walk(d, func(method, path string) {
		if method == http.MethodGet || method == http.MethodHead {
			return
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := d.request(method, path, url.Values{"decision": {"approve"}})
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set(name, value)
			if a := d.do(r); a.status != http.StatusForbidden || !strings.Contains(a.text(), "E-CROSS-SITE") {
				t.Errorf("%s %s with %s: %d", method, path, name, a.status)
			}
		}
	})
}

// TestSignInLeadsBack asks for a page, signs in, and is where it wanted to be.
func TestSignInLeadsBack(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, d *desk) {
		for asked, back := range map[string]string{
			"/settings/oauth-clients?type=oidc&q=a%20b": "/settings/oauth-clients?type=oidc&q=a%20b",
			"/settings/": "/settings/",
			"/settings/oauth-clients?q=" + strings.Repeat("x", maxAsked): "/settings/",
			"/settings/resume?interaction=x":                             "/settings/",
		} {
			a := d.as("").open(asked)
			_, id, _ := strings.Cut(a.header.Get("Location"), "interaction=")
			d.led(d.open("/settings/resume?interaction="+id), back)
			d.led(d.open("/settings/resume?interaction="+id), "/settings/") // it is spent
			a = d.as("").open(asked)
			_, id, _ = strings.Cut(a.header.Get("Location"), "interaction=")
			stranger := *d
			stranger.browser = ""
			stranger.led(stranger.open("/settings/resume?interaction="+id), "/settings/")
		}
		d.led(d.open("/settings/resume?interaction=https://evil.example"), "/settings/")
		d.led(d.open("/settings"), "/settings/oauth-clients")
		d.led(d.open("/"), "/settings/oauth-clients")
	})
}

// TestGateReadsOnce counts what the gate asks the database: the session with
// what its account may do, in one statement.
func TestGateReadsOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		counted := storagetest.CountStatements(d.db)
		d.open("/settings/")
		if n := counted.Count(); n != 1 {
			t.Errorf("%d statements: %q", n, counted.Statements())
		}
	})
}

func (d *desk) events() int {
	d.t.Helper()
	var n int
	if err := d.db.With(d.t.Context()).Raw("SELECT COUNT(*) FROM audit_events").Scan(&n).Error; err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Where administrators need a second factor, a password alone opens no route
// and does nothing; it leads to the page that says how to get one.
func TestGateForAPasswordAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		d.door.cfg.SecondFactor = true
		before := d.events()
		walk(d, func(method, path string) {
			a := d.do(d.request(method, path, url.Values{"decision": {"approve"}}))
			if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != "https://id.example/auth/account/security" {
				t.Errorf("%s %s: %d to %q", method, path, a.status, to)
			}
		})
		if after := d.events(); after != before+1 { // the client of the walk
			t.Errorf("%d events were recorded", after-before-1)
		}
		_, strong, err := d.sessions.Start(t.Context(), session.SignIn{AccountID: d.who.ID, AccountEpoch: d.who.Epoch, AMR: []string{"pwd", "otp", session.MultiFactor}})
		if err != nil {
			t.Fatal(err)
		}
		d.want(d.as(strong).open("/settings/oauth-clients"), http.StatusOK, "OAuth clients")
	})
}
