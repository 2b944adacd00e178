package admin

import (
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// setupPage is the form that creates the first administrator. Faults and
// Entry speak of its fields by the names of their inputs.
type setupPage struct {
	Token    string
	Username string
	FullName string
	Email    string
	Faults   []fault
}

// fault is an entry that is not acceptable, in a sentence.
type fault struct {
	Field  string
	Reason locale.Message
}

// Label is what the form calls the field.
func (f fault) Label() locale.Message {
	if name, ok := fieldNames[f.Field]; ok && f.Field != "name" {
		return name
	}
	switch f.Field {
	case "username":
		return "Username"
	case "password":
		return "Password"
	case "email":
		return "Email address"
	default:
		return "Name"
	}
}

// entry is a field with what is wrong with it, if anything is.
type entry struct {
	Name  string
	Fault locale.Message
}

// Entry returns the field.
func (p setupPage) Entry(name string) entry {
	for _, f := range p.Faults {
		if f.Field == name {
			return entry{name, f.Reason}
		}
	}
	return entry{Name: name}
}

// showSetup serves GET /setup.
func (h *handler) showSetup(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("token")
	if err := h.checkDoor(r, token); err != nil {
		return err
	}
	return h.pages.render(w, r, http.StatusOK, "setup.html", view{Page: setupPage{Token: token}})
}

// checkDoor refuses a token that would not be accepted, and says why.
func (h *handler) checkDoor(r *http.Request, token string) error {
	err := h.cfg.Accounts.CheckSetup(r.Context(), token)
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	needed, err := h.cfg.Accounts.NeedsSetup(r.Context())
	if err != nil {
		return err
	}
	if needed {
		return invalidToken()
	}
	return closedDoor()
}

// completeSetup serves POST /setup. The token is spent with the account that
// it creates, and by nothing less.
func (h *handler) completeSetup(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	p := setupPage{
		Token:    form.Get("token"),
		Username: strings.TrimSpace(form.Get("username")),
		FullName: strings.TrimSpace(form.Get("name")),
		Email:    strings.TrimSpace(form.Get("email")),
	}
	password := form.Get("password")
	if err := h.checkDoor(r, p.Token); err != nil {
		return err
	}
	if p.Faults = missing(p.Username, password); len(p.Faults) > 0 {
		return h.pages.render(w, r, http.StatusUnprocessableEntity, "setup.html", view{Page: p})
	}
	_, err = h.cfg.Accounts.CompleteSetup(r.Context(), newcomer(r, p.Username), p.Token, account.Registration{
		Username: p.Username, Password: password,
		Claims:      account.Claims{Name: p.FullName, Email: p.Email},
		Permissions: []account.Permission{account.ConfigureServer},
	})
	return h.answerSetup(w, r, p, err)
}

func (h *handler) answerSetup(w http.ResponseWriter, r *http.Request, p setupPage, err error) error {
	if wrong, ok := errors.AsType[*account.FieldError](err); ok {
		p.Faults = []fault{{Field: inputOf(wrong.Field), Reason: wrong.Reason}}
		return h.pages.render(w, r, http.StatusUnprocessableEntity, "setup.html", view{Page: p})
	}
	switch {
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrConflict):
		if err := h.checkDoor(r, p.Token); err != nil {
			return err
		}
		return closedDoor()
	case errors.Is(err, account.ErrBusy):
		w.Header().Set("Retry-After", "1")
		return unavailable(http.MethodGet) // nothing was tried
	case err != nil:
		return err
	}
	h.markWitness(w)
	h.redirect(w, "/setup/done")
	return nil
}

// CommandLine is what a command on the server's machine has to be told, beyond
// what it finds by itself. Values are as a shell takes them.
type CommandLine struct {
	// Finders lead to the data that the server works on, and Issuer is where it
	// is; none and empty where a command finds them.
	Finders []Finder
	Issuer  string
}

