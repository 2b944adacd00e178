package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/dghubble/oauth1"
)

// TestChromiumConsent goes through sign-in and consent in a real browser. The
// redirect after consent leaves the server's origin, and Chromium holds it
// against the form-action of the page's policy (BR-06).
func TestChromiumConsent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, host string
		scripts    bool
		register   func(s *server, redirectURI string) *client
	}{
		{"native application on loopback", "127.0.0.1", true, nativeApplication},
		{"web application of another origin", "localhost", true, webApplication},
		{"native application, without JavaScript", "127.0.0.1", false, nativeApplication},
		{"web application, without JavaScript", "localhost", false, webApplication},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, app, b := shared(t, sqlite), newApplication(t), newTab(t)
			u, c := s.User(), tt.register(s, app.redirectURI(tt.host))
			r := s.Request(c).With("redirect_uri", app.redirectURI(tt.host))
			if !tt.scripts {
				b.withoutScripts()
			}
			b.open(r.URL())
			b.signIn(u.Username, u.password)
			b.click(allowButton)
			q := app.answer(b)
			s.canaries.add("authorization code", q.Get("code"))
			if q.Get("state") != r.Get("state") || q.Get("iss") != s.issuer {
				t.Errorf("the answer is %v; want the state %q and the issuer", q, r.Get("state"))
			}
			wantTokens(t, s.Exchange(c, q.Get("code"), r))
		})
	}
}

// nativeApplication and webApplication register the two kinds of client.
func nativeApplication(s *server, _ string) *client { s.t.Helper(); return s.PublicClient() }

func webApplication(s *server, redirectURI string) *client {
	s.t.Helper()
	return s.register("--redirect-uri", redirectURI, "--scope", "openid profile email offline_access", "--approve")
}

// TestChromiumDeny presses Cancel: the application is told access_denied.
func TestChromiumDeny(t *testing.T) {
	t.Parallel()
	s, app, b := shared(t, postgres), newApplication(t), newTab(t)
	u, c := s.User(), s.PublicClient()
	b.open(s.Request(c).With("redirect_uri", app.redirectURI("127.0.0.1")).URL())
	b.signIn(u.Username, u.password)
	b.click(denyButton)
	if q := app.answer(b); q.Get("error") != "access_denied" || q.Has("code") || q.Get("iss") != s.issuer {
		t.Errorf("the answer is %v; want access_denied", q)
	}
}

// TestChromiumWrongPassword mistypes a password, reloads the page that says so,
// and goes on.
func TestChromiumWrongPassword(t *testing.T) {
	t.Parallel()
	s, app, b := shared(t, sqlite), newApplication(t), newTab(t)
	u, c := s.User(), s.PublicClient()
	r := s.Request(c).With("redirect_uri", app.redirectURI("127.0.0.1"))
	b.open(r.URL())
	for range 2 {
		b.signIn(u.Username, s.canaries.add("wrong password", "wrong "+newVerifier()))
		b.await(`[role="alert"]`)
		if got := b.value(usernameField); got != u.Username {
			t.Errorf("after a wrong password the username field holds %q; want %q", got, u.Username)
		}
		if got := b.value(passwordField); got != "" {
			t.Error("after a wrong password the password is in the page")
		}
		b.leave(chromedp.Reload())
		b.await(usernameField)
	}
	b.signIn(u.Username, u.password)
	b.click(allowButton)
	q := app.answer(b)
	wantTokens(t, s.Exchange(c, s.canaries.add("authorization code", q.Get("code")), r))
}

// TestChromiumLosesNothing does what people do to pages: back, forward,
// reload, a second tab. The waiting request survives it all, and is answered
// once.
func TestChromiumLosesNothing(t *testing.T) {
	t.Parallel()
	s, app, b := shared(t, postgres), newApplication(t), newTab(t)
	u, c := s.User(), s.PublicClient()
	r := s.Request(c).With("redirect_uri", app.redirectURI("127.0.0.1"))
	b.open(r.URL())
	b.await(usernameField)
	b.leave(chromedp.Reload())
	b.await(usernameField)
	waiting := b.location().String()
	second := b.secondTab()
	second.open(waiting)
	second.await(usernameField)

	b.signIn(u.Username, u.password)
	b.await(allowButton)
	b.leave(chromedp.NavigateBack())
	b.await("main")
	if b.has(usernameField) { // the sign-in page again: signing in again goes on, too
		b.signIn(u.Username, u.password)
	}
	b.await(allowButton)
	b.leave(chromedp.Reload())
	b.await(allowButton)

	// The second tab signs in once more and is taken on all the same.
	second.signIn(u.Username, u.password)
	second.click(allowButton)
	q := app.answer(second)
	wantTokens(t, s.Exchange(c, s.canaries.add("authorization code", q.Get("code")), r))

	// The first tab's page is stale now. It leads to an explanation or to an
	// answer of its own, and never to the same code.
	b.click(allowButton)
	if again := b.location().Query().Get("code"); again == q.Get("code") {
		t.Error("the same code was sent twice")
	}
}

