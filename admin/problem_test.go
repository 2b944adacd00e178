package admin

import (
	"net/http"
	"net/url"
	"testing"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// Every problem in the Settings application leads back into it: to the client,
// or to the list that the page is of. Whoever may not come in is led home.
func TestProblemsLeadBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	page := clientPath(d.register("App", clientstore.OIDC).ID)
	other := func(r *http.Request) answer {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		return d.do(r)
	}
	bob := d.as(d.signIn(d.account("bob")))
	for code, tt := range map[string]struct {
		answer
		to, name string
	}{
		"E-LIST":            {d.open(clientsPath + "?type=x"), clientsPath, "Back to Settings › OAuth clients"},
		"E-CHOICE":          {d.tick("approve"), clientsPath, "Back to Settings › OAuth clients"},
		"E-DECISION":        {d.send(severalPath, url.Values{}), clientsPath, "Back to Settings › OAuth clients"},
		"E-CLIENT-UNKNOWN":  {d.open(clientPath("nobody") + "/edit"), clientsPath, "Back to Settings › OAuth clients"},
		"E-UNDO":            {d.send(page+"/undo", url.Values{"decision_id": {"x"}}), page, "Back to the client"},
		"E-METHOD":          {d.open(page + "/undo"), page, "Back to the client"},
		"E-ACCOUNT-UNKNOWN": {d.open(accountsPath + "/x"), accountsPath, "Back to Settings › Accounts"},
		"E-APPROVAL-LINK":   {d.open(approvalsPath + "/link?token=x"), approvalsPath, "Back to Settings › Approvals"},
		"E-CROSS-SITE":      {other(d.request(http.MethodPost, keysPath, url.Values{})), keysPath, "Back to Settings › Keys"},
		"E-NOT-FOUND":       {d.open(root + "/x"), clientsPath, "Back to Settings › OAuth clients"},
		"E-FORBIDDEN":       {bob.open(page + "/edit"), "/", "To the home page"},
	} {
		d.want(tt.answer, tt.status, code, tt.name)
		if got := tt.onward(); got != "/auth"+tt.to {
			t.Errorf("%s leads to %q; want %q", code, got, tt.to)
		}
	}
	storagetest.FailStatements(d.db, nil)
	down := d.open(auditPath)
	d.want(down, http.StatusServiceUnavailable, "E-UNAVAILABLE", "Back to Settings › Audit")
}
