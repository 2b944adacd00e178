package api_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/admin/api"
	"countersign/clientstore"
	"countersign/storage/apikey"
)

// meanwhile is a part of a body in which something happens.
type meanwhile func()

func (m meanwhile) Read([]byte) (int, error) {
	m()
	return 0, io.EOF
}

// revocable makes a key that may do everything, and what revokes it.
func (w *world) revocable() (value string, revoke func()) {
	w.Helper()
	k, value, err := w.apiKeys.Create(w.Context(), root, apikey.Order{Name: "held", AccountID: w.ada.ID, Scopes: clientstore.AdministrationScopes, Lifetime: time.Hour})
	w.must(err)
	return value, func() { w.must(w.apiKeys.Revoke(w.Context(), root, k.ID)) }
}

// changes returns how many changes are recorded.
func (w *world) changes() (n int) {
	w.Helper()
	w.must(w.db.With(w.Context()).Raw("SELECT COUNT(*) FROM audit_events").Scan(&n).Error)
	return n
}

// AD-32: a key that is revoked while a body is on its way does nothing by it,
// whatever the operation is, and an answer that was kept is not repeated either.
func TestHeldBody(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(example).json["client_id"].(string)
		for _, route := range api.Routes() {
			name := route[0] + " " + route[1]
			if slices.Contains(public, name) || route[0] == http.MethodGet {
				continue
			}
			key, revoke := w.revocable()
			path := strings.NewReplacer("{client_id}", id, "{secret_id}", "s1", "{key_id}", "k1", "{account_id}", w.ada.ID).Replace(route[1])
			var before int
			a := w.do(call{method: route[0], path: path, key: key, body: `{"client_name":"Other"}`, meanwhile: func() { revoke(); before = w.changes() }})
			w.problem(a, 401, "invalid-token")
			if after := w.changes(); after != before || before == 0 {
				w.Errorf("%s: %d changes", name, after-before)
			}
		}
	})
}

// AD-32: the same of an approval and of a registration that would be done.
func TestHeldApproval(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		made := w.create(example)
		id := made.json["client_id"].(string)
		approve := call{method: "POST", path: "/v1/clients/" + id + "/approve", body: `{"version":1}`}.with("If-Match", made.header.Get("ETag"))
		create := call{method: "POST", path: "/v1/clients", body: example}.with("Idempotency-Key", "held-1")
		for _, c := range []call{approve, create} {
			var revoke func()
			c.key, revoke = w.revocable()
			c.meanwhile = revoke
			w.problem(w.do(c), 401, "invalid-token")
			eve := w.person("eve", "configure_server")
			c.key = w.key(eve, clientstore.AdministrationScopes...)
			c.meanwhile = func() { w.must(w.accounts.SetPermissions(w.Context(), root, eve.ID, nil)) }
			w.problem(w.do(c), 403, "no-permission")
			w.must(w.accounts.Remove(w.Context(), root, eve.ID))
		}
		c, err := w.clients.Get(w.Context(), id)
		w.must(err)
		if c.Status != clientstore.Pending || w.count() != 1 {
			w.Errorf("the client is %s, of %d", c.Status, w.count())
		}
		approve.meanwhile = func() {}
		w.want(w.do(approve), http.StatusOK)
	})
}

// AD-32: an answer with a secret that was kept is repeated to no key that was revoked
// while the request came.
func TestHeldRepetition(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		create := call{method: "POST", path: "/v1/clients", body: example}.with("Idempotency-Key", "held-1")
		var revoke func()
		create.key, revoke = w.revocable()
		secret := w.want(w.do(create), http.StatusCreated).json["client_secret"].(string)
		create.meanwhile = revoke
		if a := w.problem(w.do(create), 401, "invalid-token"); strings.Contains(a.text, secret) {
			w.Error("the secret was told again")
		}
	})
}

// AD-32: who names no credential is answered without anything being read; who names
// a dead one is told that, and not that the body is too large.
func TestHeldByNobody(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		create := call{method: "POST", path: "/v1/clients", body: example, key: "-", meanwhile: func() { w.Error("it was waited for") }}
		w.problem(w.do(create), 401, "not-authenticated")
		long := `{"client_name":"` + strings.Repeat("x", 300<<10) + `"}`
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: long, key: "rubbish"}), 401, "invalid-token")
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: long, key: w.key(w.ada, "clients:read")}), 403, "insufficient-scope")
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: long}), 413, "body-too-large")
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: long}.with("Content-Type", "text/plain")), 415, "wrong-media-type")
	})
}

// AD-32: the machine that the server asks for a client's addresses is the
// client's own, and answers when it likes.
func TestHeldSector(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.create(example).json["client_id"].(string)
		const pairwise = `"redirect_uris":["https://app.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"https://app.example/s.json"`
		file := `{"owner":"f","clients":{"a":{"type":"oidc","client_name":"A",` + pairwise + `}}}`
		w.sector = func(context.Context, *clientstore.Metadata, *clientstore.Metadata) (*clientstore.Sector, error) {
			return clientstore.ParseSector("https://app.example/s.json", []byte(`["https://app.example/cb"]`))
		}
		plan := w.want(w.do(call{method: "POST", path: "/v1/clients-file/plan", body: file}), http.StatusOK)
		for _, c := range []call{
			{method: "POST", path: "/v1/clients", body: `{"client_name":"A",` + pairwise + `}`},
			call{method: "PATCH", path: "/v1/clients/" + id, body: `{` + pairwise + `}`}.with("If-Match", `"1"`),
			{method: "POST", path: "/v1/clients-file/plan", body: file},
			call{method: "POST", path: "/v1/clients-file/apply", body: file}.with("If-Match", plan.header.Get("ETag")),
		} {
			var revoke func()
			answers := w.sector
			c.key, revoke = w.revocable()
			w.sector = func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
				revoke()
				return answers(ctx, before, m)
			}
			w.problem(w.do(c), 401, "invalid-token")
			w.sector = answers
		}
		if c, err := w.clients.Get(w.Context(), id); err != nil || c.Version != 1 || w.count() != 1 {
			w.Errorf("%d clients, %+v, %v", w.count(), c, err)
		}
	})
}
