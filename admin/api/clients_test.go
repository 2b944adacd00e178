package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/failure"
)

const example = `{"client_name":"Modeler","redirect_uris":["https://modeler.example/cb"],"scope":"openid profile"}`

// TestClients takes a client through its life.
func TestClients(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		made := w.create(example)
		id, secret := made.json["client_id"].(string), made.json["client_secret"].(string)
		at := "/v1/clients/" + id
		if made.header.Get("Location") != "/admin/api"+at || made.header.Get("ETag") != `"1"` || made.json["status"] != "pending" || made.json["type"] != "oidc" {
			w.Errorf("created %v %s", made.header, made.text)
		}
		shown := w.want(w.do(call{method: "GET", path: at}), http.StatusOK, `"client_name":"Modeler"`)
		if strings.Contains(shown.text, secret) || shown.json["client_secret"] != nil {
			w.Errorf("a secret is shown again: %s", shown.text)
		}
		w.want(w.do(call{method: "POST", path: at + "/approve", body: `{"version":1}`}.with("If-Match", `"1"`)), http.StatusOK, `"status":"approved"`)
		edited := w.want(w.do(call{method: "PATCH", path: at, body: `{"client_name":"Modeler 2","contacts":["a@example.org"],"client_id":"` + id + `"}`}.
			with("If-Match", `"2"`).with("Content-Type", "application/merge-patch+json")), http.StatusOK, "Modeler 2", "a@example.org", "https://modeler.example/cb")
		if edited.header.Get("ETag") != `"3"` {
			w.Errorf("edited %v", edited.header)
		}
		taken := w.want(w.do(call{method: "PATCH", path: at, body: `{"contacts":null,"scope":null}`}.with("If-Match", `"3"`)), http.StatusOK)
		if taken.json["contacts"] != nil || taken.json["scope"] != "openid profile email address phone offline_access" {
			w.Errorf("taken away: %s", taken.text)
		}
		taken.json["client_uri"] = "https://modeler.example/"
		whole, err := json.Marshal(taken.json)
		w.must(err)
		w.want(w.do(call{method: "PUT", path: at, body: string(whole)}.with("If-Match", `"4"`)), http.StatusOK, "https://modeler.example/")
		w.want(w.do(call{method: "PUT", path: at, body: `{"client_name":"Small","redirect_uris":["https://modeler.example/cb"]}`}.with("If-Match", `"5"`)), http.StatusOK, `"version":6`)
		w.want(w.do(call{method: "GET", path: at + "/impact"}), http.StatusOK, `"tokens":0`)
		stopped := w.want(w.do(call{method: "POST", path: at + "/disapprove", body: `{"reason":"stolen"}`}), http.StatusOK, `"status_reason":"stolen"`)
		w.want(w.do(call{method: "DELETE", path: at}.with("If-Match", stopped.header.Get("ETag"))), http.StatusNoContent)
		w.problem(w.do(call{method: "GET", path: at}), 404, "not-found")

		events := w.want(w.do(call{method: "GET", path: "/v1/audit?target_id=" + id}), http.StatusOK)
		var actions []string
		for _, e := range events.json["events"].([]any) {
			e := e.(map[string]any)
			actions = append(actions, e["action"].(string))
			if e["via"] != "api" || e["actor_name"] != "ada" || e["actor_id"] != w.ada.ID || e["ip"] != "192.0.2.7" || e["request_id"] != "request-1" {
				w.Errorf("recorded %v", e)
			}
		}
		want := []string{"client.remove", "client.disapprove", "client.edit", "client.edit", "client.edit", "client.edit", "client.approve", "client.register"}
		if !slices.Equal(actions, want) {
			w.Errorf("recorded %v; want %v", actions, want)
		}
	})
}

