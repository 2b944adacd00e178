package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
)

// TestAccountAsSeen sets a password, and refuses to change what somebody else
// changed meanwhile.
func TestAccountAsSeen(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		const other = "an entirely other sentence"
		bob := w.person("bob")
		at := "/v1/accounts/" + bob.ID
		tag := w.do(call{method: "GET", path: at}).header.Get("ETag")
		set := call{method: "PUT", path: at + "/password", body: `{"password":"` + other + `"}`}
		w.problem(w.do(set.with("If-Match", `"7"`)), 412, "stale")
		w.problem(w.do(set.with("If-Match", "*")), 428, "precondition-required")
		a := w.want(w.do(set.with("If-Match", tag)), http.StatusOK)
		if a.header.Get("ETag") == tag || strings.Contains(a.text, other) {
			w.Errorf("%v %s", a.header, a.text)
		}
		if _, _, err := w.accounts.Authenticate(w.Context(), account.SignIn{Username: "bob", Password: other}); err != nil {
			w.Errorf("the new password: %v", err)
		}
		for _, c := range []call{
			set, {method: "POST", path: at + "/disable"}, {method: "PATCH", path: at, body: `{"name":"Bob"}`}, {method: "PUT", path: at + "/permissions", body: `{"permissions":["configure_server"]}`},
		} {
			w.problem(w.do(c.with("If-Match", tag)), 412, "stale")
		}
		set.body = `{"password":"password"}`
		w.problem(w.do(set), 422, "invalid-member", "#/password")
		w.want(w.do(call{method: "POST", path: at + "/disable"}), http.StatusOK) // without it as before
	})
}

// An API key that is made by the API acts for who makes it, covers no more than
// what it is made with, and is not shown again (AP-13).
func TestAPIKeysByTheAPI(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		order := call{method: "POST", path: "/v1/api-keys", body: `{"name":"report","scope":"clients:read","expires_in":3600}`}.with("Idempotency-Key", "k1")
		made := w.want(w.do(order), http.StatusCreated, `"api_key":"cs_ak_`, `"username":"ada"`)
		value, id := made.json["api_key"].(string), made.json["id"].(string)
		if again := w.do(order); again.text != made.text {
			w.Errorf("repeated: %s; want %s", again.text, made.text)
		}
		w.want(w.do(call{method: "GET", path: "/v1/clients", key: value}), http.StatusOK)
		w.problem(w.do(call{method: "GET", path: "/v1/accounts", key: value}), 403, "insufficient-scope")
		listed := w.want(w.do(call{method: "GET", path: "/v1/api-keys"}), http.StatusOK, id, `"live":true`)
		if strings.Contains(listed.text, value) {
			w.Error("the list has the value")
		}
		first := w.want(w.do(call{method: "GET", path: "/v1/api-keys?limit=1"}), http.StatusOK)
		second := w.want(w.do(call{method: "GET", path: "/v1/api-keys?limit=1&cursor=" + first.json["next_cursor"].(string)}), http.StatusOK)
		if first.text == second.text || second.json["next_cursor"] != nil {
			w.Errorf("pages %s and %s", first.text, second.text)
		}
		w.problem(w.do(call{method: "GET", path: "/v1/api-keys?cursor=none"}), 400, "bad-query")

		narrow := w.key(w.ada, clientstore.ScopeAccountsWrite)
		for body, want := range map[string]string{
			`{"name":"x","scope":"clients:read"}`:                         "insufficient-scope",
			`{"name":"x","scope":"accounts:write","expires_in":90000}`:    "invalid-member", // longer than itself
			`{"name":"x","scope":"accounts:write"}`:                       "invalid-member",
			`{"name":"x","scope":"","expires_in":60}`:                     "invalid-member",
			`{"name":"","scope":"accounts:write","expires_in":60}`:        "invalid-member",
			`{"name":"x","scope":"accounts:write","expires_in":-1}`:       "invalid-member",
			`{"name":"x","scope":"accounts:write","account_id":"others"}`: "unknown-member",
		} {
			status := map[string]int{"insufficient-scope": 403, "invalid-member": 422, "unknown-member": 400}[want]
			w.problem(w.do(call{method: "POST", path: "/v1/api-keys", key: narrow, body: body}), status, want)
		}
		w.want(w.do(call{method: "DELETE", path: "/v1/api-keys/" + id}), http.StatusNoContent)
		w.problem(w.do(call{method: "GET", path: "/v1/clients", key: value}), 401, "invalid-token")
		w.problem(w.do(call{method: "DELETE", path: "/v1/api-keys/" + id}), 404, "not-found")
	})
}

