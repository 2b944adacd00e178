package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/idempotency"
)

const requestIDHeader = "X-Request-Id"

// kind is a kind of problem. Its name is the end of its type URI, which leads
// to what it means.
type kind struct {
	name, title, remedy string
	status              int
}

// The kinds of problem.
var (
	badJSON            = kind{"bad-json", "The body is not the JSON that is expected", "Send one JSON object in UTF-8, each member once, not nested deeper than 16.", http.StatusBadRequest}
	unknownMember      = kind{"unknown-member", "A member is not to be set", "Leave it out, or use the name or the operation that the error names.", http.StatusBadRequest}
	badQuery           = kind{"bad-query", "A query parameter is not acceptable", "Correct it; the document at /admin/api/openapi.json lists those that there are.", http.StatusBadRequest}
	badIdempotencyKey  = kind{"bad-idempotency-key", "The header Idempotency-Key is not acceptable", "Send a fresh UUID for every new request, and the same one when you repeat it.", http.StatusBadRequest}
	notAuthenticated   = kind{"not-authenticated", "Nobody is signed in", "Send `Authorization: Bearer` with an access token of an administrator, or an API key made by `countersign api-key create`.", http.StatusUnauthorized}
	invalidToken       = kind{"invalid-token", "The credential is not valid", "Get a new token, or have a new API key made. Both end with the account's password, its disabling and the client's disapproval.", http.StatusUnauthorized}
	weakSignIn         = kind{"weak-sign-in", "A password alone is not enough", "Set up a passkey or an authenticator app on your account page, sign in with it, and get the access token anew.", http.StatusUnauthorized}
	forbidden          = kind{"no-permission", "The account may not administer this server", "Use the credential of an account with the permission configure_server; another administrator gives it.", http.StatusForbidden}
	insufficientScope  = kind{"insufficient-scope", "The credential does not cover this", "Ask for the scope that the error names when you get the token, or have an API key made with it.", http.StatusForbidden}
	notFound           = kind{"not-found", "There is no such thing", "Check the address and the identifiers in it; list what there is.", http.StatusNotFound}
	methodNotAllowed   = kind{"method-not-allowed", "The address takes other methods", "Use one of the methods in the header Allow.", http.StatusMethodNotAllowed}
	ownWork            = kind{"own-work", "Another administrator has to approve this", "Ask another administrator: the server is configured with four_eyes.", http.StatusForbidden}
	forAnother         = kind{"not-alone", "No administrator does this alone", "Ask whoever runs the server to do it on its machine: the server is configured with four_eyes.", http.StatusForbidden}
	conflict           = kind{"conflict", "This contradicts what is there", "Look at the present state and decide anew.", http.StatusConflict}
	inFlight           = kind{"request-in-flight", "The same request is being done", "Wait a moment and repeat the request with the same Idempotency-Key.", http.StatusConflict}
	managed            = kind{"managed-by-a-file", "The client belongs to a clients file", "Change it in that file and apply it, or take it out of the file's hands by `countersign client release`. Disapproving it is always possible.", http.StatusConflict}
	lastAdministrator  = kind{"last-administrator", "Nobody could administer the server any more", "Give another account the permission configure_server first.", http.StatusConflict}
	stale              = kind{"stale", "It was changed since you looked at it", "Read it again, and send its new ETag in If-Match if you still want the change. Nothing was changed.", http.StatusPreconditionFailed}
	bodyTooLarge       = kind{"body-too-large", "The body is too large", "Send at most 256 KiB.", http.StatusRequestEntityTooLarge}
	wrongMediaType     = kind{"wrong-media-type", "The body is not JSON", "Send it with `Content-Type: application/json` and without Content-Encoding.", http.StatusUnsupportedMediaType}
	invalidClient      = kind{"invalid-client", "A member of the client is not acceptable", "Correct the member that the error points at.", http.StatusUnprocessableEntity}
	invalidMember      = kind{"invalid-member", "A member is not acceptable", "Correct the member that the error points at.", http.StatusUnprocessableEntity}
	keyReused          = kind{"idempotency-key-reused", "The Idempotency-Key was used for another request", "Use a fresh key for a new request.", http.StatusUnprocessableEntity}
	preconditionNeeded = kind{"precondition-required", "The request says not what it is about", "Read it first, and send its ETag in the header If-Match.", http.StatusPreconditionRequired}
	tooManyRequests    = kind{"too-many-requests", "Too many requests", "Wait as long as Retry-After says, in seconds.", http.StatusTooManyRequests}
	internal           = kind{"internal", "Something went wrong here", "Try again. If it stays, look for the request_id in the server's log.", http.StatusInternalServerError}
	unavailable        = kind{"unavailable", "Not available for the moment", "Wait a moment and try again; `countersign doctor` looks for the cause. Nothing was decided.", http.StatusServiceUnavailable}
)

