package authz_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"countersign/authz"
	dynamic "countersign/authz/registration"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/keyset"
	"countersign/storage/session"
	"countersign/storage/storagetest"
	"countersign/storage/subject"
)

const (
	callback  = "https://rp.example/cb"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// world is the whole door on a real database, with a browser in which somebody
// is signed in, and two approved clients.
type world struct {
	*testing.T
	db       *storage.DB
	clock    *storagetest.StoppedClock
	issuer   string
	door     http.Handler
	address  string // of this replica, where it is not the issuer's
	accounts *account.Store
	sessions *session.Store
	clients  *clientstore.Store
	grants   *grant.Store
	signing  *keyset.Store

	user    *account.Account
	session *session.Session
	cookie  string

	web    app // confidential, consented to
	native app // public, consented to

	stopping chan struct{}
	logged   *logBook
	subjects *subject.Identifiers

	made    int         // further accounts
	watched *statements // who asks is told to them
	purges  []purge     // of all stores
}

// app is a registered client with its secret.
type app struct {
	*clientstore.Client
	secret string
}

var admin = audit.Actor{Name: "root", Via: audit.ViaCLI}

func newWorld(t *testing.T, db *storage.DB) *world {
	t.Helper()
	return newWorldUnder(t, db, clientstore.Default)
}

func newWorldUnder(t *testing.T, db *storage.DB, policy clientstore.Policy) *world {
	t.Helper()
	return newWorldWith(t, db, policy, func(*authz.Config) {})
}

// newWorldWith is a world whose door is told something else than usual.
func newWorldWith(t *testing.T, db *storage.DB, policy clientstore.Policy, change func(*authz.Config)) *world {
	t.Helper()
	clock, server := storagetest.Clock(db), httptest.NewUnstartedServer(nil)
	cfg := doorConfig(t, db, policy, "http://"+server.Listener.Addr().String())
	w := &world{
		T: t, db: db, clock: clock, issuer: cfg.Issuer, accounts: cfg.Accounts, sessions: cfg.Sessions, clients: cfg.Clients, grants: cfg.Grants,
		signing: cfg.Keys, subjects: cfg.Subjects, stopping: make(chan struct{}), logged: &logBook{},
	}
	cfg.Registration, cfg.Stopping = dynamic.Open, w.stopping
	cfg.Log = slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}), slog.NewTextHandler(w.logged, nil)))
	change(&cfg)
	w.purges = []purge{
		cfg.Clients.Purge, cfg.Grants.Purge, cfg.Interactions.Purge, cfg.Sessions.Purge, cfg.Accounts.Purge, cfg.Keys.Purge,
		cfg.Used.Purge, cfg.Pushed.Purge, cfg.SignOut.Purge, cfg.Failures.Purge,
	}
	door, err := authz.New(cfg)
	w.must(err)
	w.door = door
	server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.watched.at(r)
		defer w.watched.at(nil)
		door.ServeHTTP(rw, r)
	})
	server.Start()
	t.Cleanup(server.Close)
	w.populate()
	return w
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (w *world) populate() {
	w.Helper()
	var err error
	w.user, err = w.accounts.Create(w.Context(), admin, account.Registration{
		Username: "ada", Password: "correct horse battery staple",
		Claims: account.Claims{Name: "Ada Lovelace", Email: "ada@example.test", EmailVerified: true},
	})
	w.must(err)
	w.signIn()
	w.web = w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Web", Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid profile email offline_access api",
	}})
	w.native = w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Native", Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid profile email offline_access", TokenEndpointAuthMethod: "none", ApplicationType: "web",
	}})
}

// signIn starts a session in the browser.
func (w *world) signIn() {
	w.Helper()
	var err error
	w.session, w.cookie, err = w.sessions.Start(w.Context(), session.SignIn{
		AccountID: w.user.ID, AccountEpoch: w.user.Epoch, ACR: "urn:countersign:acr:pwd", AMR: []string{"pwd"},
	})
	w.must(err)
}

// register makes an approved client that the user has consented to.
func (w *world) register(r clientstore.Registration) app {
	w.Helper()
	c, secret, err := w.clients.Register(w.Context(), admin, r)
	w.must(err)
	c, err = w.clients.Approve(w.Context(), admin, c.ID)
	w.must(err)
	w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentOf(w.user.Epoch)))
	if r.Secret != "" {
		secret = r.Secret
	}
	return app{c, secret}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// noRedirects has connections of its own: every httptest.Server that closes
// cuts off those of http.DefaultTransport, whoever is using them.
var noRedirects = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is an answer with its body read.
type answer struct {
	*http.Response
	body string
	json map[string]any
}

