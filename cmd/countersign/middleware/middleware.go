// Package middleware is what every request passes before it reaches a door: an
// identifier, the client's real address, the access log, metrics, the check of
// the Host header, security headers and limits. It knows nothing of OAuth.
package middleware

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"countersign/cmd/countersign/metrics"
)

// Config is what the chain of one listener needs.
type Config struct {
	Log     *slog.Logger
	Metrics *metrics.Metrics // nil measures nothing
	// TrustedProxies may say which address a request comes from.
	TrustedProxies []netip.Prefix
	// Keep returns the headers that a trusted proxy sets for itself in the
	// request, none for all requests but those to the address that is for
	// proxies. Such a request may be addressed to any host: proxies send the
	// name that they know this machine by, or their own.
	Keep func(*http.Request) []string
	// Patient tells of a request that may wait longer than others, because what
	// it waits for is not the database.
	Patient func(*http.Request) bool
	// BehindProxy tells that the listener speaks plain http to other machines,
	// of which only the trusted proxies may be answered.
	BehindProxy bool
	// Route names the route of a request for log and metrics; it returns one
	// of few names, whatever was requested.
	Route func(*http.Request) string
	// HSTS tells browsers to come back by https only.
	HSTS bool
	// Hosts are the names by which this listener may be addressed.
	Hosts Hosts
	// AnyHost serves what must answer under any name, such as health; it
	// returns nil for every other request.
	AnyHost func(*http.Request) http.Handler
	// Trace begins the span of a request and returns what ends it; nil traces
	// nothing.
	Trace func(r *http.Request, route, requestID string) (*http.Request, func(status int))
	Now   func() time.Time
}

// maxBody bounds what a request may send: the registration of a client with
// its keys. No form of ours comes near it.
const maxBody = 256 << 10

// Wrap puts the chain in front of next.
func Wrap(next http.Handler, cfg Config) http.Handler {
	guarded := canonical(bounded(next, cfg.Patient))
	guarded = checkHost(guarded, cfg.Hosts)
	h := bypass(guarded, cfg.AnyHost)
	h = securityHeaders(h, cfg)
	h = recoverer(h, cfg.Log)
	h = observe(h, cfg)
	h = realAddress(h, cfg)
	if cfg.BehindProxy {
		h = byProxy(h, cfg)
	}
	return requestID(lastWhenChunked(h))
}

// lastWhenChunked closes the connection of HTTP/1.1 after a request that came
// in chunks. It may have had a Content-Length as well, which Go forgets, and by
// which a proxy in front may see its end elsewhere: what follows is nobody's
// request (RFC 9112, section 6.1). Forms and registrations know their length.
func lastWhenChunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// patience is how long a request may take, most of which is waiting for the
// database. A database that no longer answers is one that is down: whoever
// asked is told so while they still listen.
const patience = 5 * time.Second

// longPatience is what a request that waits on purpose has, and toWrite what it
// takes to write the answer then.
const (
	longPatience = 35 * time.Second
	toWrite      = 10 * time.Second
)

// bounded bounds the time of a request, and what it may send.
func bounded(next http.Handler, patient func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := patience
		if patient != nil && patient(r) {
			limit = longPatience
			// The server's own deadline is for those that do not wait. A writer
			// that has none needs no other.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longPatience + toWrite))
		}
		ctx := until(r.Context(), time.Now().Add(limit))
		defer ctx.end()
		r = r.WithContext(ctx) //nolint:contextcheck // it is derived from the request's
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// RequestIDHeader carries the identifier of a request, to the doors as well as
// back to the client. It is in its canonical form.
const RequestIDHeader = "X-Request-Id"

// requestID gives each request an identifier of our own. What a client sends
// is overwritten: it could make two requests look like one.
func requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		both := []string{id}
		r.Header[RequestIDHeader], w.Header()[RequestIDHeader] = both, both
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, id)))
	})
}

func bypass(next http.Handler, anyHost func(*http.Request) http.Handler) http.Handler {
	if anyHost == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := anyHost(r); h != nil {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
