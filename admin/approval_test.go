package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const approvePage = "/settings/oauth-clients/approve"

func (d *desk) client(key string) *clientstore.Client {
	d.t.Helper()
	c, err := d.clients.Get(d.t.Context(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func TestApproveUnderConditions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		clock, tess := storagetest.Clock(d.db), d.account("tess")
		c := d.register("App", clientstore.OIDC)
		path := "/settings/oauth-clients/" + c.ID
		form := d.open(approvePage + "?key=" + c.ID).fields("version")
		if len(form["allowed_scope"]) != 6 || len(form["allowed_grant"]) != 2 || len(form["allowed_response"]) != 1 || form.Get("until") != "" {
			t.Fatalf("the form begins with less than is asked for: %v", form)
		}
		form.Set("decision", "allow")
		for _, tt := range []struct{ field, value, says string }{
			{"until", "2020-01-01", "is past"},
			{"until", "soon", "is not a date"},
			{"testers", "nobody", "No account has the username nobody"},
			{"allowed_grant", "refresh_token", "lists refresh_token alone"},
		} {
			wrong := copied(form)
			wrong.Set(tt.field, tt.value)
			a := d.send(approvePage, wrong)
			d.want(a, http.StatusUnprocessableEntity, tt.says)
			if tt.field != "allowed_grant" {
				d.wantMarked(a, tt.field)
			}
		}
		none := copied(form)
		none.Del("allowed_scope")
		d.want(d.send(approvePage, none), http.StatusUnprocessableEntity, "has nothing left")
		if d.status(c.ID) != clientstore.Pending {
			t.Fatal("a wrong form approved the client")
		}

		day := clock.Now().Add(48 * time.Hour).UTC().Format(dateLayout)
		form["allowed_scope"] = []string{"openid", "email"}
		form["allowed_grant"] = []string{"authorization_code"}
		form.Set("until", day)
		form.Set("testers", " TESS \r\n\r\n")
		d.led(d.send(approvePage, form), path+"?done=approved")
		on := d.client(c.ID).Conditions
		if on.Scope != "openid email" || !slices.Equal(on.GrantTypes, []string{"authorization_code"}) || !slices.Equal(on.TestAccounts, []string{tess.ID}) ||
			on.Until == nil || on.Until.Format(dateLayout+" 15:04:05") != day+" 23:59:59" {
			t.Errorf("approved under %+v", on)
		}
		d.want(d.open(path), http.StatusOK, "Approved until", "Test users only: tess", "Without profile", "offline_access, refresh", "Undo")
		d.want(d.open("/settings/oauth-clients"), http.StatusOK, "test users only", "narrowed", "until")

		// They can be changed, and lifted.
		form = d.open(approvePage + "?key=" + c.ID).fields("version")
		if form.Get("until") != day || strings.TrimSpace(form.Get("testers")) != "tess" || len(form["allowed_scope"]) != 2 {
			t.Errorf("the form shows %v", form)
		}
		form["allowed_scope"] = strings.Fields(c.Metadata.Scope)
		form["allowed_grant"] = c.Metadata.GrantTypes
		form.Set("until", "")
		form.Set("testers", "")
		form.Set("decision", "allow")
		d.led(d.send(approvePage, form), path+"?done=narrowed")
		if on := d.client(c.ID).Conditions; !on.IsZero() {
			t.Errorf("lifted, and left %+v", on)
		}
		d.want(d.send(approvePage, form), http.StatusConflict, "Changed by ada") // sent twice, or by two
	})
}

// copied is a copy of the form.
func copied(form url.Values) url.Values {
	v := url.Values{}
	for name, values := range form {
		v[name] = slices.Clone(values)
	}
	return v
}

