package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// TestAccounts manages accounts, and leaves somebody who can.
func TestAccounts(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		made := w.want(w.do(call{method: "POST", path: "/v1/accounts", body: `{"username":"grace","password":"` + password + `","name":"Grace"}`}), http.StatusCreated, `"username":"grace"`)
		if strings.Contains(made.text, password) || strings.Contains(made.text, "argon2") {
			w.Errorf("answered %s", made.text)
		}
		id := made.json["id"].(string)
		at := "/v1/accounts/" + id
		w.problem(w.do(call{method: "POST", path: "/v1/accounts", body: `{"username":"Grace","password":"` + password + `"}`}), 409, "conflict", "#/username")
		w.problem(w.do(call{method: "POST", path: "/v1/accounts", body: `{"username":"eve","password":"password"}`}), 422, "invalid-member", "#/password")
		w.problem(w.do(call{method: "POST", path: "/v1/accounts", body: `{"username":"eve","password":"` + password + `","is_admin":true}`}), 400, "unknown-member")
		w.want(w.do(call{method: "PUT", path: at + "/permissions", body: `{"permissions":["configure_server"]}`}), http.StatusOK, "configure_server")
		w.problem(w.do(call{method: "PUT", path: at + "/permissions", body: `{"permissions":["everything"]}`}), 422, "invalid-member")
		w.problem(w.do(call{method: "PUT", path: at + "/permissions", body: `{}`}), 422, "invalid-member", "#/permissions")
		w.want(w.do(call{method: "POST", path: at + "/disable"}), http.StatusOK)
		if a := w.do(call{method: "GET", path: at}); a.json["disabled_at"] == nil {
			w.Errorf("disabled, and it is %s", a.text)
		}
		w.problem(w.do(call{method: "POST", path: "/v1/accounts/" + w.ada.ID + "/disable"}), 409, "last-administrator")
		w.problem(w.do(call{method: "PUT", path: "/v1/accounts/" + w.ada.ID + "/permissions", body: `{"permissions":[]}`}), 409, "last-administrator")
		w.want(w.do(call{method: "POST", path: at + "/enable"}), http.StatusOK)
		w.problem(w.do(call{method: "GET", path: "/v1/accounts/none"}), 404, "not-found")
		w.want(w.do(call{method: "GET", path: "/v1/accounts?username=GRACE"}), http.StatusOK, id)
		w.want(w.do(call{method: "GET", path: "/v1/accounts?username=nobody"}), http.StatusOK, `"accounts":[]`)
		first := w.want(w.do(call{method: "GET", path: "/v1/accounts?limit=1"}), http.StatusOK, `"username":"ada"`)
		w.want(w.do(call{method: "GET", path: "/v1/accounts?cursor=" + first.json["next_cursor"].(string)}), http.StatusOK, id)
	})
}

