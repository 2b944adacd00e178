package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/locale"
	"countersign/storage/storagetest"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for i := range 55 {
			d.accounts.Create(t.Context(), root1, account.Registration{Username: fmt.Sprintf("user%02d", i), Password: password}) //nolint:errcheck // the pages show it
		}
		first := d.open("/settings/accounts")
		d.want(first, http.StatusOK, "ada", "Administrator", "user48")
		if n := len(first.names()); n != 50 {
			t.Errorf("%d rows; want 50", n)
		}
		d.wantNames(d.open("/settings/accounts?after=USER52"), "user53", "user54")
		d.wantNames(d.open("/settings/accounts?q=SER54"), "user54")
		d.want(d.open("/settings/accounts?q=%25"), http.StatusOK, "Nothing matches")

		form := url.Values{
			"username": {"grace"}, "name": {"Grace Hopper"}, "email": {"grace@id.example"},
			"password": {password}, "password_again": {password}, "administrator": {"yes"},
		}
		for field, value := range map[string]string{"username": "ADA", "email": "nobody", "password": "short", "password_again": "x"} {
			bad := url.Values{}
			for name, values := range form {
				bad[name] = values
			}
			bad.Set(field, value)
			if field == "password" {
				bad.Set("password_again", value)
			}
			a := d.send("/settings/accounts/create", bad)
			d.want(a, http.StatusUnprocessableEntity, "Please correct one entry")
			d.wantMarked(a, field)
		}
		d.want(d.send("/settings/accounts/create", url.Values{}), http.StatusUnprocessableEntity, "2 entries")
		a := d.send("/settings/accounts/create", form)
		grace, err := d.accounts.Find(t.Context(), "grace")
		if err != nil || !grace.Has(account.ConfigureServer) {
			t.Fatalf("account %+v, %v: %s", grace, err, a.text())
		}
		d.led(a, "/settings/accounts/"+grace.ID+"?done=account")
		if e := d.recorded(grace.ID); e.Action != "account.create" || e.ActorName != "ada" || e.Via != audit.ViaSettings {
			t.Errorf("recorded as %+v", e)
		}
	})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob := d.account("bob")
		cookie := d.signIn(bob)
		path := "/settings/accounts/" + bob.ID
		do := func(decision, done string) {
			t.Helper()
			d.led(d.send(path, url.Values{"decision": {decision}}), path+"?done="+done)
		}
		d.want(d.open(path), http.StatusOK, "bob", "has no say here", "Sign out everywhere", "Account created")
		do("permit", "permitted")
		d.want(d.as(cookie).open("/settings/accounts"), http.StatusOK)
		do("demote", "demoted")
		d.want(d.as(cookie).open("/settings/accounts"), http.StatusForbidden)
		do("sign-out", "signed-out")
		if a := d.as(cookie).open("/settings/accounts"); a.status != http.StatusSeeOther {
			t.Errorf("signed out: %d", a.status)
		}
		if e := d.recorded(bob.ID); e.Action != "account.end_sessions" || e.ActorName != "ada" || e.IP != "192.0.2.7" || e.RequestID != "request-1" {
			t.Errorf("recorded as %+v", e)
		}
		d.want(d.open(path), http.StatusOK, "Signed out everywhere")
		do("disable", "disabled")
		d.want(d.open(path+"?done=disabled"), http.StatusOK, "Disabled", "Enable", "The account is disabled")
		do("enable", "enabled")

		weak := d.send(path, url.Values{"decision": {"password"}, "password": {"passwordpassword"}, "password_again": {"passwordpassword"}})
		d.want(weak, http.StatusUnprocessableEntity, "easy to guess")
		d.wantMarked(weak, "password")
		d.wantMarked(d.send(path, url.Values{"decision": {"password"}, "password": {password}}), "password_again")
		d.led(d.send(path, url.Values{"decision": {"password"}, "password": {"another long sentence"}, "password_again": {"another long sentence"}}), path+"?done=password")
		if _, _, err := d.accounts.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: "another long sentence"}); err != nil {
			t.Errorf("the new password: %v", err)
		}
		// AD-09: somebody stays who may configure the server.
		for _, decision := range []string{"demote", "disable"} {
			d.want(d.send("/settings/accounts/"+d.who.ID, url.Values{"decision": {decision}}), http.StatusConflict, "the last account that may configure the server")
		}
		d.want(d.send(path, url.Values{"decision": {"promote"}}), http.StatusBadRequest)
		d.want(d.open("/settings/accounts/unknown"), http.StatusNotFound, "There is no such account")
		for _, decision := range []string{"disable", "sign-out"} {
			d.want(d.send("/settings/accounts/unknown", url.Values{"decision": {decision}}), http.StatusNotFound)
		}
	})
}

