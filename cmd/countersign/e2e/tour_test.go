package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// postbox is a webhook that is told of what waits for approval.
type postbox struct {
	address string
	links   chan string
}

func newPostbox(t testing.TB) *postbox {
	t.Helper()
	p := &postbox{links: make(chan string, 32)}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var told struct {
			Link string `json:"link"`
		}
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
			t.Errorf("the notice: %v", err)
		}
		p.links <- told.Link
	}))
	t.Cleanup(hook.Close)
	p.address = hook.URL
	return p
}

// link is where the next notice leads.
func (p *postbox) link(s *server) string {
	s.t.Helper()
	select {
	case link := <-p.links:
		return link
	case <-time.After(time.Minute):
		s.t.Fatal("nobody was told of what waits")
		return ""
	}
}

// robot registers a client as programs do (RFC 7591), and returns it with what
// it manages itself by (RFC 7592).
func (s *server) robot(name, metadata string) (c *client, at, token string) {
	s.t.Helper()
	made := s.manage(http.MethodPost, s.endpoint("registration_endpoint"), "", `{"client_name":"`+name+`","scope":"openid email offline_access",`+metadata+`}`)
	if made.Status != http.StatusCreated {
		s.t.Fatalf("register: %d %s", made.Status, made.Body)
	}
	s.canaries.add("client secret", made.str("client_secret"))
	registered := mustJSON[client](s.t, made.Body)
	return &registered, made.str("registration_client_uri"), s.canaries.add("registration access token", made.str("registration_access_token"))
}

// TestDecisionAccessibility goes through the pages on which an administrator
// decides, and what becomes of each decision, as TestSettingsAccessibility does
// through the others.
func TestDecisionAccessibility(t *testing.T) {
	t.Parallel()
	axe, post := axeCore(t), newPostbox(t)
	s, b := startPlain(t, setting{"NAME", "Countersign"}, setting{"REGISTRATION", "open"}, setting{"OUTBOUND_ALLOW", "127.0.0.0/8"},
		setting{"APPROVAL_WEBHOOK", post.address}, setting{"APPROVAL_WEBHOOK_SECRET", newVerifier()}), newTab(t)
	enterSettings(s, b)
	stop := func(name, path string) {
		t.Helper()
		if path != "" {
			b.open(s.settings(path))
		}
		b.await("main h1")
		b.inspect(name, axe)
	}
	tourOfLinks(s, b, post, stop)
	tourOfConditions(s, b, stop)
	tourOfRejections(s, b, stop)
	tourOfSeveral(s, b, stop)
	tourOfFamily(s, b, stop)
}

// tourOfLinks decides by the link of a notice, takes the decision back, and
// follows the link again.
func tourOfLinks(s *server, b *tab, post *postbox, stop func(name, path string)) {
	s.t.Helper()
	s.robot("Model Viewer", `"redirect_uris":["https://viewer.example.org/callback"]`)
	link := post.link(s)
	b.open(link)
	stop("approval by a link", "")
	b.click(allowButton)
	stop("approved, and can be undone", "")
	b.click(`form.caution button`)
	stop("undone", "")
	b.open(link)
	stop("approval by a link that was used", "")
}

// tourOfConditions approves a client for less than it asks for.
func tourOfConditions(s *server, b *tab, stop func(name, path string)) {
	s.t.Helper()
	c, _, _ := s.robot("Requirements Portal", `"redirect_uris":["https://portal.example.org/callback"],"grant_types":["authorization_code","refresh_token"]`)
	s.User()
	b.open(s.settings("/oauth-clients/approve?key=" + c.ID))
	b.run(chromedp.Evaluate(`document.querySelector("details.more").open = true`, nil))
	b.run(chromedp.Click("#allowed_scope-offline_access", chromedp.ByQuery))
	b.fill("#testers", "ada")
	stop("conditions", "")
	b.fill("#testers", "nobody-of-that-name")
	b.click(allowButton)
	stop("conditions refused", "")
	b.fill("#testers", "ada")
	b.click(allowButton)
	stop("client with conditions", "")
	stop("conditions of an approved client", "/oauth-clients/approve?key="+c.ID)
	grace := s.User()
	stop("claims that conditions keep", "/oauth-clients/"+c.ID+"/claims?scope=openid+offline_access&account="+grace.Username)
	stop("clients, one with conditions", "/oauth-clients")
}

