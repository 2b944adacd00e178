package e2e

import "testing"

// TestCorrectedName shows that what an administrator corrects of a person,
// beside the running server and on the page of the account without scripts, is
// told to applications at once, by the tokens that they have.
func TestCorrectedName(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User("--claim", "email_verified=true")
		issued := s.Tokens(c, u)
		told := func(name, email string, verified bool) {
			t.Helper()
			if a := s.Userinfo(issued.access); a.str("name") != name || a.str("email") != email || a.JSON["email_verified"] != verified {
				t.Errorf("told %d %s; want %s, %s, %v", a.Status, a.Body, name, email, verified)
			}
		}
		told("Ada Lovelace", u.email, true)
		s.CLI("", "user", "edit", u.Username, "--name", "Ada King")
		told("Ada King", u.email, true)
		s.CLI("", "user", "edit", u.Username, "--email", "other-"+u.email)
		told("Ada King", "other-"+u.email, false)

		b, keeper := newTab(t), s.administrator()
		b.withoutScripts()
		b.open(s.settings("/accounts/" + u.ID))
		b.signIn(keeper.Username, keeper.password)
		b.fill("#name", "Ada Byron")
		b.fill("#email", u.email)
		b.click(`button[value="contact"]`)
		b.shows("The changes are saved", "Ada Byron", u.email)
		told("Ada Byron", u.email, false)
		if a := s.Refresh(c, issued.refresh); a.str("access_token") == "" {
			t.Errorf("a correction ended what was issued: %s", a.Body)
		}
	})
}