func (w *world) do(r *http.Request) answer {
	w.Helper()
	res, err := noRedirects.Do(r)
	w.must(err)
	body, err := io.ReadAll(res.Body)
	w.must(errors.Join(err, res.Body.Close()))
	a := answer{Response: res, body: string(body)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && len(body) > 0 {
		w.must(json.Unmarshal(body, &a.json))
	}
	return a
}

// str is a member of the JSON answer.
func (a answer) str(name string) string {
	s, _ := a.json[name].(string)
	return s
}

func (w *world) request(method, path, contentType, body string) *http.Request {
	w.Helper()
	if issuer, err := url.Parse(w.issuer); err == nil {
		path = strings.TrimPrefix(path, issuer.Path) // a redirect has the issuer's path with it
	}
	r, err := http.NewRequestWithContext(w.Context(), method, cmp.Or(w.address, w.issuer)+path, strings.NewReader(body))
	w.must(err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// get opens a page in the browser where the user is signed in.
func (w *world) get(path string) answer {
	w.Helper()
	r := w.request(http.MethodGet, path, "", "")
	if w.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
	}
	return w.do(r)
}

// ask is a good authorization request of the client.
func (a app) ask(change ...string) url.Values {
	q := url.Values{
		"client_id": {a.ID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile offline_access"},
		"state": {"st&a te"}, "nonce": {"n-0S6_WzA2Mj"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	return with(q, change...)
}

// with sets parameters, given as names and values in turn; an empty value
// takes the parameter away.
func with(q url.Values, change ...string) url.Values {
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == "" {
			q.Del(change[i])
		} else {
			q.Set(change[i], change[i+1])
		}
	}
	return q
}

func (w *world) authorize(q url.Values) answer {
	w.Helper()
	return w.get("/authorize?" + q.Encode())
}

// sent is what the answer redirects the client with; nil for anything else
// than a redirect to the callback.
func (a answer) sent() url.Values {
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(u.String(), callback) {
		return nil
	}
	return u.Query()
}

// code has the user authorize the client and returns the code.
func (w *world) code(a app, change ...string) string {
	w.Helper()
	res := w.authorize(a.ask(change...))
	code := res.sent().Get("code")
	if code == "" {
		w.Fatalf("authorize: %s, Location %q, %.500s", res.Status, res.Header.Get("Location"), res.body)
	}
	return code
}

const formType = "application/x-www-form-urlencoded"

// post sends a form as the client, by the method it is registered for.
func (w *world) post(path string, a app, form url.Values) answer {
	w.Helper()
	if a.secret == "" {
		form.Set("client_id", a.ID)
	}
	r := w.request(http.MethodPost, path, formType, form.Encode())
	if a.secret != "" {
		r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.secret))
	}
	return w.do(r)
}

func redemption(code string, change ...string) url.Values {
	return with(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}, change...)
}

// tokens has the user authorize the client and redeems the code.
func (w *world) tokens(a app, change ...string) answer {
	w.Helper()
	res := w.post("/token", a, redemption(w.code(a, change...)))
	if res.StatusCode != http.StatusOK {
		w.Fatalf("token: %s %s", res.Status, res.body)
	}
	return res
}

func (w *world) refresh(a app, token string, change ...string) answer {
	w.Helper()
	return w.post("/token", a, with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, change...))
}

// active asks the client's own introspection about a token.
func (w *world) active(a app, token string) bool {
	w.Helper()
	res := w.post("/introspect", a, url.Values{"token": {token}})
	if res.StatusCode != http.StatusOK {
		w.Fatalf("introspect: %s %s", res.Status, res.body)
	}
	active, _ := res.json["active"].(bool)
	if !active && res.body != `{"active":false}` {
		w.Errorf("IN-05: an inactive token is described: %s", res.body)
	}
	return active
}

// wantError checks an answer of a client's endpoint.
func (w *world) wantError(a answer, status int, code string) {
	w.Helper()
	if a.StatusCode != status || a.str("error") != code {
		w.Errorf("got %s %s; want %d %s", a.Status, a.body, status, code)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.str("error_description") == "" {
		w.Errorf("Cache-Control %q, error_description %q", a.Header.Get("Cache-Control"), a.str("error_description"))
	}
	if (status == http.StatusUnauthorized) != (a.Header.Get("WWW-Authenticate") != "") {
		w.Errorf("WWW-Authenticate %q with status %d", a.Header.Get("WWW-Authenticate"), status)
	}
}

// wantRefusal checks that the client was redirected to with an error.
func (w *world) wantRefusal(a answer, code, state string) {
	w.Helper()
	got := a.sent()
	if got.Get("error") != code || got.Get("state") != state || got.Get("iss") != w.issuer || got.Has("code") {
		w.Errorf("got %s, Location %q, %.300s; want error %s", a.Status, a.Header.Get("Location"), a.body, code)
	}
	if (state == "") == got.Has("state") {
		w.Errorf("state = %q", got["state"])
	}
}

// wantPage checks that the person was shown an error, and nobody else told.
func (w *world) wantPage(a answer, code string) {
	w.Helper()
	if a.Header.Get("Location") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, code) {
		w.Errorf("got %s, Location %q, %.300s; want a page with %s", a.Status, a.Header.Get("Location"), a.body, code)
	}
}

// down runs f while the database answers nothing.
func (w *world) down(f func()) {
	w.Helper()
	restore := storagetest.FailStatements(w.db, func(string) bool { return true })
	defer restore()
	f()
}

func registration(name string) clientstore.Registration {
	return clientstore.Registration{Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid profile email offline_access",
	}}
}

// accountOf is a further account.
func accountOf(w *world) account.Registration {
	w.made++
	return account.Registration{Username: "user" + strconv.Itoa(w.made), Password: "correct horse battery staple"}
}
