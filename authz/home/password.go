package home

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/storage/account"
	"countersign/storage/session"
)

// busyFor is when to try again while too many passwords are being checked.
const busyFor = 2 * time.Second

// ShowPassword serves GET /account/password.
func (h *Handler) ShowPassword(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		return h.cfg.Pages.Render(w, r, http.StatusOK, v.passwordPage())
	})
}

// ToPassword serves GET /.well-known/change-password, where password managers
// look for the page (W3C, A Well-Known URL for Changing Passwords).
func (h *Handler) ToPassword(w http.ResponseWriter, _ *http.Request) error {
	h.redirect(w, "/account/password")
	return nil
}

func (v *visit) passwordPage() page.ChangePassword {
	return page.ChangePassword{Person: v.person(), Administrator: v.account.Has(account.ConfigureServer)}
}

// ChangePassword serves POST /account/password.
func (h *Handler) ChangePassword(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.changePassword)
}

func (h *Handler) changePassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	form, err := h.form(r, v)
	if err != nil {
		return err
	}
	p := v.passwordPage()
	if p.Faults = unfit(form); len(p.Faults) > 0 {
		return h.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, p)
	}
	var cookie string
	err = h.cfg.Accounts.ChangePassword(r.Context(), browser.Actor(r, v.account), account.PasswordChange{
		AccountID: v.account.ID, Username: v.account.Username, Current: form.Get("current_password"), New: form.Get("password"),
		IP: browser.Address(r), Device: h.cfg.Cookies.Device(r),
	}, func(ctx context.Context, change func(context.Context) (*account.Account, error)) (err error) {
		cookie, err = h.goOn(ctx, r, v, change)
		return err
	})
	if err != nil {
		return h.refusePassword(w, r, p, err)
	}
	h.cfg.Cookies.SetSession(w, cookie)
	return h.done(w, pathHome, page.NoticePassword)
}

// goOn changes the password in a session that has not ended until then, and
// returns the cookie of the one that goes on. That is another one, as after
// every sign-in, and begun no weaker, and no later: who shows the password has
// not shown the second factor again.
func (h *Handler) goOn(ctx context.Context, r *http.Request, v *visit, change func(context.Context) (*account.Account, error)) (cookie string, err error) {
	live, err := h.cfg.Sessions.EndOne(ctx, v.account.ID, v.session.ID)
	if err == nil && !live { // signed out while passwords were hashed
		err = errEnded
	}
	if err != nil {
		return "", err
	}
	a, err := change(ctx)
	if err != nil {
		return "", err
	}
	_, cookie, err = h.cfg.Sessions.Start(ctx, session.SignIn{
		AccountID: a.ID, AccountEpoch: a.Epoch, ACR: v.session.ACR, AMR: v.session.AMR, AuthTime: v.session.AuthTime,
		IP: browser.Address(r), UserAgent: r.UserAgent(),
	})
	return cookie, err
}

// unfit says which entries are missing, and whether the passwords differ.
func unfit(form url.Values) []page.EntryFault {
	var faults []page.EntryFault
	if form.Get("current_password") == "" {
		faults = append(faults, page.EntryFault{Field: "current_password", Reason: "Enter the password you have now."})
	}
	switch password := form.Get("password"); {
	case password == "":
		faults = append(faults, page.EntryFault{Field: "password", Reason: "Enter a new password."})
	case password != form.Get("password_again"):
		faults = append(faults, page.EntryFault{Field: "password_again", Reason: "This is not the same password. Enter both again."})
	}
	return faults
}

// refusePassword shows the form again and says why.
func (h *Handler) refusePassword(w http.ResponseWriter, r *http.Request, p page.ChangePassword, err error) error {
	status := http.StatusUnprocessableEntity
	wrong, isWrong := errors.AsType[*account.FieldError](err)
	throttled, isThrottled := errors.AsType[*account.ThrottledError](err)
	switch {
	case isWrong:
		p.Faults = []page.EntryFault{{Field: page.EntryName(wrong.Field), Reason: wrong.Reason}}
	case errors.Is(err, account.ErrWrongPassword):
		p.Faults = []page.EntryFault{{Field: "current_password", Reason: "This is not your password. Check it and enter all three again."}}
	case isThrottled:
		p.Hindrance, p.Wait, status = page.Throttled, throttled.RetryAfter, http.StatusTooManyRequests
	case errors.Is(err, account.ErrBusy):
		p.Hindrance, p.Wait, status = page.Busy, busyFor, http.StatusServiceUnavailable
	default:
		return err
	}
	retryAfter(w, p.Wait)
	return h.cfg.Pages.Render(w, r, status, p)
}

// retryAfter says when to try again, if there is something to wait for.
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}