// kinds are all of them, for who looks one up.
var kinds = []kind{
	badJSON, unknownMember, badQuery, badIdempotencyKey, notAuthenticated, invalidToken, weakSignIn, forbidden, insufficientScope, notFound,
	methodNotAllowed, ownWork, forAnother, conflict, inFlight, managed, lastAdministrator, stale, bodyTooLarge, wrongMediaType, invalidClient, invalidMember,
	keyReused, preconditionNeeded, tooManyRequests, internal, unavailable,
}

// Problems returns the names of the kinds, the ends of their type URIs.
func Problems() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// problemError is an error as it is answered (RFC 9457).
type problemError struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Remedy    string  `json:"remedy"`
	Errors    []Fault `json:"errors,omitempty"`
	RequestID string  `json:"request_id"`

	header map[string]string
}

// Fault is a member of the body that is not acceptable.
type Fault struct {
	Pointer string `json:"pointer"` // a JSON Pointer as a URI fragment (RFC 6901, section 6)
	Detail  string `json:"detail"`
}

func (p *problemError) Error() string { return p.Title + ": " + p.Detail }

func problemOf(k kind, detail string) *problemError {
	p := &problemError{Type: k.name, Title: k.title, Status: k.status, Detail: detail, Remedy: k.remedy, header: map[string]string{}}
	if k.status == http.StatusTooManyRequests || k.status == http.StatusServiceUnavailable || k == inFlight {
		p.header["Retry-After"] = "1"
	}
	return p
}

// at points at the member that is wrong.
func (p *problemError) at(member, detail string) *problemError {
	p.Errors = append(p.Errors, Fault{pointer(member), detail})
	return p
}

// pointer points at what the path leads to.
func pointer(path ...string) string {
	text := "#"
	for _, name := range path {
		text += "/" + fragment(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return text
}

// fragment escapes what a URI fragment has not (RFC 3986, section 3.5).
func fragment(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// challenge tells how to authenticate (RFC 6750, section 3).
func (p *problemError) challenge(code, scope string) *problemError {
	text := `Bearer realm="Countersign administration"`
	if code != "" {
		text += fmt.Sprintf(`, error=%q, error_description="%s"`, code, strings.Map(quotable, p.Detail))
	}
	if scope != "" {
		text += fmt.Sprintf(", scope=%q", scope)
	}
	p.header["WWW-Authenticate"] = text
	return p
}

// quotable are the characters of an error_description (RFC 6750, section 3).
func quotable(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return '\''
	}
	return r
}

// describe makes a problem of an error. What is nobody's mistake is known as
// such.
func describe(err error) *problemError {
	if p, ok := errors.AsType[*problemError](err); ok {
		return p
	}
	if p := describeFile(err); p != nil {
		return p
	}
	if held, ok := describeFourEyes(err); ok {
		return held
	}
	if e, ok := errors.AsType[*clientstore.MemberError](err); ok {
		return problemOf(unknownMember, ended(e.Field+" "+e.Reason.String())).at(e.Field, sentence(e.Reason.String()))
	}
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return problemOf(invalidClient, ended(e.Field+" "+e.Reason.String())).at(e.Field, sentence(e.Reason.String()))
	}
	if e, ok := errors.AsType[*clientstore.ManagedError](err); ok {
		return problemOf(managed, ended(e.Error()))
	}
	if e, ok := errors.AsType[*clientstore.StatusError](err); ok {
		return problemOf(conflict, sentence("the "+e.Error()))
	}
	if e, ok := errors.AsType[*account.FieldError](err); ok {
		return problemOf(invalidMember, sentence(e.Reason.String())).at(e.Field, sentence(e.Reason.String()))
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemOf(bodyTooLarge, fmt.Sprintf("The body has more than %d bytes.", tooLarge.Limit))
	}
	return describeCommon(err)
}

// describeFourEyes makes a problem of what four_eyes refuses.
func describeFourEyes(err error) (*problemError, bool) {
	if e, ok := errors.AsType[*account.FourEyesError](err); ok {
		return problemOf(forAnother, e.Reason.String()).at(e.Field, "Is not for an administrator to set alone."), true
	}
	if !errors.Is(err, clientstore.ErrOwnWork) {
		return nil, false
	}
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return problemOf(ownWork, sentence(e.Reason.String())), true
	}
	return problemOf(ownWork, sentence(clientstore.ErrOwnWork.Error())), true
}