func TestUndoADecision(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		clock := storagetest.Clock(d.db)
		c := d.register("App", clientstore.OIDC)
		path := "/settings/oauth-clients/" + c.ID
		form := d.open(approvePage + "?key=" + c.ID).fields("version")
		form.Set("decision", "allow")
		d.send(approvePage, form)
		page := d.open(path + "?done=approved")
		d.want(page, http.StatusOK, "You approved it", "dies with it", "Undo")
		undo := page.fields("decision_id")
		other := d.as(d.signIn(d.account("bob", account.ConfigureServer)))
		other.want(other.send(path+"/undo", undo), http.StatusConflict, "cannot be taken back")
		d.led(d.send(path+"/undo", undo), path+"?done=undone")
		if d.status(c.ID) != clientstore.Pending {
			t.Error("the approval stands")
		}
		d.want(d.send(path+"/undo", undo), http.StatusConflict, "cannot be taken back any more") // a double click

		d.approve(c)
		d.send(path+"/disapprove", url.Values{"decision": {"disapprove"}})
		page = d.open(path)
		d.want(page, http.StatusOK, "You disapproved it", "stays dead")
		undo = page.fields("decision_id")
		clock.Advance(5 * time.Minute)
		d.want(d.send(path+"/undo", undo), http.StatusConflict)
		if strings.Contains(d.open(path).text(), "Undo") {
			t.Error("what is too late is offered")
		}
		if d.status(c.ID) != clientstore.Disapproved {
			t.Error("the disapproval was undone")
		}
		if a := d.open(path + "/undo"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("a link undoes: %d", a.status)
		}
	})
}

// TestFourEyesInSettings is AP-09 of the catalogue.
func TestFourEyesInSettings(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.FourEyes = true })
		bob := d.as(d.signIn(d.account("bob", account.ConfigureServer)))
		ada := audit.Actor{AccountID: d.who.ID, Name: "ada", Via: audit.ViaSettings}
		c, _, err := d.clients.Register(t.Context(), ada, clientstore.Registration{
			Type: clientstore.OIDC, Name: "App", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, SoftwareID: "s1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		path := "/settings/oauth-clients/" + c.ID
		page := d.open(approvePage + "?key=" + c.ID)
		d.want(page, http.StatusOK, "Another administrator has to approve it")
		if page.fields("version").Has("version") {
			t.Error("the page offers what it refuses")
		}
		form := bob.open(approvePage + "?key=" + c.ID).fields("version")
		form.Set("decision", "allow")
		d.want(d.send(approvePage, form), http.StatusForbidden, "Another administrator has to approve this", "four_eyes")
		sent := d.send("/settings/oauth-clients/software", url.Values{"decision": {"allow"}, "software_id": {"s1"}, "client": {c.ID + " 1"}})
		d.want(sent, http.StatusOK, "is your own work")
		if d.status(c.ID) != clientstore.Pending {
			t.Fatal("ada approved her own client")
		}
		bob.led(bob.send(approvePage, form), path+"?done=approved")

		edit := d.open(path + "/edit").fields("version")
		edit.Set("name", "App 2")
		d.led(d.send(path+"/edit", edit), path+"?done=proposed")
		if got := d.client(c.ID).Name; got != "App" {
			t.Errorf("the edit is effective at once: %s", got)
		}
		page = d.open(path + "/revision")
		d.want(page, http.StatusOK, "by ada", "Another administrator has to approve it")
		revision := page.fields("revision")
		revision.Set("decision", "allow")
		d.want(d.send(path+"/revision", revision), http.StatusForbidden, "nobody approves what they registered or edited")
		bob.led(bob.send(path+"/revision", revision), path+"?done=revised")
		if got := d.client(c.ID).Name; got != "App 2" {
			t.Errorf("approved, and it is called %s", got)
		}
	})
}

