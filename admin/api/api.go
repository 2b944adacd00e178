// Package api is the administration as an HTTP API, for programs and for the
// command line on other machines: what the pages do, by the same rules, which
// are the stores'. Every request brings a token or a key of its own; no cookie
// means anything here, so that no page can act by a browser.
package api

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/apikey"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/idempotency"
	"countersign/storage/keyset"
)

// Prefix is where the API is, under the issuer's path.
const Prefix = "/admin/api"

// FilePaths is where clients files are planned and applied, under [Prefix]: what
// takes longer than other requests.
const FilePaths = "/v1/clients-file/"

// Config is what the API needs.
type Config struct {
	// Issuer is the address of the server; the API is at its path.
	Issuer   string
	Tx       storage.Tx
	Accounts *account.Store
	Clients  *clientstore.Store
	Grants   *grant.Store
	APIKeys  *apikey.Store
	Once     *idempotency.Store
	Audit    *audit.Store
	Keys     *keyset.Store
	Failures *failure.Store
	// SecondFactor takes no access token that came of a sign-in with a password
	// alone. API keys are made where there is no sign-in.
	SecondFactor bool
	// Sector fetches what a client's sector_identifier_uri holds, nil when the
	// metadata stand without it.
	Sector func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error)
	// Allow reports whether the caller may ask now; it counts every call.
	Allow func(caller string) bool
	Log   *slog.Logger
	Now   func() time.Time
}

// Handler serves the API.
type Handler struct {
	cfg  Config
	base string // of the API, under the root of the server
	home string // the address of the API, and the audience of tokens for it
}

// document describes the API, with another server's address.
//
//go:embed openapi.json
var document []byte

// documentedIssuer is that address.
const documentedIssuer = "https://id.example.org"

// Document returns the OpenAPI document of the API.
func Document() []byte { return slices.Clone(document) }

// New returns the API.
func New(cfg Config) (http.Handler, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	h := &Handler{
		cfg: cfg, base: strings.TrimSuffix(issuer.Path, "/") + Prefix, home: strings.TrimSuffix(cfg.Issuer, "/") + Prefix,
	}
	return h.router(), nil
}

// route is one operation of the API.
type route struct {
	method, path string
	// scope is what the credential must cover; empty for what every
	// administrator may do.
	scope  string
	public bool     // for anybody
	query  []string // the parameters that it takes
	serve  func(h *Handler, r *request) (*answer, error)
}

