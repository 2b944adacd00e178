// Package browser reads and writes the cookies of one browser: the session of
// whoever signed in, the value that ties waiting requests to the browser, and
// the one that tells a browser in which somebody has signed in before. It also
// writes down who did something in it.
package browser

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"countersign/storage/locale"
	"countersign/storage/seal"
)

const (
	deviceLifetime = 365 * 24 * time.Hour
	// maxDevice is longer than any device cookie of ours.
	maxDevice = 1024
)

// Cookies reads and writes cookies. Under https their names bind them to this
// host and to https (RFC 6265bis, section 4.1.3.2).
type Cookies struct {
	prefix string
	secure bool
}

// New returns the cookies of the server at the issuer.
func New(issuer *url.URL) Cookies {
	if issuer.Scheme == "https" {
		return Cookies{prefix: "__Host-cs_", secure: true}
	}
	return Cookies{prefix: "cs_"}
}

const (
	session = "session"
	browser = "browser"
	device  = "device"
	state   = "state"
	step    = "step"
)

// languageLifetime is how long the language that somebody chose is kept.
const languageLifetime = 365 * 24 * time.Hour

// Language returns what the browser keeps of the language that somebody chose,
// empty for nothing. It opens nothing.
func (c Cookies) Language(r *http.Request) string { return c.get(r, locale.Cookie) }

// SetLanguage keeps the language that somebody chose at the time.
func (c Cookies) SetLanguage(w http.ResponseWriter, l *locale.Language, at time.Time) {
	c.set(w, locale.Cookie, l.Choice(at), languageLifetime)
}

// scheme keeps whether somebody wants pages light or dark.
const scheme = "scheme"

// Scheme returns light or dark as somebody chose, empty for what the system
// says. It opens nothing.
func (c Cookies) Scheme(r *http.Request) string {
	if value := c.get(r, scheme); value == "light" || value == "dark" {
		return value
	}
	return ""
}

// SetScheme keeps the choice, empty for what the system says.
func (c Cookies) SetScheme(w http.ResponseWriter, value string) {
	if value == "" {
		c.set(w, scheme, "", -time.Second)
		return
	}
	c.set(w, scheme, value, languageLifetime)
}

// Session returns the value of the session cookie, empty when there is none
// that could be ours.
func (c Cookies) Session(r *http.Request) string {
	return c.token(r, session, seal.SessionCookie)
}

// SetSession signs this browser in, until it is closed.
func (c Cookies) SetSession(w http.ResponseWriter, value string) {
	c.set(w, session, value, 0)
	c.setState(w, newState(), 0)
}

// ClearSession forgets the session.
func (c Cookies) ClearSession(w http.ResponseWriter) {
	c.set(w, session, "", -time.Second)
	c.setState(w, "", -time.Second)
}

// StateName is the name of the cookie that the script of the page at
// check_session_iframe reads.
func (c Cookies) StateName() string { return c.prefix + state }

// EnsureState returns the browser's state, which changes whenever somebody
// signs in or out (OpenID Connect Session Management 1.0, section 3.1), and
// gives the browser one if it has none.
func (c Cookies) EnsureState(w http.ResponseWriter, r *http.Request) string {
	if value := c.get(r, state); len(value) == stateLength {
		return value
	}
	value := newState()
	c.setState(w, value, 0)
	return value
}

// stateLength is the length of a state.
const stateLength = 26

func newState() string { return rand.Text() }

// setState writes the one cookie that a script may read, also in a page of
// ours that another site embeds. It opens nothing.
func (c Cookies) setState(w http.ResponseWriter, value string, lifetime time.Duration) {
	sameSite := http.SameSiteLaxMode
	if c.secure {
		sameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is wherever there is https, and scripts are to read it
		Name: c.StateName(), Value: value, Path: "/", MaxAge: int(lifetime / time.Second), Secure: c.secure, SameSite: sameSite,
	})
}

// Browser returns the value that ties waiting requests to this browser, empty
// when there is none.
func (c Cookies) Browser(r *http.Request) string {
	return c.token(r, browser, seal.BrowserCookie)
}

// EnsureBrowser returns the value that ties waiting requests to this browser
// and gives the browser one if it has none.
func (c Cookies) EnsureBrowser(w http.ResponseWriter, r *http.Request) string {
	if value := c.Browser(r); value != "" {
		return value
	}
	value := seal.NewToken(seal.BrowserCookie)
	c.set(w, browser, value, 0)
	return value
}

// Device returns the value by which sign-ins of this browser are told from
// those of strangers, empty when there is none.
func (c Cookies) Device(r *http.Request) string {
	if value := c.get(r, device); len(value) <= maxDevice {
		return value
	}
	return ""
}

// SetDevice keeps that value for a year.
func (c Cookies) SetDevice(w http.ResponseWriter, value string) {
	c.set(w, device, value, deviceLifetime)
}

const (
	// stepLifetime is how long the second step of a sign-in may follow the
	// first; what the cookie says is dated besides.
	stepLifetime = 10 * time.Minute
	// maxStep is longer than any of ours.
	maxStep = 1024
)

// FirstStep returns the proof that the password was right while the second
// step of a sign-in is still to come, empty when there is none.
func (c Cookies) FirstStep(r *http.Request) string {
	if value := c.get(r, step); len(value) <= maxStep {
		return value
	}
	return ""
}

// SetFirstStep keeps that proof.
func (c Cookies) SetFirstStep(w http.ResponseWriter, value string) {
	c.set(w, step, value, stepLifetime)
}

// ClearFirstStep forgets it.
func (c Cookies) ClearFirstStep(w http.ResponseWriter) { c.set(w, step, "", -time.Second) }

// token reads a cookie that must be a well-formed token: anything else was
// never ours and is not worth a look into the database.
func (c Cookies) token(r *http.Request, name string, kind seal.Kind) string {
	if value := c.get(r, name); seal.WellFormed(kind, value) {
		return value
	}
	return ""
}

func (c Cookies) get(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.prefix + name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// set writes a cookie; no lifetime leaves it until the browser is closed, and
// a negative one removes it.
func (c Cookies) set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is wherever there is https
		Name: c.prefix + name, Value: value, Path: "/", MaxAge: int(lifetime / time.Second),
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	})
}
