package authz_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/authz"
	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

const benchIssuer = "http://localhost"

// bench is the door as [world] has it, without a network before it and with
// the clock going.
type bench struct {
	*testing.B
	db      *storage.DB
	clients *clientstore.Store
	grants  *grant.Store
	cfg     authz.Config
	door    http.Handler
	user    *account.Account
	cookie  string
}

func newBench(b *testing.B, db *storage.DB) *bench {
	b.Helper()
	cfg := doorConfig(b, db, clientstore.Default, benchIssuer)
	// What is logged is written, as it is by the server.
	cfg.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // formatting is part of what is measured
	w := &bench{B: b, db: db, clients: cfg.Clients, grants: cfg.Grants, cfg: cfg}
	var err error
	w.door, err = authz.New(w.cfg)
	w.must(err)
	w.user, err = w.cfg.Accounts.Create(b.Context(), admin, account.Registration{Username: "ada", Password: "correct horse battery staple"})
	w.must(err)
	_, w.cookie, err = w.cfg.Sessions.Start(b.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch, ACR: "urn:countersign:acr:pwd", AMR: []string{"pwd"}})
	w.must(err)
	return w
}

func (w *bench) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *bench) register(r clientstore.Registration) app {
	w.Helper()
	c, secret, err := w.clients.Register(w.Context(), admin, r)
	w.must(err)
	c, err = w.clients.Approve(w.Context(), admin, c.ID)
	w.must(err)
	w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
	return app{c, secret}
}

// serve has the door answer a request.
func (w *bench) serve(r *http.Request, status int) *httptest.ResponseRecorder {
	res := httptest.NewRecorder()
	w.door.ServeHTTP(res, r)
	if res.Code != status {
		w.Fatalf("%s %s: %d %s", r.Method, r.URL, res.Code, res.Body)
	}
	return res
}

func (*bench) form(path string, a app, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, benchIssuer+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", formType)
	r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.secret))
	return r
}

func (w *bench) post(path string, a app, form url.Values) *httptest.ResponseRecorder {
	return w.serve(w.form(path, a, form), http.StatusOK)
}

func (w *bench) code(a app) string {
	r := httptest.NewRequest(http.MethodGet, benchIssuer+"/authorize?"+a.ask().Encode(), http.NoBody)
	r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
	to, err := url.Parse(w.serve(r, http.StatusSeeOther).Header().Get("Location"))
	w.must(err)
	return to.Query().Get("code")
}

// member reads a text of an answer, as short as a benchmark needs it.
func member(res *httptest.ResponseRecorder, name string) string {
	_, after, _ := strings.Cut(res.Body.String(), `"`+name+`":"`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// The clients of the benchmarks.
var (
	benchOpaque = clientstore.Registration{Type: clientstore.OAuth2, Name: "Opaque", Metadata: clientstore.Metadata{GrantTypes: []string{clientstore.GrantClientCredentials}, Scope: "api"}}
	benchSigned = clientstore.Registration{Type: clientstore.OAuth2, Name: "Signed", Metadata: clientstore.Metadata{
		GrantTypes: []string{clientstore.GrantClientCredentials}, Scope: "api", AccessTokenFormat: clientstore.FormatJWT, AccessTokenSignedResponseAlg: "ES256",
	}}
	benchPeople = clientstore.Registration{Type: clientstore.OIDC, Name: "Web", Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid profile email offline_access", IDTokenSignedResponseAlg: "ES256",
	}}
	benchDevice = clientstore.Registration{Type: clientstore.OAuth2, Name: "Device", Metadata: clientstore.Metadata{GrantTypes: []string{clientstore.GrantDeviceCode}, Scope: "api"}}
)

var ownToken = url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}}

