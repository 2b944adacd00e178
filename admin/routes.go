package admin

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"countersign/admin/arrival"
	tryouts "countersign/storage/tryout"
)

// guard is who may use a route.
type guard string

const (
	// anybody may: what is behind it has a door of its own.
	anybody guard = "anybody"
	// administrators are signed in to an account that may configure the
	// server. It is looked up with every request.
	administrators guard = "administrators"
)

// serve is a handler that returns what it cannot answer. The administrator is
// nil where anybody may come.
type serve func(http.ResponseWriter, *http.Request, *administrator) error

// route is one path with its handlers by method.
type route struct {
	path    string // under the issuer's path
	guard   guard
	methods map[string]serve
}

// root is where the Settings application begins.
const root = "/settings"

// routes is every route of the door.
func (h *handler) routes() []route {
	const client = clientsPath + "/{key}"
	return []route{
		{"/setup", anybody, form(public(h.showSetup), public(h.completeSetup))},
		{"/setup/done", anybody, shown(public(h.showDone))},

		{"/", anybody, shown(h.enter)}, // of the administrators' own listener
		{root, administrators, shown(h.enter)},
		{root + "/", administrators, shown(h.enter)},
		{resumePath, administrators, shown(h.resume)},

		{clientsPath, administrators, shown(h.listClients)},
		{clientsPath + "/export", administrators, shown(h.exportClients)},
		{clientsPath + "/create", administrators, form(h.showCreate, h.create)},
		{clientsPath + "/approve", administrators, form(h.showApprove, h.approve)},
		{clientsPath + "/software", administrators, form(h.showSoftware, h.approveSoftware)},
		{severalPath, administrators, form(h.showSeveral, h.decideSeveral)},
		{client, administrators, shown(h.showClient)},
		{client + "/edit", administrators, form(h.showEdit, h.edit)},
		{client + "/secrets", administrators, form(h.showSecrets, h.changeSecrets)},
		{client + "/revision", administrators, form(h.showRevision, h.decideRevision)},
		{client + "/test", administrators, form(h.showTest, h.beginTest)},
		{client + "/claims", administrators, shown(h.showClaims)},
		{tryouts.Path + "{id}", administrators, form(h.showRun, h.continueTest)},
		{client + "/disapprove", administrators, form(h.showDisapprove, h.disapprove)},
		{client + "/undo", administrators, map[string]serve{http.MethodPost: h.undo}},
		{client + "/remove", administrators, form(h.showRemove, h.remove)},
		{approvalsPath, administrators, shown(h.showApprovals)},
		{approvalsPath + "/link", administrators, shown(h.followLink)},

		{accountsPath, administrators, shown(h.listAccounts)},
		{accountsPath + "/create", administrators, form(h.showCreateAccount, h.createAccount)},
		{accountsPath + "/{id}", administrators, form(h.showAccount, h.changeAccount)},
		{sessionsPath, administrators, form(h.listSessions, h.endSession)},
		{auditPath, administrators, shown(h.showAudit)},
		{auditPath + "/export", administrators, shown(h.exportAudit)},
		{keysPath, administrators, form(h.listKeys, h.rotateKeys)},
		{diagnosticsPath, administrators, shown(h.diagnose)},
	}
}

// public makes a handler of one that knows no administrator.
func public(s func(http.ResponseWriter, *http.Request) error) serve {
	return func(w http.ResponseWriter, r *http.Request, _ *administrator) error { return s(w, r) }
}

// shown is a page.
func shown(show serve) map[string]serve {
	return map[string]serve{http.MethodGet: show, http.MethodHead: show}
}

// form is a page that shows a form, and what takes the form.
func form(show, submit serve) map[string]serve {
	return map[string]serve{http.MethodGet: show, http.MethodHead: show, http.MethodPost: submit}
}

// handler returns the routes as one handler. Paths are matched as they were
// sent: nothing is cleaned or decoded, so that no two paths reach one handler.
func (h *handler) handler() http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, one := range h.routes() {
		r.Path(h.base + one.path).Handler(h.guarded(one))
	}
	missing := func(http.ResponseWriter, *http.Request, *administrator) error { return noPage() }
	r.PathPrefix(h.base + root + "/").Handler(h.guarded(route{"", administrators, map[string]serve{"": missing}}))
	r.NotFoundHandler = h.fail(notFound())

	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(h.fail(crossSite()))
	return headers(sameOrigin.Handler(r))
}

// guarded puts in front of a route what keeps others out, whatever the method.
// A form has arrived before anybody looks who sends it: between that look and
// the deed lies the work itself, and nothing that the sender can draw out
// (AD-32). Who shows no session at all is not waited for.
func (h *handler) guarded(route route) http.Handler {
	return h.page(func(w http.ResponseWriter, r *http.Request) error {
		var who *administrator
		if route.guard != anybody {
			if h.cfg.SessionCookie(r) != "" {
				arrival.Await(r)
			}
			var err error
			if who, err = h.admit(w, r); who == nil {
				return err
			}
		}
		s := route.methods[r.Method]
		if s == nil {
			s = route.methods[""]
		}
		if s == nil {
			w.Header().Set("Allow", allow(route.methods))
			return methodNotAllowed()
		}
		return s(w, r, who)
	})
}

func allow(methods map[string]serve) string {
	var known []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if methods[m] != nil {
			known = append(known, m)
		}
	}
	return strings.Join(known, ", ")
}
