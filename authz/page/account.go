package page

import (
	"time"

	"countersign/clientstore"
	"countersign/storage/locale"
)

// Moment is a time on a page, and what time it is there.
type Moment struct{ At, Now time.Time }

// ISO is the time as machines read it.
func (m Moment) ISO() string { return m.At.UTC().Format(time.RFC3339) }

// Words say how long ago it was, or when.
func (m Moment) Words() locale.Message {
	const day = 24 * time.Hour
	switch ago := m.Now.Sub(m.At); {
	case ago < time.Minute:
		return "just now"
	case ago < 2*time.Hour:
		return locale.Sprintf("%d minutes ago", int64(ago/time.Minute))
	case ago < 2*day:
		return locale.Sprintf("%d hours ago", int64(ago/time.Hour))
	default:
		return m.Day()
	}
}

// Day is the date.
func (m Moment) Day() locale.Message { return locale.Sprintf("%s", locale.Day(m.At)) }

// Exact is the date and the time.
func (m Moment) Exact() locale.Message { return locale.Sprintf("%s", m.At) }

// Home is the page of somebody who is signed in: what there is to know of
// their account, and where to change it.
type Home struct {
	Person        Person
	Since         Moment
	Administrator bool
	// Settings tells that the Settings application is served here.
	Settings     bool
	Applications int
	Sessions     int
	PasswordSet  Moment
	Recent       []Activity // the latest
	SecondFactor bool
	// Notice says what was just done.
	Notice Notice
}

func (Home) template() string { return "home.html" }

// Notice is what a page says of what was just done.
type Notice string

// The notices. None of them is done by what the address says of it.
const (
	NoNotice        Notice = ""
	NoticeRemoved   Notice = "removed"
	NoticeSignedOut Notice = "signed-out"
	NoticePassword  Notice = "password"
	NoticeProfile   Notice = "profile"

	NoticeAuthenticator Notice = "authenticator"
	NoticePasskey       Notice = "passkey"
	NoticeFactorRemoved Notice = "factor-removed"
)

var notices = map[Notice]locale.Message{
	NoticeRemoved:   "The application has no access to your account any more.",
	NoticeSignedOut: "Signed out there. Applications that were used there are being told.",
	NoticePassword:  "Your password is changed. You were signed out everywhere else.",
	NoticeProfile:   "Your profile is saved.",

	NoticeAuthenticator: "The authenticator app is set up. You are asked for a code when you sign in.",
	NoticePasskey:       "The passkey is added. You can sign in with it.",
	NoticeFactorRemoved: "Removed. It does not sign you in any more.",
}

// Text is the notice in words, empty for what is none.
func (n Notice) Text() locale.Message { return notices[n] }

// Applications is the page of the applications that somebody has allowed
// something.
type Applications struct {
	Person Person
	List   []Connected
	Notice Notice
}

func (Applications) template() string { return "applications.html" }

// Connected is an application that somebody has allowed something.
type Connected struct {
	ID          string
	Application Application
	Protocol    Protocol
	Groups      []ScopeGroup
	First       Moment
	Used        *Moment // nil when that is not known
	// Active tells that it has access now; otherwise it only need not ask
	// again. Offline tells that its access does not end with the session.
	Active, Offline bool
	// AnyTime tells that it gets access whenever it wants, while nobody is there.
	AnyTime bool
}

// Protocol is the name of the protocol that an application speaks.
type Protocol string

// Protocols are the names by the type of a client.
var Protocols = map[clientstore.Type]Protocol{
	clientstore.OAuth1: "OAuth 1.0a", clientstore.OAuth2: "OAuth 2.0", clientstore.OIDC: "OpenID Connect",
}

// RemoveApplication is the page that asks whether to end the access of an
// application.
type RemoveApplication struct {
	Person    Person
	Connected Connected
	// Unasked tells that an administrator lets the application have access
	// without asking the person.
	Unasked bool
}

func (RemoveApplication) template() string { return "application_remove.html" }

// Sessions is the page of the browsers that somebody is signed in with.
type Sessions struct {
	Person Person
	List   []Browser
	Notice Notice
}

func (Sessions) template() string { return "sessions.html" }

// Others reports whether there is a session beside this one.
func (p Sessions) Others() bool { return len(p.List) > 1 }

// Browser is a browser that somebody is signed in with.
type Browser struct {
	ID      string
	Name    locale.Message // what it says of itself, in short
	Address string
	Current bool
	Since   Moment
	Seen    Moment
	Methods locale.Message // how the person signed in
}

// Activities is the page of what happened to an account lately.
type Activities struct {
	Person Person
	List   []Activity
	// Failed is how many attempts to sign in from browsers that are not known
	// have failed in the last day, since the last that did not.
	Failed int64
	// Days is how long what happened is kept.
	Days int
}

func (Activities) template() string { return "activity.html" }

// Activity is one thing that happened to an account.
type Activity struct {
	What   locale.Message // a sentence
	Detail locale.Message // more of it, empty for nothing
	From   locale.Message // browser and address
	At     Moment
}

// ChangePassword is the page on which somebody gives themselves another
// password.
type ChangePassword struct {
	Person        Person
	Administrator bool // more is asked of their password
	// Faults say what is wrong with what was entered.
	Faults []EntryFault
	// Hindrance is why a good entry was not looked at, and Wait how long to
	// wait before the next one.
	Hindrance Fault
	Wait      time.Duration
}

func (ChangePassword) template() string { return "password.html" }

// Entry returns the field with what is wrong with it, if anything is.
func (p ChangePassword) Entry(name EntryName) EntryFault { return entry(p.Faults, name) }

// Quiet reports whether there is nothing to say of an earlier attempt.
func (p ChangePassword) Quiet() bool { return len(p.Faults) == 0 && p.Hindrance == NoFault }

// WaitWords is how long to wait, in words.
func (p ChangePassword) WaitWords() locale.Message { return Duration(p.Wait) }

// Profile is the page of what somebody says of themselves, and of what an
// administrator says of them.
type Profile struct {
	Person                                         Person
	Name, GivenName, FamilyName, Nickname, Website string
	// Email may be changed if OwnEmail.
	Email         string
	EmailVerified bool
	OwnEmail      bool
	Managed       []Fact
	Faults        []EntryFault
	Notice        Notice
}

func (Profile) template() string { return "profile.html" }

// Entry returns the field with what is wrong with it, if anything is.
func (p Profile) Entry(name EntryName) EntryFault { return entry(p.Faults, name) }

// Fact is something that is known of somebody.
type Fact struct {
	Name  locale.Message
	Value locale.Message
}
