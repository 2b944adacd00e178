package admin

import (
	"fmt"
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

const severalPage = "/settings/oauth-clients/several"

// several are pending clients of these names, by name.
func (d *desk) several(names ...string) map[string]*clientstore.Client {
	d.t.Helper()
	all := map[string]*clientstore.Client{}
	for _, name := range names {
		all[name] = d.register(name, clientstore.OIDC)
	}
	return all
}

// tick opens the page to which the table leads with these keys.
func (d *desk) tick(decision string, keys ...string) answer {
	d.t.Helper()
	return d.open(severalPage + "?" + url.Values{"decision": {decision}, "key": keys}.Encode())
}

// live gives the accounts a token of the client each.
func (d *desk) live(c *clientstore.Client, accounts ...*account.Account) {
	d.t.Helper()
	now := d.db.Now()
	for i, a := range accounts {
		for _, statement := range []string{
			`INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, session_id, subject, scope, acr, amr, nonce, offline, auth_time, created_at, expires_at, claims)
				SELECT @id, 'authorization_code', id, epoch, @account, 0, '', 's', 'openid', '', '[]', '', true, @now, @now, @later, '{}' FROM clients WHERE id = @client`,
			`INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at) VALUES (@id, @hash, 'openid', '[]', @now, @later)`,
		} {
			id := fmt.Sprint(c.ID, i)
			err := d.db.With(d.t.Context()).Exec(statement, map[string]any{
				"id": id, "client": c.ID, "account": a.ID, "now": now, "later": now.Add(time.Hour), "hash": []byte(id),
			}).Error
			if err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

func (d *desk) wantStatus(of map[string]*clientstore.Client, want map[string]clientstore.Status) {
	d.t.Helper()
	for name, status := range want {
		if got := d.status(of[name].ID); got != status {
			d.t.Errorf("%s is %s; want %s", name, got, status)
		}
	}
}

// The table ticks clients for a form outside of it, so that it works without a
// script, and so does the menu of a row.
func TestTableTicksClients(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.several("App")["App"]
		list := d.open("/settings/oauth-clients")
		box := list.input("key")
		if attr(box, "value") != c.ID || attr(box, "aria-label") != "App" || attr(box, "form") != "several" {
			t.Errorf("the box of a row: %v", box.Attr)
		}
		for _, f := range list.elements("form") {
			if attr(f, "id") == "several" && (attr(f, "method") != "get" || attr(f, "action") != "/auth"+severalPage) {
				t.Errorf("the form of the table: %v", f.Attr)
			}
		}
		for _, label := range list.elements("label") {
			if strings.Contains(textOf(label), "Select all") && !has(label, "hidden") {
				t.Error("what needs a script is shown without one")
			}
		}
	})
}

func TestDisapproveSeveral(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		all := d.several("One", "Two", "Waits", "Out")
		one, two := d.approve(all["One"]), d.approve(all["Two"])
		if _, err := d.clients.Disapprove(t.Context(), root1, all["Out"].ID, ""); err != nil {
			t.Fatal(err)
		}
		bob := d.account("bob")
		d.live(one, d.who, bob)
		d.live(two, bob)
		page := d.tick("disapprove", one.ID, two.ID, all["Waits"].ID, all["Out"].ID, "made-up", "\x00", one.ID)
		d.want(page, http.StatusOK, "Disapprove several clients?", "Together at most 3 people lose access, and 3 tokens stop working now.",
			"2 people have live tokens of this client", "1 person has live tokens of this client", "Nobody has live tokens of this client", one.ID, "Approved", "Pending",
			"Left out", "It is disapproved already.", "2 keys that were chosen belong to no client.")
		form := page.fields("client")
		if len(form["client"]) != 3 {
			t.Fatalf("the page decides on %q", form["client"])
		}
		form.Set("decision", "disapprove")
		form.Set("reason", strings.Repeat("x", 501))
		bad := d.send(severalPage, form)
		d.want(bad, http.StatusUnprocessableEntity, "500 are allowed", "One", "Two")
		d.wantMarked(bad, "reason")
		d.wantStatus(all, map[string]clientstore.Status{"One": clientstore.Approved, "Two": clientstore.Approved})
		form.Set("reason", "They are replaced.")
		done := d.send(severalPage, form)
		d.want(done, http.StatusOK, "One is disapproved.", "Two is disapproved.", "Waits is disapproved.", "Undo")
		d.wantStatus(all, map[string]clientstore.Status{"One": clientstore.Disapproved, "Two": clientstore.Disapproved, "Waits": clientstore.Disapproved})
		for _, c := range []*clientstore.Client{one, two} {
			if e := d.recorded(c.ID); e.Action != "client.disapprove" || e.ActorID != d.who.ID || d.client(c.ID).StatusReason != "They are replaced." {
				t.Errorf("recorded %+v, with the reason %q", e, d.client(c.ID).StatusReason)
			}
			if i, err := d.clients.Impact(t.Context(), c.ID); err != nil || i.Tokens != 0 {
				t.Errorf("%d tokens are live, %v", i.Tokens, err)
			}
		}
		d.led(d.send("/settings/oauth-clients/"+one.ID+"/undo", done.fields("decision_id")), "/settings/oauth-clients/"+one.ID+"?done=undone")
		d.wantStatus(all, map[string]clientstore.Status{"One": clientstore.Approved})
	})
}

