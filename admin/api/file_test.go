package api_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/audit"
)

const clientsFile = `{"owner":"platform/clients.yaml","clients":{"modeler":{"type":"oidc","client_name":"Modeler","status":"approved",` +
	`"redirect_uris":["https://modeler.example/cb"],"scope":"openid profile","conditions":{"scope":"openid","test_users":["ada"]}}}}`

// TestClientsFile plans a file and applies what was planned, once (AP-18).
func TestClientsFile(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		plan := call{method: "POST", path: "/v1/clients-file/plan", body: clientsFile}
		apply := call{method: "POST", path: "/v1/clients-file/apply", body: clientsFile}
		planned := w.want(w.do(plan), http.StatusOK, `"action":"create"`, `"applied":false`, `"secret":"generated"`, `"conditions.test_users"`, `["ada"]`)
		w.problem(w.do(apply), 428, "precondition-required")
		w.problem(w.do(apply.with("If-Match", "*")), 428, "precondition-required")
		w.problem(w.do(apply.with("If-Match", `"other"`)), 412, "stale")
		apply = apply.with("If-Match", planned.header.Get("ETag")).with("Idempotency-Key", "first")
		done := w.want(w.do(apply), http.StatusOK, `"applied":true`, `"client_secret":"cs_cs_`)
		if again := w.want(w.do(apply), http.StatusOK); again.text != done.text || again.header.Get("Idempotency-Replayed") != "true" {
			w.Errorf("sent again: %s", again.text)
		}
		w.problem(w.do(apply.with("Idempotency-Key", "second")), 412, "stale")

		list, err := w.clients.List(w.Context(), clientstore.Filter{})
		w.must(err)
		c := list[0]
		if len(list) != 1 || c.ManagedBy != "platform/clients.yaml" || c.Status != clientstore.Approved || c.Conditions.Scope != "openid" || c.Conditions.TestAccounts[0] != w.ada.ID {
			w.Errorf("made %+v", list)
		}
		w.want(w.do(call{method: "GET", path: "/v1/clients/" + c.ID}), http.StatusOK, `"test_accounts":["`+w.ada.ID+`"]`, `"test_users":["ada"]`)
		w.problem(w.do(call{method: "PATCH", path: "/v1/clients/" + c.ID, body: `{"client_name":"X"}`}.with("If-Match", `"2"`)), 409, "managed-by-a-file")

		release := call{method: "POST", path: "/v1/clients/" + c.ID + "/release"}
		w.problem(w.do(release), 428, "precondition-required")
		w.problem(w.do(release.with("If-Match", `"1"`)), 412, "stale")

		// What somebody did meanwhile makes it another plan.
		renamed := strings.Replace(clientsFile, `"Modeler"`, `"Modeler 2"`, 1)
		seen := w.want(w.do(call{method: "POST", path: plan.path, body: renamed}), http.StatusOK, `"after":"Modeler 2"`, `"before":"Modeler"`).header.Get("ETag")
		_, err = w.clients.Disapprove(w.Context(), root, c.ID, "stolen")
		w.must(err)
		w.problem(w.do(call{method: "POST", path: apply.path, body: renamed}.with("If-Match", seen)), 412, "stale")
		none := w.want(w.do(plan), http.StatusOK, "stays disapproved", `"changes":false`)
		w.want(w.do(call{method: "POST", path: apply.path, body: clientsFile}.with("If-Match", none.header.Get("ETag"))), http.StatusOK, `"applied":false`)
		if freed := w.want(w.do(release.with("If-Match", `"3"`)), http.StatusOK); freed.json["managed_by"] != nil {
			w.Errorf("released %s", freed.text)
		}
	})
}

