// Package admin is the door for administrators. It has a router of its own and
// shares nothing with the door for applications but the stores below.
package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
)

// Config is what the door needs.
type Config struct {
	// Issuer is the address of the server; the door is mounted at its path.
	Issuer string
	// Name is what the server is called by the people who use it.
	Name     string
	Accounts *account.Store
	Log      *slog.Logger
	// Asset returns the path of a style sheet or script, under the issuer's.
	Asset func(name string) string
	// Now tells the time.
	Now func() time.Time
}

type handler struct {
	cfg   Config
	base  string // the issuer's path, without a slash at its end
	pages *pages
}

// New returns the door. It fails when a page is missing or wrong.
func New(cfg Config) (http.Handler, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	h := &handler{cfg: cfg, base: trimSlash(issuer.Path)}
	if h.pages, err = newPages(cfg, h.base); err != nil {
		return nil, err
	}
	return h.routes(), nil
}

// routes is every route of the door.
func (h *handler) routes() http.Handler {
	r := mux.NewRouter().UseEncodedPath()
	r.Path(h.base+"/setup").Methods(http.MethodGet, http.MethodHead).Handler(h.page(h.showSetup))
	r.Path(h.base + "/setup").Methods(http.MethodPost).Handler(h.page(h.completeSetup))
	r.Path(h.base+"/setup/done").Methods(http.MethodGet, http.MethodHead).Handler(h.page(h.showDone))
	r.NotFoundHandler = h.fail(notFound())
	r.MethodNotAllowedHandler = h.fail(methodNotAllowed())

	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(h.fail(crossSite()))
	return headers(sameOrigin.Handler(r))
}

// headers are those of every answer. A page may hold a set-up token, so
// neither caches nor other sites get to see its address.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// page makes a handler of one that returns errors, and answers those.
func (h *handler) page(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			h.answerError(w, r, err)
		}
	})
}

func (h *handler) fail(p *problem) http.Handler {
	return h.page(func(http.ResponseWriter, *http.Request) error { return p })
}

// answerError turns an error into a page; what is nobody's mistake is logged,
// here and nowhere else.
func (h *handler) answerError(w http.ResponseWriter, r *http.Request, err error) {
	p, known := errors.AsType[*problem](err)
	if !known {
		p = internal()
		if errors.Is(err, storage.ErrUnavailable) {
			p = unavailable()
			w.Header().Set("Retry-After", "1")
		}
		h.cfg.Log.ErrorContext(r.Context(), "request failed",
			"request_id", r.Header.Get("X-Request-ID"), "route", r.URL.Path, "error", err)
	}
	if err := h.pages.render(w, r, p.Status, "problem.html", p); err != nil {
		h.cfg.Log.ErrorContext(r.Context(), "page not rendered", "request_id", r.Header.Get("X-Request-ID"), "error", err)
		http.Error(w, p.Title, http.StatusInternalServerError)
	}
}

// actor is who sends a request before anybody can be signed in.
func actor(r *http.Request, name string) audit.Actor {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return audit.Actor{Name: name, Via: audit.ViaSetup, IP: ip, RequestID: r.Header.Get("X-Request-ID")}
}
