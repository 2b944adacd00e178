package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/dghubble/oauth1"
)

// administrator makes an account that may configure the server.
func (s *server) administrator() *user {
	s.t.Helper()
	return s.User("--permission", "configure_server")
}

// settings is where a page of the Settings application is.
func (s *server) settings(path string) string { return s.issuer + "/settings" + path }

// procedure is a client of one type as an administrator makes it in the
// browser, and what the protocol then does.
type procedure struct {
	name, clientType string
	scripts          bool
	// fill fills in what is not there already.
	fill func(b *tab)
	// works reports whether the client gets what it is for.
	works func(s *server, c *client) bool
}

var procedures = []procedure{
	{"OAuth 1.0a, without JavaScript", "oauth1", false, func(*tab) {}, getsTemporaryCredentials},
	{"OAuth 2.0", "oauth2", true, func(b *tab) {
		b.run(chromedp.Evaluate(`for (const box of document.querySelectorAll("input[name=grant], input[name=response]")) box.checked = box.value === "client_credentials"`, nil))
	}, getsTokenForItself},
	{"OpenID Connect", "oidc", true, func(b *tab) {
		b.fill("#redirect_uris", webRedirect)
	}, beginsSignIn},
}

// getsTemporaryCredentials is RFC 5849, section 2.1, by a library that is not
// ours.
func getsTemporaryCredentials(s *server, c *client) bool {
	consumer := oauth1.Config{
		ConsumerKey: c.ID, ConsumerSecret: c.Secret, CallbackURL: "oob",
		Endpoint: oauth1.Endpoint{RequestTokenURL: s.endpoint("oauth1_request_token_endpoint")},
	}
	token, _, err := consumer.RequestToken()
	return err == nil && token != ""
}

func getsTokenForItself(s *server, c *client) bool {
	a := s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"client_credentials"}})
	return a.Status == http.StatusOK && a.str("access_token") != ""
}

// beginsSignIn pushes a request, for which the client has to prove itself and
// to be approved.
func beginsSignIn(s *server, c *client) bool {
	return s.Post(s.endpoint("pushed_authorization_request_endpoint"), c, url.Values{
		"response_type": {"code"}, "redirect_uri": {webRedirect}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	}).Status == http.StatusCreated
}

// TestSettingsProcedures registers, approves, edits, disapproves and removes a
// client of each type in a real browser; after each step the protocol does
// what the page says.
func TestSettingsProcedures(t *testing.T) {
	t.Parallel()
	for i, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s, b := shared(t, []string{sqlite, postgres}[i%2]), newTab(t)
			p.run(s, b)
		})
	}
}

func (p procedure) run(s *server, b *tab) {
	u := s.administrator()
	if !p.scripts {
		b.withoutScripts()
	}
	b.open(s.settings("/oauth-clients?type=" + p.clientType))
	b.signIn(u.Username, u.password) // and back to where it was
	b.click(`.head .primary`)
	name := "Procedure " + newVerifier()[:8]
	b.fill("#name", name)
	p.fill(b)
	b.click(`form.panel button.primary`)
	c := &client{Name: name, Type: p.clientType, AuthMethod: "client_secret_basic", ID: b.read("#key"), Secret: b.read("#secret-value")}
	s.canaries.add("client secret", c.Secret)
	p.checkEndpoints(s, b)
	p.expectRefusal(s, c, "a pending client")

	b.take()
	b.click(`a[href*="/approve?key="]`)
	b.click(allowButton)
	b.shows("The client is approved", "Approved")
	p.expectWork(s, c, "an approved client")

	b.click(`.actions a[href$="/edit"]`)
	b.fill("#name", name+" 2")
	b.click(`form.panel button.primary`)
	b.shows("The changes are saved", name+" 2", c.ID)
	p.expectWork(s, c, "an edited client")

	b.open(s.settings("/oauth-clients?q=" + c.ID))
	b.openMenu(p.scripts)
	b.click(`details.menu a[href$="/disapprove"]`)
	b.fill("#reason", "The test says so.")
	b.click(`button[value="disapprove"]`)
	b.shows("The client is disapproved", "Disapproved", "The test says so.")
	p.expectRefusal(s, c, "a disapproved client")

	b.click(`.actions a[href$="/remove"]`)
	b.click(`button[value="remove"]`)
	b.shows("The client is removed")
	b.open(s.settings("/oauth-clients?q=" + c.ID))
	b.shows("Nothing matches")
	p.expectRefusal(s, c, "a removed client")
}

// checkEndpoints holds the endpoints that the page shows against those that
// discovery names.
func (p procedure) checkEndpoints(s *server, b *tab) {
	s.t.Helper()
	members := map[string]string{"authorization": "authorization_endpoint", "token": "token_endpoint", "introspection": "introspection_endpoint", "revocation": "revocation_endpoint"}
	switch p.clientType {
	case "oauth1":
		members = map[string]string{
			"request-token": "oauth1_request_token_endpoint", "authorization": "oauth1_authorization_endpoint",
			"access-token": "oauth1_access_token_endpoint", "verification": "oauth1_verification_endpoint",
		}
	case "oidc":
		members["userinfo"], members["end-session"], members["keys"] = "userinfo_endpoint", "end_session_endpoint", "jwks_uri"
	}
	for shown, member := range members {
		if got := b.read("#at-" + shown); got != s.endpoint(member) {
			s.t.Errorf("the page shows %s as %q; want %q", member, got, s.endpoint(member))
		}
	}
}

