package home

import (
	"errors"
	"net/http"
	"strings"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/storage/account"
	"countersign/storage/locale"
)

// ShowProfile serves GET /account/profile.
func (h *Handler) ShowProfile(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		p := h.profilePage(v)
		p.Notice = notice(r)
		return h.cfg.Pages.Render(w, r, http.StatusOK, p)
	})
}

func (h *Handler) profilePage(v *visit) page.Profile {
	c := v.account.Claims
	p := page.Profile{
		Person: v.person(), Name: c.Name, GivenName: c.GivenName, FamilyName: c.FamilyName, Nickname: c.Nickname, Website: c.Website,
		Email: c.Email, EmailVerified: c.EmailVerified, OwnEmail: h.cfg.SignUp,
	}
	p.Managed = append(p.Managed, page.Fact{Name: "Username", Value: locale.Foreign(page.Plain(v.account.Username))})
	if !h.cfg.SignUp {
		p.Managed = append(p.Managed, page.Fact{Name: "Email address", Value: address(c.Email, c.EmailVerified)})
	}
	for _, f := range []page.Fact{
		{Name: "Phone number", Value: address(c.PhoneNumber, c.PhoneNumberVerified)},
		{Name: "Known as", Value: locale.Foreign(page.Plain(c.PreferredUsername))},
		{Name: "Permission", Value: permission(v.account)},
	} {
		if f.Value != "" && f.Value != none {
			p.Managed = append(p.Managed, f)
		}
	}
	return p
}

// none is what is said of an address that is not known.
const none locale.Message = "None"

// standings are what is said of an address by whether it is verified.
var standings = map[bool]locale.Message{true: "%s (verified)", false: "%s (not verified)"}

func address(value string, verified bool) locale.Message {
	if value == "" {
		return none
	}
	return locale.Sprintf(standings[verified], page.Plain(value))
}

func permission(a *account.Account) locale.Message {
	if a.Has(account.ConfigureServer) {
		return "May configure this server"
	}
	return ""
}

// SetProfile serves POST /account/profile.
func (h *Handler) SetProfile(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.setProfile)
}

func (h *Handler) setProfile(w http.ResponseWriter, r *http.Request, v *visit) error {
	form, err := h.form(r, v)
	if err != nil {
		return err
	}
	said := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	p := account.Profile{
		Name: said("name"), GivenName: said("given_name"), FamilyName: said("family_name"), Nickname: said("nickname"), Website: said("website"),
	}
	if h.cfg.SignUp {
		email := said("email")
		p.Email = &email
	}
	err = h.cfg.Accounts.SetProfile(r.Context(), browser.Actor(r, v.account), v.account.ID, p)
	if wrong, ok := errors.AsType[*account.FieldError](err); ok {
		again := h.profilePage(v)
		again.Name, again.GivenName, again.FamilyName, again.Nickname, again.Website = p.Name, p.GivenName, p.FamilyName, p.Nickname, p.Website
		if p.Email != nil {
			again.Email = *p.Email
		}
		again.Faults = []page.EntryFault{{Field: page.EntryName(wrong.Field), Reason: wrong.Reason}}
		return h.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, again)
	}
	if err != nil {
		return err
	}
	return h.done(w, pathProfile, page.NoticeProfile)
}