// routes is every operation, and the whole of what the document describes.
var routes = []route{
	{method: http.MethodGet, path: "/openapi.json", public: true, serve: (*Handler).showDocument},
	{method: http.MethodGet, path: "/problems/{problem}", public: true, serve: (*Handler).showProblem},
	{method: http.MethodGet, path: "/v1", public: true, serve: (*Handler).about},
	{method: http.MethodPost, path: "/v1/command-line", public: true, serve: (*Handler).commandLine},
	{method: http.MethodGet, path: "/v1/me", serve: (*Handler).me},

	{method: http.MethodGet, path: "/v1/clients", scope: clientstore.ScopeClientsRead, query: []string{"type", "status", "search", "sort", "limit", "cursor"}, serve: (*Handler).listClients},
	{method: http.MethodPost, path: "/v1/clients", scope: clientstore.ScopeClientsWrite, serve: (*Handler).createClient},
	{method: http.MethodGet, path: "/v1/clients/{client_id}", scope: clientstore.ScopeClientsRead, serve: (*Handler).getClient},
	{method: http.MethodPut, path: "/v1/clients/{client_id}", scope: clientstore.ScopeClientsWrite, serve: (*Handler).replaceClient},
	{method: http.MethodPatch, path: "/v1/clients/{client_id}", scope: clientstore.ScopeClientsWrite, serve: (*Handler).editClient},
	{method: http.MethodDelete, path: "/v1/clients/{client_id}", scope: clientstore.ScopeClientsWrite, serve: (*Handler).removeClient},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/approve", scope: clientstore.ScopeClientsApprove, serve: (*Handler).approveClient},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/disapprove", scope: clientstore.ScopeClientsApprove, serve: (*Handler).disapproveClient},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/release", scope: clientstore.ScopeClientsWrite, serve: (*Handler).releaseClient},
	{method: http.MethodGet, path: "/v1/clients/{client_id}/undo", scope: clientstore.ScopeClientsApprove, serve: (*Handler).getUndo},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/undo", scope: clientstore.ScopeClientsApprove, serve: (*Handler).undo},
	{method: http.MethodGet, path: "/v1/clients/{client_id}/impact", scope: clientstore.ScopeClientsRead, serve: (*Handler).impact},
	{method: http.MethodGet, path: "/v1/clients/{client_id}/failures", scope: clientstore.ScopeClientsRead, serve: (*Handler).failures},
	{method: http.MethodGet, path: "/v1/clients/{client_id}/secrets", scope: clientstore.ScopeClientsRead, serve: (*Handler).listSecrets},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/secrets", scope: clientstore.ScopeClientsWrite, serve: (*Handler).rotateSecret},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/secrets/{secret_id}/confirm", scope: clientstore.ScopeClientsApprove, serve: (*Handler).confirmSecret},
	{method: http.MethodDelete, path: "/v1/clients/{client_id}/secrets/{secret_id}", scope: clientstore.ScopeClientsWrite, serve: (*Handler).revokeSecret},
	{method: http.MethodGet, path: "/v1/clients/{client_id}/revision", scope: clientstore.ScopeClientsRead, serve: (*Handler).getRevision},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/revision/approve", scope: clientstore.ScopeClientsApprove, serve: (*Handler).approveRevision},
	{method: http.MethodPost, path: "/v1/clients/{client_id}/revision/reject", scope: clientstore.ScopeClientsApprove, serve: (*Handler).rejectRevision},

	{method: http.MethodPost, path: "/v1/clients-file/plan", scope: clientstore.ScopeClientsWrite, serve: (*Handler).planFile},
	{method: http.MethodPost, path: "/v1/clients-file/apply", scope: clientstore.ScopeClientsWrite, serve: (*Handler).applyFile},

	{method: http.MethodGet, path: "/v1/accounts", scope: clientstore.ScopeAccountsRead, query: []string{"username", "limit", "cursor"}, serve: (*Handler).listAccounts},
	{method: http.MethodPost, path: "/v1/accounts", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).createAccount},
	{method: http.MethodGet, path: "/v1/accounts/{account_id}", scope: clientstore.ScopeAccountsRead, serve: (*Handler).getAccount},
	{method: http.MethodPatch, path: "/v1/accounts/{account_id}", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).editAccount},
	{method: http.MethodPost, path: "/v1/accounts/{account_id}/disable", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).disableAccount},
	{method: http.MethodPost, path: "/v1/accounts/{account_id}/enable", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).enableAccount},
	{method: http.MethodPut, path: "/v1/accounts/{account_id}/permissions", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).permitAccount},
	{method: http.MethodPut, path: "/v1/accounts/{account_id}/password", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).setPassword},

	{method: http.MethodGet, path: "/v1/api-keys", scope: clientstore.ScopeAccountsRead, query: []string{"limit", "cursor"}, serve: (*Handler).listAPIKeys},
	{method: http.MethodPost, path: "/v1/api-keys", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).createAPIKey},
	{method: http.MethodDelete, path: "/v1/api-keys/{key_id}", scope: clientstore.ScopeAccountsWrite, serve: (*Handler).revokeAPIKey},

	{method: http.MethodGet, path: "/v1/software", scope: clientstore.ScopeClientsRead, query: []string{"software_id"}, serve: (*Handler).listSoftware},
	{method: http.MethodPost, path: "/v1/software/approve", scope: clientstore.ScopeClientsApprove, serve: (*Handler).approveSoftware},

	{method: http.MethodGet, path: "/v1/audit", scope: clientstore.ScopeAuditRead, query: []string{"target_type", "target_id", "action", "actor", "limit", "cursor"}, serve: (*Handler).listAudit},
	{method: http.MethodGet, path: "/v1/keys", scope: clientstore.ScopeKeysRead, serve: (*Handler).listKeys},
	{method: http.MethodPost, path: "/v1/keys/rotate", scope: clientstore.ScopeKeysWrite, serve: (*Handler).rotateKeys},
}

// Routes returns the method and path of every operation, under [Prefix].
func Routes() [][2]string {
	list := make([][2]string, len(routes))
	for i, r := range routes {
		list[i] = [2]string{r.method, r.path}
	}
	return list
}

// router leads requests to their operations. A path of ours that is asked with
// another method says which it takes.
func (h *Handler) router() http.Handler {
	paths := map[string]map[string]route{}
	for _, one := range routes {
		if paths[one.path] == nil {
			paths[one.path] = map[string]route{}
		}
		paths[one.path][one.method] = one
	}
	r := mux.NewRouter().UseEncodedPath()
	for path, methods := range paths {
		r.Path(h.base + path).Handler(h.methods(methods))
	}
	r.NotFoundHandler = h.answering(func(*request) (*answer, error) { return nil, problemOf(notFound, "There is nothing at this address.") })
	return headers(r)
}

// headers are those of every answer. No script of another origin may read it,
// since none is named.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Add("Vary", "Authorization")
		next.ServeHTTP(w, r)
	})
}

// methods serves a path.
func (h *Handler) methods(by map[string]route) http.Handler {
	var allowed []string
	for method := range by {
		allowed = append(allowed, method)
	}
	if _, ok := by[http.MethodGet]; ok {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		one, ok := by[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			h.answering(func(*request) (*answer, error) {
				return nil, problemOf(methodNotAllowed, "This address takes "+strings.Join(allowed, ", ")+".")
			}).ServeHTTP(w, r)
			return
		}
		h.answering(func(r *request) (*answer, error) { return h.perform(one, r) }).ServeHTTP(w, r)
	})
}

// request is a request with who sends it.
type request struct {
	*http.Request
	caller *caller // nil for what is public
	scope  string  // of the operation
}

// value returns a variable of the path.
func (r *request) value(name string) string { return mux.Vars(r.Request)[name] }

// answer is an answer that can be kept.
type answer struct {
	status int
	header map[string]string
	body   any // written as JSON, nil for none
}

func ok(body any) *answer { return &answer{status: http.StatusOK, body: body} }

// perform lets the operation do its work, for whoever may have it done.
func (h *Handler) perform(one route, r *request) (*answer, error) {
	if err := h.admit(one, r); err != nil {
		return nil, err
	}
	if err := checkQuery(r.URL.RawQuery, one.query); err != nil {
		return nil, err
	}
	return one.serve(h, r)
}
