package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/logo"
	"countersign/storage/session"
	"countersign/storage/storagetest"
	"countersign/storage/tryout"
)

const password = "correct horse battery staple"

// site is the door on a server without accounts, under a path.
type site struct {
	t        *testing.T
	db       *storage.DB
	accounts *account.Store
	sessions *session.Store
	clients  *clientstore.Store
	audit    *audit.Store
	door     *handler
	handler  http.Handler
	token    string
}

func open(t *testing.T) *site {
	t.Helper()
	return openOn(t, storagetest.Open(t))
}

func openOn(t *testing.T, db *storage.DB, change ...func(*clientstore.Config)) *site {
	t.Helper()
	keys, trail := storagetest.Keys(t), audit.New(db)
	if err := db.CheckKey(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	registered := clientstore.Config{Keys: keys, Audit: trail}
	for _, f := range change {
		f(&registered)
	}
	s := &site{
		t: t, db: db, audit: trail,
		accounts: account.New(db, account.Config{Keys: keys, Audit: trail, Cost: account.HashCost{Memory: 8, Passes: 1}, FourEyes: registered.FourEyes}),
		sessions: session.New(db, session.Config{Keys: keys, Audit: trail}),
		clients:  clientstore.New(db, registered),
	}
	var err error
	s.door, err = newHandler(Config{
		Issuer: "https://id.example/auth", Name: `Counter<sign>"`,
		Tx: db.Tx(), Accounts: s.accounts, Sessions: s.sessions, Interactions: interaction.New(db, keys), Clients: s.clients, Audit: trail,
		Keys:          keyset.New(db, keyset.Config{Keys: keys, Audit: trail, KeptAfter: time.Hour, RotateEvery: 90 * 24 * time.Hour}),
		Failures:      failure.New(db, keys),
		Logos:         logo.New(db),
		Grants:        grant.New(db, keys),
		Tryouts:       tryout.New(db, keys),
		Base:          func(*http.Request) string { return "https://id.example/auth" },
		SessionCookie: func(r *http.Request) string { return cookie(r, "session") },
		BrowserCookie: func(_ http.ResponseWriter, r *http.Request) string { return cookie(r, "browser") },
		Sector: func(context.Context, *clientstore.Metadata, *clientstore.Metadata) (*clientstore.Sector, error) {
			return nil, &clientstore.MetadataError{Field: "sector_identifier_uri", Reason: "cannot be fetched"}
		},
		Diagnose: func(context.Context) []Finding {
			return []Finding{{"https", "ok", "the issuer is reached by https", ""}, {"clock", "warning", "the clock is off", "set the clock"}}
		},
		Log: slog.New(slog.DiscardHandler), Asset: func(name string) string { return "/assets/" + name }, Now: db.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = s.door.handler()
	if s.token, err = s.accounts.StartSetup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

type answer struct {
	status int
	header http.Header
	doc    *html.Node
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	r.Header.Set("X-Request-ID", "request-1")
	r.RemoteAddr = "192.0.2.7:4711"
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	doc, err := html.Parse(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{w.Code, w.Header(), doc}
	if on := a.onward(); a.isProblem() && strings.HasPrefix(r.URL.Path, "/auth"+root) && !strings.HasPrefix(on, "/auth"+root) && on != "/auth/" {
		s.t.Errorf("%s %s leads nowhere: %s", r.Method, r.URL.Path, a.text())
	}
	return a
}

// isProblem reports whether the page tells of a problem.
func (a answer) isProblem() bool {
	return slices.ContainsFunc(a.elements("section"), func(n *html.Node) bool { return attr(n, "class") == "remedy" })
}

// onward is where the button below a problem leads.
func (a answer) onward() string {
	for _, n := range a.elements("a") {
		if attr(n, "class") == "button wide" {
			return attr(n, "href")
		}
	}
	return ""
}

func (s *site) get(path string) answer {
	s.t.Helper()
	return s.do(httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://id.example"+path, nil))
}

func (s *site) post(form url.Values) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://id.example/auth/setup", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

func (s *site) form() url.Values {
	return url.Values{
		"token": {s.token}, "username": {"ada"}, "name": {"Ada Lovelace"}, "email": {"ada@id.example"}, "password": {password},
	}
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

func (a answer) elements(tag string) []*html.Node {
	var found []*html.Node
	for n := range a.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// input returns the input with the name, an empty element if there is none.
func (a answer) input(name string) *html.Node {
	for _, n := range a.elements("input") {
		if attr(n, "name") == name {
			return n
		}
	}
	return &html.Node{}
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
	for key, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy,
	} {
		if got := a.header.Get(key); got != want {
			s.t.Errorf("%s is %q; want %q", key, got, want)
		}
	}
	for _, script := range a.elements("script") {
		if src := attr(script, "src"); !strings.Contains(src, "/assets/") || textOf(script) != "" {
			s.t.Errorf("a script that is not of the layout: %q %s", src, textOf(script))
		}
	}
	if n := len(a.elements("h1")); n != 1 {
		s.t.Errorf("%d elements <h1>; want 1", n)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.get("/auth/setup?token=" + s.token)
	s.want(p, http.StatusOK, "Create the first administrator")
	if attr(p.input("token"), "value") != s.token || attr(p.input("password"), "autocomplete") != "new-password" {
		t.Error("the form is not complete")
	}
	if got := attr(p.elements("script")[0], "src"); got != "/auth/assets/page.js" {
		t.Errorf("script %q", got)
	}
	done := s.post(s.form())
	if done.status != http.StatusSeeOther || !strings.HasPrefix(done.header.Get("Location"), "/auth/setup/done") {
		t.Fatalf("%d to %q: %s", done.status, done.header.Get("Location"), done.text())
	}
	a, err := s.accounts.Find(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if !a.Has(account.ConfigureServer) || a.Claims.Name != "Ada Lovelace" || a.Claims.Email != "ada@id.example" || a.Claims.EmailVerified {
		t.Errorf("account %+v", a)
	}
	s.want(s.get("/auth/setup/done"), http.StatusOK, "countersign client create", "--approve", `Go to the OAuth clients`)
	s.door.cfg.CommandLine = CommandLine{Finders: []Finder{{"--data", "/srv/x"}, {"COUNTERSIGN_SECRET", ""}}, Issuer: "https://id.example/auth"}
	given := done.header.Get("Set-Cookie")
	if !strings.Contains(given, "; Path=/auth/setup; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("cookie %q", given)
	}
	witness, _, _ := strings.Cut(given, ";")
	for _, cookie := range []string{witness, "", "cs_setup=", "cs_setup=x"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://id.example/auth/setup/done", nil)
		r.Header.Set("Cookie", cookie)
		a := s.do(r)
		if cookie == witness {
			s.want(a, http.StatusOK, `--approve \ --data /srv/x`, "give it the same COUNTERSIGN_SECRET.", `CLIENT_ID \ --issuer https://id.example/auth`)
			continue
		}
		s.want(a, http.StatusOK, "give it the same --data, COUNTERSIGN_SECRET.")
		if strings.Contains(a.text(), "/srv/x") {
			t.Errorf("%q is shown where the data is: %s", cookie, a.text())
		}
	}
	var event struct{ ActorName, Via, IP, RequestID string }
	err = s.db.With(t.Context()).Raw("SELECT actor_name, via, ip, request_id FROM audit_events WHERE action = ?", "account.setup").Scan(&event).Error
	if err != nil || event.ActorName != "ada" || event.Via != "setup" || event.IP != "192.0.2.7" || event.RequestID != "request-1" {
		t.Errorf("audit record %+v, %v", event, err)
	}
}

func TestSetupMarksWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, tt := range []struct{ name, field, value string }{
		{"password that is easy to guess", "password", "passwordpassword"},
		{"no password", "password", ""},
		{"no username", "username", "  "},
		{"username with a control character", "username", "a\x01b"},
		{"email address that is none", "email", "nobody"},
		{"name that is too long", "name", strings.Repeat("x", 5000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form := s.form()
			form.Set(tt.field, tt.value)
			a := s.post(form)
			s.want(a, http.StatusUnprocessableEntity, "Please correct one entry")
			for _, name := range []string{"username", "name", "email", "password"} {
				input := a.input(name)
				if marked := attr(input, "aria-invalid") == "true"; marked != (name == tt.field) {
					t.Errorf("%s marked: %v", name, marked)
				}
				if name != tt.field && name != "password" && attr(input, "value") != form.Get(name) {
					t.Errorf("%s is lost", name)
				}
			}
			if attr(a.input("password"), "value") != "" {
				t.Error("the page holds a password")
			}
		})
	}
	if a := s.post(s.form()); a.status != http.StatusSeeOther {
		t.Errorf("the token did not stay usable: %d %s", a.status, a.text())
	}
}

func TestClosedDoor(t *testing.T) {
	t.Parallel()
	s := open(t)
	if a := s.post(s.form()); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.text())
	}
	second := s.form()
	second.Set("username", "eve")
	for name, a := range map[string]answer{
		"the page again":  s.get("/auth/setup?token=" + s.token),
		"without a token": s.get("/auth/setup"),
		"the form again":  s.post(second),
	} {
		t.Run(name, func(*testing.T) {
			s.want(a, http.StatusGone, "set up already", "To the home page", "E-SETUP-CLOSED")
		})
	}
	if _, err := s.accounts.Find(t.Context(), "eve"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a second administrator: %v", err)
	}
}

func TestInvalidToken(t *testing.T) {
	t.Parallel()
	s := open(t)
	replaced := s.token
	var err error
	if s.token, err = s.accounts.StartSetup(t.Context()); err != nil {
		t.Fatal(err)
	}
	form := s.form()
	form.Set("token", replaced)
	for name, a := range map[string]answer{
		"none":      s.get("/auth/setup"),
		"made up":   s.get("/auth/setup?token=%22%3E%3Cscript%3E"),
		"replaced":  s.get("/auth/setup?token=" + replaced),
		"posted":    s.post(form),
		"cut short": s.get("/auth/setup?token=" + s.token[:20]),
	} {
		t.Run(name, func(*testing.T) {
			s.want(a, http.StatusForbidden, "Restart the server", "user create --permission configure_server", "E-SETUP-TOKEN", "request-1")
		})
	}
	s.want(s.get("/auth/setup/done"), http.StatusNotFound)
	storagetest.Clock(s.db).Advance(31 * time.Minute)
	s.want(s.get("/auth/setup?token="+s.token), http.StatusForbidden, "expired")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t)
	crossSite := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://id.example/auth/setup", strings.NewReader(s.form().Encode()))
	crossSite.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	s.want(s.do(crossSite), http.StatusForbidden, "not sent from this server's page")

	plain := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://id.example/auth/setup", strings.NewReader(s.form().Encode()))
	plain.Header.Set("Content-Type", "text/plain")
	s.want(s.do(plain), http.StatusBadRequest, "could not be read")

	del := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "https://id.example/auth/setup", nil)
	s.want(s.do(del), http.StatusMethodNotAllowed)
	s.want(s.get("/auth/admin/"), http.StatusNotFound, "There is no page")
	s.want(s.get("/setup"), http.StatusNotFound)

	restore := storagetest.FailStatements(s.db, nil)
	down := s.get("/auth/setup?token=" + s.token)
	restore()
	s.want(down, http.StatusServiceUnavailable, "Nothing was decided")
	if down.header.Get("Retry-After") == "" {
		t.Error("the answer does not say when to try again")
	}
	if a := s.post(s.form()); a.status != http.StatusSeeOther {
		t.Errorf("none of this may have spent the token: %d", a.status)
	}
}