// Under four eyes the pages make no administrator, take none over, and give
// nobody the secret of an approved client (AP-10) or the address of another
// administrator (AP-28).
func TestNobodyBecomesTwoInSettings(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.FourEyes = true })
		bob, eve := d.account("bob", account.ConfigureServer), d.account("eve")
		typed := url.Values{"password": {password}, "password_again": {password}}
		permit := url.Values{"decision": {"permit"}}
		d.want(d.send("/settings/accounts/"+eve.ID, permit), http.StatusForbidden, "no administrator makes another one", "countersign user permit")
		set := url.Values{"decision": {"password"}, "password": {"an entirely other sentence"}, "password_again": {"an entirely other sentence"}}
		d.want(d.send("/settings/accounts/"+bob.ID, set), http.StatusForbidden, "countersign user set-password")
		mail := d.open("/settings/accounts/"+bob.ID).filled("email", "ada@id.example")
		refused := d.send("/settings/accounts/"+bob.ID, mail)
		d.want(refused, http.StatusForbidden, "countersign user edit", "Nothing was done")
		if got := attr(refused.input("email"), "value"); got != "ada@id.example" {
			t.Errorf("typed an address, and there is %q", got)
		}
		d.led(d.send("/settings/accounts/"+bob.ID, d.open("/settings/accounts/"+bob.ID).filled("name", "Bob")), "/settings/accounts/"+bob.ID+"?done=saved")
		typed.Set("username", "two")
		typed.Set("administrator", "yes")
		a := d.send("/settings/accounts/create", typed)
		d.want(a, http.StatusUnprocessableEntity, "no administrator makes another one")
		d.wantMarked(a, "administrator")
		if _, err := d.accounts.Find(t.Context(), "two"); err == nil {
			t.Error("the account was made")
		}
		c := d.register("App", clientstore.OIDC)
		if _, err := d.clients.Approve(t.Context(), root1, c.ID); err != nil {
			t.Fatal(err)
		}
		path := "/settings/oauth-clients/" + c.ID
		rotate := url.Values{"decision": {"rotate"}, "credentials": {"generate"}, "overlap": {"0s"}, "once": {clientstore.NewSubmission()}}
		d.want(d.send(path+"/secrets", rotate), http.StatusOK, "It does not work yet")
		if strings.Contains(d.open(path+"/test").text(), "Make one for the test") {
			t.Error("the test makes a secret of an approved client")
		}
	})
}

func TestApproveASoftware(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		var keys []string
		for _, name := range []string{"One", "Two", "Three"} {
			c, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{
				Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://" + strings.ToLower(name) + ".example/cb"}, SoftwareID: "4NRB1 0XZ"},
			})
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, c.ID)
		}
		const page = "/settings/oauth-clients/software"
		d.want(d.open("/settings/approvals"), http.StatusOK, "all that wait")
		d.want(d.open(approvePage+"?key="+keys[0]), http.StatusOK, "3 clients that say they are 4NRB1 0XZ")
		shown := d.open(page + "?id=4NRB1+0XZ")
		d.want(shown, http.StatusOK, "One", "Two", "Three", "one.example, three.example, two.example", "Each says so of itself", "Nobody has live tokens of them: approving them ends nothing.")
		form := shown.fields("software_id")
		form.Set("decision", "allow")
		form["client"] = slices.DeleteFunc(form["client"], func(one string) bool { return strings.HasPrefix(one, keys[1]) })
		name := "Three, changed"
		if _, err := d.clients.Edit(t.Context(), root1, keys[2], clientstore.Edit{Name: &name, Version: 1}); err != nil {
			t.Fatal(err)
		}
		d.want(d.send(page, form), http.StatusOK, "One is approved.", "Three, changed was changed while you looked at it", "Two")
		for i, want := range []clientstore.Status{clientstore.Approved, clientstore.Pending, clientstore.Pending} {
			if got := d.status(keys[i]); got != want {
				t.Errorf("%d is %s; want %s", i, got, want)
			}
		}
		if e := d.recorded(keys[0]); e.Action != "client.approve" || e.ActorID != d.who.ID {
			t.Errorf("recorded %+v", e)
		}
		d.want(d.send(page, url.Values{"software_id": {"4NRB1 0XZ"}, "client": {keys[1] + " 1"}}), http.StatusBadRequest)
		d.want(d.open(page+"?id=unknown"), http.StatusOK, "No client that says it is this software waits")
	})
}