// What was changed since it was looked at is not changed again (AD-22), and
// nothing is without having been looked at.
func TestConditions(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(example).json["client_id"].(string)
		at := "/v1/clients/" + id
		for _, c := range []call{
			{method: "PATCH", path: at, body: `{"client_name":"Other"}`},
			{method: "PUT", path: at, body: example},
			{method: "DELETE", path: at},
			{method: "POST", path: at + "/approve"},
		} {
			w.problem(w.do(c), 428, "precondition-required")
			w.problem(w.do(c.with("If-Match", "*")), 428, "precondition-required")
			for _, stale := range []string{`"2"`, `W/"1"`, `1`, `"0", "2"`} {
				w.problem(w.do(c.with("If-Match", stale)), 412, "stale")
			}
			c.path = strings.Replace(c.path, id, "nobody", 1)
			w.problem(w.do(c.with("If-Match", `"1"`)), 404, "not-found")
		}
		w.problem(w.do(call{method: "POST", path: at + "/approve", body: `{"version":2}`}.with("If-Match", `"1"`)), 412, "stale")
		c, err := w.clients.Get(w.Context(), id)
		w.must(err)
		if c.Version != 1 || c.Status != clientstore.Pending {
			w.Errorf("it is %+v", c)
		}
		// Of many at once one is first.
		var changed, stale atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				a := w.do(call{method: "PATCH", path: at, body: fmt.Sprintf(`{"client_name":"Editor %d"}`, i)}.with("If-Match", `"0", "1"`))
				switch a.status {
				case http.StatusOK:
					changed.Add(1)
				case http.StatusPreconditionFailed:
					stale.Add(1)
				}
			})
		}
		all.Wait()
		if changed.Load() != 1 || stale.Load() != 7 {
			w.Errorf("%d changed it, %d came late", changed.Load(), stale.Load())
		}
	})
}

// A body that says something else than it seems to is refused, with the member
// and what to write instead (AD-06).
func TestBodies(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		create := call{method: "POST", path: "/v1/clients"}
		for _, tt := range []struct {
			body   string
			status int
			kind   string
			text   string
		}{
			{`{`, 400, "bad-json", ""},
			{`[]`, 400, "bad-json", ""},
			{`null`, 400, "bad-json", ""},
			{example + example, 400, "bad-json", ""},
			{`{"client_name":"A","client_name":"B"}`, 400, "bad-json", ""},
			{"{\"client_name\":\"\xff\"}", 400, "bad-json", "UTF-8"},
			{`{"jwks":` + strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20) + `}`, 400, "bad-json", "deeper"},
			{`{"client_name":"A","redirect_uri":["https://a.example"]}`, 400, "unknown-member", "did you mean redirect_uris?"},
			{`{"client_name":"A","status":"approved"}`, 400, "unknown-member", "#/status"},
			{`{"client_name":"A","role":"admin"}`, 400, "unknown-member", "#/role"},
			{`{"client_name":"A","created_at":"2026-01-01T00:00:00Z"}`, 400, "unknown-member", "#/created_at"},
			{`{"client_name":"A","a/b~c d":1}`, 400, "unknown-member", "#/a~1b~0c%20d"},
			{`{"client_name":7}`, 422, "invalid-client", "#/client_name"},
			{`{"client_name":"A","redirect_uris":"https://a.example"}`, 422, "invalid-client", "an array of strings is expected"},
			{`{"client_name":"A","redirect_uris":["javascript:alert(1)"]}`, 422, "invalid-client", "#/redirect_uris"},
			{`{"client_name":"A","type":"saml"}`, 422, "invalid-client", "#/type"},
			{`{"client_name":"A","redirect_uris":["https://a.example"],"client_secret":"short"}`, 422, "invalid-client", "#/client_secret"},
			{`{"client_name":"A","client_secret":5}`, 422, "invalid-member", "#/client_secret"},
			{`{}`, 422, "invalid-client", "#/client_name"},
			{`{"client_name":"` + strings.Repeat("A", 300<<10) + `"}`, 413, "body-too-large", ""},
		} {
			create.body = tt.body
			w.problem(w.do(create), tt.status, tt.kind, tt.text)
		}
		create.body = example
		w.problem(w.do(create.with("Content-Type", "text/plain")), 415, "wrong-media-type")
		w.problem(w.do(create.with("Content-Type", "application/x-www-form-urlencoded")), 415, "wrong-media-type")
		w.problem(w.do(create.with("Content-Encoding", "gzip")), 415, "wrong-media-type")
		id := w.create(example).json["client_id"].(string)
		w.problem(w.do(call{method: "PATCH", path: "/v1/clients/" + id, body: `{"status":"approved"}`}.with("If-Match", `"1"`)), 400, "unknown-member")
		w.problem(w.do(call{method: "PATCH", path: "/v1/clients/" + id, body: `{"client_id":"other"}`}.with("If-Match", `"1"`)), 400, "unknown-member")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve", body: `{"reason":"x"}`}.with("If-Match", `"1"`)), 400, "unknown-member", "there are changes, conditions, version")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/disapprove", body: `{"reason":"` + strings.Repeat("x", 501) + `"}`}), 422, "invalid-member", "#/reason")
	})
}

