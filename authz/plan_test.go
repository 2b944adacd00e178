package authz_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"countersign/authz/forward"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// Every statement that the endpoints run is in a golden file with its plan, and
// none reads all of a table but those of [small]. A statement that is new, or
// is found otherwise than before, fails until somebody has looked at its plan
// and run UPDATE_GOLDEN=1 go test ./authz -run Plans.
func TestPlansOfEveryStatement(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		seen := w.watch()
		w.useEverything()
		db.SetHook(nil)
		if db.Dialect() == storage.PostgreSQL {
			storagetest.Multiply(t, db, []string{"accounts"}, 20) // there are few to copy
			storagetest.Multiply(t, db, manyRows, 200)
		}
		if control := storagetest.PlanOf(t, db, `SELECT id FROM grants WHERE scope = 'x'`); len(control.Whole()) == 0 {
			t.Errorf("a table is read and not seen: %v", control)
		}
		var b strings.Builder
		for _, s := range seen.list {
			plan := storagetest.PlanOf(t, db, s.sql)
			for _, whole := range plan.Whole() {
				if !small.MatchString(whole) {
					t.Errorf("%s reads %s: %s", s.endpoint, whole, s.sql)
				}
			}
			fmt.Fprintf(&b, "%s\n  %s\n", s.endpoint, outlined(s.sql))
			for _, step := range plan {
				fmt.Fprintf(&b, "    %s\n", step)
			}
		}
		wantGolden(t, "testdata/plans."+string(db.Dialect())+".golden", b.String())
	})
}

// small is what may be read whole: tables of one row or a handful, and what a
// statement itself selected by an index, under one of the other names.
var small = regexp.MustCompile(`^all of (signing_keys|installation|always|factors|own|w|waiting|x)\b`)

// manyRows are the tables that grow with use, each behind what it refers to.
var manyRows = []string{
	"accounts", "clients", "sessions", "session_clients", "consents", "grants", "authorization_codes", "access_tokens", "refresh_tokens",
	"device_codes", "temporary_credentials", "token_credentials", "interactions", "pushed_requests", "used_jtis", "sign_in_throttles", "account_activities",
}

// outlined is the beginning of a statement on one line, without the columns
// that it selects.
func outlined(sql string) string {
	line := []rune(columnsOf.ReplaceAllString(strings.Join(strings.Fields(sql), " "), "SELECT … FROM "))
	return string(line[:min(len(line), 160)])
}

var columnsOf = regexp.MustCompile(`SELECT [^()]*? FROM `)

func wantGolden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Split(string(want), "\n")
	known := map[string]bool{}
	for _, line := range old {
		known[line] = true
	}
	if got == string(want) {
		return
	}
	for line := range strings.SplitSeq(got, "\n") {
		if !known[line] {
			t.Errorf("is new: %s", line)
		}
	}
	t.Errorf("%s is not what runs; look at the plans, and run UPDATE_GOLDEN=1 go test ./authz -run Plans", path)
}

// statements are those that were run, each once, with the endpoint that ran it
// first.
type statements struct {
	mu       sync.Mutex
	endpoint string
	known    map[string]bool
	list     []struct{ endpoint, sql string }
}

// watch collects statements from now on.
func (w *world) watch() *statements {
	s := &statements{known: map[string]bool{}}
	w.watched = s
	w.db.SetHook(func(_ context.Context, sql string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.endpoint != "" && storagetest.Reads(sql) && !s.known[sql] {
			s.known[sql] = true
			s.list = append(s.list, struct{ endpoint, sql string }{s.endpoint, sql})
		}
		return nil
	})
	return s
}

// at is told which endpoint is asked next; none while the test itself does
// something.
func (s *statements) at(r *http.Request) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint = ""
	if r != nil {
		s.endpoint = r.Method + " " + r.URL.Path
	}
}

// useEverything has each endpoint of the token path do each of its things.
func (w *world) useEverything() {
	w.Helper()
	w.useCodes()
	w.useTokens()
	w.useDevices()
	w.useExchange()
	w.useOAuth1()
}

