package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/audit"
)

// ifMatch is the call with the ETag that the client has now.
func (w *world) ifMatch(c call, id string) call {
	w.Helper()
	return c.with("If-Match", w.do(call{method: "GET", path: "/v1/clients/" + id}).header.Get("ETag"))
}

// TestApprovalConditions narrows an approval, changes the conditions, and lifts them (AP-01).
func TestApprovalConditions(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		tess := w.person("tess")
		id := w.create(`{"client_name":"App","redirect_uris":["https://app.example/cb"],"scope":"openid email api"}`).json["client_id"].(string)
		approve := call{method: "POST", path: "/v1/clients/" + id + "/approve"}
		for body, pointer := range map[string]string{
			`{"conditions":{"scope":"openid admin"}}`:         "#/scope",
			`{"conditions":{"grant_types":["password"]}}`:     "#/grant_types",
			`{"conditions":{"until":"2001-01-01T00:00:00Z"}}`: "#/until",
			`{"conditions":{"test_users":["nobody"]}}`:        "#/test_users",
			`{"conditions":{"test_accounts":["nobody"]}}`:     "#/test_users",
			`{"conditions":{"test_accounts":["a\u0000b"]}}`:   "#/test_users",
			`{"conditions":{"test_users":["a\u0000b"]}}`:      "#/test_users",
		} {
			approve.body = body
			a := w.do(w.ifMatch(approve, id))
			w.want(a, http.StatusUnprocessableEntity, pointer)
		}
		approve.body = `{"conditions":{"scopes":"openid"}}`
		w.problem(w.do(w.ifMatch(approve, id)), 400, "unknown-member")
		until := w.clock.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
		approve.body = `{"conditions":{"scope":"openid","until":"` + until + `","test_users":["tess"]}}`
		w.problem(w.do(approve.with("If-Match", `"7"`)), 412, "stale")
		w.problem(w.do(approve), 428, "precondition-required")
		a := w.want(w.do(w.ifMatch(approve, id)), http.StatusOK, `"status":"approved"`, `"scope":"openid email api"`)
		on, _ := a.json["conditions"].(map[string]any)
		testers, _ := on["test_accounts"].([]any)
		if on["scope"] != "openid" || on["until"] != until || len(testers) != 1 || testers[0] != tess.ID {
			w.Errorf("approved under %v", on)
		}
		approve.body = `{}`
		if a = w.want(w.do(w.ifMatch(approve, id)), http.StatusOK); a.json["conditions"] == nil {
			w.Errorf("an approval that says nothing lifts the conditions: %s", a.text)
		}
		approve.body = `{"conditions":{}}`
		if a = w.want(w.do(w.ifMatch(approve, id)), http.StatusOK); a.json["conditions"] != nil {
			w.Errorf("not lifted: %s", a.text)
		}
		approve.body, approve.key = `{"conditions":{}}`, w.key(w.ada, clientstore.ScopeClientsRead, clientstore.ScopeClientsWrite)
		w.problem(w.do(w.ifMatch(approve, id)), 403, "insufficient-scope")
	})
}

// Under four eyes nobody approves what they made, and an edit waits.
func TestFourEyes(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.clients = clientstore.New(w.db, clientstore.Config{Keys: w.sealing, Audit: audit.New(w.db), FourEyes: true})
		w.open(false)
		bob := w.key(w.person("bob", account.ConfigureServer), clientstore.AdministrationScopes...)
		id := w.create(`{"client_name":"App","redirect_uris":["https://app.example/cb"]}`).json["client_id"].(string)
		approve := call{method: "POST", path: "/v1/clients/" + id + "/approve"}
		w.problem(w.do(w.ifMatch(approve, id)), 403, "own-work", "nobody approves what they registered or edited themselves")
		approve.key = bob
		w.want(w.do(w.ifMatch(approve, id)), http.StatusOK, `"status":"approved"`)
		edit := call{method: "PATCH", path: "/v1/clients/" + id, body: `{"client_name":"App 2"}`}
		w.want(w.do(w.ifMatch(edit, id)), http.StatusAccepted, `"client_name":"App"`)
		revision := w.want(w.do(call{method: "GET", path: "/v1/clients/" + id + "/revision"}), http.StatusOK, "App 2")
		decide := call{method: "POST", path: "/v1/clients/" + id + "/revision/approve"}.with("If-Match", revision.header.Get("ETag"))
		w.problem(w.do(decide), 403, "own-work")
		decide.key = bob
		w.want(w.do(decide), http.StatusOK, `"client_name":"App 2"`)
		w.want(w.do(w.ifMatch(edit, id)), http.StatusAccepted, `"client_name":"App 2"`) // changes nothing
	})
}

