package authz_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/authz"
	dynamic "countersign/authz/registration"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

// enrolled is what a client is told that registered itself.
type enrolled struct {
	answer
	id, token, path string
}

const jsonType = "application/json"

// send sends JSON to the registration endpoints.
func (w *world) send(method, path, token, body string) answer {
	w.Helper()
	contentType := jsonType
	if body == "" {
		contentType = ""
	}
	r := w.request(method, path, contentType, body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(r)
}

// encode writes JSON with members changed; nil takes one away.
func (w *world) encode(members map[string]any, change ...any) string {
	w.Helper()
	all := maps.Clone(members)
	for i := 0; i+1 < len(change); i += 2 {
		name, _ := change[i].(string)
		all[name] = change[i+1]
		if change[i+1] == nil {
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	w.must(err)
	return string(b)
}

var wish = map[string]any{"client_name": "Wish", "redirect_uris": []string{callback}, "scope": "openid profile offline_access"}

// enrol registers a client and expects it to be taken.
func (w *world) enrol(token, body string) enrolled {
	w.Helper()
	res := w.send(http.MethodPost, "/register", token, body)
	if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK {
		w.Fatalf("register: %s %s", res.Status, res.body)
	}
	path, ours := strings.CutPrefix(res.str("registration_client_uri"), w.issuer)
	if !ours {
		w.Fatalf("registration_client_uri %q", res.str("registration_client_uri"))
	}
	return enrolled{res, res.str("client_id"), res.str("registration_access_token"), path}
}

func (w *world) approve(id string) *clientstore.Client {
	w.Helper()
	c, err := w.clients.Approve(w.Context(), admin, id)
	w.must(err)
	return c
}

func (w *world) count() int {
	w.Helper()
	list, err := w.clients.List(w.Context(), clientstore.Filter{Limit: 1000})
	w.must(err)
	return len(list)
}

// RFC 7591, section 3.2.1; conformance 2.0 and 2.6: what a client is told, and
// that it can do nothing before an administrator approves it.
func TestRegisteredClientWorksOnceApproved(t *testing.T) {
	each(t, func(w *world) {
		res := w.enrol("", w.encode(wish, "token_endpoint_auth_method", "client_secret_basic"))
		if res.StatusCode != http.StatusCreated || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != jsonType {
			w.Errorf("%s %v", res.Status, res.Header)
		}
		expires, set := res.json["client_secret_expires_at"].(float64)
		if res.str("status") != "pending" || res.str("type") != "oidc" || !set || expires != 0 || res.str("client_secret") == "" || res.token == "" {
			w.Errorf("registered %s", res.body)
		}
		c, err := w.clients.Get(w.Context(), res.id)
		w.must(err)
		if c.CreatedBy != "registration" || c.Status != clientstore.Pending {
			w.Errorf("kept %+v", c)
		}
		a := app{c, res.str("client_secret")}
		w.wantError(w.post("/token", a, redemption("x")), 400, "unauthorized_client")
		if waiting := w.authorize(a.ask("prompt", "")); waiting.sent() != nil {
			w.Errorf("a pending client was answered: %s", waiting.Header.Get("Location"))
		}
		w.approve(a.ID)
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
		w.tokens(a)
		if read := w.send(http.MethodGet, res.path, res.token, ""); read.str("status") != "approved" || read.str("registration_access_token") != res.token ||
			strings.Contains(read.body, "secret\"") || strings.Contains(read.body, "hmac") {
			w.Errorf("read %s", read.body)
		}
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "It asks for too much.")
		w.must(err)
		if read := w.send(http.MethodGet, res.path, res.token, ""); read.str("status") != "disapproved" || read.str("status_reason") != "It asks for too much." {
			w.Errorf("read %s", read.body)
		}
	})
}

// RFC 7592, section 2.3.
func TestClientRemovesItself(t *testing.T) {
	each(t, func(w *world) {
		a, b := w.enrol("", w.encode(wish)), w.enrol("", w.encode(wish))
		for _, token := range []string{"", "x", b.token, w.web.secret} { // DC-12
			for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
				w.wantBearer(w.send(method, a.path, token, w.encode(wish)))
			}
		}
		w.wantBearer(w.send(http.MethodGet, a.path+"?access_token="+a.token, "", "")) // DC-12
		w.wantBearer(w.send(http.MethodGet, "/register/"+w.web.ID, a.token, ""))
		if res := w.send(http.MethodDelete, a.path, a.token, ""); res.StatusCode != http.StatusNoContent || res.body != "" {
			w.Errorf("DELETE: %s %s", res.Status, res.body)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} { // DC-13
			w.wantBearer(w.send(method, a.path, a.token, w.encode(wish)))
		}
		w.wantBearer(w.send(http.MethodPost, "/register", a.token, w.encode(wish)))
		if res := w.send(http.MethodGet, b.path, b.token, ""); res.StatusCode != http.StatusOK {
			w.Errorf("the other client: %s", res.Status)
		}
	})
}

// wantBearer checks that a token was asked for (RFC 6750, section 3).
func (w *world) wantBearer(a answer) {
	w.Helper()
	w.wantError(a, http.StatusUnauthorized, "invalid_token")
	if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
		w.Errorf("WWW-Authenticate %q", a.Header.Get("WWW-Authenticate"))
	}
}

