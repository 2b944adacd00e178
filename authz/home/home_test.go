package home_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/authz/browser"
	"countersign/authz/home"
	"countersign/authz/page"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

var operator = audit.Actor{Name: "root", Via: audit.ViaCLI}

type site struct {
	t        *testing.T
	db       *storage.DB
	accounts *account.Store
	sessions *session.Store
	pages    *page.Pages
	handler  *home.Handler
	cookie   string
}

// open returns a server without accounts.
func open(t *testing.T) *site {
	t.Helper()
	db, keys := storagetest.Open(t), storagetest.Keys(t)
	if err := db.CheckKey(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, db: db,
		accounts: account.New(db, account.Config{Keys: keys, Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}}),
		sessions: session.New(db, session.Config{Keys: keys}),
	}
	var err error
	s.pages, err = page.New(page.Config{Name: "Countersign", Contact: "Grace", IssuerPath: "/auth", Asset: func(name string) string { return "/" + name }})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = home.New(home.Config{
		IssuerPath: "/auth", Accounts: s.accounts, Sessions: s.sessions, Grants: grant.New(db, keys), Audit: audit.New(db),
		Cookies: browser.New(&url.URL{Scheme: "http"}), Pages: s.pages, Now: db.Now,
	})
	return s
}

func (s *site) signIn(p ...account.Permission) {
	s.t.Helper()
	a, err := s.accounts.Create(s.t.Context(), operator, account.Registration{
		Username: "ada", Password: "correct horse battery staple", Claims: account.Claims{Name: "Ada Lovelace"}, Permissions: p,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, s.cookie, err = s.sessions.Start(s.t.Context(), session.SignIn{AccountID: a.ID, AccountEpoch: a.Epoch}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) show() *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/auth/", nil)
	r.AddCookie(&http.Cookie{Name: "cs_session", Value: s.cookie})
	w := httptest.NewRecorder()
	err := s.handler.Show(w, r)
	if p, ok := errors.AsType[*page.Problem](err); ok {
		err = s.pages.Problem(w, r, p)
	}
	if err != nil {
		s.t.Error(err)
	}
	return w
}

func (s *site) want(w *httptest.ResponseRecorder, status int, words ...string) {
	s.t.Helper()
	if w.Code != status {
		s.t.Errorf("status %d; want %d: %s", w.Code, status, w.Body)
	}
	for _, word := range words {
		if !strings.Contains(w.Body.String()+w.Header().Get("Location"), word) {
			s.t.Errorf("answer lacks %q: %s", word, w.Body)
		}
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.want(s.show(), http.StatusServiceUnavailable, "not set up yet")
	s.signIn(account.ConfigureServer)
	s.want(s.show(), http.StatusOK, "Ada Lovelace", "Sign out", "You may configure this server")
	s.cookie = ""
	s.want(s.show(), http.StatusSeeOther, "/auth/login")
}

func TestHomeOfSomebodyWithoutPermissions(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn()
	w := s.show()
	s.want(w, http.StatusOK, "Ada Lovelace")
	if strings.Contains(w.Body.String(), "configure this server") {
		t.Error("the page offers what is not permitted")
	}
}
