package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/interaction"
)

// ShowSignUp serves GET /sign-up: the page on which somebody creates an
// account, where the server lets them.
func (h *Handler) ShowSignUp(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("interaction")
	switch {
	case !h.cfg.SignUp:
		return page.NoSignUp()
	case id == "":
		return h.alone(w, r, func() error { return h.cfg.Pages.Render(w, r, http.StatusOK, page.SignUp{}) })
	}
	i, app, err := h.waiting(r.Context(), id, h.cfg.Cookies.EnsureBrowser(w, r))
	if err != nil {
		return err
	}
	done, err := h.settled(r, i)
	switch {
	case err != nil:
		return err
	case done:
		h.resume(w, i)
		return nil
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.SignUp{Application: app, Interaction: i.ID})
}

// SubmitSignUp serves POST /sign-up. Whoever creates an account is signed in
// to it.
func (h *Handler) SubmitSignUp(w http.ResponseWriter, r *http.Request) error {
	if !h.cfg.SignUp {
		return page.NoSignUp()
	}
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	var i *interaction.Interaction
	p := page.SignUp{
		Interaction: form.Get("interaction"), Username: strings.TrimSpace(form.Get("username")),
		Name: strings.TrimSpace(form.Get("name")), Email: strings.TrimSpace(form.Get("email")),
	}
	if p.Interaction != "" {
		if i, p.Application, err = h.waiting(r.Context(), p.Interaction, h.cfg.Cookies.Browser(r)); err != nil {
			return err
		}
	}
	if p.Faults = unfit(form); len(p.Faults) > 0 {
		return h.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, p)
	}
	by := audit.Actor{Via: audit.ViaPages, IP: browser.Address(r), RequestID: r.Header.Get("X-Request-Id")}
	a, device, err := h.cfg.Accounts.SignUp(r.Context(), by, account.Registration{
		Username: p.Username, Password: form.Get("password"), Claims: account.Claims{Name: p.Name, Email: p.Email},
	}, h.cfg.Cookies.Device(r))
	if err != nil {
		return h.refuseSignUp(w, r, p, err)
	}
	return h.signIn(w, r, i, arrival{account: a, device: device, by: byPassword})
}

// unfit says which entries are missing, and whether the passwords differ.
func unfit(form url.Values) []page.EntryFault {
	var faults []page.EntryFault
	if strings.TrimSpace(form.Get("username")) == "" {
		faults = append(faults, page.EntryFault{Field: "username", Reason: "Enter a username."})
	}
	switch password := form.Get("password"); {
	case password == "":
		faults = append(faults, page.EntryFault{Field: "password", Reason: "Enter a password."})
	case password != form.Get("password_again"):
		faults = append(faults, page.EntryFault{Field: "password_again", Reason: "This is not the same password. Enter both again."})
	}
	return faults
}

// refuseSignUp shows the form again and says why. Everything but the passwords
// stays as it was.
func (h *Handler) refuseSignUp(w http.ResponseWriter, r *http.Request, p page.SignUp, err error) error {
	status := http.StatusUnprocessableEntity
	wrong, isWrong := errors.AsType[*account.FieldError](err)
	throttled, isThrottled := errors.AsType[*account.ThrottledError](err)
	switch {
	case isWrong:
		p.Faults = []page.EntryFault{{Field: page.EntryName(wrong.Field), Reason: wrong.Reason}}
	case errors.Is(err, storage.ErrConflict):
		p.Faults = []page.EntryFault{{Field: "username", Reason: "Somebody has this username already. Choose another."}}
	case isThrottled:
		p.Hindrance, p.Wait, status = page.Throttled, throttled.RetryAfter, http.StatusTooManyRequests
	case errors.Is(err, account.ErrBusy):
		p.Hindrance, p.Wait, status = page.Busy, busyFor, http.StatusServiceUnavailable
	case errors.Is(err, account.ErrNotSetUp):
		return page.NotSetUp()
	default:
		return err
	}
	retryAfter(w, p.Wait)
	return h.cfg.Pages.Render(w, r, status, p)
}