// TestPages walks the list by its cursors (AD-18).
func TestPages(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		var want []string
		for i := range 7 {
			name := fmt.Sprintf("Client %d", i)
			want = append(want, name)
			w.create(fmt.Sprintf(`{"client_name":%q,"redirect_uris":["https://c%d.example/cb"]}`, name, i))
		}
		var got []string
		pages := 0
		for path := "/v1/clients?limit=3"; path != ""; pages++ {
			a := w.want(w.do(call{method: "GET", path: path}), http.StatusOK)
			for _, c := range a.json["clients"].([]any) {
				got = append(got, c.(map[string]any)["client_name"].(string))
			}
			path = ""
			if link := a.header.Get("Link"); link != "" {
				address, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
				if rel != `; rel="next"` || a.json["next_cursor"] == nil {
					w.Errorf("Link: %s", link)
				}
				path = strings.TrimPrefix(address, "/admin/api")
			}
		}
		if pages != 3 || !slices.Equal(got, want) {
			w.Errorf("%d pages of %q; want %q", pages, got, want)
		}
		for query, n := range map[string]int{"": 7, "type=oidc": 7, "type=oauth1": 0, "status=pending": 7, "status=approved": 0, "search=client%203": 1, "search=c5.example": 1, "search=%25": 0} {
			a := w.want(w.do(call{method: "GET", path: "/v1/clients?" + query}), http.StatusOK)
			if got := len(a.json["clients"].([]any)); got != n {
				w.Errorf("%s: %d clients; want %d", query, got, n)
			}
		}
		for _, query := range []string{
			"limit=0", "limit=1000000000", "limit=-1", "limit=x", "limit=1&limit=2", "type=saml", "status=none", "cursor=%00", "cursor=!", "cursor=bm8",
			"sort=size", "order=name", "search=" + url.QueryEscape("\x00"), "search=%ff", "a;b", "order=1;DROP+TABLE+clients",
		} {
			w.problem(w.do(call{method: "GET", path: "/v1/clients?" + query}), 400, "bad-query")
		}
		w.problem(w.do(call{method: "GET", path: "/v1/audit?cursor=x"}), 400, "bad-query")
		w.problem(w.do(call{method: "GET", path: "/v1/accounts?cursor=" + url.QueryEscape("AA")}), 400, "bad-query")
	})
}

// TestTypedSecret registers a client of each type with a secret that somebody chose. It
// works, and no answer has it.
func TestTypedSecret(t *testing.T) {
	t.Parallel()
	const typed = "a typed secret of some length"
	each(t, func(w *world) {
		for kind, body := range map[string]string{
			"oauth1": `{"type":"oauth1","client_name":"A","client_secret":"` + typed + `"}`,
			"oauth2": `{"type":"oauth2","client_name":"A","client_secret":"` + typed + `","redirect_uris":["https://a.example/cb"]}`,
			"oidc":   `{"type":"oidc","client_name":"A","client_secret":"` + typed + `","redirect_uris":["https://a.example/cb"]}`,
			"":       `{"client_name":"A","client_secret":"` + typed + `","redirect_uris":["https://a.example/cb"]}`,
		} {
			create := call{method: "POST", path: "/v1/clients", body: body}.with("Idempotency-Key", "typed-"+kind)
			made := w.want(w.do(create), http.StatusCreated)
			again := w.want(w.do(create), http.StatusCreated)
			id := made.json["client_id"].(string)
			shown := w.want(w.do(call{method: "GET", path: "/v1/clients/" + id}), http.StatusOK)
			trail := w.want(w.do(call{method: "GET", path: "/v1/audit?target_type=client&target_id=" + id}), http.StatusOK, "client.register")
			for _, a := range []answer{made, again, shown, trail} {
				if strings.Contains(a.text, typed) || a.json["client_secret"] != nil {
					w.Errorf("%s: a typed secret is told: %s", kind, a.text)
				}
			}
			if made.json["type"] != cmp.Or(kind, "oidc") || again.text != made.text {
				w.Errorf("%q: made %s, again %s", kind, made.text, again.text)
			}
			if !w.opens(id, typed) || w.opens(id, typed+"x") {
				w.Errorf("%q: it is not the secret of the client", kind)
			}
		}
	})
}

