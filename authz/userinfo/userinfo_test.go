package userinfo_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"countersign/authz/protocol"
	"countersign/authz/userinfo"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

const (
	issuer    = "https://id.example"
	challenge = `Bearer realm="https://id.example"`
	everyone  = "openid profile email address phone"
)

var by = audit.Actor{Name: "test", Via: audit.ViaCLI}

var jane = account.Claims{
	Name: "Jane Doe", GivenName: "Jane", FamilyName: "Doe", MiddleName: "Q", Nickname: "JD",
	Profile: "https://example.com/jane", Picture: "https://example.com/jane.jpg", Website: "https://jane.example",
	Gender: "female", Birthdate: "0000-10-31", Zoneinfo: "Europe/Berlin", Locale: "de-DE",
	Email: "jane@example.com", EmailVerified: true, PhoneNumber: "+14255551212",
	Address: &account.Address{Locality: "Berlin", Country: "DE"},
}

// world is a server with one account, signed in, and one approved client.
type world struct {
	db       *storage.DB
	clock    *storagetest.StoppedClock
	handler  *userinfo.Handler
	accounts *account.Store
	clients  *clientstore.Store
	sessions *session.Store
	grants   *grant.Store

	account *account.Account
	client  *clientstore.Client
	session *session.Session
}