func (w *world) useCodes() {
	w.Helper()
	tokens := w.tokens(w.web)
	w.tokens(w.native)
	code := w.code(w.web)
	w.post("/token", w.web, redemption(code, "code_verifier", "wrong")) // burns it
	w.post("/token", w.web, redemption(code))                           // ends its grant
	w.authorize(w.web.begin(w.push(w.web)))
	w.follow(w.authorize(w.web.ask("prompt", "login")))
	w.follow(w.authorize(w.web.ask("prompt", "consent")))
	w.authorize(w.every(clientstore.OIDC).ask("response_type", "code id_token token"))
	w.authorize(w.web.ask("prompt", "none", "id_token_hint", tokens.str("id_token")))
	pending, _, err := w.clients.Register(w.Context(), admin, registration("Pending"))
	w.must(err)
	w.follow(w.authorize(app{pending, ""}.ask()))
}

func (w *world) useTokens() {
	w.Helper()
	tokens := w.tokens(w.web)
	access, refresh := tokens.str("access_token"), tokens.str("refresh_token")
	next := w.refresh(w.web, refresh)
	w.refresh(w.web, refresh) // repeated
	w.userinfo(access)
	for _, token := range []string{access, refresh, "x"} {
		w.active(w.web, token)
	}
	w.post("/introspect", w.everyWay(), url.Values{"token": {access}})
	w.post("/revoke", w.web, url.Values{"token": {access}})
	w.post("/revoke", w.web, url.Values{"token": {next.str("refresh_token")}})
	keeper := registration("Keeper")
	off := false
	keeper.Metadata.RefreshTokenRotation = &off
	kept := w.register(keeper)
	w.refresh(kept, w.tokens(kept).str("refresh_token"))
	every := w.everyWay()
	w.post("/token", every, clientCredentials())
	w.login(every)
	w.login(every, "password", "wrong")
	w.tokens(w.writesJWT(nil))
	keyed := w.keyed(allKeys(w.T))
	w.postSigned("/token", testKeys()["ES256"].sign(w.T, w.assertion(keyed.ID, nil), nil), unknownCode)
	for _, proxy := range []forward.Proxy{forward.Nginx, forward.Caddy} {
		w.ask(asking{proxy: proxy, site: w.resourceServer("all"), header: bearer(w.tokens(w.web).str("access_token"))})
	}
}

func (w *world) useDevices() {
	w.Helper()
	for _, decision := range []string{"allow", "deny"} {
		for _, scope := range []string{"openid profile offline_access", "profile"} {
			a := w.register(television("TV"))
			d := w.device(a, scope)
			w.poll(a, d.str("device_code"))
			w.get("/device?user_code=" + d.str("user_code"))
			w.decide(d.str("user_code"), decision)
			w.poll(a, d.str("device_code"))
			w.poll(a, d.str("device_code"))
		}
	}
	w.deviceForm(url.Values{"user_code": {"BCDF-GHJK"}})
}

func (w *world) useExchange() {
	w.Helper()
	m := w.move("models profile")
	derived := m.exchange().str("access_token")
	w.active(m.next, derived)
	w.userinfo(derived)
	w.exchange(m.next, typeAccessToken, derived)
	w.post("/revoke", m.next, url.Values{"token": {derived}})
	absent := w.absent()
	w.bear(absent, w.named(absent, nil))
}

func (w *world) useOAuth1() {
	w.Helper()
	tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
	token := w.credentials(tool)
	w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: tool, token: token.Token, secret: token.TokenSecret}))
	site := w.resourceServer("all")
	header := w.consumerSigned(tool, token, http.MethodGet, "/models?name=a+b&x")
	w.ask(asking{proxy: forward.Nginx, site: site, header: header})
	w.post("/oauth1/verify", site, url.Values{"method": {http.MethodGet}, "url": {modelsOrigin + "/models"}, "authorization": {header.Get("Authorization")}})
	denied, _, err := w.dghubble(tool, nil).RequestToken()
	w.must(err)
	w.decideOAuth1(denied, "deny")
	old := w.original(clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
	asked, secret := w.pair(w.askOriginally(old))
	w.decideAt(authorizeAt(asked, callback), "allow")
	w.exchangeOriginally(old, asked, secret, "")
	w.functional(tool)
}
