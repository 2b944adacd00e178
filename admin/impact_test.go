package admin

import (
	"net/http"
	"testing"

	"countersign/clientstore"
)

// A client that may come back by itself is no less because nothing of it is live.
func TestImpactWordsOfTheAbsent(t *testing.T) {
	t.Parallel()
	for want, i := range map[string]clientstore.Impact{
		"Nobody has live tokens of this client.": {},
		"Nobody has live tokens of this client. For 1 person it may come back while they are away. That ends now.":                                       {Absent: 1},
		"2 people have live tokens of this client, 3 in all. They stop working now. For 500 people it may come back while they are away. That ends now.": {Tokens: 3, Accounts: 2, Absent: 500},
	} {
		if got := impactWords(i).String(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	if got := liveWords(clientstore.Impact{Absent: 2}).String(); got != "None · may come back for 2 people while they are away" {
		t.Error(got)
	}
}

// Whoever approves a client, its change or its conditions is told first what
// that does to what is live of it.
func TestApprovalStatesItsImpact(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const none, live = "Nobody has live tokens of this client: approving it ends nothing.", "1 person has live tokens of this client, 1 in all. They go on working, as far as its approval allows."
		by, wants := root1, clientstore.Enrolment{Name: "App", Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}}}
		by.Via = "registration"
		enrolled, err := d.clients.Enrol(t.Context(), by, wants)
		if err != nil {
			t.Fatal(err)
		}
		c := enrolled.Client
		page := approvePage + "?key=" + c.ID
		d.want(d.open(page), http.StatusOK, none)
		d.approve(c)
		d.want(d.open(page), http.StatusOK, "Nobody has live tokens of this client. It is approved already")
		d.issue(c)
		form := d.open(page)
		d.want(form, http.StatusOK, live, "Save the conditions")
		wrong := form.fields("version")
		wrong.Set("decision", "allow")
		wrong.Set("until", "soon")
		d.want(d.send(approvePage, wrong), http.StatusUnprocessableEntity, live)

		wants.Name = "Renamed"
		if _, _, err := d.clients.Replace(t.Context(), by, enrolled.Token, wants); err != nil {
			t.Fatal(err)
		}
		d.want(d.open("/settings/oauth-clients/"+c.ID+"/revision"), http.StatusOK, live, "Approve the change")

		d.send("/settings/oauth-clients/"+c.ID+"/disapprove", map[string][]string{"decision": {"disapprove"}})
		d.want(d.open(page), http.StatusOK, none, "stays dead")
		d.want(d.open("/settings/oauth-clients/several?decision=approve&key="+c.ID), http.StatusOK, "Nobody has live tokens of them: approving them ends nothing.")
		i, err := d.clients.Impact(t.Context(), c.ID)
		if err != nil || i != (clientstore.Impact{}) {
			t.Errorf("it has %+v, %v", i, err)
		}
	})
}