// opens reports whether the secret is one of the client's.
func (w *world) opens(id, secret string) bool {
	w.Helper()
	c, err := w.clients.Get(w.Context(), id)
	w.must(err)
	if c.Type == clientstore.OAuth1 { // which signs with it
		return slices.ContainsFunc(w.clients.RevealSecrets(c), func(kept clientstore.Revealed) bool { return string(kept.Value) == secret })
	}
	good, err := w.clients.VerifySecret(w.Context(), c, secret)
	w.must(err)
	return good
}

// TestSecrets rotates with overlap, and ends one secret.
func TestSecrets(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		made := w.create(example)
		id, first := made.json["client_id"].(string), made.json["client_secret"].(string)
		at := "/v1/clients/" + id + "/secrets"
		rotated := w.want(w.do(call{method: "POST", path: at, body: `{"overlap":3600,"expires_in":86400}`}), http.StatusCreated)
		second := rotated.json["client_secret"].(string)
		valid := func(secret string) bool {
			c, err := w.clients.Get(w.Context(), id)
			w.must(err)
			good, err := w.clients.VerifySecret(w.Context(), c, secret)
			w.must(err)
			return good
		}
		if !valid(first) || !valid(second) || first == second {
			w.Error("one of two secrets is not valid")
		}
		w.clock.Advance(time.Hour)
		if valid(first) || !valid(second) {
			w.Error("after the overlap the first is to be over, and the second not")
		}
		_, err := w.clients.Purge(w.Context(), 100) // which writes down what was used
		w.must(err)
		listed := w.want(w.do(call{method: "GET", path: at}), http.StatusOK, second[:10], `"used_at"`)
		if strings.Contains(listed.text, second) {
			w.Error("a value is listed")
		}
		secrets := rotated.json["secrets"].([]any)
		w.want(w.do(call{method: "DELETE", path: at + "/" + secrets[1].(map[string]any)["id"].(string)}), http.StatusOK)
		w.problem(w.do(call{method: "DELETE", path: at + "/none"}), 404, "not-found")
		if valid(second) {
			w.Error("a secret is valid that was revoked")
		}
		typed := w.want(w.do(call{method: "POST", path: at, body: `{"client_secret":"a typed secret of some length"}`}), http.StatusCreated)
		if typed.json["client_secret"] != nil || !valid("a typed secret of some length") {
			w.Errorf("typed: %s", typed.text)
		}
		w.problem(w.do(call{method: "POST", path: at, body: `{"overlap":-1}`}), 422, "invalid-member", "#/overlap")
		w.problem(w.do(call{method: "POST", path: at, body: `{"expires_in":0}`}), 422, "invalid-client")
		w.problem(w.do(call{method: "POST", path: at}), 415, "wrong-media-type")
	})
}

// TestRevision decides about what an approved client asks to become.
func TestRevision(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		by := root
		e, err := w.clients.Enrol(w.Context(), by, clientstore.Enrolment{Name: "Dynamic", Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://d.example/cb"}}})
		w.must(err)
		c, err := w.clients.Approve(w.Context(), root, e.Client.ID)
		w.must(err)
		at := "/v1/clients/" + c.ID + "/revision"
		w.problem(w.do(call{method: "GET", path: at}), 404, "not-found")
		revise := func(name string) string {
			m := c.Metadata
			_, _, err := w.clients.Replace(w.Context(), by, e.Token, clientstore.Enrolment{Name: name, Type: c.Type, Metadata: m})
			w.must(err)
			return w.want(w.do(call{method: "GET", path: at}), http.StatusOK, `"member":"client_name"`, `"before":"Dynamic"`, `"after":"`+name+`"`).header.Get("ETag")
		}
		first := revise("Dynamic 2")
		second := revise("Dynamic 3")
		w.problem(w.do(call{method: "POST", path: at + "/approve"}), 428, "precondition-required")
		w.problem(w.do(call{method: "POST", path: at + "/approve"}.with("If-Match", first)), 412, "stale")
		w.problem(w.do(call{method: "POST", path: at + "/reject"}.with("If-Match", first)), 412, "stale")
		w.want(w.do(call{method: "POST", path: at + "/reject"}.with("If-Match", second)), http.StatusOK, `"client_name":"Dynamic"`)
		third := revise("Dynamic 4")
		w.want(w.do(call{method: "POST", path: at + "/approve"}.with("If-Match", third)), http.StatusOK, `"client_name":"Dynamic 4"`)
		w.problem(w.do(call{method: "POST", path: at + "/approve"}.with("If-Match", third)), 404, "not-found")
	})
}

