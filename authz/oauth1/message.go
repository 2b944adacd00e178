package oauth1

import (
	"errors"
	"io"
	"net"
	"net/http"

	"countersign/authz/limit"
	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
)

// maxBody bounds the body of a signed request, in bytes.
const maxBody = 64 << 10

// received is a request with what its signature covers.
type received struct {
	*signature.Request
	url     string
	network string // that it came from, empty where nobody knows
	ip      string
	id      string // that the log knows it by
}

// receive notes where a request came from.
func receive(r *http.Request, request *signature.Request, url string) *received {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return &received{request, url, limit.Network(r.RemoteAddr), ip, r.Header.Get("X-Request-Id")}
}

// maxKey is longer than any consumer key.
const maxKey = 64

// guesser is who guesses secrets if the signature does not match, empty for
// somebody who cannot be told from others.
func (r *received) guesser() string {
	if r.network == "" {
		return ""
	}
	key := r.Get("oauth_consumer_key")
	return r.network + " " + key[:min(len(key), maxKey)]
}

// read reads a request to this server. Its URL is the issuer's, whatever the
// request says of its host (O1-15).
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (*received, error) {
	m := signature.Message{Method: r.Method, URL: h.origin + r.URL.EscapedPath(), Authorization: r.Header.Values("Authorization")}
	if r.URL.RawQuery != "" {
		m.URL += "?" + r.URL.RawQuery
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, &Error{Problem: "parameter_rejected", Status: http.StatusRequestEntityTooLarge, Advice: "The body is longer than this endpoint takes."}
	}
	if err != nil {
		return nil, &Error{Problem: "parameter_rejected", Status: http.StatusBadRequest, Advice: "The body cannot be read."}
	}
	form := protocol.IsForm(r.Header)
	if form {
		m.Form = string(body)
	}
	req, err := parse(m)
	if err != nil {
		return nil, h.noted(r, nil, err)
	}
	request := receive(r, req, m.URL)
	switch {
	case form && req.Has("oauth_body_hash"):
		return nil, h.noted(r, request, rejected("oauth_body_hash", "A form is signed itself; leave oauth_body_hash out (OAuth Request Body Hash 1.0, section 3.2)."))
	case !form && req.VerifyBody(body) != nil:
		return nil, h.noted(r, request, rejected("oauth_body_hash", "The hash is not that of the body."))
	}
	return request, nil
}

func parse(m signature.Message) (*signature.Request, error) {
	req, err := signature.Parse(m)
	if refusal, ok := errors.AsType[*signature.Error](err); ok {
		return nil, malformed(refusal)
	}
	return req, err
}
