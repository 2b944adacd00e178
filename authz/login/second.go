package login

import (
	"errors"
	"net/http"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/interaction"
)

// pathSecond is the page that asks for more than the password.
const pathSecond = "/login/second"

// secondVisit is somebody whose password was right, and what waits for them.
type secondVisit struct {
	account     *account.Account
	interaction *interaction.Interaction // nil when nothing waits
	page        page.SecondStep
}

// openSecond returns the visit, nil when the first step is missing: whoever
// skips it is led back to it (LG-16).
func (h *Handler) openSecond(w http.ResponseWriter, r *http.Request, id string) (*secondVisit, error) {
	v := &secondVisit{}
	var err error
	if id != "" {
		if v.interaction, v.page.Application, err = h.waiting(r.Context(), id, h.cfg.Cookies.Browser(r)); err != nil {
			return nil, err
		}
	}
	v.account, err = h.cfg.Accounts.OpenFirstStep(r.Context(), h.cfg.Cookies.FirstStep(r))
	if errors.Is(err, storage.ErrNotFound) {
		h.redirect(w, "/login", waitingFor(v.interaction))
		return nil, nil //nolint:nilnil // the browser is on its way
	}
	if err != nil {
		return nil, err
	}
	factors, err := h.cfg.Accounts.Factors(r.Context(), v.account.ID)
	if err != nil {
		return nil, err
	}
	v.page.Interaction = id
	v.page.Person = page.Person{ID: v.account.ID, Username: v.account.Username, Name: v.account.Claims.Name}
	v.page.Code = factors.TOTP != nil
	v.page.Passkey, err = h.cfg.Passkeys.ConfirmOptions(h.cfg.Cookies.EnsureBrowser(w, r), v.account, factors.Passkeys)
	return v, err
}

// ShowSecond serves GET /login/second.
func (h *Handler) ShowSecond(w http.ResponseWriter, r *http.Request) error {
	v, err := h.openSecond(w, r, r.URL.Query().Get("interaction"))
	if v == nil || err != nil {
		return err
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, v.page)
}

// SubmitSecond serves POST /login/second. Only now does the session begin.
func (h *Handler) SubmitSecond(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	v, err := h.openSecond(w, r, form.Get("interaction"))
	if v == nil || err != nil {
		return err
	}
	if form.Get("credential") != "" {
		return h.secondByPasskey(w, r, v, form.Get("credential"))
	}
	code, recovery := form.Get("code"), form.Get("recovery")
	v.page.AtRecovery = recovery != ""
	if code == "" && recovery == "" {
		return h.secondAgain(w, r, v, page.Incomplete)
	}
	err = h.cfg.Accounts.ProveSecond(r.Context(), account.Second{
		Account: v.account, Code: code, Recovery: recovery, Device: h.cfg.Cookies.Device(r), By: browser.Actor(r, v.account),
	})
	throttled, isThrottled := errors.AsType[*account.ThrottledError](err)
	switch {
	case isThrottled:
		v.page.Wait = throttled.RetryAfter
		return h.secondAgain(w, r, v, page.Throttled)
	case errors.Is(err, account.ErrWrongCode):
		return h.secondAgain(w, r, v, page.WrongSecret)
	case err != nil:
		return err
	}
	who := arrival{account: v.account, device: h.cfg.Accounts.KnowDevice(h.cfg.Cookies.Device(r), v.account.ID), by: byCode}
	if recovery != "" {
		who.noted = "pwd recovery"
	}
	return h.signIn(w, r, v.interaction, who)
}

// secondByPasskey takes one of the account's passkeys for the second step.
func (h *Handler) secondByPasskey(w http.ResponseWriter, r *http.Request, v *secondVisit, credential string) error {
	proof, err := h.cfg.Passkeys.Confirm(r.Context(), h.cfg.Cookies.Browser(r), v.account, credential)
	if errors.Is(err, passkey.ErrRefused) {
		h.logRefused(r, err)
		return h.secondAgain(w, r, v, page.WrongPasskey)
	}
	if err != nil {
		return err
	}
	proof.Account.FailedBefore = v.account.FailedBefore
	return h.signIn(w, r, v.interaction, h.arrivalBy(r, proof, byPassword))
}

func (h *Handler) secondAgain(w http.ResponseWriter, r *http.Request, v *secondVisit, f page.Fault) error {
	v.page.Fault = f
	h.cfg.SignInFailed(string(f))
	retryAfter(w, v.page.Wait)
	return h.cfg.Pages.Render(w, r, statusOf(f), v.page)
}