// TestExpiredInteraction opens the sign-in page of a request that waited too
// long: a page that says so and leads back to the application.
func TestExpiredInteraction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, c, b := s.User(), s.Client("--set", "client_uri=https://rp.example/start"), s.browse()
		signIn := b.Open(s.Request(c).URL())
		s.age("interactions", "client_id", c.ID, time.Hour)
		p := b.SignIn(signIn, u.Username, u.password)
		wantRefusedPage(t, p)
		if !strings.Contains(p.Text(), c.Name) || !strings.Contains(strings.ToLower(p.Text()), "expired") {
			t.Errorf("the page names neither the application nor the cause: %s", p.Text())
		}
		if !strings.Contains(p.Body, `href="https://rp.example`) {
			t.Errorf("the page does not lead back to the application: %s", p.Body)
		}
		if strings.Contains(p.Body, "code=") {
			t.Errorf("the page holds a code")
		}
	})
}

// TestKeyboardOnly signs in and consents without a mouse.
func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	s, app, b := shared(t, sqlite), newApplication(t), newTab(t)
	u, c := s.User(), s.PublicClient()
	r := s.Request(c).With("redirect_uri", app.redirectURI("127.0.0.1"))
	b.open(r.URL())
	b.await(usernameField)
	b.tabTo(`document.activeElement.name === "username"`)
	b.run(chromedp.KeyEvent(u.Username))
	b.tabTo(`document.activeElement.name === "password"`)
	b.run(chromedp.KeyEvent(u.password))
	b.leave(chromedp.KeyEvent(kb.Enter))
	b.await(allowButton)
	b.tabTo(`document.activeElement.value === "allow"`)
	b.run(chromedp.KeyEvent(kb.Enter))
	q := app.answer(b)
	wantTokens(t, s.Exchange(c, s.canaries.add("authorization code", q.Get("code")), r))
}

// tabTo presses the tabulator until the focus is where it should be, and sees
// that the focus can be seen on the way.
func (b *tab) tabTo(focused string) {
	b.t.Helper()
	for range 30 {
		if b.evaluate(focused+` ? "yes" : ""`) != "" {
			return
		}
		b.run(chromedp.KeyEvent(kb.Tab))
		outline := b.evaluate(`(() => { const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body || s.outlineStyle !== "none" || s.boxShadow !== "none" ? "" : e.outerHTML })()`)
		if outline != "" {
			b.t.Errorf("focus cannot be seen on %s", outline)
		}
	}
	b.t.Fatalf("the keyboard does not reach the place where %s", focused)
}

