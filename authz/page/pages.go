package page

import (
	"html/template"
	"time"

	"countersign/storage/locale"
)

// SignIn is the page that asks who somebody is.
type SignIn struct {
	// Application is who asked, nil when nobody did.
	Application *Application
	// Interaction is the request that waits, empty when none does.
	Interaction string
	Username    string
	// Switch tells that the person wants to use another account.
	Switch bool
	// Scan leads to another device, nil when there is nothing to go on with
	// there.
	Scan *Scan
	// SignUp tells that people may create an account.
	SignUp bool
	// Passkey is what the browser is to ask a passkey by, as JSON; empty where
	// there are none.
	Passkey string
	// Confirm tells that the person is signed in, and is to show again who
	// they are.
	Confirm bool
	// Fault says why the last attempt did not succeed.
	Fault Fault
	// Wait is how long to wait before the next one.
	Wait time.Duration
}

// SecondStep is the page that asks for more than the password.
type SecondStep struct {
	// Application is who asked, nil when nobody did.
	Application *Application
	// Interaction is the request that waits, empty when none does.
	Interaction string
	Person      Person
	// Code tells that the account has an authenticator application.
	Code bool
	// Passkey is what the browser is to ask one of the account's passkeys by,
	// as JSON; empty when it has none.
	Passkey string
	// Fault says why the last attempt did not succeed, and AtRecovery that it
	// was with a recovery code.
	Fault      Fault
	AtRecovery bool
	// Wait is how long to wait before the next one.
	Wait time.Duration
}

func (SecondStep) template() string { return "second_step.html" }

func (p SecondStep) destination() string { return SignIn{Application: p.Application}.destination() }

// WaitWords is how long to wait, in words.
func (p SecondStep) WaitWords() locale.Message { return Duration(p.Wait) }

// Fault is why an attempt to sign in did not succeed.
type Fault string

// The faults.
const (
	NoFault     Fault = ""
	Incomplete  Fault = "incomplete"
	WrongSecret Fault = "wrong"
	Throttled   Fault = "throttled"
	Busy        Fault = "busy"
	// WrongPasskey is a passkey that proves nothing.
	WrongPasskey Fault = "passkey"
)

func (SignIn) template() string { return "sign_in.html" }

func (p SignIn) destination() string {
	if p.Application == nil {
		return ""
	}
	return p.Application.sources
}

// WaitWords is how long to wait, in words.
func (p SignIn) WaitWords() locale.Message { return Duration(p.Wait) }

// AtField reports whether the fault is in what was typed.
func (p SignIn) AtField() bool { return p.Fault == WrongSecret || p.Fault == Incomplete }

// Person is an account as its owner knows it.
type Person struct {
	ID       string
	Username string
	Name     string
}

// Title is what to call the person.
func (p Person) Title() string {
	if name := Plain(p.Name); name != "" {
		return name
	}
	return Plain(p.Username)
}

// Handle is the username, unless the title says it already.
func (p Person) Handle() string {
	if handle := Plain(p.Username); handle != p.Title() {
		return handle
	}
	return ""
}

// Initial is the first letter of the title.
func (p Person) Initial() string {
	for _, r := range p.Title() {
		return string(r)
	}
	return ""
}

// Consent is the page that asks whether an application may.
type Consent struct {
	Application Application
	Interaction string
	Person      Person
	Groups      []ScopeGroup
	// Again tells that the person has allowed this application something
	// before.
	Again bool
	// Access is how long an access token lives, and Offline how long the
	// application may renew it on its own; 0 when it did not ask to.
	Access, Offline time.Duration
	// AnyTime tells that the client may get access tokens while nobody is there,
	// for as long as it is allowed to.
	AnyTime bool
	// Unproved tells that whoever began the request may be somebody else than
	// the person at the browser, and get what that one allows.
	Unproved bool
	// Remembered tells that an allowance holds for the next time.
	Remembered bool
	// Shown identifies what the page says, for the form to bring back.
	Shown string
}

func (Consent) template() string { return "consent.html" }

func (p Consent) destination() string { return p.Application.sources }

// AccessWords is the life of an access token, in words.
func (p Consent) AccessWords() locale.Message { return Duration(p.Access) }

// OfflineWords is how long the access may be renewed, in words.
func (p Consent) OfflineWords() locale.Message { return Duration(p.Offline) }

// ScopeGroup is what an application asks for, of one kind.
type ScopeGroup struct {
	Title  locale.Message
	Scopes []Scope
}

// Scope is one thing an application asks for.
type Scope struct {
	// Text says what it is, in a sentence.
	Text locale.Message
	// Name is the name of a scope that only the application can explain.
	Name string
	// New tells that the person has not allowed it before.
	New bool
}

// Waiting is the page of a client that no administrator has approved.
type Waiting struct {
	Application Application
	Status      WaitingStatus
	// Reason is what the administrator wrote when disapproving.
	Reason string
	// Ended reports that the approval was for a time, which is over; the reason
	// says when.
	Ended bool
	// ResumeURL takes up the request again; a pending page goes there every
	// RefreshSeconds.
	ResumeURL      string
	RefreshSeconds int
	// UserCode is what the device shows that waits, empty when none does.
	UserCode string
}

// WaitingStatus is what a client waits for.
type WaitingStatus string

// The statuses.
const (
	Pending     WaitingStatus = "pending"
	Disapproved WaitingStatus = "disapproved"
)

func (Waiting) template() string { return "waiting.html" }

// ReasonText is the reason, fit to be shown.
func (p Waiting) ReasonText() string { return Plain(p.Reason) }

// FormPost is the page that brings an answer to a client by a form (OAuth 2.0
// Form Post Response Mode, section 2). A script sends it; without one, a
// person does.
type FormPost struct {
	// Action is the validated redirect URI.
	Action string
	Fields []Field
}

// Field is a field of a form that brings something along.
type Field struct{ Name, Value string }

func (FormPost) template() string { return "form_post.html" }

func (FormPost) once() {}

func (p FormPost) destination() string { return sources([]string{p.Action}) }

// Verifier is the page of somebody who carries an answer to an application
// that cannot be redirected to (RFC 5849, section 2.2).
type Verifier struct {
	Application Application
	// Allowed tells that the person allowed it.
	Allowed bool
	// Verifier is what to type there, empty when nothing was allowed, or when
	// the application needs none.
	Verifier string
}

func (Verifier) template() string { return "verifier.html" }

func (Verifier) once() {}

// SignOut is the page that asks whether to sign out.
type SignOut struct {
	Person Person
	// Application is who asked, nil when nobody did who can be believed.
	Application *Application
	// Return is where the person goes afterwards, empty to stay here. It was
	// validated.
	Return string
	// Stays tells that the person was to go somewhere, and will not.
	Stays bool
	// Fields are what the form brings along.
	Fields []Field
}

func (SignOut) template() string { return "sign_out.html" }

func (p SignOut) destination() string { return sources([]string{p.Return}) }

// SignedOut is the page of somebody who is not signed in any more.
type SignedOut struct {
	// Frames are the pages of applications that are to notice, with what they
	// are told.
	Frames []string
	// Return is where the person goes when they had time to load, empty to
	// stay here. It was validated.
	Return string
	// RefreshSeconds is how long that is.
	RefreshSeconds int
}

func (SignedOut) template() string { return "signed_out.html" }

func (p SignedOut) frames() string { return sources(p.Frames) }

// Target is the return address as a link. It may have a scheme of its own,
// which its client registered.
func (p SignedOut) Target() template.URL {
	return template.URL(p.Return) //nolint:gosec // one of the addresses that the client registered
}