// Of those that are to be approved, each that cannot be is left out, with why, and
// so is one's own work that is sent along all the same (AP-22).
func TestApproveSeveral(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.FourEyes = true })
		all := d.several("One", "Two", "Works", "Late", "Changing", "Again")
		d.approve(all["Works"])
		changing := d.approve(all["Changing"])
		ada := audit.Actor{AccountID: d.who.ID, Name: "ada", Via: audit.ViaSettings}
		own, _, err := d.clients.Register(t.Context(), ada, clientstore.Registration{Type: clientstore.OAuth1, Name: "Own"})
		name := "Changed"
		if err == nil {
			_, err = d.clients.Edit(t.Context(), ada, changing.ID, clientstore.Edit{Name: &name, Version: changing.Version})
		}
		if err == nil { // as a backup of a narrowed approval is restored
			err = d.db.With(t.Context()).Exec(`UPDATE clients SET approved_until = ? WHERE id = ?`, d.db.Now().Add(-time.Hour), all["Late"].ID).Error
		}
		if err == nil {
			_, err = d.clients.Disapprove(t.Context(), root1, all["Again"].ID, "For now.")
		}
		if err != nil {
			t.Fatal(err)
		}
		page := d.tick("approve", all["One"].ID, all["Works"].ID, all["Late"].ID, all["Again"].ID, changing.ID, own.ID, all["Two"].ID)
		d.want(page, http.StatusOK, "Approve several clients?", "app.example", "confidential", "code, refresh", "the command line", "Review it by itself: One",
			"Works "+all["Works"].ID+" OpenID Connect Approved It is approved already.", "Changing "+changing.ID+" OpenID Connect Approved It is approved already. What waits is a change of it",
			"Late "+all["Late"].ID+" OpenID Connect Pending Its approval was for a time, which is over.", "Own "+own.ID+" OAuth 1.0a Pending You registered or edited it yourself")
		if !slices.Contains(page.links(), "/auth/settings/oauth-clients/"+changing.ID+"/revision") || !slices.Contains(page.links(), "/auth"+approvePage+"?key="+all["One"].ID) {
			t.Errorf("the page leads to %q", page.links())
		}
		form := page.fields("client")
		form.Set("decision", "approve")
		form.Add("client", own.ID+" 1") // as a page of somebody else's would send it
		d.want(d.send(severalPage, form), http.StatusOK, "One is approved.", "Two is approved.", "Again is approved.", "Own is your own work", "Undo")
		all["Own"] = own
		d.wantStatus(all, map[string]clientstore.Status{
			"One": clientstore.Approved, "Two": clientstore.Approved, "Again": clientstore.Approved, "Own": clientstore.Pending, "Late": clientstore.Pending,
		})
		if e := d.recorded(all["Two"].ID); e.Action != "client.approve" || e.ActorID != d.who.ID {
			t.Errorf("recorded %+v", e)
		}
	})
}