// tour goes through every page that the server has, in one tab, and shows each
// to visit. It needs a server without accounts, and starts another where people
// create theirs.
func tour(t *testing.T, s *server, b *tab, visit func(name string)) {
	t.Helper()
	app := newApplication(t)
	stop := func(name, selector string) {
		t.Helper()
		b.await(selector)
		visit(name)
	}
	password := s.canaries.add("password", "a longer sentence "+newVerifier())

	b.open(setupURL(t, s))
	stop("set-up", usernameField)
	b.fill(usernameField, "ada")
	b.fill(passwordField, "short")
	b.click(signInButton)
	stop("set-up refused", `[role="alert"]`)
	b.fill(usernameField, "ada")
	b.fill(`input[name="name"]`, "Ada Lovelace")
	b.fill(passwordField, password)
	b.click(signInButton)
	stop("set-up done", "main h1")

	web := s.register("--name", "Modeling Tool", "--redirect-uri", app.redirectURI("localhost"),
		"--set", "frontchannel_logout_uri="+app.at("localhost", "/out"), "--set", "post_logout_redirect_uris="+app.at("localhost", "/bye"),
		"--scope", "openid profile email offline_access", "--approve")
	pending := s.register("--name", "Report Writer", "--redirect-uri", app.redirectURI("localhost"), "--scope", "openid")

	b.open(s.issuer + "/login")
	stop("sign-in without an application", usernameField)
	b.open(s.Request(web).URL())
	stop("sign-in", usernameField)
	b.signIn("ada", s.canaries.add("wrong password", "wrong "+newVerifier()))
	stop("wrong password", `[role="alert"]`)
	b.signIn("ada", password)
	stop("consent", allowButton)
	b.click(denyButton)
	app.answer(b)
	b.withoutScripts() // one would send the form on
	b.open(s.Request(web).With("response_mode", "form_post").URL())
	b.click(allowButton)
	b.run(emulation.SetScriptExecutionDisabled(false)) // for axe-core; the page's own has missed its time
	stop("answer by form", `main form button`)
	b.click(`main form button`)
	app.answer(b)
	b.open(s.Request(pending).URL())
	b.stand()
	stop("waiting for approval", "main h1")
	s.CLI("", "client", "disapprove", pending.ID, "--reason", "It has been replaced by the Modeling Tool.", "--yes")
	b.open(s.Request(pending).URL())
	stop("disapproved", "main h1")
	b.open(s.Request(web).With("redirect_uri", "https://elsewhere.example/cb").URL())
	stop("error", "main h1")
	b.open(s.issuer + "/no-such-page")
	stop("not found", "main h1")
	b.open(s.issuer + "/")
	stop("home", `main form button`)
	tourOfDevices(s, b, stop)
	tourOfOAuth1(s, b, stop)
	b.open(s.issuer + "/logout")
	stop("sign-out", `main form button`)
	b.click(signInButton)
	stop("signed out everywhere", "iframe[hidden] ~ p")
	tourOfSignOut(s, b, stop, url.Values{"client_id": {web.ID}, "post_logout_redirect_uri": {app.at("localhost", "/bye")}, "state": {"x"}})
	tourOfSignUp(t, start(t, sqlite, setting{"SIGN_UP", "open"}), b, stop)
}

// tourOfOAuth1 allows an application that cannot be come back to, and carries
// the code to it (RFC 5849, section 2.2).
func tourOfOAuth1(s *server, b *tab, stop func(name, selector string)) {
	s.t.Helper()
	tool := mustJSON[client](s.t, s.CLI("", "client", "create", "--type", "oauth1", "--name", "Requirements Bridge", "--scope", "models", "--approve", "-o", "json"))
	s.canaries.add("consumer secret", tool.Secret)
	consumer := oauth1.Config{
		ConsumerKey: tool.ID, ConsumerSecret: tool.Secret, CallbackURL: "oob",
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: s.endpoint("oauth1_request_token_endpoint"), AuthorizeURL: s.endpoint("oauth1_authorization_endpoint"),
			AccessTokenURL: s.endpoint("oauth1_access_token_endpoint"),
		},
	}
	token, secret, err := consumer.RequestToken()
	if err != nil {
		s.t.Fatal(err)
	}
	address, err := consumer.AuthorizationURL(token)
	if err != nil {
		s.t.Fatal(err)
	}
	b.open(address.String())
	stop("consent by OAuth 1.0a", allowButton)
	b.click(allowButton)
	stop("code for an application", "output.code")
	if _, _, err := consumer.AccessToken(token, secret, b.evaluate(`document.querySelector("output.code").textContent`)); err != nil {
		s.t.Error(err)
	}
}

// tourOfSignOut is a sign-out that an application asks for (OpenID Connect
// RP-Initiated Logout 1.0).
func tourOfSignOut(s *server, b *tab, stop func(name, selector string), asked url.Values) {
	s.t.Helper()
	u := s.User()
	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	b.open(s.endpoint("end_session_endpoint") + "?" + asked.Encode())
	stop("sign-out that an application asks for", `main form button`)
	b.open(s.issuer + "/logout")
	b.click(signInButton)
	stop("signed out", "main h1")
	b.open(s.issuer + "/device?user_code=BCDF-GHJK")
	b.await(usernameField)
	b.run(chromedp.Evaluate(`document.querySelector("details.scan").open = true`, nil))
	stop("sign-in for a device", ".scan svg")
}