// tourOfRejections rejects a client, and a change of another, and says why.
func tourOfRejections(s *server, b *tab, stop func(name, path string)) {
	s.t.Helper()
	c, _, _ := s.robot("Free Prizes", `"redirect_uris":["https://prizes.example.net/cb"]`)
	b.open(s.settings("/oauth-clients/approve?key=" + c.ID))
	b.fill("#reason", "Nobody here knows who makes it.")
	stop("rejecting a client", "")
	b.click(denyButton)
	stop("rejected client", "")

	c, at, token := s.robot("Metrics Board", `"redirect_uris":["https://metrics.example.org/cb"]`)
	s.approve(c)
	changed := s.manage(http.MethodPut, at, token, `{"client_id":"`+c.ID+`","client_name":"Metrics Board 2","scope":"openid email profile","redirect_uris":["https://metrics.example.org/cb","https://metrics.example.org/cb2"]}`)
	if changed.Status != http.StatusOK {
		s.t.Fatalf("change: %d %s", changed.Status, changed.Body)
	}
	stop("approvals, with a change", "/approvals")
	stop("change of a client", "/oauth-clients/"+c.ID+"/revision")
	b.wantWholeNames()
	b.fill("#reason", "The second address is not one of ours.")
	b.click(denyButton)
	stop("change rejected", "")
}

// wantWholeNames looks at a table of differences on a narrow phone.
func (b *tab) wantWholeNames() {
	b.t.Helper()
	b.see(looks[4])
	defer b.see(looks[0])
	const broken = `[...document.querySelectorAll(".diff tbody th")].filter((h) => {
		const r = document.createRange();
		r.selectNodeContents(h.querySelector("code") ?? h);
		return r.getClientRects().length > 1;
	}).map((h) => h.textContent).join()`
	if names := b.evaluate(broken); names != "" {
		b.t.Errorf("on a narrow phone these are broken in two: %s", names)
	}
}

// tourOfSeveral decides on all clients of the table at once.
func tourOfSeveral(s *server, b *tab, stop func(name, path string)) {
	s.t.Helper()
	s.robot("Plant Viewer", `"redirect_uris":["https://plant.example.org/callback","http://plant.example.net/old"]`)
	for _, decision := range []string{"approve", "disapprove"} {
		b.open(s.settings("/oauth-clients"))
		b.run(chromedp.Click("th [data-ticks]", chromedp.ByQuery))
		stop("clients, all ticked to "+decision, "")
		b.click(`button[value="` + decision + `"]`)
		stop("several to "+decision, "")
		b.click(`button[value="` + decision + `"]`)
		stop("several, after "+decision, "")
	}
	stop("several, none left", "/oauth-clients/several?decision=disapprove&key=unknown")
}

// tourOfFamily approves clients of one software together, one of which changes
// meanwhile.
func tourOfFamily(s *server, b *tab, stop func(name, path string)) {
	s.t.Helper()
	c, at, token := s.robot("Modeler on plant 1", `"redirect_uris":["https://plant1.example.org/cb"],"software_id":"modeler-plugin"`)
	s.robot("Modeler on plant 2", `"redirect_uris":["https://plant2.example.org/cb"],"software_id":"modeler-plugin"`)
	stop("approve client of a family", "/oauth-clients/approve?key="+c.ID)
	stop("clients of one software", "/oauth-clients/software?id=modeler-plugin")
	changed := s.manage(http.MethodPut, at, token, `{"client_id":"`+c.ID+`","client_name":"Modeler on plant one","scope":"openid","redirect_uris":["https://plant1.example.org/cb"],"software_id":"modeler-plugin"}`)
	if changed.Status != http.StatusOK {
		s.t.Fatalf("change: %d %s", changed.Status, changed.Body)
	}
	b.click(allowButton)
	stop("clients of one software, decided", "")
	// The page asks before it is left, which makes it the last.
	b.open(s.settings("/oauth-clients/" + c.ID + "/secrets"))
	b.click(`form.panel button.primary`)
	s.canaries.add("client secret", b.read("#secret-value"))
	stop("further secret", "")
}
