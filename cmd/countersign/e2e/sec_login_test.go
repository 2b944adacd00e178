package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// sessionCookie is the name of the session's cookie on plain http.
const sessionCookie = "cs_session"

// TestLogin is the login part of section 1.14.
func TestLogin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		login := s.issuer + "/login"
		t.Run("LG-01 a new session at every sign-in", func(t *testing.T) {
			s := s.as(t)
			u, b := s.User(), s.browse()
			before := b.Cookie(sessionCookie)
			b.SignIn(b.Open(login), u.Username, u.password)
			first := s.canaries.add("session cookie", b.Cookie(sessionCookie))
			if first == "" || first == before {
				t.Fatalf("signing in sets no new cookie: %q", first)
			}
			b.SignIn(b.Open(login+"?switch=1"), u.Username, u.password)
			second := s.canaries.add("session cookie", b.Cookie(sessionCookie))
			if second == first {
				t.Error("signing in again keeps the session")
			}
			if s.signedIn(first) {
				t.Error("the session that was replaced still works")
			}
			if !s.signedIn(second) {
				t.Error("the new session does not work")
			}
		})
		t.Run("LG-02 the cookie's attributes", func(t *testing.T) {
			s := s.as(t)
			u := s.User()
			a := s.do(s.formPost(login, url.Values{"username": {u.Username}, "password": {u.password}}))
			found := false
			for _, c := range (&http.Response{Header: a.Header}).Cookies() {
				s.canaries.add("cookie", c.Value)
				found = found || c.Name == sessionCookie
				if strings.HasSuffix(c.Name, "cs_state") {
					continue // for a script to read: TestStateCookie of package browser
				}
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
					t.Errorf("cookie %s is set as %s", c.Name, strings.ReplaceAll(c.String(), c.Value, "…"))
				}
			}
			if !found {
				t.Errorf("no session cookie in %d %v", a.Status, a.Header)
			}
		})
		t.Run("LG-03 posts from other sites", func(t *testing.T) {
			s := s.as(t)
			u, b := s.User(), s.browse()
			b.SignIn(b.Open(login), u.Username, u.password)
			for _, path := range []string{"/login", "/consent", "/logout"} {
				for _, header := range []http.Header{
					{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
					{"Origin": {"https://evil.example"}},
					{"Origin": {"null"}},
					{"Sec-Fetch-Site": {"same-site"}},
				} {
					req := b.post(s.issuer+path, url.Values{"username": {u.Username}, "password": {u.password}, "decision": {"allow"}})
					req.Header.Del("Origin")
					req.Header.Del("Sec-Fetch-Site")
					for n, v := range header {
						req.Header[n] = v
					}
					if p := b.follow(req); p.Status != http.StatusForbidden {
						t.Errorf("POST %s with %v gets %d; want 403", path, header, p.Status)
					}
				}
			}
			if !s.signedIn(b.Cookie(sessionCookie)) {
				t.Error("LO-03 another site signed the user out")
			}
			text := s.newRequest(http.MethodPost, login, "username="+u.Username+"&password=x")
			text.Header.Set("Content-Type", "text/plain")
			if a := s.do(text); a.Status < 400 || a.Header.Get("Set-Cookie") != "" && strings.Contains(a.Header.Get("Set-Cookie"), sessionCookie) {
				t.Errorf("a text/plain form gets %d", a.Status)
			}
		})
		t.Run("LG-05 a cookie after sign-out", func(t *testing.T) {
			s := s.as(t)
			u, b := s.User(), s.browse()
			b.SignIn(b.Open(login), u.Username, u.password)
			cookie := b.Cookie(sessionCookie)
			if p := b.Open(s.issuer + "/logout"); !s.signedIn(cookie) || p.Callback != nil {
				t.Error("LO-02 GET /logout signs out without asking")
			}
			b.follow(b.post(s.issuer+"/logout", url.Values{}))
			if s.signedIn(cookie) {
				t.Error("the session works after sign-out")
			}
			if b.Cookie(sessionCookie) != "" {
				t.Error("the cookie stays after sign-out")
			}
		})
		t.Run("LG-07 no enumeration", func(t *testing.T) {
			s := s.as(t)
			known, disabled := s.User(), s.User()
			s.CLI("", "user", "disable", disabled.Username, "--yes")
			texts := map[string]string{}
			for who, name := range map[string]string{"unknown": "nobody" + newVerifier()[:8], "known": known.Username, "disabled": disabled.Username} {
				b := s.browse()
				password := s.canaries.add("wrong password", "wrong "+newVerifier())
				if who == "disabled" {
					password = disabled.password
				}
				p := b.SignIn(b.Open(login), name, password)
				texts[who] = strings.ReplaceAll(p.Body, name, "NAME")
				if !p.asksToSignIn() {
					t.Errorf("%s account: %s", who, p.Text())
				}
			}
			if texts["unknown"] != texts["known"] || texts["known"] != texts["disabled"] {
				t.Errorf("the pages differ:\n%s\n%s\n%s", texts["unknown"], texts["known"], texts["disabled"])
			}
		})
		t.Run("LG-13 passwords are taken as they are", func(t *testing.T) {
			s := s.as(t)
			long := strings.Repeat("a long passphrase ", 5)[:72]
			for title, password := range map[string]string{
				"64 bytes": newVerifier() + newVerifier()[:12], "emoji and blanks": "  ünï 🦀 " + newVerifier()[:20] + "  ", "more than 72 bytes": long + newVerifier()[:9],
			} {
				u := s.User()
				u.password = s.canaries.add("password", password)
				s.CLI(password+"\n", "user", "set-password", u.Username, "--password-stdin")
				b := s.browse()
				if p := b.SignIn(b.Open(login), u.Username, password); p.asksToSignIn() {
					t.Errorf("%s: the password is not taken: %s", title, p.Text())
				}
				for _, other := range []string{strings.TrimSpace(password) + "x", password[:len(password)-1], strings.ToLower(password)} {
					b := s.browse()
					if p := b.SignIn(b.Open(login), u.Username, other); !p.asksToSignIn() {
						t.Errorf("%s: a password that differs is taken", title)
					}
				}
			}
			huge := s.do(s.formPost(login, url.Values{"username": {"x"}, "password": {strings.Repeat("x", 60<<10)}}))
			if huge.Status >= 500 {
				t.Errorf("a password of 60 KiB gets %d", huge.Status)
			}
		})
		t.Run("LG-17 cookies that are none of ours", func(t *testing.T) {
			s := s.as(t)
			for _, value := range []string{"x", strings.Repeat("x", 4000), "cs_sid_" + strings.Repeat("0", 49), "%00", "x_chunks=99999999"} {
				if s.signedIn(value) {
					t.Errorf("cookie %.20q signs in", value)
				}
			}
		})
		t.Run("LG-18 a password change ends sessions", func(t *testing.T) {
			s := s.as(t)
			u, b := s.User(), s.browse()
			b.SignIn(b.Open(login), u.Username, u.password)
			s.CLI(s.canaries.add("password", "another "+newVerifier())+"\n", "user", "set-password", u.Username, "--password-stdin")
			if s.signedIn(b.Cookie(sessionCookie)) {
				t.Error("the session lives on after the password was changed")
			}
		})
		t.Run("LG-22 common passwords", func(t *testing.T) {
			s := s.as(t)
			u := s.User()
			for _, password := range []string{"password1234", "qwertyuiop", u.Username + "123", "aaaaaaaaaaaaaaaa"} {
				if _, _, err := s.tryCLI(password+"\n", "user", "set-password", u.Username, "--password-stdin"); err == nil {
					t.Errorf("the password %q is taken", password)
				}
			}
		})
	})
}

