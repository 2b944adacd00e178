package home

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/locale"
)

// maxLabel bounds what somebody calls a passkey.
const maxLabel = 64

// ShowPasskey serves GET /account/passkeys, on which one is added.
func (h *Handler) ShowPasskey(w http.ResponseWriter, r *http.Request) error {
	if !h.cfg.Passkeys.Available() {
		return page.NoPasskeys()
	}
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		return h.askPasskey(w, r, s, page.AddPasskey{Label: page.BrowserName(r.UserAgent())})
	})
}

func (h *Handler) askPasskey(w http.ResponseWriter, r *http.Request, s *security, p page.AddPasskey) error {
	var err error
	p.Options, err = h.cfg.Passkeys.RegistrationOptions(h.cfg.Cookies.EnsureBrowser(w, r), s.account, s.factors.Passkeys)
	if err != nil {
		return err
	}
	p.Person, p.First = s.person(), !s.factors.Any()
	status := http.StatusOK
	if len(p.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return h.cfg.Pages.Render(w, r, status, p)
}

// AddPasskey serves POST /account/passkeys.
func (h *Handler) AddPasskey(w http.ResponseWriter, r *http.Request) error {
	if !h.cfg.Passkeys.Available() {
		return page.NoPasskeys()
	}
	return h.fresh(w, r, h.addPasskey)
}

func (h *Handler) addPasskey(w http.ResponseWriter, r *http.Request, s *security) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	label := strings.TrimSpace(form.Get("label"))
	again := page.AddPasskey{Label: locale.Foreign(page.Plain(label))}
	if reason := unfitLabel(label); reason != "" {
		again.Faults = []page.EntryFault{{Field: "label", Reason: reason}}
		return h.askPasskey(w, r, s, again)
	}
	made, err := h.cfg.Passkeys.Register(r.Context(), h.cfg.Cookies.Browser(r), s.account, form.Get("credential"))
	if err == nil {
		made.Key.Name = label
		var codes []string
		err = h.strengthen(w, r, s, func(ctx context.Context) (method string, err error) {
			codes, err = h.cfg.Accounts.AddPasskey(ctx, browser.Actor(r, s.account), s.account, made.Key)
			return made.Method, err
		})
		if err == nil {
			return h.showAdded(w, r, s, codes)
		}
	}
	fault, isFault := errors.AsType[*account.FieldError](err)
	switch {
	case errors.Is(err, errUnconfirmed):
		return h.confirm(w, r, s.visit, r.URL.Path)
	case errors.Is(err, passkey.ErrRefused):
		h.cfg.Log.InfoContext(r.Context(), "passkey refused", "request_id", r.Header.Get("X-Request-Id"), "account_id", s.account.ID, "cause", page.Plain(err.Error()))
		again.Faults = []page.EntryFault{{Field: "label", Reason: "The passkey could not be added: this page may have stood for too long. Try again."}}
	case errors.Is(err, storage.ErrConflict):
		again.Faults = []page.EntryFault{{Field: "label", Reason: "This passkey is in use already. Try again with another one."}}
	case isFault:
		again.Faults = []page.EntryFault{{Field: page.EntryName(fault.Field), Reason: fault.Reason}}
	default:
		return err
	}
	return h.askPasskey(w, r, s, again)
}

// unfitLabel says what is wrong with what somebody calls a passkey, empty for
// nothing.
func unfitLabel(label string) locale.Message {
	switch {
	case label == "", len(label) > maxLabel:
		return "Give it a name of 64 bytes at most."
	case !utf8.ValidString(label):
		return "Use valid UTF-8."
	case strings.ContainsFunc(label, unicode.IsControl):
		return "Remove control characters."
	default:
		return ""
	}
}

// showAdded shows the recovery codes that came with the first factor.
func (h *Handler) showAdded(w http.ResponseWriter, r *http.Request, s *security, codes []string) error {
	if len(codes) == 0 {
		return h.done(w, pathSecurity, page.NoticePasskey)
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.RecoveryCodes{Person: s.person(), Codes: codes, Added: page.NoticePasskey})
}

// AskRemovePasskey serves GET /account/passkeys/remove.
func (h *Handler) AskRemovePasskey(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		for _, k := range s.factors.Passkeys {
			if k.ID == r.URL.Query().Get("passkey") {
				return h.cfg.Pages.Render(w, r, http.StatusOK, page.RemoveFactor{
					Person: s.person(), Kind: page.KindPasskey, Factor: page.Factor{ID: k.ID, Name: page.Plain(k.Name)},
					Last: s.factors.TOTP == nil && len(s.factors.Passkeys) == 1, Demanded: h.demands(s.account),
				})
			}
		}
		h.redirect(w, pathSecurity)
		return nil
	})
}

// RemovePasskey serves POST /account/passkeys/remove.
func (h *Handler) RemovePasskey(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		form, err := page.Form(r)
		if err != nil {
			return err
		}
		err = h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
			if _, err := h.still(ctx, r, s); err != nil {
				return err
			}
			return h.cfg.Accounts.RemovePasskey(ctx, browser.Actor(r, s.account), s.account, form.Get("passkey"))
		})
		if errors.Is(err, errUnconfirmed) {
			return h.confirm(w, r, s.visit, r.URL.Path)
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return h.done(w, pathSecurity, page.NoticeFactorRemoved)
	})
}