// Under four eyes the API makes no administrator, takes none over, and gives
// nobody the secret of an approved client (AP-10) or the address of another
// administrator (AP-28).
func TestNobodyBecomesTwo(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		events := audit.New(w.db)
		w.clients = clientstore.New(w.db, clientstore.Config{Keys: w.sealing, Audit: events, FourEyes: true})
		w.accounts = account.New(w.db, account.Config{Keys: w.sealing, Audit: events, Cost: account.HashCost{Memory: 8, Passes: 1}, FourEyes: true})
		w.open(false)
		eve := w.person("eve")
		another := `{"username":"two","password":"` + password + `","permissions":["configure_server"]}`
		w.problem(w.do(call{method: "POST", path: "/v1/accounts", body: another}), 403, "not-alone", "countersign user permit", "#/permissions")
		w.problem(w.do(call{method: "PUT", path: "/v1/accounts/" + eve.ID + "/permissions", body: `{"permissions":["configure_server"]}`}), 403, "not-alone")
		bob := w.person("bob", account.ConfigureServer)
		mail := call{method: "PATCH", path: "/v1/accounts/" + bob.ID, body: `{"email":"ada@x.test"}`}
		w.problem(w.do(mail), 403, "not-alone", "countersign user edit", "#/email")
		mail.body = `{"name":"Bob"}`
		w.want(w.do(mail), http.StatusOK, `"name":"Bob"`)
		c := w.register("api")
		w.want(w.do(call{method: "POST", path: "/v1/clients/" + c.ID + "/secrets", body: `{}`}), http.StatusAccepted, `"secret_waiting"`)
	})
}

// A secret of an approved client is made by one administrator and confirmed by
// another (AP-11).
func TestConfirmSecret(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.clients = clientstore.New(w.db, clientstore.Config{Keys: w.sealing, Audit: audit.New(w.db), FourEyes: true})
		w.open(false)
		bob := w.person("bob", account.ConfigureServer)
		second := w.key(bob, clientstore.AdministrationScopes...)
		c := w.register("api " + clientstore.ScopeKeysWrite)
		at := "/v1/clients/" + c.ID + "/secrets"
		rotate := call{method: "POST", path: at, body: `{"overlap":60}`}.with("Idempotency-Key", "one")
		made := w.want(w.do(rotate), http.StatusAccepted, `"client_secret":"cs_cs_`, `"overlap":60`)
		if again := w.do(rotate); again.text != made.text {
			w.Errorf("sent again: %s", again.text)
		}
		secret, waiting := made.json["client_secret"].(string), made.json["secret_waiting"].(map[string]any)["id"].(string)
		believed := func() bool {
			used, err := w.clients.InUse(w.Context(), c.ID)
			w.must(err)
			ok, err := w.clients.VerifySecret(w.Context(), used, secret)
			w.must(err)
			return ok
		}
		confirm := call{method: "POST", path: at + "/" + waiting + "/confirm"}
		w.problem(w.do(confirm), 403, "own-work")
		confirm.key = w.key(bob, clientstore.ScopeClientsWrite)
		w.problem(w.do(confirm), 403, "insufficient-scope")
		confirm.key = w.key(bob, clientstore.ScopeClientsApprove) // the client may do more than it
		w.problem(w.do(confirm), 403, "insufficient-scope", clientstore.ScopeKeysWrite)
		seen := w.want(w.do(call{method: "GET", path: at, key: second}), http.StatusOK, `"secret_waiting"`, waiting, w.ada.ID)
		if strings.Contains(seen.text, secret) || believed() {
			w.Errorf("the secret is shown to who confirms it, or believed: %s", seen.text)
		}
		confirm.key = second
		w.problem(w.do(call{method: "POST", path: at + "/other/confirm", key: second}), 404, "not-found")
		w.want(w.do(confirm), http.StatusOK, `"version":3`)
		if !believed() {
			w.Error("a secret that was confirmed is not believed")
		}
		w.problem(w.do(confirm), 404, "not-found")

		made = w.want(w.do(call{method: "POST", path: at, body: `{}`}), http.StatusAccepted)
		waiting = made.json["secret_waiting"].(map[string]any)["id"].(string)
		w.want(w.do(call{method: "DELETE", path: at + "/" + waiting, key: second}), http.StatusOK)
		w.problem(w.do(call{method: "DELETE", path: at + "/" + waiting, key: second}), 404, "not-found")
		if rest := w.do(call{method: "GET", path: at}); strings.Contains(rest.text, "secret_waiting") {
			w.Errorf("after a rejection: %s", rest.text)
		}
	})
}

// A rejected change says why.
func TestRejectWithAReason(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		registrant := audit.Actor{Name: "registration", Via: audit.ViaRegistration}
		e := clientstore.Enrolment{Type: clientstore.OIDC, Name: "App", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}}}
		enrolled, err := w.clients.Enrol(w.Context(), registrant, e)
		w.must(err)
		id := enrolled.Client.ID
		_, err = w.clients.Approve(w.Context(), root, id)
		w.must(err)
		e.Name = "App 2"
		_, _, err = w.clients.Replace(w.Context(), registrant, enrolled.Token, e)
		w.must(err)
		tag := w.do(call{method: "GET", path: "/v1/clients/" + id + "/revision"}).header.Get("ETag")
		reject := call{method: "POST", path: "/v1/clients/" + id + "/revision/reject", body: `{"reason":"Not under this name."}`}
		w.problem(w.do(reject.with("If-Match", `"other"`)), 412, "stale")
		w.want(w.do(reject.with("If-Match", tag)), http.StatusOK, `"revision_rejected"`, "Not under this name.")
	})
}
