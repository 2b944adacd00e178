package admin

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"countersign/clientstore"
	"countersign/storage/locale"
)

// problem is the page, and the error, of a request that cannot be answered.
type problem struct {
	Status              int
	Code                string
	Title, What, Remedy locale.Message
	// Next is the name of the link to the home page. Where it is empty, a page of
	// the Settings application leads back into that: see [handler.onward].
	Next locale.Message
}

func (p *problem) Error() string { return p.Code + ": " + p.Title.String() }

// way is a link that leads on from a problem: a path under the issuer's.
type way struct {
	Path string
	Name locale.Message
}

// describedProblem is what the template sees of a problem.
type describedProblem struct {
	Problem *problem
	Onward  way
}

// onward is where the page of a problem leads that does not lead to the home
// page: from what is about a client back to that, and from elsewhere in the
// Settings application to the list that it is of. The name is empty where it
// leads nowhere.
func (h *handler) onward(r *http.Request, p *problem) way {
	path := strings.TrimPrefix(r.URL.EscapedPath(), h.base)
	if p.Next != "" || path != root && !strings.HasPrefix(path, root+"/") {
		return way{"/", p.Next}
	}
	if page := clientPath(mux.Vars(r)["key"]); p.Status != http.StatusNotFound && strings.HasPrefix(path, page+"/") {
		return way{page, "Back to the client"}
	}
	list := sections[0]
	for _, s := range sections {
		if strings.HasPrefix(path, s.Path) {
			list = s
		}
	}
	return way{list.Path, locale.Sprintf("Back to Settings › %s", list.Name)}
}

func notFound() *problem {
	return &problem{
		Status: http.StatusNotFound, Code: "E-NOT-FOUND",
		Title:  "There is no page at this address",
		What:   "The address may be mistyped, or the link that led here may be out of date.",
		Remedy: "Check the address, or start from the home page.",
		Next:   "To the home page",
	}
}

func methodNotAllowed() *problem {
	return &problem{
		Status: http.StatusMethodNotAllowed, Code: "E-METHOD",
		Title:  "This address works differently",
		What:   "The page exists, and does not answer requests of this method.",
		Remedy: "Open it in a browser.",
	}
}

func crossSite() *problem {
	return &problem{
		Status: http.StatusForbidden, Code: "E-CROSS-SITE",
		Title:  "This form was not sent from this server's page",
		What:   "Another site tried to act in your name, or your browser does not say where the form came from. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form from there.",
	}
}

func unreadableForm() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-FORM",
		Title:  "The form could not be read",
		What:   "It is damaged, too long, or not in the format that browsers send. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form again.",
	}
}

// noPage is an address in the Settings application that leads nowhere.
func noPage() *problem {
	p := notFound()
	p.Next, p.Remedy = "", "Check the address, or start from the list of OAuth clients."
	return p
}

// ofAFile is a change of a client that is made in its file only.
func ofAFile(e *clientstore.ManagedError) *problem {
	return &problem{
		Status: http.StatusConflict, Code: "E-CLIENTS-FILE",
		Title: "This client is changed in its file",
		What: locale.Sprintf("It belongs to the clients file %s, as %s: what is changed elsewhere would be undone when the file is applied again. Nothing was done.",
			printable(e.File), printable(e.Handle)),
		Remedy: locale.Sprintf("Change it in the file and apply that, or take it out of the file's hands with `countersign client release %s`. Disapproving it and revoking its secrets work here at any time.", e.ID),
	}
}

func internal() *problem {
	return &problem{
		Status: http.StatusInternalServerError, Code: "E-INTERNAL",
		Title:  "Something went wrong here",
		What:   "This is a fault of this server, not of what you did. It has been written to the log.",
		Remedy: "Try again. If it stays, look for the request number below in the log.",
	}
}

// unavailable is a database that does not answer. What was sent may have been
// kept all the same: the answer to a commit can be lost.
func unavailable(method string) *problem {
	p := &problem{
		Status: http.StatusServiceUnavailable, Code: "E-UNAVAILABLE",
		Title:  "Not available for the moment",
		What:   "This server cannot reach its database. Nothing was decided and nothing is lost.",
		Remedy: "Wait a moment and try again. `countersign doctor` looks for the cause.",
	}
	if method == http.MethodPost {
		p.What = "This server cannot reach its database, so that it does not know whether what you sent was kept."
		p.Remedy = "Wait a moment and look at what you wanted to change before you send it again. `countersign doctor` looks for the cause."
	}
	return p
}
