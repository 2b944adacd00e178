package consent_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"

	"countersign/authz/browser"
	"countersign/authz/consent"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

var operator = audit.Actor{Name: "root", Via: audit.ViaCLI}

// site is a server with the consent page, and the browser of somebody who is
// signed in.
type site struct {
	t            *testing.T
	db           *storage.DB
	accounts     *account.Store
	sessions     *session.Store
	interactions *interaction.Store
	clients      *clientstore.Store
	grants       *grant.Store
	pages        *page.Pages
	handler      *consent.Handler
	ada          *account.Account
	session      string // cookies
	browser      string
}

func open(t *testing.T) *site {
	t.Helper()
	db, keys := storagetest.Open(t), storagetest.Keys(t)
	if err := db.CheckKey(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, db: db, browser: seal.NewToken(seal.BrowserCookie),
		accounts:     account.New(db, account.Config{Keys: keys, Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}}),
		sessions:     session.New(db, session.Config{Keys: keys}),
		interactions: interaction.New(db, keys),
		clients:      clientstore.New(db, clientstore.Config{Keys: keys, Audit: audit.New(db)}),
		grants:       grant.New(db, keys),
	}
	var err error
	s.pages, err = page.New(page.Config{Name: "Countersign", Contact: "Grace", Asset: func(name string) string { return "/" + name }})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = consent.New(consent.Config{
		Accounts: s.accounts, Sessions: s.sessions, Interactions: s.interactions, Clients: s.clients, Grants: s.grants,
		Tx: db.Tx(), Cookies: browser.New(&url.URL{Scheme: "http"}), Pages: s.pages,
		AccessToken: 10 * time.Minute, Offline: 30 * 24 * time.Hour,
	})
	s.ada, s.session = s.signIn("ada")
	return s
}

func (s *site) signIn(username string) (*account.Account, string) {
	s.t.Helper()
	a, err := s.accounts.Create(s.t.Context(), operator, account.Registration{Username: username, Password: "correct horse battery staple"})
	if err != nil {
		s.t.Fatal(err)
	}
	_, cookie, err := s.sessions.Start(s.t.Context(), session.SignIn{AccountID: a.ID, AccountEpoch: a.Epoch})
	if err != nil {
		s.t.Fatal(err)
	}
	return a, cookie
}

