package e2e

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// toggles is how often each of two administrators disapproves a client and
// approves it again: three calls each time, of which the API allows one credential
// 100 at once.
const toggles = 15

// toggled is what happened to a client while it was asked for tokens.
type toggled struct {
	mu           sync.Mutex
	tokens       map[string]time.Time // when they were there
	disapproving time.Time            // when the last disapproval that was done had begun
}

// TestToggledUnderLoad is LC-22: two administrators disapprove and approve a
// client by the API while it gets tokens. No token lives that was there before the
// last disapproval began, although the client is approved again, and the audit
// record has every change once.
func TestToggledUnderLoad(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c := s.Client("--grant", "client_credentials")
		auditor := s.Client("--set", "introspection_scope=all")
		seen := toggled{tokens: map[string]time.Time{s.clientToken(c).str("access_token"): time.Now()}}
		var togglers, clients sync.WaitGroup
		for range 2 {
			key := mustJSON[struct {
				Value string `json:"api_key"`
			}](t, s.CLI("", "api-key", "create", "--name", "robot", "--username", s.administrator().Username, "--scope", "clients:read clients:approve", "-o", "json")).Value
			s.canaries.add("API key", key)
			togglers.Go(func() { seen.toggle(s, key, c) })
		}
		stop := make(chan struct{})
		for range 2 {
			clients.Go(func() { seen.ask(s, c, stop) })
		}
		togglers.Wait()
		close(stop)
		clients.Wait()

		s.approve(c)
		fresh := s.clientToken(c)
		wantTokens(t, fresh)
		wantActive(t, s.Introspect(auditor, fresh.str("access_token")))
		old := 0
		for token, at := range seen.tokens {
			if at.Before(seen.disapproving) {
				wantInactive(t, s.Introspect(auditor, token))
				old++
			}
		}
		t.Logf("%d of %d tokens are older than the last disapproval", old, len(seen.tokens))
		s.wantAlternation(c)
	})
}

// clientToken asks for a token with which the client acts for itself.
func (s *server) clientToken(c *client) answer {
	s.t.Helper()
	return s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"client_credentials"}})
}

// toggle disapproves and approves the client. Who approves what is no longer as
// they saw it is told so, and goes on.
func (o *toggled) toggle(s *server, key string, c *client) {
	at := s.issuer + "/admin/api/v1/clients/" + c.ID
	for range toggles {
		began := time.Now()
		if a := s.manage(http.MethodPost, at+"/disapprove", key, ""); a.Status != http.StatusOK {
			s.t.Errorf("disapprove: %d %s", a.Status, a.Body)
		}
		o.mu.Lock()
		if began.After(o.disapproving) {
			o.disapproving = began
		}
		o.mu.Unlock()
		req := bearer(s.newRequest(http.MethodPost, at+"/approve", ""), key)
		req.Header.Set("If-Match", s.do(bearer(s.newRequest(http.MethodGet, at, ""), key)).Header.Get("ETag"))
		if a := s.do(req); a.Status != http.StatusOK && a.Status != http.StatusPreconditionFailed {
			s.t.Errorf("approve: %d %s", a.Status, a.Body)
		}
	}
}

// ask gets tokens while the client is approved.
func (o *toggled) ask(s *server, c *client, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		a := s.clientToken(c)
		if token := a.str("access_token"); token != "" {
			o.mu.Lock()
			o.tokens[token] = time.Now()
			o.mu.Unlock()
		} else {
			wantError(s.t, a, http.StatusBadRequest, "unauthorized_client")
		}
	}
}

// wantAlternation asserts that the audit record of the client has approvals and
// disapprovals in turn, as it has when every change is there once.
func (s *server) wantAlternation(c *client) {
	s.t.Helper()
	events := mustJSON[[]struct {
		Action string `json:"action"`
	}](s.t, s.CLI("", "audit", "list", "--target", "client:"+c.ID, "--limit", "1000", "-o", "json"))
	times, last := map[string]int{}, ""
	for _, e := range events {
		if e.Action == last {
			s.t.Errorf("two %s follow one another", e.Action)
		}
		last = e.Action
		times[e.Action]++
	}
	if n := times["client.disapprove"]; n < 1 || n > 2*toggles || times["client.approve"] != n+1 {
		s.t.Errorf("the audit record has %v; want up to %d disapprovals, and an approval before and after each", times, 2*toggles)
	}
}
