package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/admin/api"
	"countersign/clientstore"
	"countersign/storage/apikey"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// public are the operations for anybody.
var public = []string{"GET /openapi.json", "GET /problems/{problem}", "GET /v1", "POST /v1/command-line"}

// anyAdministrator are those that no scope guards.
var anyAdministrator = []string{"GET /v1/me"}

// credentials are those that may do nothing, and what they are answered.
type credential struct {
	name, value  string
	status       int
	kind         string
	authenticate string // in WWW-Authenticate
}

func (w *world) deadCredentials() []credential {
	w.Helper()
	tool := w.register(strings.Join(clientstore.AdministrationScopes, " ") + " api")
	narrow := w.register("api")
	bob, eve, mallory := w.person("bob"), w.person("eve", "configure_server"), w.person("mallory", "configure_server")
	expired := w.token(tokenOf{client: tool, account: w.ada})
	expiredKey := w.key(w.ada, clientstore.AdministrationScopes...)
	w.clock.Advance(48 * time.Hour)
	w.all = w.key(w.ada, clientstore.AdministrationScopes...)
	demoted, demotedKey := w.token(tokenOf{client: tool, account: eve}), w.key(eve, clientstore.AdministrationScopes...)
	disabled, disabledKey := w.token(tokenOf{client: tool, account: mallory}), w.key(mallory, clientstore.AdministrationScopes...)
	w.must(w.accounts.SetPermissions(w.Context(), root, eve.ID, nil))
	w.must(w.accounts.Disable(w.Context(), root, mallory.ID))
	w.must(w.accounts.Enable(w.Context(), root, mallory.ID)) // what was issued before stays dead
	k, revoked, err := w.apiKeys.Create(w.Context(), root, apikey.Order{Name: "revoked", AccountID: w.ada.ID, Scopes: clientstore.AdministrationScopes, Lifetime: time.Hour})
	w.must(err)
	w.must(w.apiKeys.Revoke(w.Context(), root, k.ID))
	const invalid = `error="invalid_token"`
	return []credential{
		{"nobody", "-", 401, "not-authenticated", `Bearer realm="Countersign administration"`},
		{"rubbish", "rubbish", 401, "invalid-token", invalid},
		{"an expired token", expired, 401, "invalid-token", invalid},
		{"an expired key", expiredKey, 401, "invalid-token", invalid},
		{"a revoked key", revoked, 401, "invalid-token", invalid},
		{"a token of an account that was disabled since", disabled, 401, "invalid-token", invalid},
		{"a key of an account that was disabled since", disabledKey, 401, "invalid-token", invalid},
		{"a token for another API", w.token(tokenOf{client: tool, account: w.ada, audience: "https://other.example"}), 401, "invalid-token", invalid},
		{"a token that is bound to a key", w.token(tokenOf{client: tool, account: w.ada, confirmation: `{"jkt":"x"}`}), 401, "invalid-token", invalid},
		{"a token of an account that was demoted since", demoted, 403, "no-permission", ""},
		{"a key of an account that was demoted since", demotedKey, 403, "no-permission", ""},
		{"a token of an account without permission", w.token(tokenOf{client: tool, account: bob}), 403, "no-permission", ""},
		{"a token of the client itself", w.token(tokenOf{client: tool}), 403, "no-permission", ""},
		{"a token of another scope", w.token(tokenOf{client: narrow, account: w.ada}), 403, "insufficient-scope", `error="insufficient_scope"`},
		{"a key of another scope", w.otherKey(), 403, "insufficient-scope", `error="insufficient_scope"`},
	}
}

// TestEveryRoute walks the routes as everybody who may not (AD-01, AD-20,
// AD-25): each is refused before anything is looked at.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		dead := w.deadCredentials()
		for _, route := range api.Routes() {
			name := route[0] + " " + route[1]
			if slices.Contains(public, name) {
				continue
			}
			path := strings.NewReplacer("{client_id}", "c1", "{secret_id}", "s1", "{key_id}", "k1", "{account_id}", "a1").Replace(route[1])
			for _, c := range dead {
				a := w.do(call{method: route[0], path: path, key: c.value})
				if slices.Contains(anyAdministrator, name) && c.kind == "insufficient-scope" {
					w.want(a, http.StatusOK)
					continue
				}
				w.problem(a, c.status, c.kind)
				if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, c.authenticate) || (got == "") != (c.authenticate == "") {
					w.Errorf("%s as %s: WWW-Authenticate %q; want %q", name, c.name, got, c.authenticate)
				}
			}
		}
		if w.logged.Len() > 0 {
			w.Errorf("logged %s", w.logged.String())
		}
	})
}

// TestScopes shows that each scope opens its operations and no other.
func TestScopes(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for _, scope := range clientstore.AdministrationScopes {
			key := w.key(w.ada, scope)
			token := w.token(tokenOf{client: w.register(scope), account: w.ada, audience: issuer + api.Prefix})
			for path, want := range map[string]string{"/v1/clients": "clients:read", "/v1/accounts": "accounts:read", "/v1/audit": "audit:read", "/v1/keys": "keys:read"} {
				for _, credential := range []string{key, token} {
					a := w.do(call{method: "GET", path: path, key: credential})
					if (a.status == http.StatusOK) != (scope == want) {
						w.Errorf("GET %s with %s: %d", path, scope, a.status)
					}
				}
			}
		}
		a := w.want(w.do(call{method: "GET", path: "/v1/me", key: w.key(w.ada, "clients:read")}), http.StatusOK, `"clients:read"`, `"api_key"`, `"configure_server"`)
		if a.json["username"] != "ada" || a.json["account_id"] != w.ada.ID {
			w.Errorf("I am %s", a.text)
		}
	})
}