// A client that a file approves is left to it, and can be stopped here (AP-22).
func TestSeveralOfAFile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.several("Filed")["Filed"]
		plan, err := d.clients.Plan(t.Context(), clientstore.Manifest{File: "platform/clients.yaml", Clients: []clientstore.Declared{
			{Handle: "the-app", ClientID: c.ID, Type: c.Type, Name: c.Name, Metadata: c.Metadata, Status: clientstore.Pending},
		}})
		if err == nil {
			_, err = d.clients.Apply(t.Context(), root1, plan, nil)
		}
		if err == nil { // as between the steps of a file that approves it
			err = d.db.With(t.Context()).Exec(`UPDATE clients SET managed_status = 'approved' WHERE id = ?`, c.ID).Error
		}
		if err != nil {
			t.Fatal(err)
		}
		d.want(d.tick("approve", c.ID), http.StatusOK, "It belongs to the clients file platform/clients.yaml, as the-app", "None of the clients that you chose can be approved here.")
		form := url.Values{"decision": {"approve"}, "client": {fmt.Sprint(c.ID, " ", d.client(c.ID).Version)}}
		d.want(d.send(severalPage, form), http.StatusOK, "Filed is not approved. It belongs to the clients file platform/clients.yaml")
		form.Set("decision", "disapprove")
		d.want(d.send(severalPage, form), http.StatusOK, "Filed is disapproved.")
	})
}

// What changed, or went, between the page and its answer is told, and not
// decided on (AP-21).
func TestSeveralChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for decision, from := range map[string]clientstore.Status{"approve": clientstore.Pending, "disapprove": clientstore.Approved} {
		each(t, func(t *testing.T, d *desk) {
			all := d.several("One", "Two", "Gone")
			for name := range all {
				if from == clientstore.Approved {
					all[name] = d.approve(all[name])
				}
			}
			form := d.tick(decision, all["One"].ID, all["Two"].ID, all["Gone"].ID).fields("client")
			form.Set("decision", decision)
			name := "Other"
			_, err := d.clients.Edit(t.Context(), root1, all["One"].ID, clientstore.Edit{Name: &name, Version: all["One"].Version})
			if err == nil {
				err = d.clients.Remove(t.Context(), root1, all["Gone"].ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			d.want(d.send(severalPage, form), http.StatusOK, "Other was changed while you looked at it. Nothing was done to it.",
				"Two is "+decision+"d.", all["Gone"].ID+" was removed meanwhile.")
			d.wantStatus(all, map[string]clientstore.Status{"One": from, "Two": clientstore.Status(decision + "d")})
		})
	}
}

// What no page of ours sends is refused, or decides on nothing (AP-19, AP-21), and
// so is who may not manage clients (AP-20).
func TestSeveralRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		many := make([]string, 101)
		for i := range many {
			many[i] = fmt.Sprint("key-", i)
		}
		d.want(d.tick("approve"), http.StatusBadRequest, "E-CHOICE", "No client was ticked")
		d.want(d.tick("disapprove", many...), http.StatusBadRequest, "E-CHOICE", "more than 100")
		d.want(d.tick("disapprove", many[1:]...), http.StatusOK, "100 keys that were chosen belong to no client.", "None of the clients that you chose can be disapproved.")
		d.want(d.tick("remove", many[0]), http.StatusBadRequest, "E-DECISION")
		d.want(d.tick("approve", "Call +1-555-0100 for help"), http.StatusOK, "1 key that was chosen belongs to no client.")
		if strings.Contains(d.tick("approve", "Call +1-555-0100 for help").text(), "555") {
			t.Error("the page says what an address makes it say")
		}
		for _, decision := range []string{"approve", "disapprove"} {
			d.want(d.send(severalPage, url.Values{"decision": {decision}}), http.StatusBadRequest, "E-CHOICE")
			d.want(d.send(severalPage, url.Values{"decision": {decision}, "client": many}), http.StatusBadRequest, "E-CHOICE")
			d.want(d.send(severalPage, url.Values{"decision": {decision}, "client": {"made-up 1", "\x00", ""}}), http.StatusOK, "made-up was removed meanwhile.")
		}
		d.want(d.send(severalPage, url.Values{"client": {"made-up 1"}}), http.StatusBadRequest, "E-DECISION")
		c := d.several("App")["App"]
		d.want(d.send(severalPage, url.Values{"decision": {"approve"}, "client": {c.ID, c.ID + " 0", c.ID + " x"}}), http.StatusOK, "App was changed while you looked at it.")
		bob := d.as(d.signIn(d.account("bob")))
		bob.want(bob.tick("approve", c.ID), http.StatusForbidden, "E-FORBIDDEN")
		bob.want(bob.send(severalPage, url.Values{"decision": {"approve"}, "client": {c.ID + " 1"}}), http.StatusForbidden, "E-FORBIDDEN")
		if got := d.status(c.ID); got != clientstore.Pending {
			t.Errorf("the client is %s", got)
		}
	})
}

