package e2e

import (
	"net/http"

	"github.com/chromedp/chromedp"
)

// tourOfDecisions goes through what an administrator decides and takes back,
// and through what becomes of a decision that cannot be.
func tourOfDecisions(s *server, b *tab, stop func(name, path string)) {
	enterSettings(s, b)
	report, stranger := s.sampleClients(), s.User()
	path, approve := "/oauth-clients/"+report.ID, "/oauth-clients/approve?key="+report.ID

	b.open(s.settings(approve))
	b.run(chromedp.Evaluate(`document.querySelector("details.more").open = true`, nil))
	stop("conditions", "")
	b.fill("#testers", "nobody-of-that-name")
	b.click(allowButton)
	stop("conditions, refused", "")
	b.fill("#testers", "ada")
	b.click(allowButton)
	stop("approved under conditions", "")
	stop("conditions of an approved client", approve)
	stop("claims of who is not admitted", path+"/claims?account="+stranger.Username)

	b.open(s.settings(path))
	b.run(chromedp.Evaluate(`document.querySelector("input[name=decision_id]").value += "0"`, nil))
	b.click(`form.caution button`)
	stop("too late to undo", "")
	b.open(s.settings(path))
	b.click(`form.caution button`)
	stop("undone", "")

	b.open(s.settings(approve))
	b.fill("#reason", "It sends its tokens in clear. Register https addresses only.")
	b.click(denyButton)
	stop("rejected", "")
	stop("approve a rejected client", approve)
	stop("approval link that is over", "/approvals/link?token=nothing")
	s.tourOfSoftware(b, stop)
}

// tourOfSoftware has clients register themselves: one software several times,
// of which one wants to be changed once it is approved.
func (s *server) tourOfSoftware(b *tab, stop func(name, path string)) {
	s.t.Helper()
	var made answer
	for _, name := range []string{"Planner, Berlin", "Planner, Lyon", "Planner, Cairo"} {
		made = s.manage(http.MethodPost, s.endpoint("registration_endpoint"), "",
			`{"client_name":"`+name+`","redirect_uris":["https://planner.example/cb"],"software_id":"planner-4"}`)
		s.canaries.add("registration access token", made.str("registration_access_token"))
		s.canaries.add("client secret", made.str("client_secret"))
	}
	stop("a software", "/oauth-clients/software?id=planner-4")
	b.run(chromedp.Evaluate(`document.querySelector("input[name=client]").value += "0"`, nil))
	b.click(allowButton)
	stop("a software, approved", "")
	s.manage(http.MethodPut, made.str("registration_client_uri"), made.str("registration_access_token"),
		`{"client_id":"`+made.str("client_id")+`","client_name":"Planner, Aswan","redirect_uris":["https://planner.example/other"],"software_id":"planner-4"}`)
	path := "/oauth-clients/" + made.str("client_id")
	stop("approvals, a change", "/approvals")
	stop("a change", path+"/revision")
	b.see(looks[4])
	if broken := b.evaluate(`[...document.querySelectorAll(".diff th")].filter((h) => { const r = document.createRange(); r.selectNodeContents(h.querySelector("code") ?? h); return r.getClientRects().length > 1; }).map((h) => h.textContent).join()`); broken != "" {
		s.t.Errorf("on a narrow phone these are broken in two: %s", broken)
	}
	b.see(looks[0])
	b.fill("#reason", "The city does not move.")
	b.click(denyButton)
	stop("a change, rejected", "")
	b.open(s.settings(path + "/secrets"))
	b.click(`form.panel button.primary`)
	s.canaries.add("client secret", b.read("#secret-value"))
	stop("a further secret", "")
}