// Finder is a flag with its value, or a variable of the environment whose value
// no page shows.
type Finder struct{ Name, Value string }

// donePage is what is left to do.
type donePage struct {
	Flags  string // of the command that works on the data
	Issuer string
	// Named are the settings that the command needs and that are not shown.
	Named locale.Message
}

// hidden is the command line for whom no value is shown to.
func (l CommandLine) hidden() CommandLine {
	finders := slices.Clone(l.Finders)
	for i := range finders {
		finders[i].Value = ""
	}
	return CommandLine{Finders: finders, Issuer: l.Issuer}
}

func (l CommandLine) page() donePage {
	var flags, named []string
	for _, f := range l.Finders {
		if f.Value != "" {
			flags = append(flags, f.Name+" "+f.Value)
		} else {
			named = append(named, f.Name)
		}
	}
	p := donePage{Flags: strings.Join(flags, " "), Issuer: l.Issuer}
	if len(named) > 0 {
		p.Named = locale.Sprintf("The first command needs what this server finds its data by: give it the same %s.", strings.Join(named, ", "))
	}
	return p
}

// showDone serves GET /setup/done, which says how to go on. Anybody may open it
// at any time: where the server keeps its data is for the browser that set it up,
// which was given the witness of the process.
func (h *handler) showDone(w http.ResponseWriter, r *http.Request) error {
	needed, err := h.cfg.Accounts.NeedsSetup(r.Context())
	if err != nil {
		return err
	}
	if needed {
		return notFound()
	}
	told := h.cfg.CommandLine
	if !h.isWitness(r) {
		told = told.hidden()
	}
	return h.pages.render(w, r, http.StatusOK, "done.html", view{Page: told.page()})
}

// witnessCookie is kept until the browser is closed, and sent to the set-up's
// pages only.
const witnessCookie = "cs_setup"

func (h *handler) markWitness(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is wherever there is https
		Name: witnessCookie, Value: h.witness, Path: h.base + "/setup", HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (h *handler) isWitness(r *http.Request) bool {
	cookie, err := r.Cookie(witnessCookie)
	return err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(h.witness)) == 1
}

// newcomer is who sets the server up, before anybody can be signed in.
func newcomer(r *http.Request, name string) audit.Actor {
	return audit.Actor{Name: name, Via: audit.ViaSetup, IP: address(r), RequestID: r.Header.Get("X-Request-Id")}
}

// missing says which of the entries that must be there is not.
func missing(username, password string) []fault {
	var faults []fault
	if username == "" {
		faults = append(faults, fault{"username", "Enter a username."})
	}
	if password == "" {
		faults = append(faults, fault{"password", "Enter a password."})
	}
	return faults
}

// inputOf names the input for a member of an account, the first one when there
// is no input for it.
func inputOf(field string) string {
	switch field {
	case "username", "password", "name", "email":
		return field
	default:
		return "username"
	}
}

// readForm reads the fields of a posted form, and nothing of the address.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, unreadableForm()
	}
	if err := r.ParseForm(); err != nil {
		return nil, unreadableForm()
	}
	return r.PostForm, nil
}

func invalidToken() *problem {
	return &problem{
		Status: http.StatusForbidden, Code: "E-SETUP-TOKEN",
		Title: "This set-up address is not valid",
		What: "A set-up address works for 30 minutes, and a newer one replaces it. " +
			"This one has expired, has been replaced, or is incomplete.",
		Remedy: "Restart the server: it prints a fresh address. On the server's machine, `countersign user create --permission configure_server` makes an administrator as well.",
	}
}

func closedDoor() *problem {
	return &problem{
		Status: http.StatusGone, Code: "E-SETUP-CLOSED",
		Title:  "This server is set up already",
		What:   "Set-up is closed for good as soon as there is an account.",
		Remedy: "Sign in with that account. If nobody knows its password, `countersign user set-password` on the server's machine sets a new one.",
		Next:   "To the home page",
	}
}