// BenchmarkEndpoint serves each endpoint of the token path in process:
// statements/op are the round trips to the database.
func BenchmarkEndpoint(b *testing.B) {
	for _, one := range []struct {
		name string
		run  func(w *bench) func()
	}{
		{"client_credentials", func(w *bench) func() {
			a := w.register(benchOpaque)
			return func() { w.post("/token", a, ownToken) }
		}},
		{"client_credentials_jwt", func(w *bench) func() {
			a := w.register(benchSigned)
			return func() { w.post("/token", a, ownToken) }
		}},
		{"authorize_redeem", func(w *bench) func() {
			a := w.register(benchPeople)
			return func() { w.post("/token", a, redemption(w.code(a))) }
		}},
		{"refresh", refreshing},
		{"introspect", func(w *bench) func() {
			a := w.register(benchOpaque)
			token := member(w.post("/token", a, ownToken), "access_token")
			return func() { w.post("/introspect", a, url.Values{"token": {token}}) }
		}},
		{"userinfo", func(w *bench) func() {
			a := w.register(benchPeople)
			token := member(w.post("/token", a, redemption(w.code(a))), "access_token")
			return func() {
				r := httptest.NewRequest(http.MethodGet, benchIssuer+"/userinfo", http.NoBody)
				r.Header.Set("Authorization", "Bearer "+token)
				w.serve(r, http.StatusOK)
			}
		}},
		{"device_poll", func(w *bench) func() {
			a := w.register(benchDevice)
			code := member(w.post("/device_authorization", a, url.Values{"scope": {"api"}}), "device_code")
			poll := url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {code}}
			return func() { w.serve(w.form("/token", a, poll), http.StatusBadRequest) } // authorization_pending or slow_down
		}},
		{"discovery", func(w *bench) func() {
			return func() {
				w.serve(httptest.NewRequest(http.MethodGet, benchIssuer+"/.well-known/openid-configuration", http.NoBody), http.StatusOK)
			}
		}},
		{"jwks", func(w *bench) func() {
			return func() {
				w.serve(httptest.NewRequest(http.MethodGet, benchIssuer+"/.well-known/jwks.json", http.NoBody), http.StatusOK)
			}
		}},
	} {
		for _, open := range []func(testing.TB) *storage.DB{storagetest.Open, storagetest.OpenPostgres} {
			db := open(b)
			b.Run(one.name+"/"+string(db.Dialect()), func(b *testing.B) { newBench(b, db).measure(one.run) })
		}
	}
}

func refreshing(w *bench) func() {
	a := w.register(benchPeople)
	token := member(w.post("/token", a, redemption(w.code(a))), "refresh_token")
	return func() {
		token = member(w.post("/token", a, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}), "refresh_token")
	}
}

// measure counts the statements of one operation, and then measures many.
func (w *bench) measure(prepare func(w *bench) func()) {
	run := prepare(w)
	run() // what is prepared once is prepared
	counter := storagetest.CountStatements(w.db)
	run()
	w.db.SetHook(nil)
	w.ReportAllocs()
	for w.Loop() {
		run()
	}
	w.ReportMetric(float64(counter.Count()), "statements/op")
}

// BenchmarkEngine issues tokens by the engine alone, the client known and its
// form read.
func BenchmarkEngine(b *testing.B) {
	for name, r := range map[string]clientstore.Registration{"client_credentials": benchOpaque, "client_credentials_jwt": benchSigned} {
		b.Run(name, func(b *testing.B) {
			w := newBench(b, storagetest.Open(b))
			e := engine.New(engine.Config{
				Issuer: benchIssuer, Lifetimes: w.cfg.Lifetimes, Grants: w.grants, Accounts: w.cfg.Accounts, Keys: w.cfg.Keys, Subjects: w.cfg.Subjects,
				Log: w.cfg.Log, Now: w.db.Now,
			})
			a := w.register(r)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Token(b.Context(), engine.TokenRequest{Client: a.Client, Form: ownToken}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkForm reads the form of a token request.
func BenchmarkForm(b *testing.B) {
	body := redemption("cs_ac_0123456789").Encode()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, benchIssuer+"/token", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		if _, err := protocol.Form(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClient authenticates a client: it is looked up, and its secret
// compared, a generated one or one that was typed and verified before.
func BenchmarkClient(b *testing.B) {
	for name, typed := range map[string]string{"generated": "", "typed": "a secret that somebody typed"} {
		b.Run(name, func(b *testing.B) {
			w := newBench(b, storagetest.Open(b))
			r := benchOpaque
			r.Secret = typed
			a := w.register(r)
			if typed != "" {
				a.secret = typed
			}
			b.ReportAllocs()
			for b.Loop() {
				c, err := w.clients.InUse(b.Context(), a.ID)
				w.must(err)
				if ok, err := w.clients.VerifySecret(b.Context(), c, a.secret); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