// tourOfSignUp creates an account.
func tourOfSignUp(t *testing.T, s *server, b *tab, stop func(name, selector string)) {
	t.Helper()
	s.User() // whoever comes first is no stranger
	c := s.register("--name", "Modeling Tool", "--redirect-uri", newApplication(t).redirectURI("localhost"), "--scope", "openid profile", "--approve")
	b.open(s.issuer + "/login")
	stop("sign-in, or sign-up", usernameField)
	b.open(s.Request(c).With("scope", "openid profile").With("prompt", "create").URL())
	stop("sign-up", usernameField)
	b.fill(usernameField, "grace")
	b.fill(passwordField, "grace")
	b.fill(`input[name="password_again"]`, "grace")
	b.click(signInButton)
	stop("sign-up refused", `[role="alert"]`)
	password := s.canaries.add("password", "a longer sentence "+newVerifier())
	b.fill(passwordField, password)
	b.fill(`input[name="password_again"]`, password)
	b.click(signInButton)
	b.await(allowButton)
}

// tourOfDevices connects a device (RFC 8628, section 3.3), and shows that its
// tokens come of it.
func tourOfDevices(s *server, b *tab, stop func(name, selector string)) {
	s.t.Helper()
	tool := s.register("--name", "Model Exporter", "--public", "--grant", deviceGrant, "--redirect-uri", nativeRedirect,
		"--set", "application_type=native", "--scope", "openid profile offline_access", "--approve")
	codes := s.Post(s.endpoint("device_authorization_endpoint"), tool, url.Values{"scope": {"openid profile offline_access"}})
	if codes.Status != http.StatusOK {
		s.t.Fatalf("device authorization: %d %s", codes.Status, codes.Body)
	}
	b.open(codes.str("verification_uri"))
	stop("device", "#user_code")
	b.fill("#user_code", "BCDFGHJK")
	b.click(signInButton)
	stop("wrong code of a device", `[role="alert"]`)
	b.open(codes.str("verification_uri_complete"))
	stop("consent for a device", allowButton)
	b.click(allowButton)
	stop("connected device", "main h1")
	b.open(codes.str("verification_uri_complete"))
	stop("used code of a device", `[role="alert"]`)
	poll := url.Values{"grant_type": {deviceGrant}, "device_code": {codes.str("device_code")}}
	if a := s.Post(s.endpoint("token_endpoint"), tool, poll); a.Status != http.StatusOK || a.str("refresh_token") == "" {
		s.t.Errorf("token request of the device: %d %s", a.Status, a.Body)
	}
	tourOfParkedDevice(s, b, stop)
}

// tourOfParkedDevice shows a device whose client nobody has approved, and goes
// on by itself once somebody has.
func tourOfParkedDevice(s *server, b *tab, stop func(name, selector string)) {
	s.t.Helper()
	tool := s.register("--name", "Field Recorder", "--public", "--grant", deviceGrant, "--redirect-uri", nativeRedirect,
		"--set", "application_type=native", "--scope", "openid profile")
	b.open(s.startDevice(tool).str("verification_uri_complete"))
	b.stand()
	stop("device that waits for approval", "#looking")
	b.leave(chromedp.Reload())
	b.await("#looking")
	s.approve(tool)
	b.await(allowButton) // the page goes on by itself
	b.run(chromedp.Evaluate(`document.querySelector("details.scan").open = true`, nil))
	stop("consent for a device, and a code for another", ".scan svg")
}

// stand keeps a page that looks again by itself from doing so while it is
// looked at.
func (b *tab) stand() {
	b.t.Helper()
	b.await("#looking")
	b.run(chromedp.Evaluate(`for (let timer = setTimeout(() => {}); timer > 0; timer--) clearTimeout(timer)`, nil))
}

// setupURL returns the URL that the server printed at its first start.
func setupURL(t testing.TB, s *server) string {
	t.Helper()
	address := findSetupURL(s.log.String())
	if address == "" {
		t.Fatalf("the server printed no set-up URL:\n%s", s.log)
	}
	if _, err := url.Parse(address); err != nil {
		t.Fatal(err)
	}
	return address
}
