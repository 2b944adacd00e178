package page

import (
	"net/http"
	"strconv"
	"time"

	"countersign/storage/locale"
)

// Problem is the page, and the error, of a request that cannot be answered:
// what happened and why, what to do, and who can do it.
type Problem struct { //nolint:errname // a page before all
	Status int
	// Code names the problem for those who look it up: E-NOT-FOUND.
	Code  string
	Title locale.Message
	// What happened and why, in a sentence or two.
	What locale.Message
	// Remedy is what to do.
	Remedy locale.Message
	// Who can do it.
	Who Who
	// Detail is for the developer of the application, folded away.
	Detail string
	// RedirectURI is what the application has not registered, for its
	// administrators; the page does not show it.
	RedirectURI string
	// ReturnURL leads on, under the words of ReturnName.
	ReturnURL  string
	ReturnName locale.Message
	// RetryAfter is when to try again, if that helps.
	RetryAfter time.Duration
}

// Who can mend a problem.
type Who string

// Those who can.
const (
	You           Who = "you"
	Developer     Who = "developer"
	Administrator Who = "administrator"
)

func (*Problem) template() string { return "problem.html" }

// Error makes a problem an error that a handler can return.
func (p *Problem) Error() string { return p.Code + ": " + p.Title.String() }

// Problem answers with the page of the problem.
func (p *Pages) Problem(w http.ResponseWriter, r *http.Request, problem *Problem) error {
	if problem.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(problem.RetryAfter), 10))
	}
	return p.Render(w, r, problem.Status, problem)
}

// seconds rounds up, so that nobody comes back too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// ExpiredInteraction is a request that waited too long for its resource owner.
func ExpiredInteraction(a Application) *Problem {
	p := &Problem{
		Status: http.StatusBadRequest, Code: "E-INTERACTION-EXPIRED", Who: You,
		Title:  "This sign-in has expired",
		What:   locale.Sprintf("A sign-in waits for half an hour, and the one that %s asked for waited longer. Nothing was shared with it.", a.Name),
		Remedy: locale.Sprintf("Go back to %s and start again from there.", a.Name),
	}
	return p.backTo(a)
}

// NotATester is an application that an administrator lets a few people try out,
// met by somebody else.
func NotATester(a Application) *Problem {
	p := &Problem{
		Status: http.StatusForbidden, Code: "E-NOT-A-TESTER", Who: Administrator,
		Title:  locale.Sprintf("%s is being tried out", a.Name),
		What:   "An administrator lets a few accounts try it out before everybody may use it. Yours is none of them. Nothing was shared with it.",
		Remedy: "Ask an administrator to add your account, or sign in with one that may use it.",
	}
	return p.backTo(a)
}

// LostInteraction is a request that does not wait in this browser: it was
// answered, or it began in another browser, or it never was.
func LostInteraction() *Problem {
	return &Problem{
		Status: http.StatusBadRequest, Code: "E-INTERACTION-UNKNOWN", Who: You,
		Title: "This sign-in is not waiting here",
		What: "It may have been completed in another tab, it may have been started in another browser, " +
			"or this browser may not keep cookies.",
		Remedy: "Go back to the application and start again from there. If it happens again, allow cookies for this site.",
	}
}

// OtherAccount is an answer on a consent page by somebody else than the person
// it asked.
func OtherAccount(resumeURL string) *Problem {
	return &Problem{
		Status: http.StatusForbidden, Code: "E-OTHER-ACCOUNT", Who: You,
		Title:     "Somebody else has signed in meanwhile",
		What:      "The page you answered asked another account than the one this browser is signed in to now. Nothing was shared.",
		Remedy:    "Continue, and look at who is asked before you answer.",
		ReturnURL: resumeURL, ReturnName: "Continue",
	}
}

// NotSetUp is a server without accounts.
func NotSetUp() *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Code: "E-NOT-SET-UP", Who: Administrator,
		Title:  "This server is not set up yet",
		What:   "It has no accounts, so there is nobody who could sign in.",
		Remedy: "Open the set-up address that the server printed when it started. Restarting it prints a fresh one.",
	}
}

