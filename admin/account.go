package admin

import (
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/locale"
	"countersign/storage/session"
)

// accountPage is the page of one account.
type accountPage struct {
	Account  accountRow
	Self     bool // it is the administrator's own
	Sessions []session.Session
	Trail    []event
	Faults   []fault
	// Refusal says why nothing was done, empty for nothing.
	Refusal locale.Message
}

// Entry returns a field with what is wrong with it.
func (p accountPage) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// showAccount serves GET /settings/accounts/{id}.
func (h *handler) showAccount(w http.ResponseWriter, r *http.Request, who *administrator) error {
	p, err := h.accountPage(r, who)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "account.html", Section: accountsPath, Page: p})
}

func (h *handler) accountPage(r *http.Request, who *administrator) (accountPage, error) {
	a, err := h.cfg.Accounts.Get(r.Context(), mux.Vars(r)["id"])
	if errors.Is(err, storage.ErrNotFound) {
		return accountPage{}, unknownAccount()
	}
	if err != nil {
		return accountPage{}, err
	}
	p := accountPage{Account: newAccountRow(a), Self: a.ID == who.AccountID}
	if p.Sessions, err = h.cfg.Sessions.List(r.Context(), a.ID); err != nil {
		return accountPage{}, err
	}
	events, err := h.cfg.Audit.List(r.Context(), audit.Filter{TargetType: "account", TargetID: a.ID, Limit: trailShown})
	p.Trail = describe(events)
	return p, err
}

// accountDeeds are what a button of the page of an account does, with the
// notice that it is done.
var accountDeeds = map[string]struct {
	do   func(h *handler, r *http.Request, by audit.Actor, id string) error
	done string
}{
	"permit": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.cfg.Accounts.SetPermissions(r.Context(), by, id, permissions(true))
	}, "permitted"},
	"demote": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.cfg.Accounts.SetPermissions(r.Context(), by, id, nil)
	}, "demoted"},
	"disable": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.cfg.Accounts.Disable(r.Context(), by, id)
	}, "disabled"},
	"enable": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.cfg.Accounts.Enable(r.Context(), by, id)
	}, "enabled"},
	"sign-out": {func(h *handler, r *http.Request, _ audit.Actor, id string) error {
		return h.cfg.Sessions.EndAll(r.Context(), id)
	}, "signed-out"},
	"password": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		password, faults := typedPassword(r.PostForm)
		if len(faults) > 0 {
			return &account.FieldError{Field: faults[0].Field, Reason: faults[0].Reason}
		}
		return h.cfg.Accounts.SetPassword(r.Context(), by, id, password)
	}, "password"},
}

// changeAccount serves POST /settings/accounts/{id}.
func (h *handler) changeAccount(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	deed, known := accountDeeds[form.Get("decision")]
	if !known {
		return undecided()
	}
	id := mux.Vars(r)["id"]
	err = deed.do(h, r, who.actor(r), id)
	one, wrong := accountFault(err)
	switch {
	case err == nil:
		h.redirect(w, accountPath(id), "done", deed.done)
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return unknownAccount()
	}
	held, alone := errors.AsType[*account.FourEyesError](err)
	if !wrong && !alone && !errors.Is(err, account.ErrLastAdministrator) {
		return err
	}
	p, err := h.accountPage(r, who)
	if err != nil {
		return err
	}
	status := http.StatusUnprocessableEntity
	switch {
	case wrong:
		p.Faults = []fault{one}
	case alone:
		status, p.Refusal = http.StatusForbidden, held.Reason
	default:
		status = http.StatusConflict
		p.Refusal = "This is the last account that may configure the server. Give the permission to another one first."
	}
	return h.show(w, r, who, screen{Status: status, Template: "account.html", Section: accountsPath, Page: p})
}

// accountFault returns what a store says of an account as a fault of the input
// for it, and whether it is such a fault.
func accountFault(err error) (fault, bool) {
	if wrong, ok := errors.AsType[*account.FieldError](err); ok {
		field := wrong.Field
		if field != "password_again" {
			field = inputOf(field)
		}
		return fault{field, wrong.Reason}, true
	}
	switch {
	case errors.Is(err, storage.ErrConflict):
		return fault{"username", "Somebody has this username already."}, true
	case errors.Is(err, account.ErrBusy):
		return fault{"password", "Many people are signing in just now. Wait a moment and try again."}, true
	default:
		return fault{}, false
	}
}

func unknownAccount() *problem {
	return &problem{
		Status: http.StatusNotFound, Code: "E-ACCOUNT-UNKNOWN",
		Title:  "There is no such account",
		What:   "It has been removed, or the address is mistyped.",
		Remedy: "Look for it in Settings › Accounts.",
	}
}