// What a client lost since is not of use any more, and a disapproval ends its
// tokens from the next request on.
func TestTokenFollowsItsClient(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		c := w.register("clients:read clients:write")
		token := w.token(tokenOf{client: c, account: w.ada})
		list := call{method: "GET", path: "/v1/clients", key: token}
		w.want(w.do(list), http.StatusOK)
		m := c.Metadata
		m.Scope = "clients:write"
		c, err := w.clients.Edit(w.Context(), root, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version})
		w.must(err)
		w.problem(w.do(list), 403, "insufficient-scope")
		_, err = w.clients.Disapprove(w.Context(), root, c.ID, "")
		w.must(err)
		w.problem(w.do(list), 401, "invalid-token")
		_, err = w.clients.Approve(w.Context(), root, c.ID)
		w.must(err)
		w.problem(w.do(list), 401, "invalid-token")
	})
}

// The credential is taken from the header alone, of which there is one.
func TestWhereTheCredentialIs(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for name, c := range map[string]call{
			"a cookie":     call{key: "-"}.with("Cookie", "sid="+w.all+"; __Host-sid="+w.all),
			"the address":  {key: "-", path: "?access_token=" + w.all},
			"Basic":        call{key: "-"}.with("Authorization", "Basic "+w.all),
			"no value":     call{key: "-"}.with("Authorization", "Bearer "),
			"other header": call{key: "-"}.with("X-Api-Key", w.all),
		} {
			c.method, c.path = "GET", "/v1/clients"+c.path
			w.Log(name)
			w.problem(w.do(c), 401, "not-authenticated")
		}
		w.problem(w.do(call{method: "GET", path: "/v1/clients?access_token=" + w.all}), 400, "bad-query")
		a := w.do(call{method: "OPTIONS", path: "/v1/clients", key: "-"}.with("Origin", "https://evil.example"))
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Allow") != "GET, HEAD, POST" {
			w.Errorf("OPTIONS: %d %v", a.status, a.header)
		}
		w.problem(w.do(call{method: "GET", path: "/v1/nothing"}), 404, "not-found")
		w.want(w.do(call{method: "HEAD", path: "/v1/clients"}), http.StatusOK)
	})
}

// A caller that asks too often waits, and so does an address that is nobody's.
func TestLimit(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		var asked []string
		w.allow = func(caller string) bool { asked = append(asked, caller); return len(asked) < 2 }
		w.want(w.do(call{method: "GET", path: "/v1/me"}), http.StatusOK)
		a := w.problem(w.do(call{method: "GET", path: "/v1/me"}), 429, "too-many-requests")
		if a.header.Get("Retry-After") != "1" || !strings.HasPrefix(asked[0], "api_key ") {
			w.Errorf("%v; asked for %q", a.header, asked)
		}
		w.problem(w.do(call{method: "GET", path: "/v1/me", key: "rubbish"}), 429, "too-many-requests")
		w.problem(w.do(call{method: "POST", path: "/v1/command-line", key: "-"}), 429, "too-many-requests")
		if asked[len(asked)-1] != "address 192.0.2.7" {
			w.Errorf("asked for %q", asked)
		}
	})
}

// The client of the command line is registered the first time that somebody
// asks, pending, and is gone for good once it was removed.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ask := call{method: "POST", path: "/v1/command-line", key: "-"}
		for range 2 {
			w.want(w.do(ask), http.StatusOK, `"client_id":"countersign-cli"`, issuer)
		}
		c, err := w.clients.Get(w.Context(), clientstore.CommandLineKey)
		w.must(err)
		if c.Status != clientstore.Pending || !c.IsPublic() || c.Version != 1 {
			w.Errorf("registered %+v", c)
		}
		w.want(w.do(call{method: "GET", path: "/v1/audit?action=client.register&target_id=" + c.ID}), http.StatusOK, "countersign login", "192.0.2.7")
		w.must(w.clients.Remove(w.Context(), root, c.ID))
		w.problem(w.do(ask), 404, "not-found", "removed")
		w.want(w.do(call{method: "GET", path: "/v1", key: "-"}), http.StatusOK, issuer+api.Prefix)
	})
}

// otherKey is the key of a program that may do something else.
func (w *world) otherKey() string {
	w.Helper()
	other := apikey.New(w.db, apikey.Config{Keys: storagetest.Keys(w.T), Audit: audit.New(w.db), Scopes: []string{"other"}})
	_, value, err := other.Create(w.Context(), root, apikey.Order{Name: "other", AccountID: w.ada.ID, Scopes: []string{"other"}, Lifetime: time.Hour})
	w.must(err)
	return value
}

// Where administrators need a second factor, an access token tells whether
// there was one; a key is made where nobody signs in.
func TestTokenOfAPasswordAlone(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		tool := w.register("clients:read")
		password, both := w.token(tokenOf{client: tool, account: w.ada, amr: "pwd"}), w.token(tokenOf{client: tool, account: w.ada, amr: "pwd otp mfa"})
		list := func(key string) answer { return w.do(call{method: http.MethodGet, path: "/v1/clients", key: key}) }
		w.want(list(both), 200)
		w.open(true)
		res := list(password)
		w.problem(res, 401, "weak-sign-in")
		if got := res.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) {
			w.Errorf("WWW-Authenticate: %s", got)
		}
		for name, key := range map[string]string{"two factors": both, "an API key": w.all} {
			if res := list(key); res.status != http.StatusOK {
				w.Errorf("%s: %d %s", name, res.status, res.text)
			}
		}
	})
}
