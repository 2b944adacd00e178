package page

import (
	"net/http"
	"strings"

	"countersign/storage/locale"
)

// Security is the page of how somebody signs in.
type Security struct {
	Person        Person
	PasswordSet   Moment
	Authenticator *Factor // nil for none
	Passkeys      []Factor
	PasskeysHere  bool  // there can be some at the server's address
	RecoveryCodes int64 // that are left
	// Any tells that there is a second factor.
	Any bool
	// Demanded tells that the administrators' pages ask for one, and that this
	// session has none.
	Demanded bool
	Notice   Notice
}

func (Security) template() string { return "security.html" }

// Factor is one thing that somebody signs in with.
type Factor struct {
	ID    string
	Name  string
	Since Moment
	Used  *Moment // nil for never
}

// Authenticator is the page on which somebody sets an authenticator
// application up.
type Authenticator struct {
	Person Person
	// Key is the secret as people type it, and Scan as their phone reads it.
	Key  string
	Scan *Scan
	// Sealed is the secret for the form to bring back.
	Sealed string
	Faults []EntryFault
}

func (Authenticator) template() string { return "authenticator.html" }

// Entry returns the field with what is wrong with it, if anything is.
func (p Authenticator) Entry(name EntryName) EntryFault { return entry(p.Faults, name) }

// Grouped writes a key in groups of four.
func Grouped(key string) string {
	var b strings.Builder
	for i, r := range key {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// RecoveryCodes is the page that shows recovery codes once, or asks whether to
// make others.
type RecoveryCodes struct {
	Person Person
	Codes  []string
	// Added tells what they came with, empty when they were asked for.
	Added Notice
	// Left is how many there are, when there are no new ones to show.
	Left int64
}

func (RecoveryCodes) template() string { return "recovery_codes.html" }

// FactorKind is a kind of second factor.
type FactorKind string

// The kinds.
const (
	KindAuthenticator FactorKind = "authenticator"
	KindPasskey       FactorKind = "passkey"
)

// RemoveFactor is the page that asks whether to remove a second factor.
type RemoveFactor struct {
	Person Person
	Kind   FactorKind
	// Factor is which one, where there may be several.
	Factor Factor
	// Last tells that none would be left, and Demanded that the
	// administrators' pages ask for one.
	Last, Demanded bool
}

func (RemoveFactor) template() string { return "factor_remove.html" }

// AddPasskey is the page on which somebody adds a passkey.
type AddPasskey struct {
	Person Person
	// Options are what the browser is to make it by, as JSON.
	Options string
	// Label is what it is called.
	Label locale.Message
	// First tells that there is no other second factor yet.
	First  bool
	Faults []EntryFault
}

func (AddPasskey) template() string { return "passkey.html" }

// Entry returns the field with what is wrong with it, if anything is.
func (p AddPasskey) Entry(name EntryName) EntryFault { return entry(p.Faults, name) }

// NoPasskeys is a server at an address for which there are no passkeys.
func NoPasskeys() *Problem {
	return &Problem{
		Status: http.StatusNotFound, Code: "E-NO-PASSKEYS", Who: Administrator,
		Title:  "There are no passkeys at this address",
		What:   "Passkeys belong to a name, and this server is known by a number.",
		Remedy: "Use an authenticator app, or ask for the server to be given a name.",
	}
}
