package authz_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/clientstore"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

func clientCredentials() url.Values {
	return url.Values{"grant_type": {clientstore.GrantClientCredentials}, "scope": {"api"}}
}

// CA-12 and LC-15: a client that asks for tokens of its own, or for the codes of a
// device, is remembered, and what another replica does to it holds for its very
// next request, with the answer that a client gets which is not.
func TestARememberedClientIsJudgedAnew(t *testing.T) {
	for name, at := range map[string]struct{ path, grant string }{
		"token": {"/token", clientstore.GrantClientCredentials}, "device": {"/device_authorization", clientstore.GrantDeviceCode},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				a := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Script", Metadata: clientstore.Metadata{
					GrantTypes: []string{at.grant}, Scope: "api models",
				}})
				w.judgedAnew(a, func(scope string) answer {
					return w.post(at.path, a, url.Values{"grant_type": {at.grant}, "scope": {scope}})
				})
			})
		})
	}
}

func (w *world) judgedAnew(a app, ask func(scope string) answer) {
	there := clientstore.New(w.db, clientstore.Config{Keys: storagetest.Keys(w.T), Audit: audit.New(w.db), Policy: clientstore.Default})
	good := func() {
		w.Helper()
		if res := ask("api"); res.StatusCode != http.StatusOK {
			w.Fatalf("%d %s", res.StatusCode, res.body)
		}
	}
	good()
	count := storagetest.CountStatements(w.db)
	good()
	if n := count.Count(); n != 1 {
		w.Errorf("it takes %d statements; want 1: %q", n, count.Statements())
	}
	w.wantError(ask("other"), http.StatusBadRequest, "invalid_scope")
	good()

	_, err := there.Disapprove(w.Context(), admin, a.ID, "not today")
	w.must(err)
	w.wantError(ask("api"), http.StatusBadRequest, "unauthorized_client")
	c, err := there.Approve(w.Context(), admin, a.ID)
	w.must(err)
	good()

	narrow := c.Metadata
	narrow.Scope = "models"
	_, err = there.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &narrow, Version: c.Version})
	w.must(err)
	w.wantError(ask("api"), http.StatusBadRequest, "invalid_scope")
	if res := ask("models"); res.StatusCode != http.StatusOK {
		w.Errorf("the scope that is left: %d %s", res.StatusCode, res.body)
	}

	w.must(there.Remove(w.Context(), admin, a.ID))
	w.wantError(ask("models"), http.StatusUnauthorized, "invalid_client")
}

// gone is a client that hung up before its answer.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Codes of a device that nobody waited for are not made a second time.
func TestARememberedClientThatHangsUpIsServedOnce(t *testing.T) {
	each(t, func(w *world) {
		form := url.Values{"scope": {"api"}}
		a := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Box", Metadata: clientstore.Metadata{
			GrantTypes: []string{clientstore.GrantDeviceCode}, Scope: "api",
		}})
		if res := w.post("/device_authorization", a, form); res.StatusCode != http.StatusOK {
			w.Fatalf("%d %s", res.StatusCode, res.body)
		}
		r := httptest.NewRequest(http.MethodPost, w.issuer+"/device_authorization", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.secret))
		w.door.ServeHTTP(gone{httptest.NewRecorder()}, r)
		var kept int64
		w.must(w.db.With(w.Context()).Table("device_codes").Where("client_id = ?", a.ID).Count(&kept).Error)
		if kept != 2 {
			w.Errorf("%d requests are kept of two that were made", kept)
		}
	})
}

// Of many who get tokens at once, some of whom are disapproved meanwhile, each
// is answered for itself: nobody's token dies with another's, and no
// disapproved client has one that works.
func TestTokensAtOnceAreEachTheirOwn(t *testing.T) {
	each(t, func(w *world) {
		script := func(name string) app {
			return w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: name, Metadata: clientstore.Metadata{
				GrantTypes: []string{clientstore.GrantClientCredentials}, Scope: "api",
			}})
		}
		stays, goes := script("Stays"), script("Goes")
		var group sync.WaitGroup
		got := make([]answer, 60)
		for i := range got {
			group.Go(func() {
				switch {
				case i == 20:
					_, err := w.clients.Disapprove(w.Context(), admin, goes.ID, "now")
					if err != nil {
						w.Error(err)
					}
				case i%2 == 0:
					got[i] = w.post("/token", stays, clientCredentials())
				default:
					got[i] = w.post("/token", goes, clientCredentials())
				}
			})
		}
		group.Wait()
		for i, res := range got {
			switch {
			case i == 20:
			case i%2 == 0:
				if active := w.about(stays, res.str("access_token")); active.json["active"] != true {
					w.Errorf("%d: %d %s, and %s", i, res.StatusCode, res.body, active.body)
				}
			case res.StatusCode == http.StatusOK:
				_, err := w.grants.AccessToken(w.Context(), res.str("access_token"))
				if err == nil {
					w.Errorf("%d: a token of a disapproved client works", i)
				}
			default:
				w.wantError(res, http.StatusBadRequest, "unauthorized_client")
			}
		}
	})
}