// Of clients approved together one belongs to a file, and another cannot be
// approved as it is: the page says so of each, and approves those around them.
func TestApproveASoftwareDespiteRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const page, software = "/settings/oauth-clients/software", "4NRB1-0XZ"
		keys := map[string]string{}
		for _, name := range []string{"One", "Filed", "Late", "Zwei"} {
			c, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{
				Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, SoftwareID: software},
			})
			if err != nil {
				t.Fatal(err)
			}
			keys[name] = c.ID
		}
		filed := d.client(keys["Filed"])
		plan, err := d.clients.Plan(t.Context(), clientstore.Manifest{File: "platform/clients.yaml", Clients: []clientstore.Declared{
			{Handle: "the-app", ClientID: filed.ID, Type: filed.Type, Name: filed.Name, Metadata: filed.Metadata, Status: clientstore.Pending},
		}})
		if err == nil {
			_, err = d.clients.Apply(t.Context(), root1, plan, nil)
		}
		if err == nil { // as between the steps of a file that approves it
			err = d.db.With(t.Context()).Exec(`UPDATE clients SET managed_status = 'approved' WHERE id = ?`, filed.ID).Error
		}
		if err == nil { // as a backup of a narrowed approval is restored
			err = d.db.With(t.Context()).Exec(`UPDATE clients SET approved_until = ? WHERE id = ?`, d.db.Now().Add(-time.Hour), keys["Late"]).Error
		}
		if err != nil {
			t.Fatal(err)
		}
		form := d.open(page + "?id=" + software).fields("software_id")
		form.Set("decision", "allow")
		d.want(d.send(page, form), http.StatusOK, "One is approved.", "Zwei is approved.",
			"Filed is not approved. It belongs to the clients file platform/clients.yaml, as the-app",
			"Late is not approved. until: Is past")
		for name, want := range map[string]clientstore.Status{
			"One": clientstore.Approved, "Filed": clientstore.Pending, "Late": clientstore.Pending, "Zwei": clientstore.Approved,
		} {
			if got := d.status(keys[name]); got != want {
				t.Errorf("%s is %s; want %s", name, got, want)
			}
		}
	})
}

// TestApprovalLink is AP-07 of the catalogue.
func TestApprovalLink(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.Notices = []string{"webhook"} })
		link := func(c *clientstore.Client, revision string) string {
			t.Helper()
			token, _, err := d.clients.NewLink(t.Context(), &clientstore.Notice{ClientID: c.ID, Version: c.Version, RevisionID: revision})
			if err != nil {
				t.Fatal(err)
			}
			return "/settings/approvals/link?token=" + token
		}
		c := d.register("App", clientstore.OIDC)
		to := link(c, "")
		nobody := d.as("")
		if a := nobody.open(to); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/auth/login?") {
			t.Errorf("a link alone opens a page: %d", a.status)
		}
		other := d.as(d.signIn(d.account("bob")))
		other.want(other.open(to), http.StatusForbidden, "Only administrators")
		for range 2 { // a mail program looks first
			d.want(d.open(to), http.StatusOK, "Approve App?")
		}
		form := d.open(to).fields("version")
		form.Set("decision", "allow")
		wrong := copied(form)
		wrong.Set("link", form.Get("link")+"x")
		d.want(d.send(approvePage, wrong), http.StatusNotFound)
		stolen := copied(form)
		stolen.Set("key", d.register("Other", clientstore.OIDC).ID)
		d.want(d.send(approvePage, stolen), http.StatusConflict)
		other.want(other.send(approvePage, form), http.StatusForbidden)
		if d.status(c.ID) != clientstore.Pending {
			t.Fatal("a link gave a right")
		}
		d.led(d.send(approvePage, form), "/settings/oauth-clients/"+c.ID+"?done=approved")
		d.want(d.send(approvePage, form), http.StatusGone, "good no more")
		d.want(d.open(to), http.StatusGone, "good no more")
		d.want(d.open("/settings/approvals/link?token=x"), http.StatusGone)

		c = d.register("Changing", clientstore.OIDC)
		to = link(c, "")
		name := "Changed"
		if _, err := d.clients.Edit(t.Context(), root1, c.ID, clientstore.Edit{Name: &name, Version: c.Version}); err != nil {
			t.Fatal(err)
		}
		page := d.open(to)
		d.want(page, http.StatusOK, "It changed since the link was sent", "Approve Changed?")
		if page.fields("version").Has("link") {
			t.Error("the link decides about what it was not made for")
		}
	})
}

