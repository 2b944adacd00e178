package login

import (
	"errors"
	"net/http"

	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

// SubmitPasskey serves POST /login/passkey: a passkey whose authenticator
// verified its user signs in without a password.
func (h *Handler) SubmitPasskey(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	var i *interaction.Interaction
	p := page.SignIn{Interaction: form.Get("interaction"), SignUp: h.cfg.SignUp}
	if p.Interaction != "" {
		if i, p.Application, err = h.waiting(r.Context(), p.Interaction, h.cfg.Cookies.Browser(r)); err != nil {
			return err
		}
		p.Scan, p.Confirm = elsewhere(i), confirms(i)
	}
	proof, err := h.cfg.Passkeys.SignIn(r.Context(), h.cfg.Cookies.Browser(r), form.Get("credential"))
	if errors.Is(err, passkey.ErrRefused) {
		h.logRefused(r, err)
		return h.again(w, r, p, page.WrongPasskey)
	}
	if err != nil {
		return err
	}
	return h.signIn(w, r, i, h.arrivalBy(r, proof, nil))
}

// arrivalBy is somebody who has shown a passkey, and what came before.
func (h *Handler) arrivalBy(r *http.Request, proof *passkey.Proof, before methods) arrival {
	by := append(append(methods{}, before...), proof.Methods...)
	return arrival{
		account: proof.Account, device: h.cfg.Accounts.KnowDevice(h.cfg.Cookies.Device(r), proof.Account.ID), by: append(by, session.MultiFactor),
	}
}

func (h *Handler) logRefused(r *http.Request, err error) {
	h.cfg.Log.InfoContext(r.Context(), "passkey refused", "request_id", r.Header.Get("X-Request-Id"), "cause", page.Plain(err.Error()))
}

// render shows the sign-in page, with a passkey's way in where there is one.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, p page.SignIn) error {
	browser := h.cfg.Cookies.EnsureBrowser(w, r)
	options, err := h.cfg.Passkeys.SignInOptions(browser)
	if err != nil {
		return err
	}
	p.Passkey = options
	return h.cfg.Pages.Render(w, r, status, p)
}
