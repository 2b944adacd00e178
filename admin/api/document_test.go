package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"countersign/admin/api"
	"countersign/clientstore"
)

// openAPI is what the tests read of the document.
type openAPI struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"schemas"`
		SecuritySchemes struct {
			OAuth2 struct {
				Flows struct {
					AuthorizationCode struct {
						Scopes map[string]string `json:"scopes"`
					} `json:"authorizationCode"`
				} `json:"flows"`
			} `json:"oauth2"`
		} `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	Security    []map[string][]string `json:"security"`
	RequestBody struct {
		Content map[string]struct {
			Example json.RawMessage `json:"example"`
		} `json:"content"`
	} `json:"requestBody"`
}

func readDocument(t *testing.T) openAPI {
	t.Helper()
	var d openAPI
	if err := json.Unmarshal(api.Document(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d openAPI) operations(t *testing.T) map[string]operation {
	t.Helper()
	list := map[string]operation{}
	for path, item := range d.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			list[strings.ToUpper(method)+" "+path] = o
		}
	}
	return list
}

// TestDocument holds the document against the schema of OpenAPI 3.1 that its
// authors publish (spec.openapis.org, Apache-2.0), and against the routes, both ways.
func TestDocument(t *testing.T) {
	t.Parallel()
	if err := schema(t, "testdata/openapi-3.1-schema.json", "").Validate(parsed(t, api.Document())); err != nil {
		t.Errorf("not OpenAPI 3.1: %v", err)
	}
	d := readDocument(t)
	described := d.operations(t)
	for _, route := range api.Routes() {
		name := route[0] + " " + route[1]
		o, ok := described[name]
		if !ok {
			t.Errorf("%s is not in the document", name)
			continue
		}
		delete(described, name)
		if isPublic := slices.Contains(public, name); isPublic != (len(o.Security) == 0) {
			t.Errorf("%s: public is %t, and the document has security %v", name, isPublic, o.Security)
		}
	}
	for name := range described {
		t.Errorf("%s is in the document, and there is no such route", name)
	}
	scopes := d.Components.SecuritySchemes.OAuth2.Flows.AuthorizationCode.Scopes
	for _, s := range clientstore.AdministrationScopes {
		if scopes[s] == "" {
			t.Errorf("the document has no scope %s", s)
		}
	}
	if len(scopes) != len(clientstore.AdministrationScopes) {
		t.Errorf("scopes %v; want %v", scopes, clientstore.AdministrationScopes)
	}
	raw, err := json.Marshal(clientstore.Document{})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	for member := range members {
		if _, ok := d.Components.Schemas["Client"].Properties[member]; !ok {
			t.Errorf("the schema Client lacks %s", member)
		}
	}
}

// The document names, for each route, the scope that opens it: with that one
// and nothing else a request is not refused for its scope.
func TestDocumentedScopes(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for name, o := range readDocument(w.T).operations(w.T) {
			method, path, _ := strings.Cut(name, " ")
			path = strings.NewReplacer("{client_id}", "c1", "{secret_id}", "s1", "{key_id}", "k1", "{account_id}", "a1").Replace(path)
			if len(o.Security) == 0 {
				continue
			}
			scopes := o.Security[0]["oauth2"]
			others := slices.DeleteFunc(slices.Clone(clientstore.AdministrationScopes), func(s string) bool { return slices.Contains(scopes, s) })
			if len(scopes) > 0 {
				w.problem(w.do(call{method: method, path: path, key: w.key(w.ada, others...)}), 403, "insufficient-scope", scopes[0])
				others = scopes
			}
			if a := w.do(call{method: method, path: path, key: w.key(w.ada, others...)}); a.status == http.StatusForbidden || a.status == http.StatusUnauthorized {
				w.Errorf("%s with %v: %d", name, others, a.status)
			}
		}
	})
}

// TestExamples sends every example request of the document.
func TestExamples(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		created := w.create(`{"client_name":"Example","redirect_uris":["https://example.org/cb"],"contacts":["a@example.org"]}`)
		id := created.json["client_id"].(string)
		bob := w.person("bob")
		sent := 0
		for name, o := range readDocument(w.T).operations(w.T) {
			method, path, _ := strings.Cut(name, " ")
			path = strings.NewReplacer("{client_id}", id, "{account_id}", bob.ID).Replace(path)
			for mediaType, content := range o.RequestBody.Content {
				if content.Example == nil {
					continue
				}
				sent++
				c := call{method: method, path: path, body: string(content.Example)}.with("Content-Type", mediaType)
				if strings.HasPrefix(path, "/v1/clients/") {
					c = c.with("If-Match", w.do(call{method: "GET", path: "/v1/clients/" + id}).header.Get("ETag"))
				}
				if a := w.do(c); a.status >= 300 {
					w.Errorf("the example of %s: %d %s", name, a.status, a.text)
				}
			}
		}
		if sent < 9 {
			w.Errorf("%d examples; there are more requests with a body", sent)
		}
	})
}

// Every type of problem leads to a page that says what it means.
func TestProblems(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for _, name := range api.Problems() {
			a := w.want(w.do(call{method: "GET", path: "/problems/" + name, key: "-"}), http.StatusOK, "What to do: ")
			if a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				w.Errorf("%s: %v", name, a.header)
			}
		}
		w.problem(w.do(call{method: "GET", path: "/problems/none", key: "-"}), 404, "not-found")
		w.want(w.do(call{method: "GET", path: "/openapi.json", key: "-"}), http.StatusOK, `"openapi": "3.1.0"`, issuer+`/token"`, issuer+`/admin/api"`)
	})
}
