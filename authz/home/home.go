// Package home serves the pages of somebody who is signed in: what there is to
// know of their account, and what they may change of it.
package home

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/logo"
	"countersign/storage/session"
	"countersign/storage/signout"
)

// The paths of the pages, under the issuer's.
const (
	pathHome         = "/"
	pathApplications = "/account/applications"
	pathSessions     = "/account/sessions"
	pathProfile      = "/account/profile"
)

// Config is what the pages need.
type Config struct {
	IssuerPath   string // without a slash at its end
	Tx           storage.Tx
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Logos        *logo.Store
	Grants       *grant.Store
	SignOut      *signout.Store
	Audit        *audit.Store
	Passkeys     *passkey.Passkeys
	Cookies      browser.Cookies
	Pages        *page.Pages
	Log          *slog.Logger
	Now          func() time.Time
	// SignUp tells that people create their accounts, and say themselves what
	// their email address is.
	SignUp bool
	// Name is what authenticator applications call the server.
	Name string
	// AdminSecondFactor tells that the administrators' pages ask for a second
	// factor.
	AdminSecondFactor bool
	// Settings tells that the Settings application is served here.
	Settings bool
}

// Handler serves the pages.
type Handler struct{ cfg Config }

// New returns the pages.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// visit is somebody who is signed in and looks at a page.
type visit struct {
	session *session.Session
	account *account.Account
}

func (v *visit) person() page.Person {
	return page.Person{ID: v.account.ID, Username: v.account.Username, Name: v.account.Claims.Name}
}

// served is a page for somebody who is signed in.
type served func(http.ResponseWriter, *http.Request, *visit) error

// signedIn serves a page to who is signed in, and sends anybody else to sign
// in.
func (h *Handler) signedIn(w http.ResponseWriter, r *http.Request, serve served) error {
	v, err := h.who(r)
	if errors.Is(err, storage.ErrNotFound) {
		return h.showStranger(w, r)
	}
	if err != nil {
		return err
	}
	err = serve(w, r, v)
	if errors.Is(err, errEnded) {
		return h.showStranger(w, r)
	}
	return err
}

// errEnded reports that somebody was signed out while their form was on its way.
var errEnded = errors.New("the session ended before the form had arrived")

// form reads the form of somebody who is signed in. Its body may come slowly,
// so it is [errEnded] when the session is over by then.
func (h *Handler) form(r *http.Request, v *visit) (url.Values, error) {
	form, err := page.Form(r)
	if err != nil {
		return nil, err
	}
	now, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if errors.Is(err, storage.ErrNotFound) || err == nil && now.ID != v.session.ID {
		return nil, errEnded
	}
	return form, err
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
func (h *Handler) who(r *http.Request) (*visit, error) {
	s, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if err != nil {
		return nil, err
	}
	a, err := h.cfg.Accounts.Get(r.Context(), s.AccountID)
	return &visit{s, a}, err
}

// Show serves GET /.
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.showHome)
}

// recent is how many activities the first page shows.
const recent = 4

func (h *Handler) showHome(w http.ResponseWriter, r *http.Request, v *visit) error {
	connected, err := h.cfg.Grants.Connections(r.Context(), v.account.ID)
	if err != nil {
		return err
	}
	sessions, err := h.cfg.Sessions.List(r.Context(), v.account.ID)
	if err != nil {
		return err
	}
	second, err := h.cfg.Accounts.HasSecondFactor(r.Context(), v.account.ID)
	if err != nil {
		return err
	}
	happened, err := h.happened(r.Context(), v)
	if err != nil {
		return err
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.Home{
		Person: v.person(), Since: h.moment(v.session.AuthTime), Administrator: v.account.Has(account.ConfigureServer), Settings: h.cfg.Settings,
		Applications: len(connected), Sessions: len(sessions), PasswordSet: h.moment(v.account.PasswordChangedAt),
		Recent: happened[:min(len(happened), recent)], Notice: notice(r), SecondFactor: second,
	})
}

// moment is a time as a page says it.
func (h *Handler) moment(at time.Time) page.Moment { return page.Moment{At: at, Now: h.cfg.Now()} }

// notice is what the address says was just done. It is a word of ours, or none.
func notice(r *http.Request) page.Notice { return page.Notice(r.URL.Query().Get("done")) }

// record keeps a change that is no store's own in the audit record.
func (h *Handler) record(ctx context.Context, r *http.Request, v *visit, action string, after any) error {
	return h.cfg.Audit.Record(ctx, browser.Actor(r, v.account), audit.Change{
		Action: action, TargetType: "account", TargetID: v.account.ID, TargetName: v.account.Username, After: after,
	})
}

// done leads to a page that says what was done.
func (h *Handler) done(w http.ResponseWriter, path string, n page.Notice) error {
	h.redirect(w, path+"?"+url.Values{"done": {string(n)}}.Encode())
	return nil
}

func (h *Handler) redirect(w http.ResponseWriter, path string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.cfg.IssuerPath+path)
	w.WriteHeader(http.StatusSeeOther)
}
