package oauth1

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"countersign/storage/failure"
)

// noted keeps a refusal for the administrators of the consumer that it
// concerns, and returns it. It is the same work for every consumer key,
// whether there is such a client or not.
func (h *Handler) noted(r *http.Request, request *received, err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Status == http.StatusTooManyRequests { // those were noted that led to it
		return err
	}
	f := failure.Failure{
		ClientID: refusal.consumer, Endpoint: strings.TrimPrefix(r.URL.Path, h.cfg.IssuerPath), Code: refusal.Problem,
		Cause: refusal.cause, Remedy: refusal.remedy, RedirectURI: refusal.callback, RequestID: r.Header.Get("X-Request-Id"), Address: address(r),
	}
	if f.Cause == "" {
		f.Cause, f.Remedy = failure.Split(refusal.Advice)
	}
	if request != nil {
		f.ClientID, f.BaseString = request.Get("oauth_consumer_key"), request.Disclosed()
	}
	h.cfg.Failures.Note(f)
	return err
}

func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}
