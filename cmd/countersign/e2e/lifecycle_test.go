package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// held is what a flow holds at a moment, as far as it has come.
type held struct {
	s       *server
	c       *client
	u       *user
	browser *browser
	waiting *page // the sign-in or consent page that the browser shows
	request *request
	code    string
	tokens  tokens
	auditor *client // may introspect all tokens
}

// moments are the points of a flow at which an administrator changes his mind
// (LC-11 to LC-17).
var moments = []struct {
	name  string
	reach func(h *held)
}{
	{"before authorize", func(*held) {}},
	{"at the sign-in page", func(h *held) {
		h.waiting = h.browser.Open(h.request.URL())
		if !h.waiting.asksToSignIn() {
			h.s.t.Fatalf("not the sign-in page: %s", h.waiting.Text())
		}
	}},
	{"at consent", func(h *held) {
		h.waiting = h.browser.SignIn(h.browser.Open(h.request.URL()), h.u.Username, h.u.password)
		if !h.waiting.asksForConsent() {
			h.s.t.Fatalf("not the consent page: %s", h.waiting.Text())
		}
	}},
	{"code issued", func(h *held) { h.code = h.s.Code(h.browser, h.request, h.u) }},
	{"token live", func(h *held) { h.tokens = h.s.Tokens(h.c, h.u) }},
	{"refreshed", func(h *held) {
		first := h.s.Tokens(h.c, h.u)
		a := h.s.Refresh(h.c, first.refresh)
		wantTokens(h.s.t, a)
		h.tokens = tokens{access: a.str("access_token"), refresh: a.str("refresh_token")}
	}},
}

// probes ask each endpoint for what it would give an approved client, and say
// what it must answer instead. A probe that the moment has nothing for says
// nothing.
var probes = []struct {
	name        string
	has         func(h *held) bool
	disapproved func(t *testing.T, h *held)
	approved    func(t *testing.T, h *held) // again
	removed     func(t *testing.T, h *held)
}{
	{
		"authorize", func(*held) bool { return true },
		func(t *testing.T, h *held) { wantRefusedPage(t, h.browser.Authorize(h.request.URL(), h.u)) },
		func(t *testing.T, h *held) {
			if p := h.browser.Authorize(h.request.URL(), h.u); p.Callback == nil || !p.Callback.Query().Has("code") {
				t.Errorf("a new request of a client approved again gets no code: %s%s", p.Text(), p.where())
			}
		},
		func(t *testing.T, h *held) { wantPage(t, h.browser.Open(h.request.URL()), http.StatusBadRequest) },
	},
	{
		"waiting page", func(h *held) bool { return h.waiting != nil },
		func(t *testing.T, h *held) { wantRefusedPage(t, h.goOn()) },
		func(*testing.T, *held) {}, // the waiting request may go on: nothing was issued before
		func(t *testing.T, h *held) { wantRefusedPage(t, h.goOn()) },
	},
	{
		"token, with the code", func(h *held) bool { return h.code != "" },
		func(t *testing.T, h *held) {
			wantToldWhy(t, h.s.Exchange(h.c, h.code, h.request), "disapproved")
		},
		func(t *testing.T, h *held) {
			wantError(t, h.s.Exchange(h.c, h.code, h.request), http.StatusBadRequest, "invalid_grant")
		},
		func(t *testing.T, h *held) {
			wantError(t, h.s.Exchange(h.c, h.code, h.request), http.StatusUnauthorized, "invalid_client")
		},
	},
	{
		"token, with the refresh token", func(h *held) bool { return h.tokens.refresh != "" },
		func(t *testing.T, h *held) { wantToldWhy(t, h.s.Refresh(h.c, h.tokens.refresh), "disapproved") },
		func(t *testing.T, h *held) {
			wantError(t, h.s.Refresh(h.c, h.tokens.refresh), http.StatusBadRequest, "invalid_grant")
		},
		func(t *testing.T, h *held) {
			wantError(t, h.s.Refresh(h.c, h.tokens.refresh), http.StatusUnauthorized, "invalid_client")
		},
	},
	{
		"introspection", func(h *held) bool { return h.tokens.access != "" },
		wantAllInactive, wantAllInactive, wantAllInactive,
	},
	{
		"introspection by the client itself", func(h *held) bool { return h.tokens.access != "" },
		func(t *testing.T, h *held) { wantRefusedCaller(t, h.s.Introspect(h.c, h.tokens.access)) },
		func(t *testing.T, h *held) { wantInactive(t, h.s.Introspect(h.c, h.tokens.access)) },
		func(t *testing.T, h *held) {
			wantError(t, h.s.Introspect(h.c, h.tokens.access), http.StatusUnauthorized, "invalid_client")
		},
	},
	{
		"revocation", func(h *held) bool { return h.tokens.access != "" },
		func(t *testing.T, h *held) { wantRefusedCaller(t, h.s.Revoke(h.c, h.tokens.access)) },
		func(*testing.T, *held) {},
		func(t *testing.T, h *held) {
			wantError(t, h.s.Revoke(h.c, h.tokens.access), http.StatusUnauthorized, "invalid_client")
		},
	},
	{
		"userinfo", func(h *held) bool { return h.tokens.access != "" },
		wantNoUserinfo, wantNoUserinfo, wantNoUserinfo,
	},
}

