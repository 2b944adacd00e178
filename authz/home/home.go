// Package home serves the page of somebody who is signed in.
package home

import (
	"errors"
	"net/http"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/session"
)

// Config is what the pages need.
type Config struct {
	IssuerPath string // without a slash at its end
	Accounts   *account.Store
	Sessions   *session.Store
	Cookies    browser.Cookies
	Pages      *page.Pages
	// Settings tells that the Settings application is served here.
	Settings bool
}

// Handler serves the pages.
type Handler struct{ cfg Config }

// New returns the pages.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// Show serves GET /.
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	s, a, err := h.who(r)
	if errors.Is(err, storage.ErrNotFound) {
		return h.showStranger(w, r)
	}
	if err != nil {
		return err
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.Home{
		Person: page.Person{ID: a.ID, Username: a.Username, Name: a.Claims.Name}, Since: s.AuthTime, Administrator: a.Has(account.ConfigureServer), Settings: h.cfg.Settings,
	})
}

// showStranger sends a stranger to sign in, if there is anybody they could be.
func (h *Handler) showStranger(w http.ResponseWriter, r *http.Request) error {
	needed, err := h.cfg.Accounts.NeedsSetup(r.Context())
	if err != nil {
		return err
	}
	if needed {
		return page.NotSetUp()
	}
	h.redirect(w, "/login")
	return nil
}

// who returns who is signed in.
func (h *Handler) who(r *http.Request) (*session.Session, *account.Account, error) {
	s, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if err != nil {
		return nil, nil, err
	}
	a, err := h.cfg.Accounts.Get(r.Context(), s.AccountID)
	return s, a, err
}

func (h *Handler) redirect(w http.ResponseWriter, path string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.cfg.IssuerPath+path)
	w.WriteHeader(http.StatusSeeOther)
}
