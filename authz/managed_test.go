package authz_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/clientstore"
)

// A client that registered itself and came to belong to a clients file is told
// so when it tries to change or remove itself, and can still be read.
func TestClientOfAFileDoesNotChangeItself(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		c, err := w.clients.Get(w.Context(), a.id)
		w.must(err)
		plan, err := w.clients.Plan(w.Context(), clientstore.Manifest{File: "platform/clients.yaml", Clients: []clientstore.Declared{
			{Handle: "own", ClientID: c.ID, Type: c.Type, Name: c.Name, Metadata: c.Metadata},
		}})
		w.must(err)
		_, err = w.clients.Apply(w.Context(), admin, plan, nil)
		w.must(err)
		for _, res := range []answer{
			w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_name", "Other")), w.send(http.MethodDelete, a.path, a.token, ""),
		} {
			if res.StatusCode != http.StatusForbidden || res.str("error") != "access_denied" || !strings.Contains(res.str("error_description"), "a file that administrators keep") {
				w.Errorf("%s %s; want a refusal that says why", res.Status, res.body)
			}
		}
		if res := w.send(http.MethodGet, a.path, a.token, ""); res.StatusCode != http.StatusOK || res.str("client_name") != c.Name || strings.Contains(res.body, "platform") {
			w.Errorf("GET: %s %s", res.Status, res.body)
		}
	})
}
