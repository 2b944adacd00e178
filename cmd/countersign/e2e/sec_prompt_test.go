package e2e

import (
	"slices"
	"testing"
	"time"
)

// TestPrompt is prompt, max_age, login_hint, id_token_hint and the rest of
// what a request says of the sign-in (PN-01 to PN-04, AZ-27; OpenID Connect
// Core 1.0, section 3.1.2.1).
func TestPrompt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		got := s.Tokens(c, u)
		other := s.Tokens(c, s.User())
		session := func(s *server) *browser {
			b := s.browse()
			b.SignIn(b.Open(s.issuer+"/login"), u.Username, u.password)
			return b
		}
		expect := func(name string, change func(r *request) *request, consented bool, want string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				client := c
				if !consented {
					client = s.Client()
				}
				b, r := session(s), change(s.Request(client))
				p := b.Open(r.URL())
				switch want {
				case "code":
					if p.Callback == nil || !p.Callback.Query().Has("code") {
						t.Errorf("got %s%s; want a code", p.Text(), p.where())
					}
				case aSignIn:
					if !p.asksToSignIn() {
						t.Errorf("got %s%s; want the sign-in page", p.Text(), p.where())
					}
				case "consent":
					if !p.asksForConsent() {
						t.Errorf("got %s%s; want the consent page", p.Text(), p.where())
					}
				default:
					wantRedirectError(t, p, r, want)
				}
			})
		}
		with := func(pairs ...string) func(*request) *request {
			return func(r *request) *request {
				for pair := range slices.Chunk(pairs, 2) {
					r = r.With(pair[0], pair[1])
				}
				return r
			}
		}
		expect("session and consent are enough", with(), true, "code")
		expect("prompt=none with both", with("prompt", "none"), true, "code")
		expect("PN-02 prompt=none without consent", with("prompt", "none"), false, "consent_required")
		expect("no consent", with(), false, "consent")
		expect("prompt=login", with("prompt", "login"), true, aSignIn)
		expect("prompt=consent", with("prompt", "consent"), true, "consent")
		expect("prompt=select_account", with("prompt", "select_account"), true, aSignIn)
		expect("AZ-27 max_age=0", with("max_age", "0"), true, aSignIn)
		expect("max_age=1000", with("max_age", "1000"), true, "code")
		expect("PN-04 max_age=0 with prompt=none", with("max_age", "0", "prompt", "none"), true, "login_required")
		expect("id_token_hint of this user", with("id_token_hint", got.id, "prompt", "none"), true, "code")
		expect("PN-03 id_token_hint of another user", with("id_token_hint", other.id, "prompt", "none"), true, "login_required")
		expect("id_token_hint of another user, with pages", with("id_token_hint", other.id), true, aSignIn)
		expect("JW-03 an unsigned id_token_hint", with("id_token_hint", forge(map[string]any{"alg": "none"}, jwtClaims(t, got.id), nil), "prompt", "none"), true, "invalid_request")
		expect("JW-07 an access token as id_token_hint", with("id_token_hint", got.access, "prompt", "none"), true, "invalid_request")
		expect("acr_values are voluntary", with("acr_values", "urn:example:unknown"), true, "code")

		t.Run("login_hint fills in the username", func(t *testing.T) {
			s := s.as(t)
			p := s.browse().Open(s.Request(c).With("login_hint", u.Username).URL())
			if f := p.formWith("username"); f == nil || f.values.Get("username") != u.Username {
				t.Errorf("the username is not filled in: %s", p.Body)
			}
		})
		t.Run("auth_time follows prompt=login", func(t *testing.T) {
			s := s.as(t)
			b := session(s)
			time.Sleep(1100 * time.Millisecond)
			began := time.Now().Unix()
			r := s.Request(c).With("prompt", "login").With("max_age", "100")
			p := b.SignIn(b.Open(r.URL()), u.Username, u.password)
			if p.Callback == nil {
				t.Fatalf("no answer: %s", p.Text())
			}
			a := s.Exchange(c, p.Callback.Query().Get("code"), r)
			if at := int64(number(jwtClaims(t, a.str("id_token"))["auth_time"])); at < began {
				t.Errorf("auth_time is %d; want at least %d", at, began)
			}
		})
	})
}
