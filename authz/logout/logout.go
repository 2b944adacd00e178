// Package logout signs people out: from the server's own page, and when an
// application asks for it (OpenID Connect RP-Initiated Logout 1.0). Both end a
// session the same way. Nobody is signed out by a link that anybody could have
// made: it takes an ID token of the very session, or the person's own word.
package logout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/keyset"
	"countersign/storage/locale"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/subject"
)

// maxQuery bounds what a posted request may be led on with: what servers and
// proxies take for an address.
const maxQuery = 7 << 10

// settle is how long, in seconds, the pages of applications have to load
// before the person is led on.
const settle = 2

// Config is what the pages need.
type Config struct {
	Issuer     string
	IssuerPath string // without a slash at its end
	Accounts   *account.Store
	Sessions   *session.Store
	Clients    *clientstore.Store
	Keys       *keyset.Store
	Cookies    browser.Cookies
	SignOut    *signout.Store
	Subjects   *subject.Identifiers
	Pages      *page.Pages
	Log        *slog.Logger
	// Asset returns the path of a script.
	Asset func(name string) string
}

// Handler serves the pages.
type Handler struct{ cfg Config }

// New returns the pages.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// Ask serves GET /logout. It signs nobody out: another site could have led
// here (LO-02, LO-03).
func (h *Handler) Ask(w http.ResponseWriter, r *http.Request) error {
	s, err := h.session(r)
	if err != nil {
		return err
	}
	return h.confirm(w, r, s, &request{})
}

// SignOut serves POST /logout, which only our own pages reach: the person has
// decided.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request) error {
	p, err := posted(r)
	if err != nil {
		return err
	}
	page.Speak(r.Context(), p.Get("ui_locales"), time.Time{})
	q, err := h.judge(r.Context(), p)
	if err != nil {
		return err
	}
	q.everywhere = p.Get("everywhere") == "yes"
	s, err := h.session(r)
	if err != nil {
		return err
	}
	return h.end(w, r, s, q)
}

// posted reads the form of a page.
func posted(r *http.Request) (protocol.Parameters, error) {
	form, err := page.Form(r)
	if err != nil {
		return protocol.Parameters{}, err
	}
	p, err := protocol.Parse(form.Encode())
	if err != nil {
		return p, page.UnreadableForm()
	}
	return p, nil
}

// Start serves GET /end_session (OpenID Connect RP-Initiated Logout 1.0,
// section 2).
func (h *Handler) Start(w http.ResponseWriter, r *http.Request) error {
	p, err := protocol.Parse(r.URL.RawQuery)
	if err != nil {
		return unreadable(locale.Foreign(protocol.Sentence("It says that " + err.Error() + ".")))
	}
	page.Speak(r.Context(), p.Get("ui_locales"), time.Time{})
	q, err := h.judge(r.Context(), p)
	if err != nil {
		return err
	}
	s, err := h.session(r)
	switch {
	case err != nil:
		return err
	case s != nil && (!h.names(q, s) || q.stays()): // LO-02, LO-06; a request that is partly wrong is none to act on unseen
		return h.confirm(w, r, s, q)
	default:
		return h.end(w, r, s, q)
	}
}

// StartByPost serves POST /end_session. A form of another site comes without
// our cookies, so that it is answered by an address that comes with them.
func (h *Handler) StartByPost(w http.ResponseWriter, r *http.Request) error {
	body, err := protocol.Body(r)
	if err != nil {
		return unreadable("Send it as application/x-www-form-urlencoded, in 64 KiB at most.")
	}
	p, err := protocol.Parse(r.URL.RawQuery, body)
	if err != nil || p.Repeated() != "" {
		return unreadable("Each parameter may be sent once.")
	}
	kept := url.Values{}
	for _, f := range (&request{parameters: p}).fields() {
		kept.Set(f.Name, f.Value)
	}
	query := kept.Encode()
	if len(query) > maxQuery {
		return unreadable("It is too long.")
	}
	redirect(w, h.cfg.IssuerPath+"/end_session?"+query)
	return nil
}

// session returns the session of the browser, nil when it has none.
func (h *Handler) session(r *http.Request) (*session.Session, error) {
	s, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil //nolint:nilnil // nobody is signed in
	}
	return s, err
}

// confirm asks the person whether to sign out.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request, s *session.Session, q *request) error {
	if s == nil {
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.SignedOut{})
	}
	a, err := h.cfg.Accounts.Get(r.Context(), s.AccountID)
	if errors.Is(err, storage.ErrNotFound) { // removed this very moment
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.SignedOut{})
	}
	if err != nil {
		return err
	}
	p := page.SignOut{
		Person: page.Person{ID: a.ID, Username: a.Username, Name: a.Claims.Name},
		Return: q.redirect, Stays: q.stays(), Fields: q.fields(),
	}
	if q.client != nil {
		asking := page.NewApplication(q.client, "")
		p.Application = &asking
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// end signs the browser out and leads the person on. Doing so twice is no
// error: the first time may have been on another tab.
func (h *Handler) end(w http.ResponseWriter, r *http.Request, s *session.Session, q *request) error {
	frames, err := h.finish(r, s, q)
	if err != nil {
		return err
	}
	if h.cfg.Cookies.Session(r) != "" { // what another site embeds comes without it, and must not take it away
		h.cfg.Cookies.ClearSession(w)
	}
	if len(frames) > 0 {
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.SignedOut{Frames: frames, Return: q.redirect, RefreshSeconds: settle})
	}
	if q.redirect != "" {
		redirect(w, q.redirect)
		return nil
	}
	redirect(w, h.cfg.IssuerPath+"/logout")
	return nil
}

// finish ends the session, if there is one, and returns the pages of the
// applications that were used in it.
func (h *Handler) finish(r *http.Request, s *session.Session, q *request) ([]string, error) {
	if s == nil {
		return nil, nil
	}
	pages, err := h.cfg.SignOut.Pages(r.Context(), s.ID)
	if err != nil {
		return nil, err
	}
	if q.everywhere {
		err = h.cfg.Sessions.EndAll(r.Context(), s.AccountID)
	} else {
		err = h.cfg.Sessions.End(r.Context(), s.ID)
	}
	if err != nil {
		return nil, err
	}
	h.logEnd(r.Context(), r, s, q)
	told := make([]string, len(pages))
	for i, p := range pages {
		told[i] = h.embed(p.URI, h.cfg.Subjects.Session(p.ClientID, s.ID))
	}
	return told, nil
}

// embed is the page of an application with what it is told (OpenID Connect
// Front-Channel Logout 1.0, section 3).
func (h *Handler) embed(uri, sid string) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + url.Values{"iss": {h.cfg.Issuer}, "sid": {sid}}.Encode()
}

func (h *Handler) logEnd(ctx context.Context, r *http.Request, s *session.Session, q *request) {
	var client string
	if q.client != nil {
		client = q.client.ID
	}
	h.cfg.Log.InfoContext(ctx, "signed out", "request_id", r.Header.Get("X-Request-Id"), "account_id", s.AccountID, "client_id", client, "everywhere", q.everywhere)
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