// TestCorrectAccount corrects a name and an email address on the page of an
// account, by what the form has in it.
func TestCorrectAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob := d.account("bob")
		path := "/settings/accounts/" + bob.ID
		kept := func() account.Claims {
			t.Helper()
			a, err := d.accounts.Get(t.Context(), bob.ID)
			if err != nil {
				t.Fatal(err)
			}
			return a.Claims
		}
		const farsi = "می\u200cخواهم" // what joins no letters is not lost
		first := account.Claims{Name: farsi, Email: "bob@id.example", EmailVerified: true, Nickname: "bobby"}
		if err := d.accounts.SetClaims(t.Context(), root1, bob.ID, first); err != nil {
			t.Fatal(err)
		}
		page := d.open(path)
		d.want(page, http.StatusOK, "Name and email address", "It is verified; another one would not be.")
		stale := page.fields("version")
		d.led(d.send(path, page.filled("email", "bob@id.example")), path+"?done=saved")
		if kept() != first {
			t.Errorf("saved as it was: %+v", kept())
		}
		d.led(d.send(path, page.filled("email", " rob@id.example ")), path+"?done=saved")
		if got, want := kept(), (account.Claims{Name: farsi, Email: "rob@id.example", Nickname: "bobby"}); got != want {
			t.Errorf("kept %+v; want %+v", got, want)
		}
		if e := d.recorded(bob.ID); e.Action != "account.set_claims" || e.ActorName != "ada" || e.Via != audit.ViaSettings {
			t.Errorf("recorded as %+v", e)
		}
		d.want(d.open(path+"?done=saved"), http.StatusOK, "rob@id.example", "The changes are saved", "Profile changed", "It is not verified")

		// AD-33: what somebody else changed meanwhile is not overwritten.
		stale.Set("decision", "contact")
		stale.Set("name", "Robert")
		for _, version := range []string{stale.Get("version"), "", "0", "-1", "x"} {
			stale.Set("version", version)
			a := d.send(path, stale)
			d.want(a, http.StatusConflict, "Changed by ada on", "Nothing of yours was saved", "See the account as it is now")
			if got := attr(a.input("name"), "value"); got != "Robert" {
				t.Errorf("typed Robert, and there is %q", got)
			}
		}
		for field, value := range map[string]string{"email": "nobody", "name": strings.Repeat("x", 600)} {
			a := d.send(path, d.open(path).filled(field, value))
			d.want(a, http.StatusUnprocessableEntity, "Please correct one entry")
			d.wantMarked(a, field)
			if got := attr(a.input(field), "value"); got != value {
				t.Errorf("typed %q, and there is %q", value, got)
			}
		}
		if kept().Email != "rob@id.example" || kept().Name != farsi {
			t.Errorf("a refusal left %+v", kept())
		}
		d.led(d.send(path, d.open(path).filled("name", "")), path+"?done=saved")
		d.led(d.send(path, d.open(path).filled("email", "")), path+"?done=saved")
		if got, want := kept(), (account.Claims{Nickname: "bobby"}); got != want {
			t.Errorf("taken away: %+v", got)
		}
		d.want(d.send("/settings/accounts/unknown", page.filled("name", "x")), http.StatusNotFound)
	})
}

// filled is the form of the page that corrects a name and an email address,
// with another value.
func (a answer) filled(field, value string) url.Values {
	form := a.fields("version")
	form.Set("decision", "contact")
	form.Set(field, value)
	return form
}

func TestSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		cookie := d.signIn(d.account("bob"))
		a := d.open("/settings/sessions")
		d.want(a, http.StatusOK, "bob", "ada", "This one", "Unknown browser")
		v, err := d.sessions.Visitor(t.Context(), cookie)
		if err != nil {
			t.Fatal(err)
		}
		d.led(d.send("/settings/sessions", url.Values{"session": {v.Session.ID}, "decision": {"end"}}), "/settings/sessions?done=ended")
		if strings.Contains(d.open("/settings/sessions").text(), "bob") {
			t.Error("the session is not over")
		}
		if e := d.recorded(v.Session.AccountID); e.Action != "account.end_session" || e.ActorName != "ada" || e.Via != audit.ViaSettings || e.TargetName != "bob" {
			t.Errorf("recorded as %+v", e)
		}
		d.want(d.open("/settings/audit"), http.StatusOK, "Signed out of a browser", v.Session.ID)
		d.want(d.send("/settings/sessions", url.Values{"session": {v.Session.ID}}), http.StatusBadRequest)
	})
	for said, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36":                   "Chrome on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140": "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604.1":           "Safari on iPhone",
		"curl/8.5": "curl",
		"":         "Unknown browser",
	} {
		if got := browserName(said); got.String() != want {
			t.Errorf("%q is %s; want %s", said, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		d.want(d.open("/settings/keys"), http.StatusOK, "No key yet")
		if err := d.door.cfg.Keys.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.want(d.open("/settings/keys"), http.StatusOK, "RS256", "In use", "Signs", "Decrypts")
		before := len(d.open("/settings/keys").names())
		d.want(d.send("/settings/keys", url.Values{}), http.StatusBadRequest)
		d.led(d.send("/settings/keys", url.Values{"decision": {"immediately"}}), "/settings/keys?done=rotated")
		a := d.open("/settings/keys")
		d.want(a, http.StatusOK, "Retired")
		if after := len(a.names()); after != 2*before {
			t.Errorf("%d keys after %d", after, before)
		}
		d.led(d.send("/settings/keys", url.Values{"decision": {"rotate"}}), "/settings/keys?done=rotated")
	})
}

// TestAudit searches the record, pages through it and takes it as a file. AD-17:
// what names hold is text in both.
func TestAudit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for i := range 60 {
			d.register(fmt.Sprintf("Client %02d", i), clientstore.OAuth2)
		}
		c := d.approve(d.register("=cmd()", clientstore.OAuth1))
		a := d.open("/settings/audit")
		d.want(a, http.StatusOK, "Approved", "=cmd()", "Command line", "root", "Client 59", "status", "pending", "approved", "client.approve")
		d.want(d.open("/settings/audit?q=CLIENT+07"), http.StatusOK, "Client 07")
		d.want(d.open("/settings/audit?q=nobody+did+this"), http.StatusOK, "Nothing matches")
		about := d.open("/settings/audit?target=" + c.ID)
		// The menu, the languages and the colours are lists as well.
		if n := len(about.elements("li")) - len(sections) - len(locale.Languages()) - 3; n != 2 {
			t.Errorf("%d events about the client; want 2", n)
		}
		earlier := ""
		for _, n := range a.elements("a") {
			if attr(n, "rel") == "next" {
				earlier = strings.TrimPrefix(attr(n, "href"), "/auth")
			}
		}
		d.want(d.open(earlier), http.StatusOK, "Client 00", "Newest", "Account created")
		all := d.exported("")
		if len(all) != d.events() || all[0].Action != "client.approve" || len(d.exported("?target="+c.ID)) != 2 {
			t.Errorf("%d events in the file of %d", len(all), d.events())
		}
	})
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	d.want(d.open("/settings/diagnostics"), http.StatusOK, "https", "ok", "the clock is off", "Fix: set the clock")
}

// exported are the events of the file.
func (d *desk) exported(query string) []audit.Event {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, d.request(http.MethodGet, "/settings/audit/export"+query, nil))
	var list []audit.Event
	for line := range strings.Lines(w.Body.String()) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &struct {
			Action     *string `json:"action"`
			TargetName *string `json:"target_name"`
		}{&e.Action, &e.TargetName}); err != nil {
			d.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}