func describeCommon(err error) *problemError {
	switch {
	case errors.Is(err, account.ErrLastAdministrator):
		return problemOf(lastAdministrator, "This is the last account that may configure the server.")
	case errors.Is(err, idempotency.ErrMismatch):
		return problemOf(keyReused, "A request with this Idempotency-Key had other content.")
	case errors.Is(err, idempotency.ErrInFlight):
		return problemOf(inFlight, "A request with this Idempotency-Key has not been answered yet.")
	case errors.Is(err, storage.ErrNotFound):
		return problemOf(notFound, "What the address names is not there, or no longer.")
	case errors.Is(err, storage.ErrConflict):
		return problemOf(conflict, "It exists already, or was changed at the same moment.")
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, account.ErrBusy):
		return problemOf(unavailable, "The server is busy, or cannot reach its database.")
	default:
		return problemOf(internal, "This is a fault of the server, not of the request.")
	}
}

// sentence makes a reason stand on its own.
func sentence(reason string) string {
	for i, r := range reason {
		reason = string(unicode.ToUpper(r)) + reason[i+len(string(r)):]
		break
	}
	return ended(reason)
}

// ended is a sentence with its end. It may begin with the name of a member.
func ended(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// answering makes a handler of one that returns errors, and answers those.
func (h *Handler) answering(serve func(*request) (*answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := serve(&request{Request: r})
		if err == nil {
			err = h.write(w, a)
		}
		if err != nil {
			h.refuse(r.Context(), w, r, err)
		}
	})
}

// write writes an answer. It is encoded first, so that an error never leaves
// half of one behind.
func (*Handler) write(w http.ResponseWriter, a *answer) error {
	body, err := a.encode()
	if err != nil {
		return err
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if body != nil && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if body != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a caller that hung up is nobody's fault
	return nil
}

func (a *answer) encode() ([]byte, error) {
	switch body := a.body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return body, nil
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode answer: %w", err)
		}
		return encoded, nil
	}
}

// refuse answers an error; what is nobody's mistake is logged, here and
// nowhere else.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	p := *describe(err)
	p.RequestID = r.Header.Get(requestIDHeader)
	if p.Status >= http.StatusInternalServerError {
		h.cfg.Log.ErrorContext(ctx, "request failed", "request_id", p.RequestID, "route", r.URL.Path, "error", err)
	}
	p.Type = h.home + "/problems/" + p.Type
	a := &answer{status: p.Status, header: map[string]string{"Content-Type": "application/problem+json"}, body: p}
	for name, value := range p.header {
		a.header[name] = value
	}
	if err := h.write(w, a); err != nil {
		http.Error(w, p.Title, http.StatusInternalServerError)
	}
}

// showProblem serves GET /problems/{problem}, which says what a type means.
func (*Handler) showProblem(r *request) (*answer, error) {
	for _, k := range kinds {
		if k.name == r.value("problem") {
			text := fmt.Sprintf("%s (%d)\n\n%s.\n\nWhat to do: %s\n", k.name, k.status, k.title, k.remedy)
			return &answer{status: http.StatusOK, header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, body: []byte(text)}, nil
		}
	}
	return nil, problemOf(notFound, "There is no problem of this name.")
}