// TestEditAccount corrects what somebody is called and where they are reached,
// and nothing else of them (AD-33).
func TestEditAccount(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		bob := w.person("bob")
		at := "/v1/accounts/" + bob.ID
		edit := func(body string) call { return call{method: "PATCH", path: at, body: body} }
		kept := func(body, want string) {
			w.Helper()
			a := w.want(w.do(edit(body)), http.StatusOK)
			if claims, err := json.Marshal(a.json["claims"]); err != nil || string(claims) != want {
				w.Errorf("%s: %s; want %s", body, claims, want)
			}
		}
		kept(`{"name":"Bob","email":"bob@x.test","email_verified":true}`, `{"email":"bob@x.test","email_verified":true,"name":"Bob"}`)
		kept(`{"name":"Robert"}`, `{"email":"bob@x.test","email_verified":true,"name":"Robert"}`)
		kept(`{"email":"rob@x.test"}`, `{"email":"rob@x.test","name":"Robert"}`)
		kept(`{"email_verified":true}`, `{"email":"rob@x.test","email_verified":true,"name":"Robert"}`)
		kept(`{"email_verified":null}`, `{"email":"rob@x.test","name":"Robert"}`)
		kept(`{"email":null,"email_verified":true}`, `{"name":"Robert"}`)
		tag := w.do(call{method: "GET", path: at}).header.Get("ETag")
		a := w.want(w.do(edit(`{"name":null}`).with("If-Match", tag).with("Content-Type", "application/merge-patch+json")), http.StatusOK, `"claims":{}`)
		if a.header.Get("ETag") == tag {
			w.Errorf("the ETag is %s, as before", tag)
		}
		w.problem(w.do(edit(`{"name":"Bob"}`).with("If-Match", tag)), 412, "stale")
		kept(`{}`, `{}`)

		w.problem(w.do(edit(`{"email":"bob"}`)), 422, "invalid-member", "#/email")
		w.problem(w.do(edit(`{"name":"B\u0000b"}`)), 422, "invalid-member", "#/name")
		w.problem(w.do(edit(`{"name":7}`)), 422, "invalid-member", "#/name")
		for _, member := range []string{"username", "permissions", "password", "claims", "disabled_at"} {
			w.problem(w.do(edit(`{"`+member+`":null}`)), 400, "unknown-member", "#/"+member)
		}
		w.problem(w.do(call{method: "PATCH", path: "/v1/accounts/none", body: `{"name":"Bob"}`}), 404, "not-found")
		reader := edit(`{"name":"Bob"}`)
		reader.key = w.key(w.ada, clientstore.ScopeAccountsRead)
		w.problem(w.do(reader), 403, "insufficient-scope", clientstore.ScopeAccountsWrite)
		w.want(w.do(call{method: "GET", path: "/v1/audit?action=account.set_claims&target_id=" + bob.ID}), http.StatusOK, "rob@x.test", `"actor_name":"ada"`)
	})
}

// TestAuditAndKeys reads the record page by page, and rotates keys.
func TestAuditAndKeys(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		rotated := w.want(w.do(call{method: "POST", path: "/v1/keys/rotate", body: `{"algorithms":["ES256"]}`}), http.StatusOK, `"state":"next"`, `"alg":"ES256"`)
		if len(rotated.json["keys"].([]any)) != 1 {
			w.Errorf("rotated %s", rotated.text)
		}
		w.problem(w.do(call{method: "POST", path: "/v1/keys/rotate", body: `{"algorithms":["none"]}`}), 422, "invalid-member")
		w.want(w.do(call{method: "GET", path: "/v1/keys"}), http.StatusOK, `"state":"active"`, `"state":"next"`)
		seen := map[string]bool{}
		for path := "/v1/audit?limit=2"; path != ""; {
			a := w.want(w.do(call{method: "GET", path: path}), http.StatusOK)
			for _, e := range a.json["events"].([]any) {
				id := e.(map[string]any)["id"].(string)
				if seen[id] {
					w.Errorf("%s is there twice", id)
				}
				seen[id] = true
			}
			path = ""
			if next, ok := a.json["next_cursor"].(string); ok {
				path = "/v1/audit?limit=2&cursor=" + next
			}
		}
		all := w.want(w.do(call{method: "GET", path: "/v1/audit?limit=500"}), http.StatusOK)
		if len(seen) != len(all.json["events"].([]any)) || len(seen) < 3 {
			w.Errorf("%d events by pages, %d at once", len(seen), len(all.json["events"].([]any)))
		}
		w.want(w.do(call{method: "GET", path: "/v1/audit?action=keys.rotate&actor=ada"}), http.StatusOK, "ES256")
	})
}

// A database that fails is no verdict on anybody.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		storagetest.FailStatements(w.db, storagetest.Containing("api_keys"))
		a := w.problem(w.do(call{method: "GET", path: "/v1/me"}), 503, "unavailable")
		if a.header.Get("Retry-After") == "" || a.header.Get("WWW-Authenticate") != "" || !strings.Contains(w.logged.String(), "request-1") {
			w.Errorf("%v; logged %s", a.header, w.logged.String())
		}
	})
}