// A credential gives clients no more of the API than it covers itself
// (AD-24), and who registers itself gets none of it.
func TestGivingScopes(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		narrow := w.key(w.ada, "clients:read", "clients:write", "clients:approve")
		wide := `{"client_name":"Tool","type":"oauth2","redirect_uris":["https://t.example/cb"],"scope":"clients:read accounts:write"}`
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: wide, key: narrow}), 403, "insufficient-scope", "accounts:write")
		id := w.create(wide).json["client_id"].(string)
		w.problem(w.do(call{method: "PATCH", path: "/v1/clients/" + id, body: `{"redirect_uris":["https://evil.example/cb"]}`, key: narrow}.with("If-Match", `"1"`)), 403, "insufficient-scope", "accounts:write")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/secrets", body: `{}`, key: narrow}), 403, "insufficient-scope", "accounts:write")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve", key: narrow}.with("If-Match", `"1"`)), 403, "insufficient-scope", "accounts:write")
		w.want(w.do(call{method: "PATCH", path: "/v1/clients/" + id, body: `{"scope":"clients:read"}`}.with("If-Match", `"1"`)), http.StatusOK, "Tool")
		w.problem(w.do(call{method: "PATCH", path: "/v1/clients/" + id, body: `{"scope":"clients:read keys:write"}`, key: narrow}.with("If-Match", `"2"`)), 403, "insufficient-scope", "keys:write")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve", body: `{"changes":{"scope":"keys:write"}}`, key: narrow}.with("If-Match", `"2"`)), 403, "insufficient-scope", "keys:write")
		w.problem(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve", body: `{"changes":{"scope":"clients:read"}}`, key: w.key(w.ada, "clients:approve")}.with("If-Match", `"2"`)), 403, "insufficient-scope", "clients:write")
		w.want(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve", body: `{"changes":{"scope":"clients:read"}}`, key: narrow}.with("If-Match", `"2"`)), http.StatusOK, `"status":"approved"`, `"scope":"clients:read"`)
		_, err := w.clients.Enrol(w.Context(), root, clientstore.Enrolment{Name: "Sly", Type: clientstore.OAuth2, Metadata: clientstore.Metadata{
			RedirectURIs: []string{"https://sly.example/cb"}, Scope: "clients:read",
		}})
		if err == nil || !strings.Contains(err.Error(), "administrator") {
			w.Errorf("a client that registers itself gets clients:read: %v", err)
		}
	})
}

// Whom an approved client acts as is decided by who may approve.
func TestDecidingAboutApprovedClients(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		bob := w.person("bob")
		id := w.create(`{"client_name":"Nightly","type":"oauth1"}`).json["client_id"].(string)
		w.want(w.do(call{method: "POST", path: "/v1/clients/" + id + "/approve"}.with("If-Match", `"1"`)), http.StatusOK, `"status":"approved"`)
		edit := call{method: "PATCH", path: "/v1/clients/" + id, body: `{"oauth1_functional_account":"` + bob.ID + `"}`, key: w.key(w.ada, "clients:read", "clients:write")}.with("If-Match", `"2"`)
		w.problem(w.do(edit), 403, "insufficient-scope", "clients:approve")
		edit.key = w.all
		w.want(w.do(edit), http.StatusOK, bob.ID)
	})
}

// TestFailures shows what a client was refused.
func TestFailures(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(example).json["client_id"].(string)
		w.failures.Note(failure.Failure{ClientID: id, Endpoint: "/token", Code: "invalid_grant", Cause: "The code was used before.", Remedy: "Begin again.", RequestID: "r1"})
		_, err := w.failures.Flush(w.Context())
		w.must(err)
		w.want(w.do(call{method: "GET", path: "/v1/clients/" + id + "/failures"}), http.StatusOK, `"code":"invalid_grant"`, "Begin again.")
		w.problem(w.do(call{method: "GET", path: "/v1/clients/none/failures"}), 404, "not-found")
	})
}
