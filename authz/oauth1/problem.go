package oauth1

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/authz/oauth1/signature"
	"countersign/clientstore"
)

// Error is a refusal in the words of the OAuth Problem Reporting extension.
type Error struct {
	Problem string // the value of oauth_problem
	Status  int
	// Advice says to a developer what to do.
	Advice string
	// Details are further parameters of the extension, names and values in
	// turn.
	Details []string
	// Allow are the methods that the endpoint takes, where another was used.
	Allow string
	// RetryAfter is when to try again, if that helps.
	RetryAfter time.Duration

	// cause and remedy are what an administrator reads instead of the advice;
	// both empty for the advice.
	cause, remedy string
	// consumer is the consumer key of a request that could not be read as one.
	consumer string
	// callback is one that is not registered.
	callback string
}

func (e *Error) Error() string { return e.Problem + ": " + e.Advice }

// malformed restates what a message can lack before anybody looks for its
// client (RFC 5849, section 3.2).
func malformed(e *signature.Error) *Error {
	refusal := &Error{Problem: string(e.Code), Status: http.StatusBadRequest, Advice: e.Advice, consumer: e.Client}
	names := strings.Join(e.Parameters, "&")
	switch e.Code {
	case signature.ParameterAbsent:
		refusal.Details = []string{"oauth_parameters_absent", names}
	case signature.ParameterRejected:
		if names != "" {
			refusal.Details = []string{"oauth_parameters_rejected", names}
		}
	case signature.VersionRejected:
		refusal.Details = []string{"oauth_acceptable_versions", "1.0-1.0"}
	case signature.SignatureMethodRejected:
		refusal.Details = []string{"oauth_acceptable_signature_methods", strings.Join(clientstore.SignatureMethods, "&")}
	}
	return refusal
}

// rejected is a parameter that cannot be taken.
func rejected(name, advice string) *Error {
	return &Error{Problem: "parameter_rejected", Status: http.StatusBadRequest, Advice: advice, Details: []string{"oauth_parameters_rejected", name}}
}

func absent(name, advice string) *Error {
	return &Error{Problem: "parameter_absent", Status: http.StatusBadRequest, Advice: advice, Details: []string{"oauth_parameters_absent", name}}
}

// unproved is the one answer to whoever does not prove to be a client: what is
// wrong, the key, the token or the signature, is for the client's
// administrator, not for strangers.
func unproved() *Error {
	return &Error{
		Problem: "signature_invalid", Status: http.StatusUnauthorized,
		Advice: "The consumer key is unknown, the token is unknown or another consumer's, or the signature does not match. " +
			"Check the key, both secrets, and that the URL that is signed is the one that this server is published at. An administrator finds the reason, and what this server took to be signed, with the consumer's failures.",
	}
}

// tooMany slows down who tries secrets.
func tooMany() *Error {
	return &Error{
		Problem: "consumer_key_refused", Status: http.StatusTooManyRequests, RetryAfter: time.Second,
		Advice: "Too many signatures that do not match came for this consumer from this network. Wait before the next attempt.",
	}
}

// refusedStatus is what a client learns that no administrator approves of.
func refusedStatus(e *clientstore.StatusError) *Error {
	refusal := &Error{
		Problem: "consumer_key_rejected", Status: http.StatusUnauthorized,
		Advice: "This consumer awaits the approval of an administrator. Try again once it is approved.",
	}
	switch {
	case e.Ended:
		refusal.Advice = e.Reason + " Ask an administrator to approve this consumer again."
	case e.Status == clientstore.Disapproved:
		refusal.Advice = "An administrator has disapproved this consumer. Ask the administrator to approve it again."
	}
	return refusal
}

// problem is a refusal of who has proved to be the client.
func problem(name, advice string) *Error {
	return &Error{Problem: name, Status: http.StatusUnauthorized, Advice: advice}
}

// Write answers with the refusal, in the header and as a form, because clients
// read one or the other.
func (h *Handler) Write(w http.ResponseWriter, e *Error) {
	h.challenge(w, e)
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write([]byte(encode(e.fields(), url.QueryEscape, "&", ""))) // who has gone reads nothing
}

// challenge sets the headers of a refusal.
func (h *Handler) challenge(w http.ResponseWriter, e *Error) {
	w.Header().Set("WWW-Authenticate", h.Challenge(e))
	if e.Allow != "" {
		w.Header().Set("Allow", e.Allow)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// fields are what the refusal says, names and values in turn.
func (e *Error) fields() []string {
	return append([]string{"oauth_problem", e.Problem, "oauth_problem_advice", e.Advice}, e.Details...)
}

func encode(fields []string, escape func(string) string, separator, quote string) string {
	var pairs []string
	for pair := range slices.Chunk(fields, 2) {
		pairs = append(pairs, pair[0]+"="+quote+escape(pair[1])+quote)
	}
	return strings.Join(pairs, separator)
}

// Unavailable is a database that does not answer. Nothing has been decided.
func Unavailable() *Error {
	return &Error{
		Problem: "consumer_key_refused", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Advice: "The server cannot reach its database. Nothing was decided; try again in a moment.",
	}
}

// Internal is a fault of this server.
func Internal() *Error {
	return &Error{
		Problem: "server_error", Status: http.StatusInternalServerError,
		Advice: "This is a fault of the server. It has been logged with the request's X-Request-ID.",
	}
}

// WrongMethod is a method that the endpoint does not have.
func WrongMethod(allowed string) *Error {
	return &Error{Problem: "parameter_rejected", Status: http.StatusMethodNotAllowed, Advice: "This endpoint takes " + allowed + "."}
}
