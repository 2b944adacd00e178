package authz

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"countersign/authz/forward"
	"countersign/authz/oauth1"
	"countersign/authz/oauth1/signature"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/failure"
)

// errMethod is a method that a route does not have. The Allow header has been
// set.
var errMethod = errors.New("method not allowed")

// answering makes a handler of one that returns errors, and answers those in
// the dialect of its route. It is the one place where an error becomes an
// answer, and where it is logged.
func (d *door) answering(dialect dialect, s serve) http.Handler {
	answer := d.answerClient
	switch dialect {
	case pages, front:
		answer = d.answerPage
	case consumer:
		answer = d.answerConsumer
	case proxy:
		answer = d.answerProxy
	case machine, script, document:
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s(w, r); err != nil {
			d.note(r, err)
			answer(w, r, err)
		}
	})
}

// note keeps, for the administrators of a client, what it was refused. What
// clients of OAuth 1.0a are refused is noted there, with what they signed.
func (d *door) note(r *http.Request, err error) {
	d.refused(code(err))
	id := protocol.Concerns(err)
	if id == "" {
		return
	}
	f := failure.Failure{ClientID: id, Endpoint: strings.TrimPrefix(r.URL.Path, d.path), RequestID: r.Header.Get("X-Request-Id"), Address: address(r)}
	if shown, ok := errors.AsType[*page.Problem](err); ok {
		f.Code, f.Cause, f.Remedy, f.RedirectURI = shown.Code, shown.What.String(), shown.Remedy.String(), shown.RedirectURI
		switch {
		case f.RedirectURI != "":
			f.Cause = "It asked to be answered at " + protocol.Printable(f.RedirectURI) + ", which is not registered for it."
			f.Remedy = "Redirect URIs are compared character by character. Add this one if it is the application's own."
		case shown.Detail != "":
			f.Cause += " " + shown.Detail
		}
		d.failures.Note(f)
		return
	}
	refusal, ok := errors.AsType[*protocol.Error](err)
	if !ok || refusal.Code.IsOrdinary() {
		return
	}
	f.Code = string(refusal.Code)
	f.Cause, f.Remedy = failure.Split(refusal.Description)
	d.failures.Note(f)
}

// code names a refusal for those who count them.
func code(err error) string {
	if shown, ok := errors.AsType[*page.Problem](err); ok && shown.Code != "" {
		return shown.Code
	}
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		return string(refusal.Code)
	}
	if refusal, ok := errors.AsType[*oauth1.Error](err); ok {
		return refusal.Problem
	}
	if refusal, ok := errors.AsType[*forward.Error](err); ok {
		return cmp.Or(refusal.Code, "login_required")
	}
	switch {
	case errors.Is(err, errMethod):
		return "method_not_allowed"
	case isUnavailable(err):
		return string(protocol.TemporarilyUnavailable)
	default:
		return string(protocol.ServerError)
	}
}

func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}

// answerPage answers a person.
func (d *door) answerPage(w http.ResponseWriter, r *http.Request, err error) {
	problem, ok := errors.AsType[*page.Problem](err)
	switch {
	case ok:
	case errors.Is(err, errMethod):
		problem = page.MethodNotAllowed()
	case isUnavailable(err):
		problem = page.Unavailable()
		d.logFailure(r, err)
	default:
		problem = page.Internal()
		d.logFailure(r, err)
	}
	if err := d.pages.Problem(w, r, problem); err != nil {
		d.logFailure(r, err)
		http.Error(w, problem.Title.String(), http.StatusInternalServerError)
	}
}

