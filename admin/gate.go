package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/interaction"
	"countersign/storage/locale"
)

// resumePath is where somebody comes back to who was asked to sign in.
const resumePath = root + "/resume"

// asked is under which name a waiting request keeps the page that was asked
// for, under the issuer's path.
const asked = "page"

// maxAsked is longer than the address of any page of ours.
const maxAsked = 2000

// administrator is who sends a request.
type administrator struct {
	AccountID string
	Username  string
	SessionID string
}

// actor is the administrator as the audit record names one.
func (a *administrator) actor(r *http.Request) audit.Actor {
	return audit.Actor{
		AccountID: a.AccountID, Name: a.Username, Via: audit.ViaSettings,
		IP: address(r), RequestID: r.Header.Get("X-Request-Id"),
	}
}

// admit returns the administrator who sends the request. Nobody is asked to
// sign in, which is the answer then and no error; somebody without the
// permission is refused. What the account may is read with the session, so
// that a demotion holds from the next request on (AD-20).
func (h *handler) admit(w http.ResponseWriter, r *http.Request) (*administrator, error) {
	v, err := h.cfg.Sessions.Visitor(r.Context(), h.cfg.SessionCookie(r))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, h.askToSignIn(w, r)
	case err != nil:
		return nil, err
	case !slices.Contains(v.Permissions, string(account.ConfigureServer)):
		return nil, forbidden(printable(v.Username))
	case h.cfg.SecondFactor && !v.Session.SecondFactor():
		h.askForFactor(w)
		return nil, nil //nolint:nilnil // as for nobody
	}
	return &administrator{AccountID: v.Session.AccountID, Username: v.Username, SessionID: v.Session.ID}, nil
}

// still refuses whoever may not any more. It is for after something that waited
// for another machine, which can be a friend of who asked (AD-32).
func (h *handler) still(r *http.Request, who *administrator) error {
	v, err := h.cfg.Sessions.Visitor(r.Context(), h.cfg.SessionCookie(r))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err != nil || !slices.Contains(v.Permissions, string(account.ConfigureServer)) {
		return forbidden(printable(who.Username))
	}
	return nil
}

// askToSignIn keeps what was asked for and leads to the sign-in page of the
// other door. A form that came without a session is not kept: the page that
// it is on is shown again.
func (h *handler) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	page := strings.TrimPrefix(r.URL.EscapedPath(), h.base)
	if r.Method == http.MethodGet && r.URL.RawQuery != "" {
		page += "?" + r.URL.RawQuery
	}
	if len(page) > maxAsked || strings.HasPrefix(page, resumePath) {
		page = root + "/"
	}
	i, err := h.cfg.Interactions.Create(r.Context(), interaction.Waiting{
		ResumePath: resumePath, Request: url.Values{asked: {page}}, Browser: h.cfg.BrowserCookie(w, r),
	})
	if err != nil {
		return err
	}
	h.redirect(w, "/login", "interaction", i.ID)
	return nil
}

// askForFactor leads to the page on which people set up how they sign in. It
// says what is missing, and is at the other door.
func (h *handler) askForFactor(w http.ResponseWriter) {
	w.Header().Set("Location", h.cfg.Issuer+"/account/security")
	w.WriteHeader(http.StatusSeeOther)
}

// resume serves GET /settings/resume: back to the page that was asked for. It
// is read from what was kept, never from the browser (LG-15: open redirects).
func (h *handler) resume(w http.ResponseWriter, r *http.Request, _ *administrator) error {
	i, err := h.cfg.Interactions.Get(r.Context(), r.URL.Query().Get("interaction"), h.cfg.BrowserCookie(w, r))
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, interaction.ErrExpired) || err == nil && i.ResumePath != resumePath {
		h.redirect(w, root+"/")
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.cfg.Interactions.Remove(r.Context(), i.ID); err != nil {
		return err
	}
	w.Header().Set("Location", h.base+i.Request.Get(asked))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// enter serves GET /settings/.
func (h *handler) enter(w http.ResponseWriter, _ *http.Request, _ *administrator) error {
	h.redirect(w, clientsPath)
	return nil
}

func forbidden(username string) *problem {
	return &problem{
		Status: http.StatusForbidden, Code: "E-FORBIDDEN",
		Title:  "Only administrators may come in here",
		What:   locale.Sprintf("You are signed in as %s, and this account does not have the permission to configure the server. Nothing was shown and nothing was done.", username),
		Remedy: "Ask an administrator to give your account the permission configure_server, or sign in with another account.",
		Next:   "To the home page",
	}
}