func (p procedure) expectWork(s *server, c *client, what string) {
	s.t.Helper()
	if !p.works(s, c) {
		s.t.Errorf("%s does not work", what)
	}
}

func (p procedure) expectRefusal(s *server, c *client, what string) {
	s.t.Helper()
	if p.works(s, c) {
		s.t.Errorf("%s works", what)
	}
}

// read returns the text of an element.
func (b *tab) read(selector string) string {
	b.t.Helper()
	b.await(selector)
	return strings.TrimSpace(b.evaluate(`document.querySelector(` + quote(selector) + `).textContent`))
}

// shows fails unless the page says so.
func (b *tab) shows(words ...string) {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("the page at %s lacks %q:\n%s", b.location(), w, text)
		}
	}
}

// take takes the secret along, so that the page lets go.
func (b *tab) take() {
	b.t.Helper()
	b.run(chromedp.Evaluate(`document.querySelector("button[data-keeps]")?.click()`, nil))
}

// openMenu opens the menu of the first row; the keyboard does it as well.
func (b *tab) openMenu(byKeyboard bool) { //nolint:revive // it is how the test does it
	b.t.Helper()
	if !byKeyboard {
		b.run(chromedp.Click("details.menu summary", chromedp.ByQuery))
		return
	}
	b.run(chromedp.Focus("details.menu summary", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
	b.run(chromedp.KeyEvent(kb.Escape))
	if b.has("details.menu[open]") {
		b.t.Error("Escape does not close the menu")
	}
	b.run(chromedp.KeyEvent(kb.Enter))
}

// TestSettingsOnTheirOwnListener serves administrators where nobody else
// comes: they sign in there, and nowhere else is anything of it.
func TestSettingsOnTheirOwnListener(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	s := start(t, sqlite, setting{"ADMIN_LISTEN", address})
	u, b := s.administrator(), newTab(t)
	b.open("http://" + address + "/")
	b.signIn(u.Username, u.password)
	b.shows("Create your first client")
	b.testsFrom(s, address)
	b.click(`.me a`)
	b.click(signInButton)
	b.shows("You are signed out")
	if a := s.do(s.newRequest(http.MethodGet, s.settings("/oauth-clients"), "")); a.Status != http.StatusNotFound {
		t.Errorf("the main listener answers %d; want 404", a.Status)
	}
	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	b.shows("its administrators' own address")
}

// testsFrom tests a client from the administrators' own address: the browser
// goes to the other one and comes back, also past the policy of the page on
// which the person consents.
func (b *tab) testsFrom(s *server, address string) {
	b.t.Helper()
	b.open("http://" + address + "/settings/oauth-clients/" + s.Client().ID + "/test")
	b.click(`form.panel button.primary`)
	b.click(`.buttons a.primary`)
	b.click(allowButton)
	b.shows("The browser is back", "Exchange it")
	if at := b.location(); at.Host != address || at.RawQuery != "" {
		b.t.Errorf("the browser is back at %s", at)
	}
	b.click(`button[value="end"]`)
	b.shows("The test is over")
}

// TestSettingsAccessibility goes through every page of the Settings
// application, light and dark, on desks and phones: axe-core finds nothing,
// and nothing scrolls sideways.
func TestSettingsAccessibility(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	for name, tour := range map[string]func(s *server, b *tab, stop func(name, path string)){
		"clients": tourOfClients, "a client": tourOfClient, "the rest": tourOfAdministration,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := startPlain(t, setting{"NAME", "Countersign"}), newTab(t)
			tour(s, b, func(name, path string) {
				t.Helper()
				if path != "" {
					b.open(s.settings(path))
				}
				b.await("main h1")
				b.inspect(name, axe)
			})
		})
	}
}

// inspect looks at a page. Colours are those of the scheme and places those of
// the width, so that two looks show all of both.
func (b *tab) inspect(name, axe string) {
	b.t.Helper()
	for i, l := range looks {
		checked := i == 0 || l.name == "phone-dark"
		if !checked && !keeps(name, l) && l.width != narrowest {
			continue
		}
		b.see(l)
		b.picture(name, l)
		if checked {
			rules := byWidthAndScheme
			if i == 0 {
				rules = allRules
			}
			for _, fault := range b.check(axe, rules) {
				b.t.Errorf("%s, %s: %s", name, l.name, fault)
			}
		}
		if wide := b.evaluate(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
			b.t.Errorf("%s, %s: the page is %s pixels too wide", name, l.name, wide)
		}
	}
	b.see(looks[0])
}

// enterSettings signs an administrator in.
func enterSettings(s *server, b *tab) {
	s.t.Helper()
	password := s.canaries.add("password", "a longer sentence "+newVerifier())
	s.CLI(password+"\n", "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada Lovelace", "--permission", "configure_server")
	b.open(s.settings("/oauth-clients"))
	b.signIn("ada", password)
}

