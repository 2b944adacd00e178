package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestLifeCycle is the table of the contract, section 4, generated: every flow
// is begun, something happens to its client or its account at every moment of
// it, and the steps that are left lead to what the rules say (LC-01 to LC-18,
// LC-20, LC-23, DV-14, JR-17).
func TestLifeCycle(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			stage := newStage(t, database)
			for _, f := range flows {
				for _, e := range events {
					for moment := range len(f.steps) + 1 {
						if e.before && moment > 0 {
							break
						}
						t.Run(f.name+"/"+e.name+"/"+f.moment(moment), func(t *testing.T) {
							t.Parallel()
							stage.play(t, f, e, moment)
						})
					}
				}
			}
		})
	}
}

// wantRefusedPage asserts a page that leads nowhere and asks nothing.
func wantRefusedPage(t testing.TB, p *page) {
	t.Helper()
	if p.Callback != nil {
		t.Errorf("redirected to %s; want a page", p.Callback)
		return
	}
	if p.asksToSignIn() || p.asksForConsent() {
		t.Errorf("asked to go on with a refused request: %s", p.Text())
	}
	wantPageHeaders(t, p)
}

// wantToldWhy asserts that a client that proved who it is learns its status.
func wantToldWhy(t testing.TB, a answer, status string) {
	t.Helper()
	wantError(t, a, http.StatusBadRequest, "unauthorized_client")
	if !strings.Contains(a.str("error_description"), status) {
		t.Errorf("description %q does not say %q", a.str("error_description"), status)
	}
}

// TestPendingClientWaits shows that a request of a client that awaits approval
// asks the user to sign in, then waits on a page that names whom to ask, and
// goes on by itself once the client is approved.
func TestPendingClientWaits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u := s.User()
		c := s.register("--redirect-uri", webRedirect, "--scope", "openid profile email offline_access")
		if c.Status != "pending" {
			t.Fatalf("a new client is %q; want pending", c.Status)
		}
		r, b := s.Request(c), s.browse()

		wantToldWhy(t, s.Exchange(c, "cs_ac_unknown", r), "approval")
		first := b.Open(r.URL())
		if !first.asksToSignIn() {
			t.Fatalf("the user is not asked to sign in first: %s", first.Text())
		}
		waiting := b.SignIn(first, u.Username, u.password)
		wantRefusedPage(t, waiting)
		if !strings.Contains(strings.ToLower(waiting.Text()), "administrator") {
			t.Errorf("the waiting page does not say whom to ask: %s", waiting.Text())
		}
		resume := metaRefresh(t, waiting)
		if again := b.Open(resume); metaRefresh(t, again) != resume {
			t.Errorf("the page stops waiting before the client is approved")
		}

		s.approve(c)
		consent := b.Open(resume)
		if !consent.asksForConsent() {
			t.Fatalf("the request does not go on after the approval: %s%s", consent.Text(), consent.where())
		}
		done := b.Decide(consent, "allow")
		if done.Callback == nil {
			t.Fatalf("no answer after consent: %s", done.Text())
		}
		wantTokens(t, s.Exchange(c, done.Callback.Query().Get("code"), r))
	})
}

var refreshURL = regexp.MustCompile(`(?i)<meta http-equiv="?refresh"? content="[0-9]+; *url=([^"]+)"`)

// metaRefresh returns the address that the page goes to by itself, with or
// without JavaScript.
func metaRefresh(t testing.TB, p *page) string {
	t.Helper()
	m := refreshURL.FindStringSubmatch(p.Body)
	if m == nil {
		t.Fatalf("%s does not refresh itself: %s", p.URL, p.Body)
	}
	target, err := p.URL.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	return target.String()
}

// TestStrangersLearnNothing shows that who cannot prove to be the client gets
// the same answer for an unknown, a pending and a disapproved client (CA-02,
// LC-02).
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		approved := s.Client()
		pending := s.register("--redirect-uri", webRedirect, "--scope", "openid")
		disapproved := s.Client()
		s.disapprove(disapproved)
		removed := s.Client()
		s.remove(removed)

		ask := func(id string) answer {
			stranger := &client{ID: id, Secret: "not the secret", AuthMethod: "client_secret_basic"}
			return s.Post(s.endpoint("token_endpoint"), stranger, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}})
		}
		want := ask("no-such-client")
		wantError(t, want, http.StatusUnauthorized, "invalid_client")
		for name, c := range map[string]*client{"approved": approved, "pending": pending, "disapproved": disapproved, "removed": removed} {
			if got := ask(c.ID); got.Status != want.Status || got.Body != want.Body {
				t.Errorf("%s: got %d %s; want what an unknown client gets: %d %s", name, got.Status, got.Body, want.Status, want.Body)
			}
		}
	})
}

// TestDisabledAccount is the life cycle of the user (LC-23): what an account
// was used for ends with it, and does not come back.
func TestDisabledAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u, b := s.Client(), s.User(), s.browse()
		r := s.Request(c)
		got := s.Tokens(c, u)
		code := s.Code(b, r, u)

		s.CLI("", "user", "disable", u.Username, "--yes")
		wantInactive(t, s.Introspect(c, got.access))
		wantBearerError(t, s.Userinfo(got.access), http.StatusUnauthorized, "invalid_token")
		wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "invalid_grant")
		wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
		again := b.Open(r.URL())
		if !again.asksToSignIn() {
			t.Fatalf("the session of a disabled account lives on: %s%s", again.Text(), again.where())
		}
		if p := b.SignIn(again, u.Username, u.password); !p.asksToSignIn() {
			t.Errorf("a disabled account signs in: %s%s", p.Text(), p.where())
		}

		s.CLI("", "user", "enable", u.Username, "--yes")
		wantInactive(t, s.Introspect(c, got.access))
		wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "invalid_grant")
		if got := s.Tokens(c, u); got.access == "" {
			t.Error("an enabled account gets no tokens")
		}
	})
}
