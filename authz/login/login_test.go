package login_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"countersign/authz/browser"
	"countersign/authz/login"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/interaction"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

const password = "correct horse battery staple"

var operator = audit.Actor{Name: "root", Via: audit.ViaCLI}

// site is a server with the sign-in page, and a browser that visits it.
type site struct {
	t            *testing.T
	url          string
	db           *storage.DB
	keys         *seal.Keys
	accounts     *account.Store
	sessions     *session.Store
	interactions *interaction.Store
	client       *clientstore.Client
	browser      *http.Client
}

func open(t *testing.T) *site {
	t.Helper()
	db, keys := storagetest.Open(t), storagetest.Keys(t)
	if err := db.CheckKey(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, db: db, keys: keys,
		accounts:     account.New(db, account.Config{Keys: keys, Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}}),
		sessions:     session.New(db, session.Config{Keys: keys}),
		interactions: interaction.New(db, keys),
	}
	if _, err := s.accounts.Create(t.Context(), operator, account.Registration{Username: "ada", Password: password}); err != nil {
		t.Fatal(err)
	}
	clients := clientstore.New(db, clientstore.Config{Keys: keys, Audit: audit.New(db)})
	var err error
	s.client, _, err = clients.Register(t.Context(), operator, clientstore.Registration{
		Type: clientstore.OIDC, Name: "Modeler <b>",
		Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, Scope: "openid"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.client, err = clients.Approve(t.Context(), operator, s.client.ID); err != nil {
		t.Fatal(err)
	}
	s.serve(clients)
	return s
}

func (s *site) serve(clients *clientstore.Store) {
	s.t.Helper()
	pages, err := page.New(page.Config{Name: "Countersign", Contact: "Grace", Asset: func(name string) string { return "/assets/" + name }})
	if err != nil {
		s.t.Fatal(err)
	}
	none, err := passkey.New(passkey.Config{Issuer: "http://127.0.0.1"})
	if err != nil {
		s.t.Fatal(err)
	}
	h := login.New(login.Config{
		Tx: s.db.Tx(), Passkeys: none,
		Accounts: s.accounts, Sessions: s.sessions, Interactions: s.interactions, Clients: clients,
		Cookies: browser.New(&url.URL{Scheme: "http", Host: "localhost"}), Pages: pages,
		SignedIn: func(string) {}, SignInFailed: func(string) {},
	})
	answer := func(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			err := serve(w, r)
			if p, ok := errors.AsType[*page.Problem](err); ok {
				err = pages.Problem(w, r, p)
			} else if errors.Is(err, storage.ErrUnavailable) {
				err = pages.Problem(w, r, page.Unavailable())
			}
			if err != nil {
				s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", answer(h.Show))
	mux.Handle("POST /login", answer(h.Submit))
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	s.url = server.URL
	s.browser = newBrowser(s.t)
}

// newBrowser keeps cookies and does not follow redirects.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// cookie returns the value of a cookie that the browser keeps.
func (s *site) cookie(name string) string {
	u, _ := url.Parse(s.url) // the test server's own
	for _, c := range s.browser.Jar.Cookies(u) {
		if c.Name == "cs_"+name {
			return c.Value
		}
	}
	return ""
}

// wait makes a request wait in the browser, with further parameters.
func (s *site) wait(parameters url.Values) string {
	s.t.Helper()
	if s.cookie("browser") == "" {
		u, _ := url.Parse(s.url) // the test server's own
		s.browser.Jar.SetCookies(u, []*http.Cookie{{Name: "cs_browser", Value: seal.NewToken(seal.BrowserCookie), Path: "/"}})
	}
	request := url.Values{"redirect_uri": {"https://app.example/cb"}}
	for name, values := range parameters {
		request[name] = values
	}
	i, err := s.interactions.Create(s.t.Context(), interaction.Waiting{
		ClientID: s.client.ID, ResumePath: "/authorize/resume", Request: request, Browser: s.cookie("browser"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return i.ID
}

// answer is a page, or a redirect.
type answer struct {
	*http.Response
	doc *html.Node
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	res, err := s.browser.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // all of it was read
	doc, err := html.Parse(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res, doc}
}

func (s *site) get(path string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(r)
}

func (s *site) post(form url.Values) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r)
}

func credentials(interaction string) url.Values {
	return url.Values{"interaction": {interaction}, "username": {"ada"}, "password": {password}}
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

// field returns an attribute of the input with the name.
func (a answer) field(name, key string) string {
	for n := range a.doc.Descendants() {
		if n.Data != "input" || !slices.Contains(n.Attr, html.Attribute{Key: "name", Val: name}) {
			continue
		}
		for _, at := range n.Attr {
			if at.Key == key {
				return at.Val
			}
		}
	}
	return ""
}

func (s *site) want(a answer, status int, words ...string) {
	s.t.Helper()
	if a.StatusCode != status {
		s.t.Errorf("status %d; want %d: %s", a.StatusCode, status, a.text())
	}
	for _, w := range words {
		if !strings.Contains(a.text(), w) {
			s.t.Errorf("page lacks %q: %s", w, a.text())
		}
	}
}

func (s *site) wantRedirect(a answer, location string) {
	s.t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != location {
		s.t.Errorf("%d to %q; want 303 to %q: %s", a.StatusCode, a.Header.Get("Location"), location, a.text())
	}
}

func TestSignInForAnApplication(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(url.Values{"login_hint": {"ada\u202E" + strings.Repeat("x", 200)}})
	p := s.get("/login?interaction=" + id)
	s.want(p, http.StatusOK, "to continue to Modeler <b>", "app.example") // CN-08
	if got := p.field("username", "value"); !strings.HasPrefix(got, "adax") || len(got) > 110 {
		t.Errorf("the hint fills in %q", got)
	}
	if p.field("username", "autocomplete") != "username" || p.field("password", "autocomplete") != "current-password" ||
		p.field("interaction", "value") != id {
		t.Error("the form is not what password managers expect")
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://app.example;") {
		t.Errorf("policy %q", csp)
	}
	s.wantRedirect(s.post(credentials(id)), "/authorize/resume?interaction="+id) // AZ-20
	i, err := s.interactions.Get(t.Context(), id, s.cookie("browser"))
	if err != nil || i.AuthenticatedAt == nil {
		t.Fatalf("interaction %+v, %v", i, err)
	}
	sess, err := s.sessions.Get(t.Context(), s.cookie("session"))
	if err != nil || sess.ID != i.SessionID || sess.ACR != "urn:countersign:acr:pwd" || !slices.Equal(sess.AMR, []string{"pwd"}) || sess.IP != "127.0.0.1" {
		t.Errorf("session %+v, %v", sess, err)
	}
	if s.cookie("device") == "" {
		t.Error("the browser is not remembered")
	}
	// Back, a second tab: what is done is not asked again.
	s.wantRedirect(s.get("/login?interaction="+id), "/authorize/resume?interaction="+id)
	s.want(s.get("/login?switch=1&interaction="+id), http.StatusOK, "another account")
}

func TestSignInWithoutAnApplication(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.want(s.get("/login"), http.StatusOK, "Sign in")
	s.wantRedirect(s.post(credentials("")), "/")
	s.wantRedirect(s.get("/login"), "/")
	s.want(s.get("/login?switch=1"), http.StatusOK, "another account")
}

// LG-01 a new cookie each time, and the old one is dead.
func TestCookieChanges(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.post(credentials(""))
	before := s.cookie("session")
	s.post(credentials(""))
	if after := s.cookie("session"); after == before || after == "" {
		t.Errorf("cookie %q after %q", after, before)
	}
	if _, err := s.sessions.Get(t.Context(), before); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the old cookie: %v", err)
	}
}

// LG-07, as far as the page tells; nothing is lost but the password.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(nil)
	var first string
	for _, username := range []string{"ada", "nobody"} {
		form := credentials(id)
		form.Set("username", username)
		form.Set("password", "wrong")
		a := s.post(form)
		s.want(a, http.StatusUnprocessableEntity, "The username or the password is wrong.", "Modeler")
		if a.field("username", "value") != username || a.field("password", "value") != "" || a.field("interaction", "value") != id {
			t.Error("the form lost something")
		}
		if a.field("username", "aria-invalid") != "true" || !strings.Contains(a.field("password", "aria-describedby"), "fault") {
			t.Error("the fields are not marked")
		}
		if first == "" {
			first = a.text()
		}
		if a.text() != first {
			t.Error("the page tells an unknown user from a known one")
		}
	}
	if s.cookie("session") != "" {
		t.Error("somebody is signed in")
	}
	s.wantRedirect(s.post(credentials(id)), "/authorize/resume?interaction="+id)
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	s := open(t)
	form := credentials("")
	form.Set("password", "wrong")
	for range 50 {
		a := s.post(form)
		if a.StatusCode == http.StatusUnprocessableEntity {
			continue
		}
		s.want(a, http.StatusTooManyRequests, "Too many attempts", "Your account is not locked")
		if a.Header.Get("Retry-After") == "" {
			t.Error("the answer does not say when to try again")
		}
		return
	}
	t.Error("50 wrong passwords and no end")
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, form := range map[string]url.Values{
		"nothing":     {},
		"no password": {"username": {"ada"}},
		"no username": {"password": {password}},
	} {
		t.Run(name, func(*testing.T) {
			s.want(s.post(form), http.StatusUnprocessableEntity, "Something is missing")
		})
	}
}

// LG-16 steps cannot be skipped, and LG-15 nothing that the browser sends says
// where to go.
func TestWaitingRequestThatIsNotHere(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(nil)
	stranger := *s
	stranger.browser = newBrowser(t)
	for name, a := range map[string]answer{
		"shown in another browser":  stranger.get("/login?interaction=" + id),
		"posted by another browser": stranger.post(credentials(id)),
		"unknown":                   s.get("/login?interaction=XXXXXXXXXXXXXXXXXXXXXXXXXX"),
		"an address":                s.post(credentials("//evil.example")),
		"an address with a scheme":  s.get("/login?interaction=https%3A%2F%2Fevil.example"),
		"a script":                  s.post(credentials("javascript:alert(1)")),
	} {
		t.Run(name, func(*testing.T) {
			s.want(a, http.StatusBadRequest, "This sign-in is not waiting here", "start again from there", "E-INTERACTION-UNKNOWN")
		})
	}
	if stranger.cookie("session") != "" {
		t.Error("a stranger's password was looked at for a request that is not theirs")
	}
	form := credentials("")
	form.Set("return_to", "//evil.example")
	s.wantRedirect(s.post(form), "/")
}

func TestExpired(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(nil)
	clock := storagetest.Clock(s.db)
	clock.Advance(interaction.Lifetime + time.Second)
	for name, a := range map[string]answer{"shown": s.get("/login?interaction=" + id), "posted": s.post(credentials(id))} {
		t.Run(name, func(*testing.T) {
			s.want(a, http.StatusBadRequest, "This sign-in has expired", "Back to Modeler <b>")
		})
	}
}

// LG-03 text/plain trick.
func TestOtherMediaTypes(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, mediaType := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json", ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/login", strings.NewReader(credentials("").Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", mediaType)
		s.want(s.do(r), http.StatusUnsupportedMediaType, "unexpected format")
	}
	if s.cookie("session") != "" {
		t.Error("somebody is signed in")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/login?username=ada&password="+url.QueryEscape(password), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.want(s.do(r), http.StatusUnprocessableEntity, "Something is missing")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.wait(nil)
	restore := storagetest.FailStatements(s.db, nil)
	for name, a := range map[string]answer{"shown": s.get("/login?interaction=" + id), "posted": s.post(credentials(id)), "alone": s.post(credentials(""))} {
		t.Run(name, func(*testing.T) {
			s.want(a, http.StatusServiceUnavailable, "Nothing was decided")
		})
	}
	restore()
	s.wantRedirect(s.post(credentials(id)), "/authorize/resume?interaction="+id)
}