func (s *site) register(change func(*clientstore.Metadata)) *clientstore.Client {
	s.t.Helper()
	m := clientstore.Metadata{
		RedirectURIs: []string{"https://app.example/cb"}, Scope: "openid email models.read offline_access",
		GrantTypes:    []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken},
		ResponseTypes: []string{"code"}, PolicyURI: "https://app.example/privacy",
	}
	if change != nil {
		change(&m)
	}
	c, _, err := s.clients.Register(s.t.Context(), operator, clientstore.Registration{Type: clientstore.OIDC, Name: "Modeler <b>", Metadata: m})
	if err != nil {
		s.t.Fatal(err)
	}
	if c, err = s.clients.Approve(s.t.Context(), operator, c.ID); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) wait(c *clientstore.Client, request url.Values) string {
	s.t.Helper()
	if !request.Has("response_type") {
		request.Set("response_type", "code")
	}
	i, err := s.interactions.Create(s.t.Context(), interaction.Waiting{
		ClientID: c.ID, ResumePath: "/authorize/resume", Request: request, Browser: s.browser,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return i.ID
}

type answer struct {
	status   int
	location string
	policy   string
	doc      *html.Node
}

func (s *site) do(r *http.Request, serve func(http.ResponseWriter, *http.Request) error) answer {
	s.t.Helper()
	for name, value := range map[string]string{"cs_session": s.session, "cs_browser": s.browser} {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	err := serve(w, r)
	if p, ok := errors.AsType[*page.Problem](err); ok {
		err = s.pages.Problem(w, r, p)
	} else if errors.Is(err, storage.ErrUnavailable) {
		err = s.pages.Problem(w, r, page.Unavailable())
	}
	if err != nil {
		s.t.Error(err)
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{w.Code, w.Header().Get("Location"), w.Header().Get("Content-Security-Policy"), doc}
}

func (s *site) get(id string) answer {
	s.t.Helper()
	return s.do(httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/consent?interaction="+id, nil), s.handler.Show)
}

func (s *site) post(form url.Values) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/consent", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r, s.handler.Decide)
}

// decision is the form of the page, with the decision taken.
func (s *site) decision(id, decision string) url.Values {
	s.t.Helper()
	return url.Values{"interaction": {id}, "account": {s.ada.ID}, "decision": {decision}, "shown": {s.get(id).field("shown")}}
}

// field returns the value of a field of the page's form, empty without one.
func (a answer) field(name string) string {
	for n := range a.doc.Descendants() {
		if n.Data == "input" && slices.Contains(n.Attr, html.Attribute{Key: "name", Val: name}) {
			for _, at := range n.Attr {
				if at.Key == "value" {
					return at.Val
				}
			}
		}
	}
	return ""
}

func (a answer) text() string {
	var b strings.Builder
	for n := range a.doc.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// has reports whether the page has an element with the attribute.
func (a answer) has(tag, key, value string) bool {
	for n := range a.doc.Descendants() {
		if n.Data == tag && slices.Contains(n.Attr, html.Attribute{Key: key, Val: value}) {
			return true
		}
	}
	return false
}

func (s *site) want(a answer, status int, words ...string) {
	s.t.Helper()
	if a.status != status {
		s.t.Errorf("status %d; want %d: %s", a.status, status, a.text())
	}
	for _, w := range words {
		if !strings.Contains(a.text(), w) {
			s.t.Errorf("page lacks %q: %s", w, a.text())
		}
	}
}

func (s *site) wantResume(a answer, id string) {
	s.t.Helper()
	if want := "/authorize/resume?interaction=" + id; a.status != http.StatusSeeOther || a.location != want {
		s.t.Errorf("%d to %q; want 303 to %q: %s", a.status, a.location, want, a.text())
	}
}

// kept returns what is stored of the decision.
func (s *site) kept(id string) *interaction.Interaction {
	s.t.Helper()
	i, err := s.interactions.Get(s.t.Context(), id, s.browser)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *site) remembered(c *clientstore.Client) string {
	s.t.Helper()
	given, err := s.grants.Consent(s.t.Context(), s.ada.ID, c.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	if given == nil {
		return ""
	}
	return given.Scope
}

// CN-01, CN-08, CN-09.
func TestPageSaysAllAndGrantsNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{
		"redirect_uri": {"https://app.example/cb"}, "scope": {"openid email models.read offline_access"},
		"claims": {`{"userinfo":{"phone_number":null,"email":null}}`},
	})
	p := s.get(id)
	s.want(p, http.StatusOK, "Modeler <b>", "app.example", "ada", "Not you?", "See your email address.", "models.read",
		"Keep this access", "Up to 30 days", "See also: phone number", "Privacy policy", "administrator of Countersign")
	if strings.Contains(p.text(), "New") {
		t.Error("a first request marks what is new")
	}
	if !strings.Contains(p.policy, "form-action 'self' https://app.example;") {
		t.Errorf("policy %q", p.policy)
	}
	for _, value := range []string{"allow", "deny"} {
		if !p.has("button", "value", value) {
			t.Errorf("no button for %s", value)
		}
	}
	if i := s.kept(id); i.ConsentedBy != "" || i.DeniedAt != nil || s.remembered(c) != "" {
		t.Errorf("looking at the page decided: %+v", i)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"redirect_uri": {"https://app.example/cb"}, "scope": {"openid email"}})
	form := s.decision(id, "allow")
	form.Set("scope", "openid email models.read") // CN-03
	form.Set("client_id", "another")
	s.wantResume(s.post(form), id)
	if i := s.kept(id); i.ConsentedBy != s.ada.ID || i.ConsentedScope != "openid email" {
		t.Errorf("kept %q by %q", i.ConsentedScope, i.ConsentedBy)
	}
	if got := s.remembered(c); got != "openid email" {
		t.Errorf("remembered %q", got)
	}
	again := s.wait(c, url.Values{"redirect_uri": {"https://app.example/cb"}, "scope": {"openid models.read"}})
	s.want(s.get(again), http.StatusOK, "You have allowed it something before", "models.read New")
}

func TestDeny(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"scope": {"openid"}})
	s.wantResume(s.post(s.decision(id, "deny")), id)
	if i := s.kept(id); i.DeniedAt == nil || i.ConsentedBy != "" || s.remembered(c) != "" {
		t.Errorf("kept %+v", i)
	}
	// A second tab cannot turn it round.
	s.wantResume(s.post(s.decision(id, "allow")), id)
	s.wantResume(s.get(id), id)
	if i := s.kept(id); i.ConsentedBy != "" {
		t.Error("allowed after it was denied")
	}
}

func TestScopeIsSettled(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(func(m *clientstore.Metadata) {
		m.GrantTypes = []string{clientstore.GrantAuthorizationCode}
		m.Scope = "openid email offline_access"
	})
	for _, tt := range []struct{ name, asked, want string }{
		{"nothing asked means all", "", "openid email"},
		{"twice the same", "email openid email", "email openid"},
		{"offline access that cannot be used", "openid offline_access", "openid"},
	} {
		t.Run(tt.name, func(*testing.T) {
			id := s.wait(c, url.Values{"scope": {tt.asked}})
			s.wantResume(s.post(s.decision(id, "allow")), id)
			if got := s.kept(id).ConsentedScope; got != tt.want {
				t.Errorf("consented to %q; want %q", got, tt.want)
			}
		})
	}
	id := s.wait(c, url.Values{"scope": {"openid admin"}}) // the dispatcher refuses it
	s.wantResume(s.post(s.decision(id, "allow")), id)
	if s.kept(id).ConsentedBy != "" {
		t.Error("consented to what the client may not have")
	}
}

func TestPlainOAuthClientThatMayRefresh(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(s.register(nil), url.Values{"scope": {"models.read"}})
	s.want(s.get(id), http.StatusOK, "Keep this access", "Up to 30 days")
	s.wantResume(s.post(s.decision(id, "allow")), id)
	if got := s.kept(id).ConsentedScope; got != "models.read" {
		t.Errorf("consented to %q", got)
	}
}

// CN-04: any application could pose as this one (RFC 8252, section 8.6).
func TestNativePublicClientIsNotRemembered(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(func(m *clientstore.Metadata) {
		m.ApplicationType, m.TokenEndpointAuthMethod = "native", clientstore.AuthNone
		m.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	id := s.wait(c, url.Values{"redirect_uri": {"http://127.0.0.1:49152/cb"}, "scope": {"openid"}})
	s.want(s.get(id), http.StatusOK, "an application on this computer")
	s.wantResume(s.post(s.decision(id, "allow")), id)
	if s.kept(id).ConsentedBy != s.ada.ID || s.remembered(c) != "" {
		t.Errorf("remembered %q", s.remembered(c))
	}
}

// CN-02.
// JB-07: a client that may come back by itself says so, and what it is allowed
// in an administrator's test is not remembered: it ends with the test.
func TestClientThatMayComeBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public()}}})
	if err != nil {
		t.Fatal(err)
	}
	c := s.register(func(m *clientstore.Metadata) {
		m.GrantTypes, m.JWKS = []string{clientstore.GrantAuthorizationCode, clientstore.GrantJWTBearer}, keys
	})
	request := func(uri string) url.Values { return url.Values{"scope": {"openid"}, "redirect_uri": {uri}} }
	tried := s.wait(c, request("https://id.example/settings/test"))
	s.want(s.get(tried), http.StatusOK, "At any time, also while you are away, until you take it back.", "Keep this access when you are not using it.")
	s.wantResume(s.post(s.decision(tried, "allow")), tried)
	if got := s.remembered(c); got != "" {
		t.Errorf("remembered of a test: %q", got)
	}
	real := s.wait(c, request(c.Metadata.RedirectURIs[0]))
	s.want(s.get(real), http.StatusOK, "you are not asked for the same again")
	s.wantResume(s.post(s.decision(real, "allow")), real)
	if got := s.remembered(c); got != "openid" {
		t.Errorf("remembered: %q", got)
	}
}

func TestSomebodyElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"scope": {"openid"}})
	form := s.decision(id, "allow")
	mine := *s

	stranger := *s
	stranger.browser = seal.NewToken(seal.BrowserCookie)
	stranger.want(stranger.get(id), http.StatusBadRequest, "not waiting here")
	stranger.want(stranger.post(form), http.StatusBadRequest, "not waiting here")

	_, s.session = s.signIn("eve")
	s.want(s.post(form), http.StatusForbidden, "Somebody else has signed in", "Continue")
	form.Del("account")
	s.want(s.post(form), http.StatusForbidden, "Somebody else has signed in")

	s.session = ""
	s.wantResume(s.post(form), id) // the dispatcher asks them to sign in
	s.wantResume(s.get(id), id)
	if i := mine.kept(id); i.ConsentedBy != "" {
		t.Errorf("%q consented", i.ConsentedBy)
	}
}

func TestNotADecision(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(s.register(nil), url.Values{"scope": {"openid"}})
	for _, decision := range []string{"", "Allow", "true"} {
		s.want(s.post(s.decision(id, decision)), http.StatusBadRequest, "E-DECISION")
	}
	if s.kept(id).ConsentedBy != "" {
		t.Error("consented without saying so")
	}
}

func TestClientThatIsNotApprovedAnyMore(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"scope": {"openid"}})
	if _, err := s.clients.Disapprove(t.Context(), operator, c.ID, "No."); err != nil {
		t.Fatal(err)
	}
	s.wantResume(s.get(id), id)
	s.wantResume(s.post(s.decision(id, "allow")), id)
	if s.kept(id).ConsentedBy != "" || s.remembered(c) != "" {
		t.Error("consent to a disapproved client was kept")
	}
	if err := s.clients.Remove(t.Context(), operator, c.ID); err != nil {
		t.Fatal(err)
	}
	s.want(s.get(id), http.StatusBadRequest, "not registered here")
}

