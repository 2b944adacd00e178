package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	Contact  contactForm
	Self     bool // it is the administrator's own
	Sessions []session.Session
	Trail    []event
	Faults   []fault
	// Refusal says why nothing was done, empty for nothing.
	Refusal locale.Message
	// Changed says who changed the account meanwhile, empty for nobody.
	Changed locale.Message
}

// contactForm is the form for how somebody is called and reached.
type contactForm struct {
	Name, Email string
	Verified    bool  // the address that is kept
	Version     int64 // of the account that the form was filled from
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
	p := accountPage{
		Account: newAccountRow(a), Self: a.ID == who.AccountID,
		Contact: contactForm{Name: a.Claims.Name, Email: a.Claims.Email, Verified: a.Claims.EmailVerified, Version: a.Version},
	}
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
	"sign-out": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.cfg.Sessions.SignOut(r.Context(), by, id)
	}, "signed-out"},
	"password": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		password, faults := typedPassword(r.PostForm)
		if len(faults) > 0 {
			return &account.FieldError{Field: faults[0].Field, Reason: faults[0].Reason}
		}
		return h.cfg.Accounts.SetPassword(r.Context(), by, id, password)
	}, "password"},
	"contact": {func(h *handler, r *http.Request, by audit.Actor, id string) error {
		return h.setContact(r, by, id)
	}, "saved"},
}

// setContact corrects how somebody is called and reached. Who corrects what
// somebody else changed meanwhile overwrites nothing (AD-33).
func (h *handler) setContact(r *http.Request, by audit.Actor, id string) error {
	typed := typedContact(r.PostForm)
	if typed.Version == 0 { // the store would take any
		return storage.Err("correct account", storage.ErrConflict)
	}
	return h.cfg.Accounts.Seen(typed.Version).SetContact(r.Context(), by, id, account.Contact{Name: &typed.Name, Email: &typed.Email})
}

func typedContact(form url.Values) contactForm {
	version, _ := strconv.ParseInt(form.Get("version"), 10, 64) // what is no number is no version either
	return contactForm{Name: strings.TrimSpace(form.Get("name")), Email: strings.TrimSpace(form.Get("email")), Version: version}
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
	switch {
	case err == nil:
		h.redirect(w, accountPath(id), "done", deed.done)
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return unknownAccount()
	default:
		return h.changeAgain(w, r, who, err)
	}
}

// changeAgain shows the page of an account with why it was not changed, and
// what was typed. A failure that is nobody's mistake is returned.
func (h *handler) changeAgain(w http.ResponseWriter, r *http.Request, who *administrator, failure error) error {
	one, wrong := accountFault(failure)
	held, alone := errors.AsType[*account.FourEyesError](failure)
	if !wrong && !alone && !errors.Is(failure, account.ErrLastAdministrator) {
		return failure
	}
	p, err := h.accountPage(r, who)
	if err != nil {
		return err
	}
	if typed := typedContact(r.PostForm); r.PostForm.Get("decision") == "contact" {
		p.Contact.Name, p.Contact.Email, p.Contact.Version = typed.Name, typed.Email, typed.Version
	}
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(failure, storage.ErrConflict):
		status = http.StatusConflict
		p.Changed, err = h.changedBy(r, "account", p.Account.ID)
	case wrong:
		p.Faults = []fault{one}
	case alone:
		status, p.Refusal = http.StatusForbidden, held.Reason
	default:
		status = http.StatusConflict
		p.Refusal = "This is the last account that may configure the server. Give the permission to another one first."
	}
	if err != nil {
		return err
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