// AD-26, AP-23: a database that fails between two decisions, and one that is gone from
// there on: the page tells of each what is known.
func TestSeveralOnAFailingDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, d *desk) {
		for _, forGood := range []bool{false, true} {
			all := d.several("One", "Two", "Three")
			keys := []string{d.approve(all["One"]).ID, d.approve(all["Two"]).ID, d.approve(all["Three"]).ID}
			form := d.tick("disapprove", keys...).fields("client")
			form.Set("decision", "disapprove")
			updates, gone := 0, false
			restore := storagetest.FailStatements(d.db, func(statement string) bool {
				second := false
				if strings.HasPrefix(statement, `UPDATE "clients"`) || strings.HasPrefix(statement, "UPDATE `clients`") {
					updates++
					second = updates == 2
				}
				gone = gone || second && forGood
				return gone || second
			})
			res := d.send(severalPage, form)
			restore()
			third, status := "Three is disapproved.", clientstore.Disapproved
			if forGood {
				third, status = keys[2]+" may have been decided on or not", clientstore.Approved
			}
			d.want(res, http.StatusOK, "One is disapproved.", "Two may have been decided on or not: the database did not answer.", third)
			d.wantStatus(all, map[string]clientstore.Status{"One": clientstore.Disapproved, "Two": clientstore.Approved, "Three": status})
		}
		defer storagetest.FailStatements(d.db, storagetest.Containing("FROM clients client"))()
		d.want(d.tick("approve", "a-key"), http.StatusServiceUnavailable, "E-UNAVAILABLE")
	})
}

// A client whose approval has ended can be stopped as well, on its page and with
// others: a file with a later end would approve it again.
func TestStopAfterTheApprovalEnded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		all, clock := d.several("One", "Two"), storagetest.Clock(d.db)
		until := clock.Now().Add(time.Minute)
		for _, c := range all {
			if _, err := d.clients.ApproveOn(t.Context(), root1, c.ID, clientstore.Approval{Conditions: &clientstore.Conditions{Until: &until}, Version: c.Version}); err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(2 * time.Minute)
		if _, err := d.clients.Purge(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		path := clientsPath + "/" + all["One"].ID
		d.want(d.tick("disapprove", all["One"].ID), http.StatusOK, "Disapprove those that are ticked")
		if links := d.open(path).links(); !slices.Contains(links, "/auth"+path+"/disapprove") {
			t.Errorf("its page leads to %q", links)
		}
		d.led(d.send(path+"/disapprove", url.Values{"decision": {"disapprove"}, "reason": {"Stolen."}}), path+"?done=disapproved")
		page := d.open(path)
		d.want(page, http.StatusOK, "Stolen.")
		if slices.Contains(page.links(), "/auth"+path+"/disapprove") {
			t.Errorf("it can be disapproved again: %q", page.links())
		}
		d.want(d.tick("disapprove", all["One"].ID), http.StatusOK, "It is disapproved already.")
	})
}
