package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign/admin/api"
)

// addresses visits every address in which something is named by what is no text.
func addresses(client string, visit func(method, path string)) {
	for _, route := range api.Routes() {
		for _, bad := range []string{"a%00b", "a%FF"} {
			path := strings.NewReplacer("{secret_id}", bad, "{key_id}", bad, "{account_id}", bad, "{problem}", bad).Replace(route[1])
			if path != route[1] {
				visit(route[0], strings.ReplaceAll(path, "{client_id}", client))
			}
			if strings.Contains(path, "{client_id}") {
				visit(route[0], strings.ReplaceAll(path, "{client_id}", bad))
			}
			if path == route[1] && route[0] == http.MethodGet {
				for _, name := range []string{"actor", "action", "cursor", "search", "software_id", "sort", "target_id", "target_type", "username"} {
					visit(route[0], path+"?"+name+"="+bad)
				}
			}
		}
	}
}

// What cannot be kept as text is refused or unknown, wherever it comes, and no
// outage: nobody is told to try again later.
func TestNoText(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(example).json["client_id"].(string)
		check := func(c call) {
			w.Helper()
			if a := w.do(c.with("If-Match", `"1"`).with("Idempotency-Key", url.QueryEscape(c.path))); a.status >= http.StatusInternalServerError {
				w.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, a.status, a.text)
			}
		}
		addresses(id, func(method, path string) {
			c := call{method: method, path: path}
			if slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method) {
				c.body = `{}`
			}
			check(c)
		})
		for _, body := range []string{
			"POST /v1/clients " + `{"client_name":"a\u0000b","redirect_uris":["https://app.example/cb"]}`,
			"PATCH /v1/clients/" + id + ` {"software_id":"a\u0000b"}`,
			"PATCH /v1/clients/" + id + ` {"oauth1_functional_account":"a\u0000b"}`,
			"POST /v1/clients/" + id + `/approve {"version":1,"conditions":{"test_users":["a\u0000b"]}}`,
			"POST /v1/clients/" + id + `/approve {"version":1,"conditions":{"scope":"a\u0000b"}}`,
			"POST /v1/clients/" + id + `/disapprove {"version":1,"reason":"a\u0000b"}`,
			"POST /v1/clients/" + id + `/undo {"decision_id":"a\u0000b"}`,
			"POST /v1/clients/" + id + `/revision/approve {"id":"a\u0000b"}`,
			"POST /v1/clients-file/plan " + `{"owner":"a\u0000b","clients":{"a":{"type":"oidc","client_name":"A"}}}`,
			"POST /v1/clients-file/plan " + `{"owner":"f","clients":{"a\u0000b":{"type":"oidc","client_name":"A"}}}`,
			"POST /v1/clients-file/plan " + `{"owner":"f","clients":{"a":{"client_id":"a\u0000b","type":"oidc","client_name":"A"}}}`,
			"POST /v1/accounts " + `{"username":"a\u0000b","password":"` + password + `"}`,
			"PATCH /v1/accounts/" + w.ada.ID + ` {"email":"a\u0000b"}`,
			"PUT /v1/accounts/" + w.ada.ID + `/permissions {"permissions":["a\u0000b"]}`,
			"POST /v1/api-keys " + `{"name":"a\u0000b","scope":"clients:read"}`,
			"POST /v1/software/approve " + `{"software_id":"a\u0000b","clients":{"a\u0000b":1}}`,
		} {
			parts := strings.SplitN(body, " ", 3)
			check(call{method: parts[0], path: parts[1], body: parts[2]})
		}
	})
}
