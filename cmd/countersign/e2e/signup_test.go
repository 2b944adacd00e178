package e2e

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestSignUp creates an account in a browser without scripts, where the
// application asked for that, and signs in to it (Initiating User Registration
// via OpenID Connect 1.0).
func TestSignUp(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"SIGN_UP", "open"})
			form := func(username string) url.Values {
				password := s.canaries.add("password", "a longer sentence "+newVerifier())
				return url.Values{"username": {username}, "name": {"Grace Hopper"}, "email": {"grace@example.test"}, "password": {password}, "password_again": {password}}
			}
			b, u, c := s.browse(), s.User(), s.Client()
			if prompts := s.metadata["prompt_values_supported"].([]any); !slices.Contains(prompts, any("create")) {
				t.Errorf("prompt_values_supported: %v", prompts)
			}
			r := s.Request(c).With("prompt", "create")
			p := b.Open(r.URL())
			p = b.Submit(p, p.formWith("password_again"), form(strings.ToUpper(u.Username)))
			if p.Status != 422 || !strings.Contains(p.Text(), "Somebody has this username already") {
				t.Fatalf("a name that is taken: %d %s", p.Status, p.Text())
			}
			filled := form("grace")
			p = b.Submit(p, p.formWith("password_again"), filled)
			if !p.asksForConsent() {
				t.Fatalf("signed up: %s%s", p.Text(), p.where())
			}
			p = b.Decide(p, "allow")
			a := s.Exchange(c, p.Callback.Query().Get("code"), r)
			info := s.Userinfo(a.str("access_token"))
			if info.str("name") != "Grace Hopper" || info.JSON["email_verified"] != false {
				t.Errorf("userinfo: %s", info.Body)
			}
			other := s.browse()
			if p := other.SignIn(other.Open(s.issuer+"/login"), "grace", filled.Get("password")); !strings.Contains(p.Text(), "Grace Hopper") {
				t.Errorf("signing in to the account: %s", p.Text())
			}
			events := mustJSON[[]map[string]any](t, s.CLI("", "audit", "list", "--action", "account.sign_up", "-o", "json"))
			if len(events) != 1 || events[0]["actor_name"] != "grace" || events[0]["via"] != "pages" || events[0]["ip"] != "127.0.0.1" {
				t.Errorf("audited: %v", events)
			}
		})
	}
}
