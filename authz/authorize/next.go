package authorize

import (
	"slices"
	"time"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

// step is what an authorization request needs next.
type step int

// The steps. Each page goes back to the dispatcher, which decides from what is
// stored; no page decides where to go.
const (
	stepAnswer step = iota
	stepLogin
	stepSignUp
	stepConsent
	stepRefuse // with an error
)

// state is all that the next step depends on.
type state struct {
	request     *request
	client      *clientstore.Client
	session     *session.Session         // nil when nobody is signed in
	subject     string                   // what the client calls who is signed in
	interaction *interaction.Interaction // nil when the request has just come
	consented   bool                     // a remembered consent covers the request
	now         time.Time
}

// next decides what an authorization request needs next (OpenID Connect Core
// 1.0, sections 3.1.2.3 and 3.1.2.4).
func (s state) next() (step, *protocol.Error) {
	if i := s.interaction; i != nil && i.DeniedAt != nil {
		return stepRefuse, protocol.Refuse(protocol.AccessDenied, "The user did not allow it.")
	}
	switch {
	case s.session == nil || s.stale():
		return s.request.ask(s.request.door(), protocol.LoginRequired, "The user has to sign in.")
	case s.unexpected():
		if s.fresh() {
			return stepRefuse, protocol.Refuse(protocol.LoginRequired, "Another user signed in than the request expects.")
		}
		return s.request.ask(stepLogin, protocol.LoginRequired, "The user that the request expects has to sign in.")
	case s.weak():
		if s.fresh() {
			return stepRefuse, protocol.Refuse(protocol.UnmetAuthenticationRequirements, "The user signs in without what the request insists on.")
		}
		return s.request.ask(stepLogin, protocol.UnmetAuthenticationRequirements, "The user has to sign in again, by more than before.")
	case !s.mayAnswer():
		return s.request.ask(stepConsent, protocol.ConsentRequired, "The user has to consent.")
	default:
		return stepAnswer, nil
	}
}

// ask returns the step that shows a page, or the error in its place when the
// request allows no page (OpenID Connect Core 1.0, section 3.1.2.6).
func (q *request) ask(page step, code protocol.Code, description string) (step, *protocol.Error) {
	if slices.Contains(q.prompt, "none") {
		return stepRefuse, protocol.Refuse(code, description)
	}
	return page, nil
}

// door is where somebody comes in: by an account that they create when the
// client says that they have none (Initiating User Registration via OpenID
// Connect 1.0, section 4). Who has one after all may sign in from there.
func (q *request) door() step {
	if slices.Contains(q.prompt, promptCreate) {
		return stepSignUp
	}
	return stepLogin
}

// fresh reports whether the person signed in for this very request.
func (s state) fresh() bool {
	return s.interaction != nil && s.interaction.AuthenticatedAt != nil && s.interaction.SessionID == s.session.ID
}

// stale reports whether the person has to sign in again although signed in.
func (s state) stale() bool {
	if s.fresh() {
		return false
	}
	for _, p := range []string{"login", "select_account", promptCreate} {
		if slices.Contains(s.request.prompt, p) {
			return true
		}
	}
	age := s.request.maxAge
	return age != nil && (*age == 0 || s.now.Sub(s.session.AuthTime) > time.Duration(*age)*time.Second)
}

// unexpected reports whether another person is signed in than the client
// expects.
func (s state) unexpected() bool {
	who := s.subject
	return (s.request.hint != "" && s.request.hint != who) ||
		slices.ContainsFunc(s.request.subjects, func(list []string) bool { return !slices.Contains(list, who) })
}

// weak reports whether the request insists on more than what the person signed
// in with (OpenID Connect Core 1.0, section 5.5.1.1).
func (s state) weak() bool {
	return s.request.contexts != nil && !protocol.MeetsACR(s.session.ACR, s.request.contexts)
}

// reported is the session as the client gets to know it: a client that insists
// on less than what the person signed in with is told of what it asked for.
func (s state) reported() *session.Session {
	if s.request.contexts == nil || slices.Contains(s.request.contexts, s.session.ACR) {
		return s.session
	}
	told := *s.session
	told.ACR = protocol.ACRPassword
	return &told
}

// mayAnswer reports whether the person has allowed what the request asks for:
// on this request's page, or earlier if the client could be told from another
// that poses as it (RFC 8252, section 8.6).
func (s state) mayAnswer() bool {
	if i := s.interaction; i != nil && i.ConsentedBy == s.session.AccountID && covers(i.ConsentedScope, s.request.scope) {
		return true
	}
	return s.consented && !slices.Contains(s.request.prompt, "consent") && !s.client.IsImpersonable()
}

// demanding reports whether the request asks for a sign-in or a consent of its
// own, be it in words or because any application could have sent it.
func (s state) demanding() bool {
	return len(s.request.prompt) > 0 || s.request.maxAge != nil || s.client.IsImpersonable()
}
