package page

import (
	"net/http"
	"time"

	"countersign/storage/locale"
)

// SignUp is the page on which somebody creates an account.
type SignUp struct {
	// Application is who asked, nil when nobody did.
	Application *Application
	// Interaction is the request that waits, empty when none does.
	Interaction string
	// What was entered last.
	Username, Name, Email string
	// Faults say what is wrong with it.
	Faults []EntryFault
	// Hindrance is why a good entry was not looked at, and Wait how long to
	// wait before the next one.
	Hindrance Fault
	Wait      time.Duration
}

// EntryName is the name of a field for an entry.
type EntryName string

// EntryFault says in a sentence what is wrong with an entry.
type EntryFault struct {
	Field  EntryName
	Reason locale.Message
}

var entryLabels = map[EntryName]locale.Message{
	"username": "Username", "name": "Name", "email": "Email address", "password": "Password", "password_again": "Password again",
	"current_password": "Current password", "given_name": "Given name", "family_name": "Family name", "nickname": "Nickname", "website": "Website",
	"code": "Code", "label": "Name of the passkey",
}

// Label is what the form calls the field.
func (f EntryFault) Label() locale.Message { return entryLabels[f.Field] }

// Entry returns the field with what is wrong with it, if anything is.
func (p SignUp) Entry(name EntryName) EntryFault { return entry(p.Faults, name) }

func entry(faults []EntryFault, name EntryName) EntryFault {
	for _, f := range faults {
		if f.Field == name {
			return f
		}
	}
	return EntryFault{Field: name}
}

func (SignUp) template() string { return "sign_up.html" }

func (p SignUp) destination() string { return SignIn{Application: p.Application}.destination() }

// WaitWords is how long to wait, in words.
func (p SignUp) WaitWords() locale.Message { return Duration(p.Wait) }

// Quiet reports whether there is nothing to say of an earlier attempt.
func (p SignUp) Quiet() bool { return len(p.Faults) == 0 && p.Hindrance == NoFault }

// NoSignUp is a server on which people do not create their accounts.
func NoSignUp() *Problem {
	return &Problem{
		Status: http.StatusNotFound, Code: "E-SIGN-UP-OFF", Who: Administrator,
		Title:  "Accounts are not created here",
		What:   "On this server, only administrators create accounts.",
		Remedy: "Ask for an account, or sign in with the one you have.",
	}
}
