// Package device serves the page on which somebody who is signed in types the
// code that a device shows, and decides whether the application on it may what
// it asks for (RFC 8628, section 3.3).
package device

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

const (
	// path is the page, under the issuer's.
	path = "/device"
	// pendingRefresh is how often, in seconds, the page of a pending client
	// looks whether an administrator has approved it.
	pendingRefresh = 5
)

// Config is what the page needs.
type Config struct {
	Issuer       string
	IssuerPath   string // without a slash at its end
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Grants       *grant.Store
	Cookies      browser.Cookies
	Pages        *page.Pages
	Log          *slog.Logger
	// Grant is what the owner of the device gives its client in the session.
	Grant func(c *clientstore.Client, s *session.Session, d *grant.Device, scope []string) grant.Grant
	// AccessToken is how long an access token lives, and Offline how long a
	// client may renew it while nobody is there.
	AccessToken, Offline time.Duration
}

// Handler serves the page.
type Handler struct{ cfg Config }

// New returns the page.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// Show serves GET /device, with the code that a link brought along if it did
// (RFC 8628, section 3.3.1). It grants nothing (DV-11).
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	page.Speak(r.Context(), r.URL.Query().Get("ui_locales"), time.Time{})
	linked := r.URL.Query().Get("user_code")
	typed := linked
	if id := r.URL.Query().Get("interaction"); id != "" {
		i, err := h.cfg.Interactions.Get(r.Context(), id, h.cfg.Cookies.Browser(r))
		switch {
		case err == nil && i.ResumePath == path:
			typed = i.Request.Get("user_code")
			page.Speak(r.Context(), i.Request.Get("ui_locales"), i.CreatedAt)
		case err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, interaction.ErrExpired):
			return err
		}
	}
	v, err := h.visit(r, typed)
	switch {
	case err != nil:
		return err
	case v == nil:
		return h.signIn(w, r, typed, h.complete(linked))
	case typed == "":
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.DeviceCode{UILocales: r.URL.Query().Get("ui_locales")})
	default:
		return h.ask(w, r, v, entry{typed, h.complete(linked)})
	}
}

// entry is a code as it came, and the address with it when it came by that.
type entry struct{ typed, link string }

// Submit serves POST /device: a code that was typed, or a decision.
func (h *Handler) Submit(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	page.Speak(r.Context(), r.URL.Query().Get("ui_locales"), time.Time{})
	typed := form.Get("user_code")
	v, err := h.visit(r, typed)
	switch {
	case err != nil:
		return err
	case v == nil:
		return h.signIn(w, r, typed, "")
	case form.Get("decision") == "":
		return h.ask(w, r, v, entry{typed: typed})
	case form.Get("account") != v.session.AccountID: // CN-02
		return page.OtherAccount(h.url(typed))
	default:
		return h.decide(w, r, v, form)
	}
}

// maxLocales is longer than any list of languages that a person understands.
const maxLocales = 256

// signIn asks who it is first: only somebody may try codes. Who has come by a
// link may also follow it on a device of their own.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, typed, link string) error {
	kept := url.Values{"user_code": {""}}
	if code, ok := grant.ReadUserCode(typed); ok {
		kept.Set("user_code", grant.ShowUserCode(code))
	}
	if locales := r.URL.Query().Get("ui_locales"); len(locales) <= maxLocales {
		kept.Set("ui_locales", locales)
	}
	if link != "" {
		kept.Set(interaction.Elsewhere, link)
	}
	i, err := h.cfg.Interactions.Create(r.Context(), interaction.Waiting{
		ResumePath: path, Request: kept, Browser: h.cfg.Cookies.EnsureBrowser(w, r),
	})
	if err != nil {
		return err
	}
	h.redirect(w, "/login?"+url.Values{"interaction": {i.ID}}.Encode())
	return nil
}

