package api_test

import (
	"net/http"
	"strings"
	"testing"

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