// signedIn reports whether the cookie is that of a live session: whether the
// home page greets somebody.
func (s *server) signedIn(cookie string) bool {
	s.t.Helper()
	req := s.newRequest(http.MethodGet, s.issuer+"/", "")
	req.Header.Set("Cookie", sessionCookie+"="+cookie)
	a := s.do(req)
	return a.Status == http.StatusOK && strings.Contains(a.Body, "/logout")
}

// TestThrottling is LG-09, LG-10 and LG-11: guessing is slowed down, under
// whatever name, while the owner signs in from a browser that is known.
func TestThrottling(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			u, home := s.User(), s.browse()
			home.SignIn(home.Open(s.issuer+"/login"), u.Username, u.password)
			home.follow(home.post(s.issuer+"/logout", url.Values{}))

			names := []string{u.Username, strings.ToUpper(u.Username), " " + u.Username + " "}
			refused := 0
			for i := range 40 {
				b := s.browse()
				p := b.SignIn(b.Open(s.issuer+"/login"), names[i%len(names)], "a wrong guess")
				if p.Status == http.StatusTooManyRequests {
					refused++
					if p.Header.Get("Retry-After") == "" {
						t.Error("a throttled sign-in has no Retry-After")
					}
				}
			}
			if refused < 20 {
				t.Errorf("of 40 guesses %d were refused unseen; want most", refused)
			}
			stranger := s.browse()
			if p := stranger.SignIn(stranger.Open(s.issuer+"/login"), u.Username, u.password); !p.asksToSignIn() {
				t.Error("an unknown browser is not held back")
			}
			if p := home.SignIn(home.Open(s.issuer+"/login"), u.Username, u.password); p.asksToSignIn() {
				t.Errorf("LG-09 the owner is locked out: %d %s", p.Status, p.Text())
			}
		})
	}
}