func tourOfClients(s *server, b *tab, stop func(name, path string)) {
	enterSettings(s, b)
	stop("settings, nothing yet", "")
	s.sampleClients()
	stop("clients", "/oauth-clients")
	if cut := b.evaluate(`(() => { const t = document.querySelector("table.data"); return t.getBoundingClientRect().right > t.parentElement.getBoundingClientRect().right + 1 ? "yes" : "" })()`); cut != "" {
		s.t.Error("the table is wider than its card, and the menus of the rows are cut off")
	}
	b.run(chromedp.Click("details.menu summary", chromedp.ByQuery))
	stop("clients, a menu", "")
	stop("clients, nothing matches", "/oauth-clients?q=nothing")
	stop("create client", "/oauth-clients/create?type=oidc")
	stop("create consumer", "/oauth-clients/create?type=oauth1")
	b.fill("#name", "Doors Bridge")
	b.run(chromedp.Click("#secret-typed", chromedp.ByQuery))
	b.click(`form.panel button.primary`)
	stop("create client, refused", "")
	b.run(chromedp.Click("#secret-generate", chromedp.ByQuery))
	b.click(`form.panel button.primary`)
	s.canaries.add("client secret", b.read("#secret-value"))
	stop("client created", "")
	b.run(chromedp.Evaluate(`for (const d of document.querySelectorAll(".snippets details")) d.open = true`, nil))
	stop("client created, snippets", "")
	b.take()
	stop("approve consumer", "/oauth-clients/approve?key="+b.read("#key"))
}

func tourOfClient(s *server, b *tab, stop func(name, path string)) {
	enterSettings(s, b)
	report := s.sampleClients()
	path := "/oauth-clients/" + report.ID
	stop("approve client", "/oauth-clients/approve?key="+report.ID)
	stop("client", path)
	stop("edit client", path+"/edit")
	stop("secrets", path+"/secrets")
	stop("disapprove client", path+"/disapprove")
	stop("remove client", path+"/remove")
	stop("no change of a client", path+"/revision")
	stop("test of a client, to begin", path+"/test")
	stop("claims of a client", path+"/claims?account=ada&claims=%7B%22id_token%22%3A%7B%22email%22%3Anull%7D%7D")
	stop("claims of nobody", path+"/claims?account=nobody-of-that-name")
	s.approve(report)
	b.open(s.settings(path + "/test"))
	b.click(`form.panel button.primary`)
	stop("test of a client, begun", "")
	b.click(`.buttons a.primary`)
	b.click(allowButton)
	stop("test of a client, back", "")
	b.click(`button[value="exchange"]`)
	b.run(chromedp.Evaluate(`for (const d of document.querySelectorAll("details.peek")) d.open = true`, nil))
	for _, hidden := range []string{"access_token", "client_secret", "code"} {
		s.canaries.add(hidden, b.evaluate(`[...document.querySelectorAll("dt")].findLast((e) => e.textContent === "`+hidden+`")?.nextElementSibling.querySelector("details code").textContent ?? ""`))
	}
	stop("test of a client, over", "")
	stop("approvals", "/approvals")
}

func tourOfAdministration(s *server, b *tab, stop func(name, path string)) {
	enterSettings(s, b)
	stop("accounts", "/accounts")
	b.click(`tbody th a`)
	stop("account", "")
	stop("create account", "/accounts/create")
	stop("sessions", "/sessions")
	stop("audit", "/audit")
	stop("keys", "/keys")
	stop("diagnostics", "/diagnostics")
	stop("no such page of the settings", "/nothing")
}

// sampleClients registers clients of every type and status, and returns one
// that is pending.
func (s *server) sampleClients() *client {
	s.t.Helper()
	create := func(args ...string) *client {
		c := mustJSON[client](s.t, s.CLI("", append([]string{"client", "create", "-o", "json"}, args...)...))
		s.canaries.add("client secret", c.Secret)
		return &c
	}
	create("--type", "oauth1", "--name", "Requirements Bridge", "--approve")
	create("--name", "Modeling Tool", "--redirect-uri", "https://modeler.example.org/callback", "--scope", "openid profile email offline_access", "--approve")
	create("--type", "oauth2", "--name", "Model Exporter", "--public", "--grant", "authorization_code", "--grant", "refresh_token", "--grant", deviceGrant,
		"--redirect-uri", nativeRedirect, "--scope", "models:read", "--approve")
	create("--name", "Modelling-Tool", "--redirect-uri", "https://modeler.example.net/callback", "--response-type", "code id_token", "--grant", "authorization_code")
	create("--type", "oauth2", "--name", "Nightly Metrics", "--grant", "client_credentials", "--scope", "metrics:write", "--approve")
	legacy := create("--type", "oauth1", "--name", "Legacy Change Manager", "--approve")
	s.CLI("", "client", "disapprove", legacy.ID, "--reason", "It has been replaced by the Requirements Bridge.", "--yes")
	return create("--name", "Report Writer", "--redirect-uri", "https://reports.example.org/cb", "--redirect-uri", "http://reports.example.org/old", "--scope", "openid email")
}
