package e2e

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestSeveralClients approves three clients of the table at once and disapproves
// two of them, by a mouse without scripts and by the keyboard with them: what was
// issued to the two stops, and to the third it does not.
func TestSeveralClients(t *testing.T) {
	t.Parallel()
	for database, scripts := range map[string]bool{sqlite: false, postgres: true} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s, b := shared(t, database), newTab(t)
			if !scripts {
				b.withoutScripts()
			}
			b.severalClients(s, scripts)
		})
	}
}

func (b *tab) severalClients(s *server, scripts bool) { //nolint:revive // it is how the test does it
	u, name := s.administrator(), "Several "+newVerifier()[:8]
	var clients []*client
	for _, one := range []string{" 1", " 2", " 3"} {
		args := []string{"client", "create", "--type", "oauth2", "--name", name + one, "--grant", "client_credentials", "-o", "json"}
		c := mustJSON[client](s.t, s.CLI("", args...))
		s.canaries.add("client secret", c.Secret)
		clients = append(clients, &c)
	}
	list := s.settings("/oauth-clients?q=" + url.QueryEscape(name))
	b.open(list)
	b.signIn(u.Username, u.password)

	if all := b.has(`[data-ticks]`) && b.evaluate(`[...document.querySelectorAll("[data-ticks]")].some((e) => e.checkVisibility()) ? "yes" : ""`) != ""; all != scripts {
		b.t.Errorf("all can be selected: %v; want %v", all, scripts)
	}
	if scripts {
		b.tabTo(`document.activeElement.matches("th [data-ticks]")`)
		b.run(chromedp.KeyEvent(" "))
		b.run(chromedp.Focus(`button[value="approve"]`, chromedp.ByQuery))
		b.leave(chromedp.KeyEvent(kb.Enter))
	} else {
		for _, c := range clients {
			b.run(chromedp.Click(`[name="key"][value="`+c.ID+`"]`, chromedp.ByQuery))
		}
		b.click(`button[value="approve"]`)
	}
	b.shows("Approve several clients?", clients[0].ID, clients[1].ID, clients[2].ID)
	b.click(`button[value="approve"]`)
	b.shows(name+" 1 is approved.", name+" 3 is approved.", "Undo")

	tokens := make([]string, len(clients))
	for i, c := range clients {
		issued := s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"client_credentials"}})
		tokens[i] = s.canaries.add("access token", issued.str("access_token"))
	}
	b.open(list)
	b.run(chromedp.Click(`[name="key"][value="`+clients[0].ID+`"]`, chromedp.ByQuery), chromedp.Click(`[name="key"][value="`+clients[1].ID+`"]`, chromedp.ByQuery))
	if scripts && b.evaluate(`String(document.querySelector("th [data-ticks]").indeterminate)`) != "true" {
		b.t.Error("two of three are shown as all, or as none")
	}
	b.click(`button[value="disapprove"]`)
	b.shows("Disapprove several clients?", "2 tokens stop working now")
	b.fill("#reason", "The test says so.")
	b.click(`button[value="disapprove"]`)
	b.shows(name+" 1 is disapproved.", name+" 2 is disapproved.")
	wantStopped(s, clients, tokens)
}

// wantStopped asks as the third client about the tokens: those of the first two
// are over.
func wantStopped(s *server, clients []*client, tokens []string) {
	s.t.Helper()
	for i, c := range clients {
		works := getsTokenForItself(s, c)
		told := s.Introspect(clients[2], tokens[i])
		if active := told.JSON["active"] == true; told.Status != http.StatusOK || active != (i == 2) || works != (i == 2) {
			s.t.Errorf("client %d gets tokens: %v; of its token: %d %s", i+1, works, told.Status, told.Body)
		}
	}
}
