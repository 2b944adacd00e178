package forward

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
)

// Error is a request that is not let through, and why.
type Error struct {
	Status int
	// Challenges are the values of WWW-Authenticate, the one for the credentials
	// that came first: older proxies pass on no other. There are none where it is
	// not the client of the proxy that has to do something.
	Challenges []string
	// Code is an error of RFC 6750 or RFC 6749, or an oauth_problem; empty where
	// no credentials came.
	Code        string
	Description string
	RetryAfter  time.Duration
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// OfProxy reports whether the proxy, or the client that it stands for, is not
// set up as it should be.
func (e *Error) OfProxy() bool { return len(e.Challenges) == 0 }

// misconfigured is a fault that the administrator of the proxy can mend.
func misconfigured(status int, code protocol.Code, description string) *Error {
	return &Error{Status: status, Code: string(code), Description: description}
}

// stranger restates why the proxy is not believed to be its client. It is not
// 401, with which the proxy would ask its own client for something.
func stranger(e *protocol.Error) *Error {
	return misconfigured(http.StatusForbidden, e.Code, e.Description)
}

// passable is the refusal as the proxy can pass it on. RFC 6750 and RFC 5849
// have 400 for what is malformed.
func (p Proxy) passable(e *Error) *Error {
	if p.denies && !e.OfProxy() && e.Status != http.StatusForbidden && e.Status < http.StatusInternalServerError {
		e.Status = http.StatusUnauthorized
	}
	return e
}

// refuse is a refusal in the words of RFC 6750, section 3.
func (h *Handler) refuse(s *site, e *protocol.Error) *Error {
	refusal := &Error{
		Status: e.Status, Code: string(e.Code), Description: e.Description,
		Challenges: []string{protocol.BearerChallenge(h.cfg.Issuer, e, protocol.Sentence(strings.Join(s.scope, " ")))},
	}
	if e.Status != http.StatusForbidden { // other credentials may help
		refusal.Challenges = append(refusal.Challenges, h.cfg.OAuth)
	}
	return refusal
}

func (h *Handler) invalid(s *site, description string) *Error {
	return h.refuse(s, protocol.Refuse(protocol.InvalidRequest, description))
}

// missing asks for credentials. It has no code, because the client may not
// have known that it needs them (RFC 6750, section 3.1).
func (h *Handler) missing(s *site) *Error {
	e := &protocol.Error{Status: http.StatusUnauthorized}
	return &Error{
		Status: e.Status, Description: "Send an access token, or sign the request by OAuth 1.0a.",
		Challenges: []string{h.cfg.OAuth, protocol.BearerChallenge(h.cfg.Issuer, e, protocol.Sentence(strings.Join(s.scope, " ")))},
	}
}

// hidden refuses a signature that covers what nobody here has seen.
func (h *Handler) hidden() *Error {
	const advice = "The parameters of a form are part of the signature (RFC 5849, section 3.4.1.3), and the proxy that asks about this request does not show its body. " +
		"Send them in the query, or send a body of another type."
	return h.Signature("parameter_rejected", advice)
}

// Signature is a refusal of a signed request in the words of the OAuth Problem
// Reporting extension.
func (h *Handler) Signature(problem, advice string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: problem, Description: advice,
		Challenges: []string{
			h.cfg.OAuth + `, oauth_problem="` + problem + `", oauth_problem_advice="` + signature.Escape(advice) + `"`,
			protocol.BearerChallenge(h.cfg.Issuer, &protocol.Error{}, ""),
		},
	}
}

// Write answers with the refusal.
func (h *Handler) Write(w http.ResponseWriter, e *Error) {
	header := w.Header()
	for _, challenge := range e.Challenges {
		header.Add("WWW-Authenticate", challenge)
	}
	if e.Status == http.StatusUnauthorized {
		protocol.PointJazz(header, h.cfg.AuthorizationURL)
	}
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	body, _ := json.Marshal(map[string]string{"error": e.Code, "error_description": e.Description}) // text always encodes
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // who has gone reads nothing
}