// ask shows what the device asks for, or that its client waits for approval.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, v *visit, e entry) error {
	err := h.open(r.Context(), v)
	switch {
	case err != nil:
		return h.refuse(w, r, e.typed, err)
	case v.device.Parked:
		return h.wait(w, r, v)
	}
	p := h.describe(v)
	p.Scan, p.UILocales = page.NewScan(e.link), r.URL.Query().Get("ui_locales")
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// wait shows that the device's client waits for approval. The page looks again
// by itself, and asks once there is something to ask.
func (h *Handler) wait(w http.ResponseWriter, r *http.Request, v *visit) error {
	return h.cfg.Pages.Render(w, r, http.StatusForbidden, page.Waiting{
		Application: page.NewApplication(v.client, ""), Status: page.Pending, UserCode: grant.ShowUserCode(v.userCode),
		ResumeURL: h.url(v.userCode), RefreshSeconds: pendingRefresh,
	})
}

// decide takes the answer.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, v *visit, form url.Values) error {
	typed := form.Get("user_code")
	err := h.open(r.Context(), v)
	if err != nil {
		return h.refuse(w, r, typed, err)
	}
	if v.device.Parked || form.Get("shown") != v.shown() { // an administrator changed the client meanwhile
		h.redirect(w, strings.TrimPrefix(h.url(typed), h.cfg.IssuerPath))
		return nil
	}
	decision := form.Get("decision")
	switch decision {
	case "allow":
		err = h.allow(r, v)
	case "deny":
		err = h.cfg.Grants.DenyDevice(r.Context(), v.userCode, v.session.AccountID)
	default:
		return page.BadRequest("E-DECISION", "The form says neither that you allow it nor that you do not. Nothing was shared.",
			"Go back, reload the page, and choose Allow or Cancel.")
	}
	switch {
	case errors.Is(err, grant.ErrSpent), errors.Is(err, grant.ErrNotPermitted):
		// It was answered in another window, or lost what it stood on: the
		// page that follows says which.
		h.redirect(w, strings.TrimPrefix(h.url(typed), h.cfg.IssuerPath))
		return nil
	case err != nil:
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "device answered", "request_id", r.Header.Get("X-Request-Id"), "client_id", v.client.ID,
		"account_id", v.session.AccountID, "decision", decision, "device_ip", v.device.IP, "ip", v.ip, "elsewhere", v.elsewhere())
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.DeviceDone{
		Application: page.NewApplication(v.client, ""), Allowed: decision == "allow",
	})
}

// allow keeps what the page showed, whatever the form says (CN-03).
func (h *Handler) allow(r *http.Request, v *visit) error {
	g := h.cfg.Grant(v.client, v.session, v.device, v.scope)
	return h.cfg.Grants.AllowDevice(r.Context(), v.userCode, grant.Permission{
		Grant: g, Remembered: !v.client.IsImpersonable(), Digest: v.client.ConsentOf(v.session.AccountEpoch),
		Note: h.cfg.Accounts.Noting(browser.Consent(r, g.AccountID, v.client.Name)),
	})
}

// refuse shows the form again and says what is wrong with the code.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, typed string, err error) error {
	p, status := page.DeviceCode{UserCode: page.Plain(typed), UILocales: r.URL.Query().Get("ui_locales")}, http.StatusUnprocessableEntity
	fault, isFault := errors.AsType[faultError](err)
	throttled, isThrottled := errors.AsType[*account.ThrottledError](err)
	switch {
	case isFault:
		p.Fault = page.DeviceFault(fault)
	case isThrottled:
		p.Fault, p.Wait, status = page.TooManyCodes, throttled.RetryAfter, http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.Wait+time.Second-1)/time.Second), 10))
	default:
		return err
	}
	return h.cfg.Pages.Render(w, r, status, p)
}

// url is the page with a code.
func (h *Handler) url(typed string) string {
	code, ok := grant.ReadUserCode(typed)
	if !ok {
		return h.cfg.IssuerPath + path
	}
	return h.cfg.IssuerPath + path + "?" + url.Values{"user_code": {grant.ShowUserCode(code)}}.Encode()
}

// complete is the verification_uri_complete of a code (RFC 8628, section
// 3.3.1), empty for what is no code.
func (h *Handler) complete(typed string) string {
	code, ok := grant.ReadUserCode(typed)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(h.cfg.Issuer, "/") + path + "?" + url.Values{"user_code": {grant.ShowUserCode(code)}}.Encode()
}

func (h *Handler) redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.cfg.IssuerPath+to)
	w.WriteHeader(http.StatusSeeOther)
}