// An administrator who was demoted while the form was open decides nothing.
func TestDemotedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob := d.account("bob", account.ConfigureServer)
		other := d.as(d.signIn(bob))
		c := d.register("App", clientstore.OIDC)
		form := other.open(approvePage + "?key=" + c.ID).fields("version")
		form.Set("decision", "allow")
		if err := d.accounts.SetPermissions(t.Context(), root1, bob.ID, nil); err != nil {
			t.Fatal(err)
		}
		other.want(other.send(approvePage, form), http.StatusForbidden, "Only administrators may come in here")
		other.want(other.send("/settings/oauth-clients/"+c.ID+"/undo", url.Values{"decision_id": {"x"}}), http.StatusForbidden)
		if d.status(c.ID) != clientstore.Pending {
			t.Error("a demoted administrator approved a client")
		}
	})
}

// AD-26: a database that fails between two approvals undoes neither what was done nor
// what is told of it.
func TestApproveASoftwareOnAFailingDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const page, software = "/settings/oauth-clients/software", "4NRB1-0XZ"
		keys := make([]string, 3)
		for i, name := range []string{"One", "Two", "Three"} {
			c, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{
				Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, SoftwareID: software},
			})
			if err != nil {
				t.Fatal(err)
			}
			keys[i] = c.ID
		}
		form := d.open(page + "?id=" + software).fields("software_id")
		form.Set("decision", "allow")
		updates := 0
		restore := storagetest.FailStatements(d.db, func(statement string) bool {
			if !strings.HasPrefix(statement, `UPDATE "clients"`) && !strings.HasPrefix(statement, "UPDATE `clients`") {
				return false
			}
			updates++
			return updates == 2
		})
		res := d.send(page, form)
		restore()
		d.want(res, http.StatusOK, "One is approved.", "Two may have been decided on or not: the database did not answer.", "Three is approved.")
		for i, want := range []clientstore.Status{clientstore.Approved, clientstore.Pending, clientstore.Approved} {
			if got := d.status(keys[i]); got != want {
				t.Errorf("%d is %s; want %s", i, got, want)
			}
		}
	})
}

// A database that is gone for good in the midst of it: the page tells what is
// known of each, and not that nothing was decided.
func TestApproveASoftwareOnADatabaseThatGoes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const page, software = "/settings/oauth-clients/software", "4NRB1-0XZ"
		for _, name := range []string{"One", "Two"} {
			_, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{
				Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, SoftwareID: software},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		form := d.open(page + "?id=" + software).fields("software_id")
		form.Set("decision", "allow")
		updates, gone := 0, false
		restore := storagetest.FailStatements(d.db, func(statement string) bool {
			if strings.HasPrefix(statement, `UPDATE "clients"`) || strings.HasPrefix(statement, "UPDATE `clients`") {
				updates++
			}
			gone = gone || updates == 2
			return gone
		})
		res := d.send(page, form)
		other := d.send("/settings/oauth-clients/create", url.Values{"once": {"x"}})
		restore()
		d.want(res, http.StatusOK, "One is approved.", "may have been decided on or not: the database did not answer.")
		if strings.Contains(res.text(), "Nothing was decided") {
			t.Errorf("the page says that nothing was decided:\n%s", res.text())
		}
		d.want(other, http.StatusServiceUnavailable, "E-UNAVAILABLE", "does not know whether what you sent was kept")
	})
}
