package admin

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

var shownSecret = regexp.MustCompile(`cs_cs_[A-Za-z0-9_-]{20,}`)

// A secret of an approved client is made by one administrator, seen to wait by
// all, and confirmed or rejected by another (AP-11).
func TestASecretWaitsInSettings(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.FourEyes = true })
		bob := d.as(d.signIn(d.account("bob", account.ConfigureServer)))
		c := d.register("Modeler", clientstore.OIDC)
		if _, err := d.clients.Approve(t.Context(), root1, c.ID); err != nil {
			t.Fatal(err)
		}
		path := "/settings/oauth-clients/" + c.ID
		believed := func(secret string) bool {
			t.Helper()
			used, err := d.clients.InUse(t.Context(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			ok, err := d.clients.VerifySecret(t.Context(), used, secret)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		request := func() (secret, id string) {
			t.Helper()
			form := url.Values{"decision": {"rotate"}, "credentials": {"generate"}, "overlap": {"0s"}, "once": {clientstore.NewSubmission()}}
			made := d.send(path+"/secrets", form)
			d.want(made, http.StatusOK, "It does not work yet", "Another administrator confirms it")
			secret = strings.TrimSuffix(shownSecret.FindString(made.text()), "Copy") // the button beside it
			if again := d.send(path+"/secrets", form); !strings.Contains(again.text(), secret) || !strings.Contains(again.text(), "It does not work yet") {
				t.Errorf("sent again: %s", again.text())
			}
			w, err := d.clients.WaitingSecret(t.Context(), c.ID)
			if err != nil || w == nil || secret == "" {
				t.Fatalf("%+v, %v", w, err)
			}
			return secret, w.ID
		}
		secret, id := request()
		decide := func(decision string) url.Values { return url.Values{"decision": {decision}, "secret_id": {id}} }
		d.want(d.open(path+"/secrets"), http.StatusOK, "Waits for another administrator", "You made it", "Take it back")
		if strings.Contains(d.open(path+"/secrets").text(), "Confirm the secret") {
			t.Error("who made it is offered to confirm it")
		}
		d.want(d.send(path+"/secrets", decide("confirm")), http.StatusForbidden, "E-OWN-WORK")
		if believed(secret) {
			t.Error("a secret that waits is believed")
		}
		bob.want(bob.open("/settings/approvals"), http.StatusOK, "Modeler gets another secret", "by ada")
		bob.want(bob.open(path), http.StatusOK, "One waits to be confirmed")
		seen := bob.open(path + "/secrets")
		bob.want(seen, http.StatusOK, "Confirm the secret", "Reject the secret", "by ada")
		if strings.Contains(seen.text(), secret) {
			t.Error("who confirms it is shown it")
		}
		if a := bob.send(path+"/secrets", decide("confirm")); a.status != http.StatusSeeOther {
			t.Errorf("confirmed: %d %s", a.status, a.text())
		}
		bob.want(bob.open(path+"/secrets?done=confirmed"), http.StatusOK, "It works from now on")
		if !believed(secret) || d.recorded(c.ID).Action != "client.confirm_secret" {
			t.Error("it is not believed, or nobody confirmed it")
		}
		bob.want(bob.send(path+"/secrets", decide("confirm")), http.StatusConflict, "E-CHANGED")

		secret, id = request()
		if a := bob.send(path+"/secrets", decide("reject")); a.status != http.StatusSeeOther || believed(secret) {
			t.Errorf("rejected: %d", a.status)
		}
		_, id = request()
		if a := d.send(path+"/secrets", decide("reject")); a.status != http.StatusSeeOther { // taken back
			t.Errorf("taken back: %d", a.status)
		}
		_, id = request()
		if _, err := d.clients.Disapprove(t.Context(), root1, c.ID, ""); err != nil {
			t.Fatal(err)
		}
		bob.want(bob.send(path+"/secrets", decide("confirm")), http.StatusConflict, "E-SECRET", "Nothing was changed")
		d.want(d.open("/settings/approvals"), http.StatusOK, "gets another secret")
	})
}

// The link of a notice leads an administrator to the secret that it was sent for,
// and is good for one decision about that one (AP-07, AP-24).
func TestALinkLeadsToTheSecretThatWaits(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		d := newDesk(t, db, func(cfg *clientstore.Config) { cfg.FourEyes = true })
		bob := d.as(d.signIn(d.account("bob", account.ConfigureServer)))
		maker := audit.Actor{AccountID: "cyd-id", Name: "cyd", Via: audit.ViaAPI}
		c := d.register("Modeler", clientstore.OIDC)
		if _, err := d.clients.Approve(t.Context(), root1, c.ID); err != nil {
			t.Fatal(err)
		}
		path := "/settings/oauth-clients/" + c.ID + "/secrets"
		waits := func() (id, link string) {
			t.Helper()
			made, _, err := d.clients.RotateSecret(t.Context(), maker, c.ID, clientstore.Rotation{})
			if err != nil {
				t.Fatal(err)
			}
			token, _, err := d.clients.NewLink(t.Context(), &clientstore.Notice{ClientID: c.ID, SecretID: made.Waiting.ID})
			if err != nil {
				t.Fatal(err)
			}
			return made.Waiting.ID, "/settings/approvals/link?token=" + token
		}
		_, old := waits()
		id, to := waits()
		other := d.as(d.signIn(d.account("eve")))
		other.want(other.open(to), http.StatusForbidden, "Only administrators")
		page := bob.open(old)
		bob.want(page, http.StatusOK, "What the link was sent for waits no more", "Confirm the secret")
		if page.fields("link").Has("link") {
			t.Error("the link decides about what it was not made for")
		}
		for range 2 { // a mail program looks first
			bob.want(bob.open(to), http.StatusOK, "Confirm the secret", "by an account that was removed")
		}
		form := bob.open(to).fields("link")
		form.Set("decision", "confirm")
		stolen := copied(form)
		stolen.Set("link", strings.TrimPrefix(old, "/settings/approvals/link?token="))
		bob.want(bob.send(path, stolen), http.StatusConflict, "E-CHANGED")
		if w, err := d.clients.WaitingSecret(t.Context(), c.ID); err != nil || w == nil || w.ID != id {
			t.Fatalf("%+v, %v", w, err)
		}
		bob.led(bob.send(path, form), path+"?done=confirmed")
		bob.want(bob.send(path, form), http.StatusGone, "good no more")
		bob.want(bob.open(to), http.StatusGone, "good no more")
	})
}
