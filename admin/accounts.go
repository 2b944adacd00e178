package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/storage/account"
)

const accountsPath = root + "/accounts"

// accountsSize is how many accounts a page shows.
const accountsSize = 50

// accountList is the page of accounts.
type accountList struct {
	Search      string
	Rows        []accountRow
	Next, First string
}

// accountRow is an account as pages show it.
type accountRow struct {
	ID, Username, Name, Email string
	Administrator, Disabled   bool
	CreatedAt                 time.Time
	LastSignInAt              *time.Time
}

func newAccountRow(a *account.Account) accountRow {
	return accountRow{
		ID: a.ID, Username: printable(a.Username), Name: printable(a.Claims.Name), Email: printable(a.Claims.Email),
		Administrator: a.Has(account.ConfigureServer), Disabled: a.DisabledAt != nil, CreatedAt: a.CreatedAt, LastSignInAt: a.LastSignInAt,
	}
}

// listAccounts serves GET /settings/accounts.
func (h *handler) listAccounts(w http.ResponseWriter, r *http.Request, who *administrator) error {
	q := r.URL.Query()
	p := accountList{Search: printable(q.Get("q"))}
	list, err := h.cfg.Accounts.Page(r.Context(), account.Filter{Search: p.Search, After: q.Get("after"), Limit: accountsSize + 1})
	if err != nil {
		return err
	}
	if len(list) > accountsSize {
		list = list[:accountsSize]
		p.Next = h.pages.path(accountsPath, "q", p.Search, "after", list[accountsSize-1].Username)
	}
	if q.Get("after") != "" {
		p.First = h.pages.path(accountsPath, "q", p.Search)
	}
	for i := range list {
		p.Rows = append(p.Rows, newAccountRow(&list[i]))
	}
	return h.show(w, r, who, screen{Template: "accounts.html", Section: accountsPath, Page: p})
}

// accountForm is the form that creates an account.
type accountForm struct {
	Username, Name, Email string
	Administrator         bool
	Faults                []fault
}

// Entry returns a field with what is wrong with it.
func (p accountForm) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// showCreateAccount serves GET /settings/accounts/create.
func (h *handler) showCreateAccount(w http.ResponseWriter, r *http.Request, who *administrator) error {
	return h.show(w, r, who, screen{Template: "account_create.html", Section: accountsPath, Page: accountForm{}})
}

// createAccount serves POST /settings/accounts/create.
func (h *handler) createAccount(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	p := accountForm{
		Username: strings.TrimSpace(form.Get("username")), Name: strings.TrimSpace(form.Get("name")), Email: strings.TrimSpace(form.Get("email")),
		Administrator: form.Get("administrator") == "yes",
	}
	password, faults := typedPassword(form)
	if p.Faults = faults; p.Username == "" {
		p.Faults = append([]fault{{"username", "Enter a username."}}, faults...)
	}
	if len(p.Faults) == 0 {
		var a *account.Account
		a, err = h.cfg.Accounts.Create(r.Context(), who.actor(r), account.Registration{
			Username: p.Username, Password: password, Claims: account.Claims{Name: p.Name, Email: p.Email}, Permissions: permissions(p.Administrator),
		})
		if err == nil {
			h.redirect(w, accountPath(a.ID), "done", "account")
			return nil
		}
		one, ours := accountFault(err)
		if held, alone := errors.AsType[*account.FourEyesError](err); alone {
			one, ours = fault{"administrator", held.Reason}, true
		}
		if !ours {
			return err
		}
		p.Faults = []fault{one}
	}
	return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "account_create.html", Section: accountsPath, Page: p})
}

func accountPath(id string) string { return accountsPath + "/" + url.PathEscape(id) }

func permissions(administrator bool) []account.Permission { //nolint:revive // it is what the box says
	if administrator {
		return []account.Permission{account.ConfigureServer}
	}
	return nil
}

// typedPassword returns the password that was typed twice.
func typedPassword(form url.Values) (string, []fault) {
	password := form.Get("password")
	switch {
	case password == "":
		return "", []fault{{"password", "Type a password."}}
	case password != form.Get("password_again"):
		return "", []fault{{"password_again", "This is not the same as the password above. Type both again."}}
	default:
		return password, nil
	}
}
