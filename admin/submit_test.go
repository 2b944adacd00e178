package admin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// Every form that changes something is sent twice, as by a double click: the
// second does nothing more, and says so or shows what the first one made
// (AD-29).
func TestDoubleSubmit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c, gone := d.register("Modeler", clientstore.OIDC), d.register("Gone", clientstore.OAuth1)
		stopped := d.approve(d.register("Stopped", clientstore.OIDC))
		managed, ended := d.account("managed"), d.account("ended")
		d.signIn(ended)
		approvable := d.open("/settings/oauth-clients/approve?key=" + c.ID).fields("key")
		approvable.Set("decision", "allow")
		editable := d.open("/settings/oauth-clients/" + stopped.ID + "/edit").fields("version")
		editable.Set("name", "Renamed")
		created := d.creation("type=oauth1", url.Values{"name": {"Twice"}})
		corrected := d.open("/settings/accounts/"+managed.ID).filled("name", "Renamed")
		rotated := d.open("/settings/oauth-clients/" + stopped.ID + "/secrets").fields("once")
		rotated.Set("decision", "rotate")
		for _, tt := range []struct {
			name, path string
			form       url.Values
			first      int
			second     int
			says       string
		}{
			{"create", "/settings/oauth-clients/create", created, http.StatusCreated, http.StatusCreated, "is created"},
			{"edit", "/settings/oauth-clients/" + stopped.ID + "/edit", editable, http.StatusSeeOther, http.StatusConflict, "Changed by"},
			{"secret", "/settings/oauth-clients/" + stopped.ID + "/secrets", rotated, http.StatusOK, http.StatusOK, "A further secret"},
			{"approve", "/settings/oauth-clients/approve", approvable, http.StatusSeeOther, http.StatusConflict, "is approved"},
			{"disapprove", "/settings/oauth-clients/" + stopped.ID + "/disapprove", url.Values{"decision": {"disapprove"}}, http.StatusSeeOther, http.StatusSeeOther, ""},
			{"remove", "/settings/oauth-clients/" + gone.ID + "/remove", url.Values{"decision": {"remove"}}, http.StatusSeeOther, http.StatusNotFound, "It has been removed"},
			{"account", "/settings/accounts/create", url.Values{"username": {"new"}, "password": {password}, "password_again": {password}}, http.StatusSeeOther, http.StatusUnprocessableEntity, "username"},
			{"correct", "/settings/accounts/" + managed.ID, corrected, http.StatusSeeOther, http.StatusConflict, "Changed by"},
			{"disable", "/settings/accounts/" + managed.ID, url.Values{"decision": {"disable"}}, http.StatusSeeOther, http.StatusSeeOther, ""},
			{"sign out", "/settings/accounts/" + ended.ID, url.Values{"decision": {"sign-out"}}, http.StatusSeeOther, http.StatusSeeOther, ""},
		} {
			before := d.events()
			a := d.send(tt.path, tt.form)
			if a.status != tt.first {
				t.Errorf("%s: %d: %s; want %d", tt.name, a.status, a.text(), tt.first)
			}
			once := d.events()
			b := d.send(tt.path, tt.form)
			if b.status != tt.second || !strings.Contains(b.text(), tt.says) {
				t.Errorf("%s, again: %d %s; want %d, %q", tt.name, b.status, b.text(), tt.second, tt.says)
			}
			if again := d.events(); again != once || once <= before {
				t.Errorf("%s: %d changes are recorded, and %d more", tt.name, once-before, again-once)
			}
			if a.shownSecret() != b.shownSecret() {
				t.Errorf("%s: the second answer shows another secret", tt.name)
			}
		}
	})
}

// Every answer of every route forbids frames, other sites' scripts, caches and
// referrers, whoever asks and whatever comes of it (AD-30).
func TestEveryAnswerKeepsToItself(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	check := func(who *desk, method, path string) {
		t.Helper()
		w := httptest.NewRecorder()
		who.handler.ServeHTTP(w, who.request(method, path, url.Values{"decision": {"nothing"}}))
		h := w.Header()
		for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
			if h.Get(name) != want {
				t.Errorf("%s %s (%d): %s is %q", method, path, w.Code, name, h.Get(name))
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if w.Code != http.StatusSeeOther && !strings.Contains(csp, want) {
				t.Errorf("%s %s (%d): the policy %q lacks %s", method, path, w.Code, csp, want)
			}
		}
	}
	stranger := d.as(d.signIn(d.account("bob")))
	walk(d, func(method, path string) {
		check(d, method, path)
		check(stranger, method, path)
		check(d.as(""), method, path)
	})
}

// A form that comes without saying from which site, as no browser of today
// sends it, and one from a neighbouring host are refused like those of other
// sites; nothing is done (LG-03).
func TestForeignForms(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	c := d.register("Modeler", clientstore.OIDC)
	form := d.open("/settings/oauth-clients/approve?key=" + c.ID).fields("key")
	form.Set("decision", "allow")
	before := d.events()
	for name, headers := range map[string]map[string]string{
		"a neighbour":           {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.id.example"},
		"another site":          {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"a sandboxed frame":     {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
		"an old browser":        {"Origin": "https://evil.example"},
		"the same by http only": {"Origin": "http://evil.example"},
	} {
		r := d.request(http.MethodPost, "/settings/oauth-clients/approve", form)
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Del("Origin")
		for h, v := range headers {
			r.Header.Set(h, v)
		}
		if a := d.do(r); a.status != http.StatusForbidden || !strings.Contains(a.text(), "E-CROSS-SITE") || !strings.Contains(a.text(), "Nothing was done") {
			t.Errorf("%s: %d %s", name, a.status, a.text())
		}
	}
	r := d.request(http.MethodPost, "/settings/oauth-clients/approve", form)
	r.Header.Set("Content-Type", "text/plain")
	d.want(d.do(r), http.StatusBadRequest, "E-FORM")
	if n := d.events(); n != before {
		t.Errorf("%d changes were recorded", n-before)
	}
	if got, err := d.clients.Get(t.Context(), c.ID); err != nil || got.Status != clientstore.Pending {
		t.Errorf("the client is %v: %v", got, err)
	}
}

// Somebody who is demoted while their form is open gets no further with it.
func TestDemotedWithAFormOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	bob := d.account("bob", account.ConfigureServer)
	his := d.as(d.signIn(bob))
	form := his.creation("type=oauth1", url.Values{"name": {"Late"}})
	if err := d.accounts.SetPermissions(t.Context(), root1, bob.ID, nil); err != nil {
		t.Fatal(err)
	}
	before := d.events()
	his.want(his.send("/settings/oauth-clients/create", form), http.StatusForbidden, "E-FORBIDDEN", "nothing was done")
	if n := d.events(); n != before {
		t.Errorf("%d changes were recorded", n-before)
	}
}
