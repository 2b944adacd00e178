// Package admin is the door for administrators: the set-up page and the
// Settings application. It has a router of its own and shares nothing with the
// door for applications but the stores below.
package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/locale"
	"countersign/storage/logo"
	"countersign/storage/session"
	"countersign/storage/tryout"
)

// Config is what the door needs.
type Config struct {
	// Issuer is the address of the server; the door is mounted at its path.
	Issuer string
	// Name is what the server is called by the people who use it.
	Name string

	Tx           storage.Tx
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Audit        *audit.Store
	Keys         *keyset.Store
	Failures     *failure.Store
	Logos        *logo.Store
	Grants       *grant.Store
	Tryouts      *tryout.Store

	// Applications is the door for applications, which a test of a client asks.
	Applications http.Handler
	// Preview returns what a client would be told of somebody.
	Preview func(ctx context.Context, asked ClaimsAsked) (ClaimsTold, error)
	// Base is what the addresses of these pages begin with, for the browser
	// that sends a request.
	Base func(*http.Request) string

	// SessionCookie returns the value of the cookie by which the other door
	// signed somebody in, and BrowserCookie the one that ties a request which
	// waits for that to its browser, which it gets if it has none.
	SessionCookie func(*http.Request) string
	BrowserCookie func(http.ResponseWriter, *http.Request) string
	// LanguageCookie returns what keeps the language that somebody chose.
	LanguageCookie func(*http.Request) string
	// SchemeCookie returns light or dark as somebody chose, empty for neither.
	SchemeCookie func(*http.Request) string
	// SecondFactor lets in nobody who signed in with a password alone.
	SecondFactor bool
	// Sector fetches what is kept at a client's sector_identifier_uri, nil
	// when nothing is to be fetched. Before is what the client was.
	Sector func(ctx context.Context, before, after *clientstore.Metadata) (*clientstore.Sector, error)
	// Diagnose looks for what keeps the server from working.
	Diagnose func(ctx context.Context) []Finding
	// CommandLine is what a command on the server's machine has to be told.
	CommandLine CommandLine

	Log *slog.Logger
	// Asset returns the path of a style sheet or script, under the issuer's.
	Asset func(name string) string
	// Contact is whom people ask who meet a problem, and ContactLink where that
	// leads, empty when it is words.
	Contact     locale.Message
	ContactLink string
	// Look is what the operator gave the pages of their own.
	Look Look
	// Now tells the time.
	Now func() time.Time
}

// Look is how pages differ from those of other operators.
type Look struct {
	// Sheet and Logo are paths under the issuer's, empty for none.
	Sheet, Logo string
	// Links stand at the foot, words and URL of each.
	Links [][2]string
}

// Finding is the outcome of a check of the server: ok, warning, failed or
// skipped, with what to do about it.
type Finding struct{ Check, Status, Detail, Fix string }

type handler struct {
	cfg     Config
	base    string // the issuer's path, without a slash at its end
	pages   *pages
	witness string // shown by the browser that set this server up: see [handler.showDone]
	secure  bool   // the server is at https
}

// New returns the door. It fails when a page is missing or wrong.
func New(cfg Config) (http.Handler, error) {
	h, err := newHandler(cfg)
	if err != nil {
		return nil, err
	}
	return h.handler(), nil
}

func newHandler(cfg Config) (*handler, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	h := &handler{cfg: cfg, base: strings.TrimSuffix(issuer.Path, "/"), witness: rand.Text(), secure: issuer.Scheme == "https"}
	h.pages, err = newPages(cfg, h.base)
	return h, err
}

// headers are those of every answer. A page may hold a set-up token or a
// secret, so neither caches nor other sites get to see it or its address.
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
	if managed, ok := errors.AsType[*clientstore.ManagedError](err); ok {
		p, known = ofAFile(managed), true
	}
	if !known {
		p = internal()
		if errors.Is(err, storage.ErrUnavailable) {
			p = unavailable(r.Method)
			w.Header().Set("Retry-After", "1")
		}
		h.cfg.Log.ErrorContext(r.Context(), "request failed",
			"request_id", r.Header.Get("X-Request-Id"), "route", r.URL.Path, "error", err)
	}
	if err := h.pages.render(w, r, p.Status, "problem.html", view{Page: describedProblem{p, h.onward(r, p)}}); err != nil {
		h.cfg.Log.ErrorContext(r.Context(), "page not rendered", "request_id", r.Header.Get("X-Request-Id"), "error", err)
		http.Error(w, p.Title.String(), http.StatusInternalServerError)
	}
}

// address is the address of the browser without its port.
func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}

// redirect answers 303 to a path of the door, so that no browser sends a form
// again.
func (h *handler) redirect(w http.ResponseWriter, path string, query ...string) {
	w.Header().Set("Location", h.pages.path(path, query...))
	w.WriteHeader(http.StatusSeeOther)
}
