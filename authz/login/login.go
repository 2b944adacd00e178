// Package login serves the pages on which people sign in and sign up. It knows
// who somebody is, and not what for: requests that wait are taken up again
// where they came from.
package login

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

// methods are how somebody signed in, as an ID token says it (OpenID Connect
// Core 1.0, section 2; RFC 8176, section 2).
type methods []string

var (
	byPassword = methods{"pwd"}
	byCode     = methods{"pwd", "otp", session.MultiFactor}
)

// acr is the authentication context of the methods.
func (m methods) acr() string {
	if slices.Contains(m, session.MultiFactor) {
		return protocol.ACRMulti
	}
	return protocol.ACRPassword
}

// busyFor is when to try again while too many sign in at once.
const busyFor = 2 * time.Second

// Config is what the page needs.
type Config struct {
	IssuerPath   string // without a slash at its end
	Tx           storage.Tx
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Lender       clientstore.Lender // of redirect URIs, for administrators' tests
	Passkeys     *passkey.Passkeys
	Cookies      browser.Cookies
	Pages        *page.Pages
	Log          *slog.Logger
	// SignUp lets people create their accounts.
	SignUp bool
	// SignedIn is told the methods of a session that began, and SignInFailed
	// what was wrong with an attempt.
	SignedIn     func(methods string)
	SignInFailed func(reason string)
}

// Handler serves the pages.
type Handler struct{ cfg Config }

// New returns the pages.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// Show serves GET /login. With switch=1 it asks even who is signed in already.
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	id := query.Get("interaction")
	other := query.Get("switch") == "1"
	if id == "" && other {
		return h.render(w, r, http.StatusOK, page.SignIn{Switch: true, SignUp: h.cfg.SignUp})
	}
	if id == "" {
		return h.alone(w, r, func() error { return h.render(w, r, http.StatusOK, page.SignIn{SignUp: h.cfg.SignUp}) })
	}
	i, app, err := h.waiting(r.Context(), id, h.cfg.Cookies.EnsureBrowser(w, r))
	if err != nil {
		return err
	}
	if !other {
		done, err := h.settled(r, i)
		if err != nil {
			return err
		}
		if done {
			h.resume(w, i)
			return nil
		}
	}
	p := page.SignIn{Application: app, Interaction: i.ID, Switch: other, Scan: elsewhere(i), SignUp: h.cfg.SignUp && !confirms(i), Confirm: confirms(i)}
	if !other {
		p.Username = page.Plain(i.Request.Get("login_hint"))
	}
	return h.render(w, r, http.StatusOK, p)
}

// alone asks somebody whom no application sent, unless they are signed in.
func (h *Handler) alone(w http.ResponseWriter, r *http.Request, ask func() error) error {
	_, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return ask()
	case err != nil:
		return err
	}
	h.redirect(w, "/", nil)
	return nil
}

// waiting returns the interaction with the application that asked, if one did.
func (h *Handler) waiting(ctx context.Context, id, browser string) (*interaction.Interaction, *page.Application, error) {
	i, err := h.cfg.Interactions.Get(ctx, id, browser)
	expired := errors.Is(err, interaction.ErrExpired)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, nil, page.LostInteraction()
	case err != nil && !expired:
		return nil, nil, err
	}
	page.Speak(ctx, i.Request.Get("ui_locales"), i.CreatedAt)
	if i.ClientID == "" { // a page of ours that waits, no application
		if expired {
			return nil, nil, page.LostInteraction()
		}
		return i, nil, nil
	}
	c, err := h.cfg.Clients.InUse(ctx, i.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, page.RemovedClient()
	}
	if err != nil {
		return nil, nil, err
	}
	if err := h.cfg.Lender.Lend(ctx, c, "", i.Request.Get("redirect_uri")); err != nil {
		return nil, nil, err
	}
	app := page.Asking(c, i.Request)
	switch {
	case expired:
		return nil, nil, page.ExpiredInteraction(app)
	case c.Status != clientstore.Approved: // whoever has not signed in learns nothing of it
		return i, nil, nil
	default:
		return i, &app, nil
	}
}

// settled reports whether there is nothing to ask any more: somebody signed in
// for this request and still is, or it was refused.
func (h *Handler) settled(r *http.Request, i *interaction.Interaction) (bool, error) {
	if i.DeniedAt != nil {
		return true, nil
	}
	if i.AuthenticatedAt == nil {
		return false, nil
	}
	s, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil && s.ID == i.SessionID, err
}

// elsewhere leads to another device, nil when the request does not: only pages
// of ours let it.
func elsewhere(i *interaction.Interaction) *page.Scan {
	if i == nil || i.ClientID != "" {
		return nil
	}
	return page.NewScan(i.Request.Get(interaction.Elsewhere))
}

// confirms reports whether somebody who is signed in is to show again who they
// are.
func confirms(i *interaction.Interaction) bool {
	return i != nil && i.ClientID == "" && i.Request.Get(interaction.Confirm) != ""
}