// What a file may not say is refused with the place.
func TestClientsFileFaults(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for body, want := range map[string][3]string{
			`{"owner":"x"}`:              {"422", "invalid-member", "#/clients"},
			`{"owner":"x","clients":[]}`: {"422", "invalid-member", "#/clients"},
			`{"clients":{}}`:             {"422", "invalid-client", "#/owner"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","color":"red"}}}`:                                                                                       {"400", "unknown-member", "#/clients/a/color"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","secret":"hunter2hunter2"}}}`:                                                                           {"422", "invalid-member", "#/clients/a/secret"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","secret":{"text":"x"}}}}`:                                                                               {"400", "unknown-member", "#/clients/a/secret/text"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","conditions":{"days":1}}}}`:                                                                             {"400", "unknown-member", "#/clients/a/conditions/days"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A"}}}`:                                                                                                     {"422", "invalid-client", "#/clients/a/redirect_uris"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","redirect_uris":["https://a.example/cb"],"conditions":{}}}}`:                                            {"422", "invalid-client", "#/clients/a/conditions"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A","status":"approved","redirect_uris":["https://a.example/cb"],"conditions":{"test_users":["nobody"]}}}}`: {"422", "invalid-client", "#/clients/a/conditions/test_users"},
			`{"owner":"x","clients":{"a":{"type":"oidc","client_name":"A"},"a":{"type":"oauth2","client_name":"B"}}}`:                                                             {"400", "bad-json", ""},
		} {
			a := w.do(call{method: "POST", path: "/v1/clients-file/plan", body: body})
			if a.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.text, `"status":`+want[0]) || !strings.Contains(a.text, want[1]) || !strings.Contains(a.text, want[2]) {
				w.Errorf("%s\nis answered %s; want %v", body, a.text, want)
			}
			if strings.Contains(a.text, "hunter2") {
				w.Errorf("the secret is repeated: %s", a.text)
			}
		}
	})
}

// A file gives a credential nothing that it has not: it touches no client that
// may do more than it may, and decides nothing without clients:approve (AP-18).
func TestClientsFileGivesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		tool := w.register(clientstore.ScopeAccountsWrite)
		writing := w.key(w.ada, clientstore.ScopeClientsWrite)
		both := w.key(w.ada, clientstore.ScopeClientsWrite, clientstore.ScopeClientsApprove)
		file := func(members string) call {
			return call{method: "POST", path: "/v1/clients-file/plan", body: `{"owner":"x","clients":{"tool":{"type":"oauth2","client_name":"Tool","redirect_uris":["https://tool.example/cb"]` + members + `}}}`}
		}
		for members, key := range map[string]string{
			`,"scope":"read","status":"approved"`:                     writing,
			`,"scope":"accounts:write"`:                               both,
			`,"scope":"read","client_id":"` + tool.ID + `"`:           both,
			`,"scope":"accounts:write","client_id":"` + tool.ID + `"`: both,
		} {
			c := file(members)
			c.key = key
			w.problem(w.do(c), 403, "insufficient-scope")
			c.path = "/v1/clients-file/apply"
			w.problem(w.do(c.with("If-Match", `"x"`)), 403, "insufficient-scope")
		}
		c := file(`,"scope":"read"`)
		c.key = writing
		w.want(w.do(c), http.StatusOK)
	})
}

// Under four eyes what would be refused without a file is refused with one, by
// the plan already (AP-18).
func TestClientsFileUnderFourEyes(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.clients = clientstore.New(w.db, clientstore.Config{Keys: w.sealing, Audit: audit.New(w.db), FourEyes: true})
		w.open(false)
		bob := w.key(w.person("bob", account.ConfigureServer), clientstore.AdministrationScopes...)
		plan := call{method: "POST", path: "/v1/clients-file/plan", body: clientsFile}
		w.problem(w.do(plan), 403, "own-work", "#/clients/modeler/status", "status: pending")
		apply := func(c call) answer {
			tag := w.want(w.do(c), http.StatusOK).header.Get("ETag")
			c.path = "/v1/clients-file/apply"
			return w.do(c.with("If-Match", tag))
		}
		pending := plan
		pending.body = strings.NewReplacer(`"approved"`, `"pending"`, `,"conditions":{"scope":"openid","test_users":["ada"]}`, "").Replace(plan.body)
		w.want(apply(pending), http.StatusOK)
		w.problem(w.do(plan), 403, "own-work")
		plan.key = bob
		w.want(apply(plan), http.StatusOK, `"applied":true`)
		plan.body = strings.Replace(plan.body, "Modeler", "Other", 1)
		w.problem(w.do(plan), 403, "own-work", "#/clients/modeler/client_name", "server's machine")
		plan.body = strings.Replace(clientsFile, `"status"`, `"secret":{"value":"another secret of the file"},"status"`, 1)
		w.problem(w.do(plan), 403, "own-work", "#/clients/modeler/secret")
		plan.body = strings.Replace(clientsFile, `"scope":"openid",`, ``, 1)
		w.want(apply(plan), http.StatusOK) // bob had no hand in it
		plan.key = ""
		plan.body = clientsFile
		w.problem(w.do(plan), 403, "own-work", "#/clients/modeler/status")
	})
}