func newWorld(t *testing.T, db *storage.DB) *world {
	t.Helper()
	keys, trail := storagetest.Keys(t), audit.New(db)
	w := &world{
		db: db, clock: storagetest.Clock(db),
		accounts: account.New(db, account.Config{Keys: keys, Audit: trail, Cost: account.HashCost{Memory: 8, Passes: 1}}),
		clients:  clientstore.New(db, clientstore.Config{Keys: keys, Audit: trail}),
		sessions: session.New(db, session.Config{Keys: keys, Idle: time.Hour, Absolute: time.Hour}),
		grants:   grant.New(db, keys),
	}
	w.handler = userinfo.New(userinfo.Config{Issuer: issuer, Grants: w.grants})
	var err error
	w.account, err = w.accounts.Create(t.Context(), by, account.Registration{Username: "jane", Password: "correct horse battery", Claims: jane})
	if err != nil {
		t.Fatal(err)
	}
	w.client, _, err = w.clients.Register(t.Context(), by, clientstore.Registration{
		Type: clientstore.OIDC, Name: "App",
		Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}, Scope: everyone + " read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.clients.Approve(t.Context(), by, w.client.ID); err != nil {
		t.Fatal(err)
	}
	w.session, _, err = w.sessions.Start(t.Context(), session.SignIn{AccountID: w.account.ID, AccountEpoch: w.account.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// token returns an access token for the scope, of a grant with the claims
// parameter, and the code and refresh token that came before and with it.
func (w *world) token(t *testing.T, scope, claims string) (access, refresh, code string) {
	t.Helper()
	code, access, refresh = seal.NewToken(seal.AuthorizationCode), seal.NewToken(seal.AccessToken), seal.NewToken(seal.RefreshToken)
	now := w.db.Now()
	err := w.grants.Authorize(t.Context(), grant.Answer{
		Code: code, CodeExpiresAt: now.Add(time.Minute),
		Grant: grant.Grant{
			ID: uuid.NewString(), Kind: clientstore.GrantAuthorizationCode, ClientID: w.client.ID, AccountID: w.account.ID, SessionID: w.session.ID,
			Subject: "subject-of-the-id-token", Scope: scope, Claims: claims, ExpiresAt: now.Add(time.Hour),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.grants.Redeem(t.Context(), code, grant.Issue{
		AccessToken: access, AccessTokenExpiresAt: now.Add(10 * time.Minute), Scope: scope,
		RefreshToken: refresh, RefreshTokenExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return access, refresh, code
}

func (w *world) send(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	if err := w.handler.Serve(rec, r); err != nil {
		t.Fatal(err)
	}
	return rec
}

func get(t *testing.T, target, authorization string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func post(t *testing.T, target, body, authorization string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func claimsOf(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
	}
	return got
}

func TestWaysToSendTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	access, _, _ := w.token(t, "openid", "")
	for name, r := range map[string]*http.Request{
		"GET":                       get(t, "/userinfo", "Bearer "+access),
		"POST with header":          post(t, "/userinfo", "", "Bearer "+access),
		"POST with header and form": post(t, "/userinfo", "x=y", "Bearer "+access),
		"POST with form":            post(t, "/userinfo", "access_token="+access, ""),
		"scheme in small letters":   get(t, "/userinfo", "bearer "+access),
		"scheme in capitals":        get(t, "/userinfo", "BEARER "+access),
		"several blanks":            get(t, "/userinfo", "Bearer   "+access),
		"another parameter":         get(t, "/userinfo?schema=openid", "Bearer "+access),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := w.send(t, r)
			if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", rec.Code, rec.Header())
			}
			if got := claimsOf(t, rec); got["sub"] != "subject-of-the-id-token" || len(got) != 1 {
				t.Errorf("claims %v", got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	access, refresh, code := w.token(t, "openid", "")
	withoutOpenID, _, _ := w.token(t, "profile read", "")
	two := get(t, "/userinfo", "Bearer "+access)
	two.Header.Add("Authorization", "Bearer "+access)
	const jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.c2ln"

	tests := []struct {
		name       string
		request    *http.Request
		wantStatus int
		wantError  string // "" when the challenge has none
	}{
		{"UI-01 no token", get(t, "/userinfo", ""), 401, ""},
		{"UI-01 no token in a form", post(t, "/userinfo", "x=y", ""), 401, ""},
		{"UI-01 empty token in a form", post(t, "/userinfo", "access_token=", ""), 401, ""},
		{"UI-01 another scheme", get(t, "/userinfo", "Basic "+access), 401, ""},
		{"UI-01 another scheme that begins alike", get(t, "/userinfo", "Bearerx "+access), 401, ""},
		{"UI-01 token in a form of GET", func() *http.Request {
			r := post(t, "/userinfo", "access_token="+access, "")
			r.Method = http.MethodGet
			return r
		}(), 401, ""},
		{"UI-01 token in JSON", func() *http.Request {
			r := post(t, "/userinfo", `{"access_token":"`+access+`"}`, "")
			r.Header.Set("Content-Type", "application/json")
			return r
		}(), 401, ""},
		{"UI-02 token in the URL", get(t, "/userinfo?access_token="+access, ""), 400, "invalid_request"},
		{"UI-02 token in the URL of a POST", post(t, "/userinfo?access_token="+access, "", ""), 400, "invalid_request"},
		{"UI-02 empty token in the URL", get(t, "/userinfo?access_token", ""), 400, "invalid_request"},
		{"UI-03 token in header and URL", get(t, "/userinfo?access_token="+access, "Bearer "+access), 400, "invalid_request"},
		{"UI-03 token in header and body", post(t, "/userinfo", "access_token="+access, "Bearer "+access), 400, "invalid_request"},
		{"UI-03 token twice in the body", post(t, "/userinfo", "access_token="+access+"&access_token="+access, ""), 400, "invalid_request"},
		{"UI-03 two headers", two, 400, "invalid_request"},
		{"no token after the scheme", get(t, "/userinfo", "Bearer"), 400, "invalid_request"},
		{"body that is no form", post(t, "/userinfo", "access_token=%zz", ""), 400, "invalid_request"},
		{"body with a quote in a name", post(t, "/userinfo", `a%22%C3%A9=%00`, ""), 400, "invalid_request"},
		{"body too large", post(t, "/userinfo", strings.Repeat("x", 65<<10), ""), 413, "invalid_request"},
		{"UI-04 without openid", get(t, "/userinfo", "Bearer "+withoutOpenID), 403, "insufficient_scope"},
		{"UI-05 refresh token", get(t, "/userinfo", "Bearer "+refresh), 401, "invalid_token"},
		{"UI-05 code", get(t, "/userinfo", "Bearer "+code), 401, "invalid_token"},
		{"UI-05 JW-07 ID token", get(t, "/userinfo", "Bearer "+jwt), 401, "invalid_token"},
		{"wrong checksum", get(t, "/userinfo", "Bearer "+access[:len(access)-1]+"!"), 401, "invalid_token"},
		{"never issued", get(t, "/userinfo", "Bearer "+seal.NewToken(seal.AccessToken)), 401, "invalid_token"},
		{"two words", get(t, "/userinfo", "Bearer "+access+" x"), 401, "invalid_token"},
		{"a quote and a line break", get(t, "/userinfo", "Bearer \"\r\nx"), 401, "invalid_token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, w.send(t, tt.request), tt.wantStatus, tt.wantError)
		})
	}
}

// checkRefusal compares an answer with RFC 6750, section 3.
func checkRefusal(t *testing.T, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	got := rec.Header().Get("WWW-Authenticate")
	if rec.Code != status || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d with %v; want %d", rec.Code, rec.Header(), status)
	}
	if code == "" {
		if got != challenge || rec.Body.Len() != 0 {
			t.Errorf("WWW-Authenticate: %s, body %q; want no error and no body", got, rec.Body)
		}
		return
	}
	body := claimsOf(t, rec)
	want := challenge + `, error="` + code + `", error_description="` + body["error_description"].(string) + `"`
	if code == "insufficient_scope" {
		want += `, scope="openid"`
	}
	if body["error"] != code || got != want {
		t.Errorf("WWW-Authenticate: %s\nwant:             %s\nbody %v", got, want, body)
	}
	for _, r := range body["error_description"].(string) {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			t.Errorf("the description holds %q, which RFC 6750 does not allow", r)
		}
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions} {
		rec := httptest.NewRecorder()
		err := w.handler.Serve(rec, httptest.NewRequestWithContext(t.Context(), method, "/userinfo", nil))
		if e, ok := errors.AsType[*protocol.Error](err); !ok || e.Status != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, POST" {
			t.Errorf("%s: %v, Allow %q; want 405", method, err, rec.Header().Get("Allow"))
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		const sub = `"sub":"subject-of-the-id-token"`
		updated := `"updated_at":` + jsonNumber(t, w.account.UpdatedAt)
		profile := `"name":"Jane Doe","given_name":"Jane","family_name":"Doe","middle_name":"Q","nickname":"JD","preferred_username":"jane",
			"profile":"https://example.com/jane","picture":"https://example.com/jane.jpg","website":"https://jane.example",
			"gender":"female","birthdate":"0000-10-31","zoneinfo":"Europe/Berlin","locale":"de-DE",` + updated
		for name, tt := range map[string]struct{ scope, claims, want string }{
			"openid alone":                 {"openid", "", sub},
			"profile":                      {"openid profile", "", sub + "," + profile},
			"email":                        {"email openid", "", sub + `,"email":"jane@example.com","email_verified":true`},
			"address":                      {"openid address", "", sub + `,"address":{"locality":"Berlin","country":"DE"}`},
			"phone":                        {"openid phone", "", sub + `,"phone_number":"+14255551212","phone_number_verified":false`},
			"everything":                   {everyone, "", sub + "," + profile + `,"email":"jane@example.com","email_verified":true,"address":{"locality":"Berlin","country":"DE"},"phone_number":"+14255551212","phone_number_verified":false`},
			"asked for one by one":         {"openid", `{"userinfo":{"name":{"essential":true},"email":null}}`, sub + `,"name":"Jane Doe","email":"jane@example.com"`},
			"asked for and in scope":       {"openid email", `{"userinfo":{"email":null,"name":null}}`, sub + `,"name":"Jane Doe","email":"jane@example.com","email_verified":true`},
			"asked for in the ID token":    {"openid", `{"id_token":{"name":null}}`, sub},
			"asked for and not known":      {"openid", `{"userinfo":{"groups":{"essential":true},"password_hash":null}}`, sub},
			"asked for with another value": {"openid", `{"userinfo":{"sub":{"value":"another"},"iss":null}}`, sub},
		} {
			t.Run("UI-06 "+name, func(t *testing.T) {
				access, _, _ := w.token(t, tt.scope, tt.claims)
				var want map[string]any
				if err := json.Unmarshal([]byte("{"+tt.want+"}"), &want); err != nil {
					t.Fatal(err)
				}
				if got := claimsOf(t, w.send(t, get(t, "/userinfo", "Bearer "+access))); !reflect.DeepEqual(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
		}
	})
}

func jsonNumber(t *testing.T, at time.Time) string {
	t.Helper()
	b, err := json.Marshal(at.Unix())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWhatEndsAToken is UI-07 and INV-05: what happened to the client, the
// account or the session holds from the next request on.
func TestWhatEndsAToken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, w *world, access string) error{
		"UI-07 client disapproved": func(t *testing.T, w *world, _ string) error {
			t.Helper()
			_, err := w.clients.Disapprove(t.Context(), by, w.client.ID, "")
			return err
		},
		"UI-07 client disapproved and approved again": func(t *testing.T, w *world, _ string) error {
			t.Helper()
			_, err := w.clients.Disapprove(t.Context(), by, w.client.ID, "")
			_, err2 := w.clients.Approve(t.Context(), by, w.client.ID)
			return errors.Join(err, err2)
		},
		"client removed": func(t *testing.T, w *world, _ string) error {
			t.Helper()
			return w.clients.Remove(t.Context(), by, w.client.ID)
		},
		"UI-07 account disabled": func(t *testing.T, w *world, _ string) error {
			t.Helper()
			return w.accounts.Disable(t.Context(), by, w.account.ID)
		},
		"signed out": func(t *testing.T, w *world, _ string) error {
			t.Helper()
			return w.sessions.End(t.Context(), w.session.ID)
		},
		"token revoked": func(t *testing.T, w *world, access string) error {
			t.Helper()
			return w.grants.RevokeAccessToken(t.Context(), access)
		},
		"token expired": func(_ *testing.T, w *world, _ string) error {
			w.clock.Advance(10 * time.Minute)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, db *storage.DB) {
				w := newWorld(t, db)
				access, _, _ := w.token(t, everyone, "")
				if rec := w.send(t, get(t, "/userinfo", "Bearer "+access)); rec.Code != http.StatusOK {
					t.Fatalf("%d before", rec.Code)
				}
				if err := end(t, w, access); err != nil {
					t.Fatal(err)
				}
				checkRefusal(t, w.send(t, get(t, "/userinfo", "Bearer "+access)), http.StatusUnauthorized, "invalid_token")
			})
		})
	}
}

// TestBoundToken is UI-09: a token that is bound to a key is no bearer token.
func TestBoundToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	access, _, _ := w.token(t, "openid", "")
	if err := w.db.With(t.Context()).Exec("UPDATE grants SET confirmation = ?", `{"jkt":"x"}`).Error; err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, w.send(t, get(t, "/userinfo", "Bearer "+access)), http.StatusUnauthorized, "invalid_token")
}

func TestStatements(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		access, refresh, _ := w.token(t, everyone, `{"userinfo":{"name":null}}`)
		counter := storagetest.CountStatements(db)
		for name, tt := range map[string]struct {
			request *http.Request
			want    int
		}{
			"live token":      {get(t, "/userinfo", "Bearer "+access), 1},
			"token in a form": {post(t, "/userinfo", url.Values{"access_token": {access}}.Encode(), ""), 1},
			"unknown token":   {get(t, "/userinfo", "Bearer "+seal.NewToken(seal.AccessToken)), 1},
			"SL-05 wrong checksum, refused without the database": {get(t, "/userinfo", "Bearer "+access[:len(access)-1]+"!"), 0},
			"refresh token": {get(t, "/userinfo", "Bearer "+refresh), 0},
			"no token":      {get(t, "/userinfo", ""), 0},
			"token in URL":  {get(t, "/userinfo?access_token="+access, ""), 0},
		} {
			counter.Reset()
			w.send(t, tt.request)
			if got := counter.Count(); got != tt.want {
				t.Errorf("%s: %d statements; want %d: %q", name, got, tt.want, counter.Statements())
			}
		}
	})
}

func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		access, _, _ := w.token(t, "openid", "")
		defer storagetest.FailStatements(db, nil)()
		rec := httptest.NewRecorder()
		err := w.handler.Serve(rec, get(t, "/userinfo", "Bearer "+access))
		if !errors.Is(err, storage.ErrUnavailable) || rec.Body.Len() != 0 || rec.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("Serve = %v with %v %q; want unavailable and no verdict on the token", err, rec.Header(), rec.Body)
		}
		if strings.Contains(err.Error(), access) {
			t.Errorf("the error quotes the token: %v", err)
		}
	})
}