// goOn does what the waiting page asks for.
func (h *held) goOn() *page {
	if h.waiting.asksToSignIn() {
		return h.browser.SignIn(h.waiting, h.u.Username, h.u.password)
	}
	return h.browser.Decide(h.waiting, "allow")
}

func wantAllInactive(t *testing.T, h *held) {
	t.Helper()
	wantInactive(t, h.s.Introspect(h.auditor, h.tokens.access))
	wantInactive(t, h.s.Introspect(h.auditor, h.tokens.refresh))
}

func wantNoUserinfo(t *testing.T, h *held) {
	t.Helper()
	wantBearerError(t, h.s.Userinfo(h.tokens.access), http.StatusUnauthorized, "invalid_token")
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

// wantRefusedCaller asserts a refusal of the client as the caller of an
// endpoint that is not the token endpoint.
func wantRefusedCaller(t testing.TB, a answer) {
	t.Helper()
	if a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized || a.JSON["active"] != nil {
		t.Errorf("got %d %s; want the caller refused", a.Status, a.Body)
	}
}

// TestLifeCycle disapproves a client from a second process at every moment of
// a flow and sees that every endpoint refuses it on the next request; that
// approving it again brings nothing old back to life; and that a removed one
// is unknown (contract, section 4; LC-01 to LC-17).
func TestLifeCycle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u := s.User()
		auditor := s.Client("--set", "introspection_scope=all")
		for _, moment := range moments {
			t.Run(moment.name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				c := s.Client()
				h := &held{s: s, c: c, u: u, auditor: auditor, browser: s.browse(), request: s.Request(c)}
				moment.reach(h)
				s.disapprove(c)
				h.probe(t, "disapproved", func(i int) func(*testing.T, *held) { return probes[i].disapproved })
				s.approve(c)
				h.probe(t, "approved again", func(i int) func(*testing.T, *held) { return probes[i].approved })
				s.remove(c)
				h.probe(t, "removed", func(i int) func(*testing.T, *held) { return probes[i].removed })
			})
		}
	})
}

func (h *held) probe(t *testing.T, status string, ask func(i int) func(*testing.T, *held)) {
	t.Helper()
	for i, p := range probes {
		if p.has(h) {
			t.Run(status+", "+p.name, func(t *testing.T) { ask(i)(t, h) })
		}
	}
}

// TestRemovedAtEveryMoment is [TestLifeCycle] for a client that is removed
// while it is approved.
func TestRemovedAtEveryMoment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u := s.User()
		auditor := s.Client("--set", "introspection_scope=all")
		for _, moment := range moments {
			t.Run(moment.name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				c := s.Client()
				h := &held{s: s, c: c, u: u, auditor: auditor, browser: s.browse(), request: s.Request(c)}
				moment.reach(h)
				s.remove(c)
				h.probe(t, "removed", func(i int) func(*testing.T, *held) { return probes[i].removed })
			})
		}
	})
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