func TestExpired(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(s.register(nil), url.Values{"redirect_uri": {"https://app.example/cb"}})
	storagetest.Clock(s.db).Advance(interaction.Lifetime + time.Second)
	s.want(s.get(id), http.StatusBadRequest, "This sign-in has expired", "Back to Modeler <b>")
	s.want(s.post(s.decision(id, "allow")), http.StatusBadRequest, "This sign-in has expired")
}

// Consent is noted and remembered, or neither.
func TestDatabaseFailsHalfway(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"scope": {"openid"}})
	for _, fragment := range []string{`INTO consents`, "commit", "consented_by"} {
		form := s.decision(id, "allow")
		restore := storagetest.FailStatements(s.db, storagetest.Containing(fragment))
		a := s.post(form)
		restore()
		s.want(a, http.StatusServiceUnavailable, "Nothing was decided")
		if s.kept(id).ConsentedBy != "" || s.remembered(c) != "" {
			t.Errorf("%s: half of the consent was kept", fragment)
		}
	}
	s.wantResume(s.post(s.decision(id, "allow")), id)
}

// CN-03: what was allowed is what the page said, not what an administrator
// made of the client before the answer came.
func TestConsentToAPageThatIsOutOfDate(t *testing.T) {
	s := open(t)
	c := s.register(nil)
	id := s.wait(c, url.Values{"redirect_uri": {"https://app.example/cb"}})
	form := s.decision(id, "allow")
	m := c.Metadata
	m.Scope += " further"
	if _, err := s.clients.Edit(t.Context(), operator, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version}); err != nil {
		t.Fatal(err)
	}
	if a := s.post(form); a.status != http.StatusSeeOther || a.location != "/consent?interaction="+id {
		t.Errorf("%d to %q; want the page again", a.status, a.location)
	}
	s.wantResume(s.post(s.decision(id, "allow")), id)
}