// RemovedClient is a request of a client that is not registered any more.
func RemovedClient() *Problem {
	return &Problem{
		Status: http.StatusBadRequest, Code: "E-CLIENT-UNKNOWN", Who: Administrator,
		Title:  "This application is not registered here",
		What:   "It has been removed since it sent you here, or it never was registered.",
		Remedy: "Ask whether the application should be registered again. Nothing was shared with it.",
	}
}

// Unavailable is a database that does not answer. Nothing has been decided.
func Unavailable() *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Code: "E-UNAVAILABLE", Who: Administrator, RetryAfter: time.Second,
		Title:  "Not available for the moment",
		What:   "This server cannot reach its database. Nothing was decided and nothing is lost.",
		Remedy: "Wait a moment and reload this page.",
	}
}

// Internal is a fault of this server.
func Internal() *Problem {
	return &Problem{
		Status: http.StatusInternalServerError, Code: "E-INTERNAL", Who: Administrator,
		Title:  "Something went wrong here",
		What:   "This is a fault of this server, not of what you did. It has been written to the log.",
		Remedy: "Try again. If it stays, pass on the request number below.",
	}
}

// NotFound is a page that does not exist.
func NotFound() *Problem {
	return &Problem{
		Status: http.StatusNotFound, Code: "E-NOT-FOUND", Who: You,
		Title:  "There is no page at this address",
		What:   "The address may be mistyped, or the link that led here may be out of date.",
		Remedy: "Check the address, or start again from the application you came from.",
	}
}

// NotConnected is an application that has no access to the account that is
// signed in.
func NotConnected(listURL string) *Problem {
	return &Problem{
		Status: http.StatusNotFound, Code: "E-NOT-CONNECTED", Who: You,
		Title:     "This application has no access to your account",
		What:      "Its access may have been removed already, in another window or by its removal from this server.",
		Remedy:    "There is nothing left to do. The list shows what has access now.",
		ReturnURL: listURL, ReturnName: "Connected applications",
	}
}

// MethodNotAllowed is a request by a method that the page does not know.
func MethodNotAllowed() *Problem {
	return &Problem{
		Status: http.StatusMethodNotAllowed, Code: "E-METHOD", Who: Developer,
		Title:  "This address works differently",
		What:   "The page exists, and does not answer requests of this method.",
		Remedy: "Start again from the application you came from.",
	}
}

// CrossSite is a form that another site sent.
func CrossSite() *Problem {
	return &Problem{
		Status: http.StatusForbidden, Code: "E-CROSS-SITE", Who: You,
		Title:  "This form was not sent from this server's page",
		What:   "Another site tried to act in your name, or your browser does not say where the form came from. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form from there.",
	}
}

// MediaType is a form in a format that the pages of this server do not send.
func MediaType() *Problem {
	return &Problem{
		Status: http.StatusUnsupportedMediaType, Code: "E-MEDIA-TYPE", Who: Developer,
		Title:  "This form came in an unexpected format",
		What:   "Forms are read as application/x-www-form-urlencoded, which is what browsers send. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form from there.",
	}
}

// BadRequest is a request that cannot be understood, with a code of its own.
func BadRequest(code string, what, remedy locale.Message) *Problem {
	return &Problem{
		Status: http.StatusBadRequest, Code: code, Who: Developer,
		Title: "This request cannot be answered", What: what, Remedy: remedy,
	}
}

// UnreadableForm is a form whose fields cannot be read.
func UnreadableForm() *Problem {
	p := BadRequest("E-FORM", "The form could not be read: it is damaged or too long. Nothing was done.",
		"Go back, reload the page, and send the form again.")
	p.Who = You
	return p
}

func (p *Problem) backTo(a Application) *Problem {
	if a.Home != "" {
		p.ReturnURL, p.ReturnName = a.Home, locale.Sprintf("Back to %s", a.Name)
	}
	return p
}