// Registering again is no second client for whoever holds the token.
func TestRegisteringAgain(t *testing.T) {
	each(t, func(w *world) {
		a, before := w.enrol("", w.encode(wish)), w.count()
		again := w.enrol(a.token, w.encode(wish, "made_up", "ignored"))
		if again.StatusCode != http.StatusOK || again.id != a.id || again.token != a.token || again.str("client_secret") != "" || w.count() != before {
			w.Errorf("again: %s %s, %d clients", again.Status, again.body, w.count())
		}
		w.wantError(w.send(http.MethodPost, "/register", a.token, w.encode(wish, "client_name", "Other")), 400, "invalid_client_metadata")
		w.wantError(w.send(http.MethodPost, "/register", a.token, w.encode(wish, "redirect_uris", []string{"x"})), 400, "invalid_redirect_uri")
		if w.count() != before {
			w.Errorf("%d clients; want %d", w.count(), before)
		}
	})
}

func TestRefusedRegistrations(t *testing.T) {
	each(t, func(w *world) {
		before := w.count()
		good := `"redirect_uris":["` + callback + `"]`
		for name, tt := range map[string]struct{ body, code string }{
			"DC-03 fragment":                 {`{"redirect_uris":["https://rp.example/cb#x"]}`, "invalid_redirect_uri"},
			"DC-03 javascript":               {`{"redirect_uris":["javascript:alert(1)"]}`, "invalid_redirect_uri"},
			"DC-03 wildcard":                 {`{"redirect_uris":["https://*.example/cb"]}`, "invalid_redirect_uri"},
			"DC-03 user information":         {`{"redirect_uris":["https://a@rp.example/cb"]}`, "invalid_redirect_uri"},
			"DC-03 none":                     {`{}`, "invalid_redirect_uri"},
			"DC-03 no list":                  {`{"redirect_uris":"https://rp.example/cb"}`, "invalid_redirect_uri"},
			"native and http elsewhere":      {`{"application_type":"native","redirect_uris":["http://rp.example/cb"]}`, "invalid_redirect_uri"},
			"web, implicit and localhost":    {`{"application_type":"web","response_types":["id_token"],"redirect_uris":["http://localhost/cb"]}`, "invalid_redirect_uri"},
			"DC-08 inconsistent":             {`{` + good + `,"grant_types":["implicit"],"response_types":["code"]}`, "invalid_client_metadata"},
			"DC-08 password":                 {`{` + good + `,"grant_types":["password","authorization_code"]}`, "invalid_client_metadata"},
			"DC-08 unknown grant":            {`{` + good + `,"grant_types":["cheese"]}`, "invalid_client_metadata"},
			"unknown method":                 {`{` + good + `,"token_endpoint_auth_method":"cheese"}`, "invalid_client_metadata"},
			"wrong type of a member":         {`{` + good + `,"client_name":7}`, "invalid_client_metadata"},
			"wrong type of another":          {`{` + good + `,"default_max_age":"7"}`, "invalid_client_metadata"},
			"name that cannot be shown":      {`{` + good + `,"client_name":"a\u202eb"}`, "invalid_client_metadata"},
			"JW-18 kid with a NUL":           {`{` + good + `,"jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a\u0000b"}]}}`, "invalid_client_metadata"},
			"JW-18 request_uri with a NUL":   {`{` + good + `,"request_uris":["https://rp.example/r#\u0000"]}`, "invalid_client_metadata"},
			"oauth1":                         {`{` + good + `,"type":"oauth1"}`, "invalid_client_metadata"},
			"DC-10 twice":                    {`{` + good + `,` + good + `}`, "invalid_client_metadata"},
			"DC-10 REDIRECT_URIS":            {`{` + good + `,"REDIRECT_URIS":["https://evil.example/"]}`, "invalid_client_metadata"},
			"DC-10 Approved":                 {`{` + good + `,"Approved":true}`, "invalid_client_metadata"},
			"DC-10 two values":               {`{` + good + `}{}`, "invalid_client_metadata"},
			"DC-10 BOM":                      {"\ufeff{" + good + `}`, "invalid_client_metadata"},
			"DC-10 comment":                  {`{` + good + `/**/}`, "invalid_client_metadata"},
			"DC-10 20 000 deep":              {`{` + good + `,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "invalid_client_metadata"},
			"not UTF-8":                      {"{" + good + ",\"client_name\":\"\xff\"}", "invalid_client_metadata"},
			"a list":                         {`[]`, "invalid_client_metadata"},
			"null":                           {`null`, "invalid_client_metadata"},
			"DC-11 unsigned":                 {`{` + good + `,"software_statement":"eyJhbGciOiJub25lIn0.e30."}`, "invalid_software_statement"},
			"DC-11 alg none":                 {`{` + good + `,"software_statement":"eyJhbGciOiJub25lIn0.e30.eA"}`, "invalid_software_statement"},
			"DC-11 no JWT":                   {`{` + good + `,"software_statement":7}`, "invalid_software_statement"},
			"DC-11 signed by somebody":       {`{` + good + `,"software_statement":"eyJhbGciOiJSUzI1NiJ9.e30.eA"}`, "unapproved_software_statement"},
			"RFC 7591 2: client_credentials": {`{` + good + `,"token_endpoint_auth_method":"none","grant_types":["authorization_code","client_credentials"]}`, "invalid_client_metadata"},
		} {
			res := w.send(http.MethodPost, "/register", "", tt.body)
			if res.StatusCode != http.StatusBadRequest || res.str("error") != tt.code {
				w.Errorf("%s: %s %s; want %s", name, res.Status, res.body, tt.code)
			}
		}
		for contentType, status := range map[string]int{"": 415, "text/plain": 415, formType: 415, "application/json; charset=utf-8": 400} {
			if res := w.do(w.request(http.MethodPost, "/register", contentType, "{}")); res.StatusCode != status {
				w.Errorf("%q: %s", contentType, res.Status)
			}
		}
		large := w.send(http.MethodPost, "/register", "", `{"x":"`+strings.Repeat("x", 256<<10)+`"}`)
		w.wantError(large, http.StatusRequestEntityTooLarge, "invalid_request")
		for _, token := range []string{"x", w.web.secret} {
			w.wantBearer(w.send(http.MethodPost, "/register", token, w.encode(wish)))
		}
		if w.count() != before {
			w.Errorf("%d clients; want %d", w.count(), before)
		}
	})
}

// DC-09: what the server or an administrator decides is not a registrant's.
func TestMembersThatAreNotTheRegistrants(t *testing.T) {
	each(t, func(w *world) {
		res := w.enrol("", w.encode(wish, "approved", true, "status", "approved", "owner", "root", "client_id", "mine", "client_secret", "mine",
			"role", "admin", "is_first_party", true, "skip_consent", true, "created_at", 1, "trusted", true, "introspection_scope", "all",
			"registration_access_token", "mine", "made_up", map[string]any{"a": 1}, "client_name#de", "Wunsch", "logo_uri", nil))
		if res.str("status") != "pending" || res.id == "mine" || res.str("client_secret") == "mine" || res.token == "mine" {
			w.Errorf("registered %s", res.body)
		}
		for _, name := range []string{"approved", "owner", "role", "is_first_party", "skip_consent", "trusted", "introspection_scope", "made_up", "client_name#de"} {
			if _, ok := res.json[name]; ok {
				w.Errorf("%s took effect: %s", name, res.body)
			}
		}
	})
}

func TestTypesAndNamesOfRegistrations(t *testing.T) {
	each(t, func(w *world) {
		for name, tt := range map[string]struct {
			change      []any
			kind, title string
		}{
			"scope with openid":      {[]any{"scope", "openid"}, "oidc", "Wish"},
			"no scope":               {[]any{"scope", nil}, "oidc", "Wish"},
			"scope without openid":   {[]any{"scope", "api"}, "oauth2", "Wish"},
			"response type token":    {[]any{"scope", nil, "response_types", []string{"token"}}, "oauth2", "Wish"},
			"says oauth2":            {[]any{"scope", nil, "type", "oauth2"}, "oauth2", "Wish"},
			"a member of OpenID":     {[]any{"scope", "api", "default_max_age", 60}, "oidc", "Wish"},
			"no name":                {[]any{"client_name", nil}, "oidc", "rp.example"},
			"no name, native scheme": {[]any{"client_name", " ", "redirect_uris", []string{"com.example.app:/cb"}}, "oidc", "com.example.app"},
			"no name, no redirects":  {[]any{"client_name", nil, "scope", "api", "redirect_uris", nil, "grant_types", []string{"client_credentials"}}, "oauth2", "Unnamed application"},
		} {
			res := w.enrol("", w.encode(wish, tt.change...))
			if res.str("type") != tt.kind || res.str("client_name") != tt.title {
				w.Errorf("%s: %s", name, res.body)
			}
		}
	})
}

// DC-19: one network does not fill the database.
func TestRegistrationsAreSlowedDown(t *testing.T) {
	each(t, func(w *world) {
		for range 30 {
			w.wantStatus(w.send(http.MethodPost, "/register", "", `{}`), 400) // those that are refused count too
			if w.Failed() {
				return
			}
		}
		slow := w.send(http.MethodPost, "/register", "", w.encode(wish))
		w.wantError(slow, http.StatusTooManyRequests, "temporarily_unavailable")
		w.clock.Advance(10 * time.Second)
		w.enrol("", w.encode(wish))
	})
}

func (w *world) wantStatus(a answer, status int) {
	w.Helper()
	if a.StatusCode != status {
		w.Errorf("%s %s; want %d", a.Status, a.body, status)
	}
}

// INV-08: a database that fails is no verdict.
func TestRegistrationWithoutADatabase(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		w.down(func() {
			for _, res := range []answer{
				w.send(http.MethodPost, "/register", "", w.encode(wish)), w.send(http.MethodPost, "/register", a.token, w.encode(wish)),
				w.send(http.MethodGet, a.path, a.token, ""), w.send(http.MethodPut, a.path, a.token, w.encode(wish)), w.send(http.MethodDelete, a.path, a.token, ""),
			} {
				w.wantError(res, http.StatusServiceUnavailable, "temporarily_unavailable")
			}
		})
		if res := w.send(http.MethodGet, a.path, a.token, ""); res.str("status") != "pending" {
			w.Errorf("read %s", res.body)
		}
	})
}

// DC-02: an initial access token lets as many clients register as it has uses.
func TestInitialAccessTokens(t *testing.T) {
	each(t, func(w *world) {
		issue := func(g clientstore.InitialGrant) (*clientstore.InitialToken, string) {
			kept, value, err := w.clients.CreateInitialToken(w.Context(), admin, g)
			w.must(err)
			return kept, value
		}
		_, once := issue(clientstore.InitialGrant{Name: "once", Lifetime: time.Hour, Uses: 1})
		before := w.count()
		w.wantError(w.send(http.MethodPost, "/register", once, `{}`), 400, "invalid_redirect_uri") // and it is not used up
		var wg sync.WaitGroup
		var mu sync.Mutex
		status := map[int]int{}
		for range 20 {
			wg.Go(func() {
				res := w.send(http.MethodPost, "/register", once, w.encode(wish))
				mu.Lock()
				status[res.StatusCode]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if status[http.StatusCreated] != 1 || status[http.StatusUnauthorized] != 19 || w.count() != before+1 {
			w.Errorf("20 at once: %v, %d clients more", status, w.count()-before)
		}
		kept, revoked := issue(clientstore.InitialGrant{Name: "revoked", Lifetime: time.Hour, Uses: 9})
		w.enrol(revoked, w.encode(wish))
		w.must(w.clients.RevokeInitialToken(w.Context(), admin, kept.ID))
		w.wantBearer(w.send(http.MethodPost, "/register", revoked, w.encode(wish)))
		_, expired := issue(clientstore.InitialGrant{Name: "expired", Lifetime: time.Hour, Uses: 9})
		w.clock.Advance(time.Hour)
		w.wantBearer(w.send(http.MethodPost, "/register", expired, w.encode(wish)))

		_, approving := issue(clientstore.InitialGrant{Name: "pipeline", Lifetime: time.Hour, Uses: 9, Approve: true})
		res := w.enrol(approving, w.encode(wish))
		if res.str("status") != "approved" {
			w.Errorf("registered %s", res.body)
		}
		events, err := audit.New(w.db).List(w.Context(), audit.Filter{TargetID: res.id})
		w.must(err)
		if len(events) != 2 || events[0].Action != "client.approve" || events[1].Action != "client.register" || events[0].ActorName != "pipeline" ||
			events[0].Via != audit.ViaRegistration {
			w.Errorf("audit record %+v", events)
		}
	})
}

// Who sent no token made no mistake with it (RFC 6750, section 3.1).
func TestChallengeOfRegistrationNamesNoErrorWithoutAToken(t *testing.T) {
	each(t, func(w *world) {
		for authorization, want := range map[string]string{
			"": "", "Basic eDp5": "", "Bearer x": `, error="invalid_token", error_description="The token is not, or no longer, valid here."`,
		} {
			r := w.request(http.MethodGet, "/register/x", "", "")
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			if got := w.do(r).Header.Get("WWW-Authenticate"); got != `Bearer realm="`+w.issuer+`"`+want {
				w.Errorf("%q: WWW-Authenticate is %s", authorization, got)
			}
		}
	})
}

// DC-01, and the metadata tell the truth in every mode.
func TestModesOfRegistration(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		for mode, refusal := range map[dynamic.Mode]struct {
			status int
			code   string
		}{dynamic.Open: {}, dynamic.Token: {401, "invalid_token"}, dynamic.Off: {403, "access_denied"}} {
			w := &world{T: t, db: db}
			w.clients = clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db)})
			server := httptest.NewUnstartedServer(nil)
			w.issuer = "http://" + server.Listener.Addr().String()
			door, err := authz.New(authz.Config{
				Issuer: w.issuer, Registration: mode, Tx: db.Tx(), Clients: w.clients, Grants: grant.New(db, storagetest.Keys(t)), Log: slog.New(slog.DiscardHandler),
				Asset: func(name string) string { return name }, Now: db.Now,
			})
			w.must(err)
			server.Config.Handler = door
			server.Start()
			endpoint := w.send(http.MethodGet, "/.well-known/openid-configuration", "", "").str("registration_endpoint")
			if (endpoint == w.issuer+"/register") != (mode != dynamic.Off) {
				t.Errorf("%s: registration_endpoint %q", mode, endpoint)
			}
			_, value, err := w.clients.CreateInitialToken(t.Context(), admin, clientstore.InitialGrant{Name: "x", Lifetime: time.Hour, Uses: 1})
			w.must(err)
			res := w.send(http.MethodPost, "/register", "", w.encode(wish))
			if refusal.status != 0 {
				w.wantError(res, refusal.status, refusal.code)
			} else {
				w.wantStatus(res, http.StatusCreated)
			}
			key := w.send(http.MethodPost, "/oauth1/register", "", `{"secret":"long enough"}`)
			if refusal.status != 0 {
				w.wantError(key, refusal.status, refusal.code)
			} else {
				w.wantOK(key)
			}
			root := w.send(http.MethodGet, "/oslc/rootservices", "", "").body
			if strings.Contains(root, "<jfs:oauthRequestConsumerKeyUrl") != (mode != dynamic.Off) {
				t.Errorf("%s: %s", mode, root)
			}
			if res := w.send(http.MethodPost, "/register", value, w.encode(wish)); (res.StatusCode == http.StatusCreated) != (mode != dynamic.Off) {
				t.Errorf("%s with an initial access token: %s %s", mode, res.Status, res.body)
			}
			server.Close()
		}
	})
}

// DC-19: so many wait openly, and no more, however many come at once; those
// that nobody approved go.
func TestWaitingClientsAreBounded(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		clients := clientstore.New(db, clientstore.Config{
			Keys: storagetest.Keys(t), Audit: audit.New(db), MaxPending: 5, PendingLifetime: time.Hour,
		})
		by := audit.Actor{Name: "client", Via: audit.ViaRegistration}
		e := clientstore.Enrolment{Name: "X", Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{callback}}}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var taken []string
		full := 0
		for range 20 {
			wg.Go(func() {
				got, err := clients.Enrol(t.Context(), by, e)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					taken = append(taken, got.Client.ID)
				case errors.Is(err, clientstore.ErrFull):
					full++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(taken) != 5 || full != 15 {
			t.Fatalf("%d taken, %d refused; want 5 and 15", len(taken), full)
		}
		if _, err := clients.Approve(t.Context(), admin, taken[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Disapprove(t.Context(), admin, taken[1], ""); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := clients.Enrol(t.Context(), by, e); err != nil {
				t.Errorf("those that were decided about count: %v", err)
			}
		}
		_, value, err := clients.CreateInitialToken(t.Context(), admin, clientstore.InitialGrant{Name: "x", Lifetime: time.Hour, Uses: 1})
		if err != nil {
			t.Fatal(err)
		}
		invited := e
		invited.InitialToken = value
		if _, err := clients.Enrol(t.Context(), by, invited); err != nil {
			t.Errorf("an initial access token is not bounded: %v", err)
		}
		byHand, _, err := clients.Register(t.Context(), admin, registration("By hand"))
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour - time.Microsecond)
		if n, err := clients.Purge(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("purged %d, %v; want none yet", n, err)
		}
		clock.Advance(8 * 24 * time.Hour)
		for _, want := range []int64{4, 2, 0} {
			if n, err := clients.Purge(t.Context(), 4); n != want || err != nil {
				t.Errorf("purged %d, %v; want %d", n, err, want)
			}
		}
		left, err := clients.List(t.Context(), clientstore.Filter{})
		if err != nil || len(left) != 3 {
			t.Errorf("%d left, %v; want those that were decided about, and %s", len(left), err, byHand.ID)
		}
		if tokens, err := clients.InitialTokens(t.Context()); err != nil || len(tokens) != 0 {
			t.Errorf("%d initial access tokens left, %v", len(tokens), err)
		}
		if events, err := audit.New(db).List(t.Context(), audit.Filter{Action: "client.expire"}); err != nil || len(events) != 6 {
			t.Errorf("%d recorded, %v", len(events), err)
		}
	})
}

// Who operates the server reads in its log where to approve what waits: when it
// is registered, and when somebody wants to use it.
func TestLogLeadsToTheApproval(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const approval = "https://admin.example/settings/oauth-clients/approve"
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.OSLC.Approval = approval })
		c, _, err := w.clients.Register(w.Context(), admin, clientstore.Registration{
			Type: clientstore.OIDC, Name: "Waits", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}},
		})
		w.must(err)
		w.do(w.request(http.MethodGet, "/authorize?"+app{Client: c}.ask().Encode(), "", ""))
		if want := approval + "?key=" + c.ID; !strings.Contains(w.logged.String(), want) {
			t.Errorf("the log does not lead to %s:\n%s", want, w.logged)
		}
	})
}