// Submit serves POST /login.
func (h *Handler) Submit(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	var i *interaction.Interaction
	p := page.SignIn{Username: form.Get("username"), Interaction: form.Get("interaction"), SignUp: h.cfg.SignUp}
	if p.Interaction != "" {
		// A browser without the cookie learns that before it is asked again
		// and again for a password.
		if i, p.Application, err = h.waiting(r.Context(), p.Interaction, h.cfg.Cookies.Browser(r)); err != nil {
			return err
		}
		p.Scan, p.Confirm = elsewhere(i), confirms(i)
	}
	password := form.Get("password")
	if p.Username == "" || password == "" {
		return h.again(w, r, p, page.Incomplete)
	}
	a, device, err := h.cfg.Accounts.Authenticate(r.Context(), account.SignIn{
		Username: p.Username, Password: password, IP: browser.Address(r), Device: h.cfg.Cookies.Device(r),
	})
	if err != nil {
		return h.refuse(w, r, p, err)
	}
	second, err := h.cfg.Accounts.HasSecondFactor(r.Context(), a.ID)
	if err != nil {
		return err
	}
	if second { // nobody is signed in yet, and the browser is not known
		h.cfg.Cookies.SetFirstStep(w, h.cfg.Accounts.SealFirstStep(a))
		h.redirect(w, pathSecond, waitingFor(i))
		return nil
	}
	err = h.signIn(w, r, i, arrival{account: a, device: device, by: byPassword, alone: true})
	if errors.Is(err, errFactorMeanwhile) {
		h.cfg.Cookies.SetFirstStep(w, h.cfg.Accounts.SealFirstStep(a))
		h.redirect(w, pathSecond, waitingFor(i))
		return nil
	}
	return err
}

// errFactorMeanwhile reports that the account got a second factor while it was
// being signed in without one.
var errFactorMeanwhile = errors.New("the account has a second factor by now")

// waitingFor names the request that waits, if one does.
func waitingFor(i *interaction.Interaction) url.Values {
	if i == nil {
		return nil
	}
	return url.Values{"interaction": {i.ID}}
}

// arrival is somebody who has shown who they are.
type arrival struct {
	account *account.Account
	device  string // the device cookie to keep
	by      methods
	noted   string // how they did, where by does not tell
	alone   bool   // by the password alone, which a second factor ends
}

// signIn begins the session and goes on with what waited for it. The cookie is
// another one than before, whoever was signed in (LG-01: session fixation).
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, i *interaction.Interaction, who arrival) error {
	a := who.account
	var (
		s      *session.Session
		cookie string
	)
	err := h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) (err error) {
		s, cookie, err = h.cfg.Sessions.Start(ctx, session.SignIn{
			AccountID: a.ID, AccountEpoch: a.Epoch, ACR: who.by.acr(), AMR: who.by,
			IP: browser.Address(r), UserAgent: r.UserAgent(), Replaces: h.cfg.Cookies.Session(r),
		})
		if err == nil && who.alone {
			err = h.stillAlone(ctx, a.ID)
		}
		if err != nil {
			return err
		}
		return h.cfg.Accounts.Note(ctx, account.Activity{
			AccountID: a.ID, Kind: account.SignedIn, Methods: cmp.Or(who.noted, strings.Join(s.AMR, " ")), Failures: a.FailedBefore, IP: browser.Address(r), UserAgent: r.UserAgent(),
		})
	})
	if err != nil {
		return err
	}
	h.cfg.SignedIn(cmp.Or(who.noted, strings.Join(s.AMR, " ")))
	h.cfg.Cookies.SetSession(w, cookie)
	if who.device != "" {
		h.cfg.Cookies.SetDevice(w, who.device)
	}
	if h.cfg.Cookies.FirstStep(r) != "" {
		h.cfg.Cookies.ClearFirstStep(w)
	}
	if i == nil {
		h.redirect(w, "/", nil)
		return nil
	}
	err = h.cfg.Interactions.Authenticated(r.Context(), i.ID, s.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return page.LostInteraction()
	}
	if err != nil {
		return err
	}
	h.resume(w, i)
	return nil
}

// stillAlone fails when the account has a second factor by now. The session that
// was just kept holds back whoever adds one until the transaction ends.
func (h *Handler) stillAlone(ctx context.Context, accountID string) error {
	second, err := h.cfg.Accounts.HasSecondFactor(ctx, accountID)
	if err == nil && second {
		return errFactorMeanwhile
	}
	return err
}

// refuse shows the form again and says why. Everything but the password stays
// as it was.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, p page.SignIn, err error) error {
	if throttled, ok := errors.AsType[*account.ThrottledError](err); ok {
		p.Wait = throttled.RetryAfter
		return h.again(w, r, p, page.Throttled)
	}
	switch {
	case errors.Is(err, account.ErrWrongPassword):
		return h.again(w, r, p, page.WrongSecret)
	case errors.Is(err, account.ErrBusy):
		p.Wait = busyFor
		return h.again(w, r, p, page.Busy)
	default:
		return err
	}
}

func (h *Handler) again(w http.ResponseWriter, r *http.Request, p page.SignIn, f page.Fault) error {
	p.Fault = f
	h.cfg.SignInFailed(string(f))
	retryAfter(w, p.Wait)
	return h.render(w, r, statusOf(f), p)
}

// retryAfter says when to try again, if there is something to wait for.
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}

func statusOf(f page.Fault) int {
	switch f {
	case page.Throttled:
		return http.StatusTooManyRequests
	case page.Busy:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnprocessableEntity
	}
}

// resume takes up the request that waited. Where it does is kept with the
// request, never read from the browser (LG-15: open redirects).
func (h *Handler) resume(w http.ResponseWriter, i *interaction.Interaction) {
	h.redirect(w, i.ResumePath, url.Values{"interaction": {i.ID}})
}

// redirect answers 303, so that no browser sends the password along (RFC 9700,
// section 4.12).
func (h *Handler) redirect(w http.ResponseWriter, path string, query url.Values) {
	location := h.cfg.IssuerPath + path
	if len(query) > 0 {
		location += "?" + query.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