// TestSessionTimeouts is LG-06.
func TestSessionTimeouts(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"SESSION_ABSOLUTE", "3s"}, setting{"SESSION_IDLE", "3s"})
			u, b := s.User(), s.browse()
			b.SignIn(b.Open(s.issuer+"/login"), u.Username, u.password)
			cookie := b.Cookie(sessionCookie)
			for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(500 * time.Millisecond) {
				if !s.signedIn(cookie) {
					t.Fatal("the session ends before its time")
				}
			}
			time.Sleep(1500 * time.Millisecond)
			if s.signedIn(cookie) {
				t.Error("the session outlives its absolute limit")
			}
		})
	}
}

// TestConsent is the consent part of section 1.14.
func TestConsent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		t.Run("CN-01 looking grants nothing", func(t *testing.T) {
			s := s.as(t)
			b := s.browse()
			p := b.SignIn(b.Open(s.Request(c).URL()), u.Username, u.password)
			for range 2 {
				if p = b.Open(p.URL.String()); !p.asksForConsent() {
					t.Fatalf("the consent page is gone: %s%s", p.Text(), p.where())
				}
			}
			if q := b.Open(p.URL.String() + "&decision=allow"); q.Callback != nil {
				t.Error("GET consents")
			}
		})
		t.Run("CN-03 more than was asked", func(t *testing.T) {
			s := s.as(t)
			b, r := s.browse(), s.Request(c).With("scope", "openid")
			p := b.SignIn(b.Open(r.URL()), u.Username, u.password)
			done := b.Submit(p, p.formDeciding("allow"), url.Values{
				"decision": {"allow"}, "scope": {"openid email api"}, "client_id": {s.Client().ID}, "redirect_uri": {"https://evil.example/"},
			})
			if done.Callback == nil || done.Callback.Host != "rp.example" {
				t.Fatalf("no answer: %s%s", done.Text(), done.where())
			}
			a := s.Exchange(c, done.Callback.Query().Get("code"), r)
			wantTokens(t, a)
			if scope := a.str("scope"); scope != "" && scope != "openid" {
				t.Errorf("the scope is %q; want openid", scope)
			}
		})
		t.Run("consent is remembered, and asked again for more", func(t *testing.T) {
			s := s.as(t)
			c, b := s.Client(), s.browse()
			first := s.Request(c).With("scope", "openid")
			s.Code(b, first, u)
			if p := b.Open(s.Request(c).With("scope", "openid").URL()); p.Callback == nil {
				t.Errorf("a remembered consent is asked again: %s", p.Text())
			}
			if p := b.Open(s.Request(c).With("scope", "openid email").URL()); !p.asksForConsent() {
				t.Errorf("more scope is not asked: %s%s", p.Text(), p.where())
			}
			if p := b.Open(s.Request(c).With("scope", "openid").With("prompt", "consent").URL()); !p.asksForConsent() {
				t.Errorf("CN-06 prompt=consent does not ask: %s%s", p.Text(), p.where())
			}
			s.CLI("", "client", "edit", c.ID, "--name", "Another name")
			if p := b.Open(s.Request(c).With("scope", "openid").URL()); !p.asksForConsent() {
				t.Errorf("CN-05 a client with another name is not asked about: %s%s", p.Text(), p.where())
			}
		})
		t.Run("CN-04 a native public client is asked about each time", func(t *testing.T) {
			s := s.as(t)
			c, b := s.PublicClient(), s.browse()
			s.Code(b, s.Request(c), u)
			if p := b.Open(s.Request(c).URL()); !p.asksForConsent() {
				t.Errorf("not asked: %s%s", p.Text(), p.where())
			}
		})
		t.Run("CN-08 names are text", func(t *testing.T) {
			s := s.as(t)
			evil := s.Client("--name", `<b>Bank</b> "'><script>alert(1)</script>`)
			b := s.browse()
			p := b.SignIn(b.Open(s.Request(evil).URL()), u.Username, u.password)
			if strings.Contains(p.Body, "<b>Bank") || strings.Contains(p.Body, "<script>alert") {
				t.Errorf("a name is markup: %s", p.Body)
			}
		})
		t.Run("CN-09 the page says what is decided", func(t *testing.T) {
			s := s.as(t)
			b := s.browse()
			p := b.SignIn(b.Open(s.Request(c).URL()), u.Username, u.password)
			for _, want := range []string{c.Name, "rp.example", u.Username, "email"} {
				if !strings.Contains(p.Text(), want) {
					t.Errorf("the page does not say %q: %s", want, p.Text())
				}
			}
			if p.formDeciding("deny") == nil {
				t.Error("there is no way to say no")
			}
			q := b.Decide(p, "deny")
			wantRedirectErrorCode(t, q, "access_denied")
		})
	})
}

func wantRedirectErrorCode(t testing.TB, p *page, code string) {
	t.Helper()
	if p.Callback == nil || p.Callback.Query().Get("error") != code || p.Callback.Query().Has("code") {
		t.Errorf("got %s%s; want %s", p.Text(), p.where(), code)
	}
}