// A family of clients is approved at once, each as it was looked at.
func TestApproveASoftware(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		var ids []string
		for _, name := range []string{"one", "two", "three"} {
			ids = append(ids, w.create(`{"client_name":"` + name + `","redirect_uris":["https://` + name + `.example/cb"],"software_id":"s 1","scope":"openid email"}`).json["client_id"].(string))
		}
		filed := w.create(`{"client_name":"filed","redirect_uris":["https://filed.example/cb"],"software_id":"s 1","scope":"openid"}`).json["client_id"].(string)
		w.must(w.db.With(w.Context()).Exec(`UPDATE clients SET managed_by = 'clients.yaml', managed_handle = 'filed', managed_status = 'approved' WHERE id = ?`, filed).Error)
		stranger := w.create(`{"client_name":"other","redirect_uris":["https://other.example/cb"],"software_id":"s2"}`).json["client_id"].(string)
		list := w.want(w.do(call{method: "GET", path: "/v1/software?software_id=s+1"}), http.StatusOK, ids[0], ids[1], ids[2])
		if strings.Contains(list.text, stranger) {
			w.Errorf("listed %s", list.text)
		}
		w.problem(w.do(call{method: "GET", path: "/v1/software"}), 400, "bad-query")
		versions := map[string]int{ids[0]: 1, ids[1]: 7, filed: 1, stranger: 1, "none": 1}
		var seen []string
		for id, version := range versions {
			seen = append(seen, strconv.Quote(id)+":"+strconv.Itoa(version))
		}
		approve := call{method: "POST", path: "/v1/software/approve", body: `{"software_id":"s 1","clients":{` + strings.Join(seen, ",") + `},"conditions":{"scope":"openid"}}`}
		a := w.want(w.do(approve), http.StatusOK)
		for _, one := range a.json["outcomes"].([]any) {
			o := one.(map[string]any)
			want := map[string]string{ids[0]: "approved", ids[1]: "stale", filed: "managed-by-a-file", stranger: "stale", "none": "not-found"}[o["client_id"].(string)]
			if o["outcome"] != want {
				w.Errorf("%v; want %s", o, want)
			}
		}
		w.want(w.do(call{method: "GET", path: "/v1/clients/" + ids[0]}), http.StatusOK, `"status":"approved"`, `"conditions":{"scope":"openid"}`)
		for _, id := range []string{ids[1], ids[2], stranger} {
			w.want(w.do(call{method: "GET", path: "/v1/clients/" + id}), http.StatusOK, `"status":"pending"`)
		}
		w.problem(w.do(call{method: "POST", path: "/v1/software/approve", body: `{"software_id":"s 1","clients":{}}`}), 422, "invalid-member")
	})
}

// A decision is taken back by who made it, as long as nothing was done since (AP-08).
func TestUndo(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(`{"client_name":"App","redirect_uris":["https://app.example/cb"]}`).json["client_id"].(string)
		at := "/v1/clients/" + id
		w.problem(w.do(call{method: "GET", path: at + "/undo"}), 404, "not-found")
		w.want(w.do(w.ifMatch(call{method: "POST", path: at + "/approve"}, id)), http.StatusOK)
		u := w.want(w.do(call{method: "GET", path: at + "/undo"}), http.StatusOK, "client.approve")
		bob := w.key(w.person("bob", account.ConfigureServer), clientstore.AdministrationScopes...)
		undo := call{method: "POST", path: at + "/undo", body: `{"decision_id":"` + u.json["decision_id"].(string) + `"}`}
		others := undo
		others.key = bob
		w.problem(w.do(others), 404, "not-found")
		wrong := undo
		wrong.body = `{"decision_id":"other"}`
		w.problem(w.do(wrong), 412, "stale")
		w.want(w.do(undo), http.StatusOK, `"status":"pending"`)
		w.problem(w.do(undo), 404, "not-found")
	})
}