// answerClient answers a client.
func (d *door) answerClient(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*protocol.Error](err)
	switch {
	case ok:
		d.log.InfoContext(r.Context(), "request refused", "request_id", r.Header.Get("X-Request-Id"),
			"path", r.URL.Path, "error", string(refusal.Code), "description", refusal.Description)
	case errors.Is(err, errMethod):
		refusal = &protocol.Error{
			Code: protocol.InvalidRequest, Status: http.StatusMethodNotAllowed,
			Description: "This endpoint takes " + w.Header().Get("Allow") + ".",
		}
	case isUnavailable(err):
		refusal = protocol.Unavailable()
		d.logFailure(r, err)
	default:
		refusal = &protocol.Error{
			Code: protocol.ServerError, Status: http.StatusInternalServerError,
			Description: "This is a fault of the server. It has been logged with the request's X-Request-ID.",
		}
		d.logFailure(r, err)
	}
	d.token.WriteError(w, r, refusal)
}

// answerConsumer answers a client of OAuth 1.0a.
func (d *door) answerConsumer(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*oauth1.Error](err)
	switch {
	case ok:
		d.log.InfoContext(r.Context(), "request refused", "request_id", r.Header.Get("X-Request-Id"),
			"path", r.URL.Path, "error", refusal.Problem, "description", refusal.Advice)
	case errors.Is(err, errMethod):
		refusal = oauth1.WrongMethod(w.Header().Get("Allow"))
	case isUnavailable(err):
		refusal = oauth1.Unavailable()
		d.logFailure(r, err)
	default:
		if _, ok := errors.AsType[*protocol.Error](err); ok { // of a resource server
			d.answerClient(w, r, err)
			return
		}
		refusal = oauth1.Internal()
		d.logFailure(r, err)
	}
	d.oauth1.Write(w, refusal)
}

// answerProxy answers a proxy, or its client through it.
func (d *door) answerProxy(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*forward.Error](err)
	switch {
	case ok:
		level := slog.LevelInfo
		if refusal.OfProxy() {
			level = slog.LevelWarn
		}
		d.log.Log(r.Context(), level, "request refused", "request_id", r.Header.Get("X-Request-Id"),
			"path", r.URL.Path, "error", refusal.Code, "description", refusal.Description)
	case errors.Is(err, errMethod):
		refusal = &forward.Error{
			Status: http.StatusMethodNotAllowed, Code: string(protocol.InvalidRequest), Description: "A proxy asks by " + w.Header().Get("Allow") + ".",
		}
	case isUnavailable(err):
		e := protocol.Unavailable()
		refusal = &forward.Error{Status: e.Status, Code: string(e.Code), Description: e.Description, RetryAfter: time.Duration(e.RetryAfter) * time.Second}
		d.logFailure(r, err)
	default:
		refusal = &forward.Error{
			Status: http.StatusInternalServerError, Code: string(protocol.ServerError),
			Description: "This is a fault of the server. It has been logged with the request's X-Request-ID.",
		}
		d.logFailure(r, err)
	}
	d.forward.Write(w, refusal)
}

// signed verifies a request of OAuth 1.0a for a proxy, and restates refusals.
func (d *door) signed(r *http.Request, m signature.Message) (*forward.Access, error) {
	found, err := d.oauth1.Access(r, m)
	if refusal, ok := errors.AsType[*oauth1.Error](err); ok {
		restated := d.forward.Signature(refusal.Problem, refusal.Advice)
		restated.Status, restated.RetryAfter = refusal.Status, refusal.RetryAfter
		restated.Challenges[0] = d.oauth1.Challenge(refusal)
		return nil, restated
	}
	if err != nil {
		return nil, err
	}
	return &forward.Access{Subject: found.Subject, Username: found.Username, ClientID: found.ClientID, Scope: found.Scope}, nil
}

// isUnavailable reports whether nothing was decided: the database did not
// answer, or too much is asked of this server at once.
func isUnavailable(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, account.ErrBusy) || errors.Is(err, clientstore.ErrBusy)
}

func (d *door) logFailure(r *http.Request, err error) {
	d.log.ErrorContext(r.Context(), "request failed", "request_id", r.Header.Get("X-Request-Id"), "path", r.URL.Path, "err", err)
}

func (*door) notFound(http.ResponseWriter, *http.Request) error { return page.NotFound() }
