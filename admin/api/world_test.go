package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/admin/api"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/apikey"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/idempotency"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

const (
	issuer   = "https://id.example"
	password = "correct horse battery staple"
)

// root is who prepares a test.
var root = audit.Actor{Name: "root", Via: audit.ViaCLI}

// world is the API on a real database, with an administrator and the key of a
// program of theirs that may do everything.
type world struct {
	*testing.T
	db       *storage.DB
	clock    *storagetest.StoppedClock
	accounts *account.Store
	clients  *clientstore.Store
	grants   *grant.Store
	apiKeys  *apikey.Store
	once     *idempotency.Store
	failures *failure.Store
	handler  http.Handler
	logged   bytes.Buffer
	sealing  *seal.Keys

	ada   *account.Account
	all   string // the key
	allow func(caller string) bool
	// sector is what the server fetches of a client, nil for nothing.
	sector func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error)
}

// each runs a test in a new world on every database.
func each(t *testing.T, test func(w *world)) {
	t.Helper()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) { test(newWorld(t, db)) })
}

func newWorld(t *testing.T, db *storage.DB) *world {
	t.Helper()
	keys, events := storagetest.Keys(t), audit.New(db)
	w := &world{
		T: t, db: db, clock: storagetest.Clock(db), sealing: keys,
		accounts: account.New(db, account.Config{Keys: keys, Audit: events, Cost: account.HashCost{Memory: 8, Passes: 1}}),
		clients:  clientstore.New(db, clientstore.Config{Keys: keys, Audit: events}),
		grants:   grant.New(db, keys),
		apiKeys:  apikey.New(db, apikey.Config{Keys: keys, Audit: events, Scopes: clientstore.AdministrationScopes}),
		once:     idempotency.New(db, keys),
		failures: failure.New(db, keys),
		allow:    func(string) bool { return true },
	}
	w.must(db.CheckKey(t.Context(), keys))
	w.open(false)
	w.ada = w.person("ada", account.ConfigureServer)
	w.all = w.key(w.ada, clientstore.AdministrationScopes...)
	return w
}

// open serves the API, to a second factor alone or not.
func (w *world) open(secondFactor bool) {
	w.Helper()
	events := audit.New(w.db)
	var err error
	w.handler, err = api.New(api.Config{
		SecondFactor: secondFactor,
		Issuer:       issuer, Tx: w.db.Tx(), Accounts: w.accounts, Clients: w.clients, Grants: w.grants, APIKeys: w.apiKeys, Once: w.once, Audit: events, Failures: w.failures,
		Keys: keysettest.Open(w.T, w.db, keyset.Config{Audit: events, PublishedBefore: 10 * time.Minute, KeptAfter: time.Hour}),
		Sector: func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
			if w.sector == nil || !m.NeedsSector(before) {
				return nil, nil //nolint:nilnil // documented
			}
			return w.sector(ctx, before, m)
		},
		Allow: func(caller string) bool { return w.allow(caller) },
		Log:   slog.New(slog.NewTextHandler(&w.logged, nil)), Now: w.db.Now,
	})
	w.must(err)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) person(name string, p ...account.Permission) *account.Account {
	w.Helper()
	a, err := w.accounts.Create(w.Context(), root, account.Registration{Username: name, Password: password, Permissions: p})
	w.must(err)
	return a
}

// key makes an API key of the account.
func (w *world) key(a *account.Account, scopes ...string) string {
	w.Helper()
	_, value, err := w.apiKeys.Create(w.Context(), root, apikey.Order{Name: "pipeline", AccountID: a.ID, Scopes: scopes, Lifetime: 24 * time.Hour})
	w.must(err)
	return value
}

// register makes an approved client with the scope.
func (w *world) register(scope string) *clientstore.Client {
	w.Helper()
	c, _, err := w.clients.Register(w.Context(), root, clientstore.Registration{Type: clientstore.OAuth2, Name: "Tool", Metadata: clientstore.Metadata{
		RedirectURIs: []string{"https://tool.example/cb"}, Scope: scope,
	}})
	w.must(err)
	c, err = w.clients.Approve(w.Context(), root, c.ID)
	w.must(err)
	return c
}

// tokenOf is what an access token is about.
type tokenOf struct {
	client       *clientstore.Client
	account      *account.Account // nil for the client itself
	audience     string
	confirmation string
	amr          string
}

// token issues an access token of ten minutes with the client's scope.
func (w *world) token(of tokenOf) string {
	w.Helper()
	now := w.clock.Now()
	g := grant.Grant{
		ID: seal.NewToken(seal.SetupToken), Kind: "test", ClientID: of.client.ID, Scope: of.client.Metadata.Scope,
		Audience: of.audience, Confirmation: of.confirmation, AMR: of.amr, Offline: true, ExpiresAt: now.Add(time.Hour),
	}
	i := grant.Issue{AccessToken: seal.NewToken(seal.AccessToken), AccessTokenExpiresAt: now.Add(10 * time.Minute)}
	if of.account == nil {
		g.Subject = of.client.ID
		w.must(w.grants.IssueToClient(w.Context(), g, of.client.Edition(), i))
		return i.AccessToken
	}
	g.Subject, g.AccountID, g.AccountEpoch, g.AuthTime = of.account.ID, of.account.ID, of.account.Epoch, &now
	w.must(w.grants.IssueToAccount(w.Context(), g, i))
	return i.AccessToken
}

// call is a request to the API.
type call struct {
	method, path string
	body         string // JSON, empty for none
	key          string // empty for the administrator's, - for none
	header       map[string]string
	meanwhile    func() // happens when five bytes of the body have come
}

// answer is what the API answered.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// do sends a request and holds what comes back against the document.
func (w *world) do(c call) answer {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), c.method, issuer+api.Prefix+c.path, strings.NewReader(c.body))
	if c.meanwhile != nil {
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(c.body[:5]), meanwhile(c.meanwhile), strings.NewReader(c.body[5:])))
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch c.key {
	case "":
		r.Header.Set("Authorization", "Bearer "+w.all)
	case "-":
	default:
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	r.Header.Set("X-Request-ID", "request-1")
	r.RemoteAddr = "192.0.2.7:4711"
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	if strings.HasSuffix(a.header.Get("Content-Type"), "json") {
		w.must(json.Unmarshal(rec.Body.Bytes(), &a.json))
	}
	w.described(r, a)
	return a
}

// want refuses an answer with another status, or without the text.
func (w *world) want(a answer, status int, texts ...string) answer {
	w.Helper()
	if a.status != status {
		w.Errorf("%d %v; want %d\n%s", a.status, a.header, status, a.text)
	}
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			w.Errorf("answered %s; want %q in it", a.text, text)
		}
	}
	return a
}

// problem refuses an answer that is not a problem of this kind.
func (w *world) problem(a answer, status int, kind string, texts ...string) answer {
	w.Helper()
	w.want(a, status, texts...)
	if got := a.json["type"]; got != issuer+api.Prefix+"/problems/"+kind {
		w.Errorf("type %v; want the problem %s\n%s", got, kind, a.text)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || a.json["request_id"] != "request-1" || a.json["remedy"] == "" {
		w.Errorf("%v %s: not a problem with a remedy", a.header, a.text)
	}
	return a
}

// create registers a client by the API.
func (w *world) create(body string) answer {
	w.Helper()
	return w.want(w.do(call{method: "POST", path: "/v1/clients", body: body}), http.StatusCreated)
}

// with adds a header.
func (c call) with(name, value string) call {
	header := maps.Clone(c.header)
	if header == nil {
		header = map[string]string{}
	}
	header[name] = value
	c.header = header
	return c
}
