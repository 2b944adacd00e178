package authz_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

func (w *world) revision(id string) *clientstore.Revision {
	w.Helper()
	r, err := w.clients.Revision(w.Context(), id)
	w.must(err)
	return r
}

// RFC 7592, section 2.2: everything is replaced, at once while the client is
// pending.
func TestPendingClientChangesItself(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish, "logo_uri", "https://rp.example/logo", "policy_uri", "https://rp.example/policy"))
		secret := a.str("client_secret")
		res := w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_id", a.id, "client_secret", secret,
			"client_name", "Other", "policy_uri", nil, "logo_uri", nil, "tos_uri", "https://rp.example/tos"))
		if res.StatusCode != http.StatusOK || res.str("client_name") != "Other" || res.str("tos_uri") == "" || res.str("logo_uri") != "" ||
			res.str("policy_uri") != "" || res.json["pending_revision"] != nil || res.str("registration_access_token") != a.token || res.str("status") != "pending" {
			w.Errorf("PUT: %s %s", res.Status, res.body)
		}
		res = w.send(http.MethodPut, a.path, a.token, w.encode(wish, "token_endpoint_auth_method", "none"))
		if c, err := w.clients.Get(w.Context(), a.id); res.str("client_secret") != "" || err != nil || len(c.Secrets) != 0 {
			w.Errorf("became public: %s, %v", res.body, err)
		}
		res = w.send(http.MethodPut, a.path, a.token, w.encode(wish))
		c, err := w.clients.Get(w.Context(), a.id)
		w.must(err)
		if ok, err := w.clients.VerifySecret(w.Context(), c, res.str("client_secret")); err != nil || !ok || res.str("client_secret") == secret {
			w.Errorf("became confidential: %s, %v", res.body, err)
		}
		seen := *c
		w.send(http.MethodPut, a.path, a.token, w.encode(wish, "redirect_uris", []string{"https://evil.example/cb"}))
		if _, err := w.clients.ApproveSeen(w.Context(), admin, &seen); !errors.Is(err, storage.ErrConflict) { // DC-15: what was seen is what is approved
			w.Errorf("approved a client that changed meanwhile: %v", err)
		}
	})
}

func TestRefusedUpdates(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		for name, tt := range map[string]struct {
			change []any
			code   string
		}{
			"DC-17 other client_id":             {[]any{"client_id", w.web.ID}, "invalid_client_metadata"},
			"DC-17 other client_secret":         {[]any{"client_secret", w.web.secret}, "invalid_client_metadata"},
			"a secret of its choice":            {[]any{"client_secret", "I would like this one"}, "invalid_client_metadata"},
			"registration_access_token":         {[]any{"registration_access_token", a.token}, "invalid_client_metadata"},
			"registration_client_uri":           {[]any{"registration_client_uri", w.issuer + a.path}, "invalid_client_metadata"},
			"client_secret_expires_at":          {[]any{"client_secret_expires_at", 0}, "invalid_client_metadata"},
			"client_id_issued_at":               {[]any{"client_id_issued_at", 1}, "invalid_client_metadata"},
			"another type":                      {[]any{"type", "oauth2"}, "invalid_client_metadata"},
			"no redirect URI":                   {[]any{"redirect_uris", nil}, "invalid_redirect_uri"},
			"DC-08 password":                    {[]any{"grant_types", []string{"authorization_code", "password"}}, "invalid_client_metadata"},
			"client_id that is not a string":    {[]any{"client_id", 7}, "invalid_client_metadata"},
			"a member in capitals":              {[]any{"Redirect_URIs", []string{"https://evil.example/"}}, "invalid_client_metadata"},
			"DC-03 a redirect URI with * in it": {[]any{"redirect_uris", []string{"https://*.example/"}}, "invalid_redirect_uri"},
		} {
			res := w.send(http.MethodPut, a.path, a.token, w.encode(wish, tt.change...))
			if res.StatusCode != http.StatusBadRequest || res.str("error") != tt.code {
				w.Errorf("%s: %s %s; want %s", name, res.Status, res.body, tt.code)
			}
		}
		c, err := w.clients.Get(w.Context(), a.id)
		if err != nil || c.Version != 1 {
			w.Errorf("changed: %+v, %v", c, err)
		}
	})
}

// LC-07 and DC-14: the registration access token brings no stopped client back.
func TestDisapprovedClientChangesNothing(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		w.approve(a.id)
		_, err := w.clients.Disapprove(w.Context(), admin, a.id, "no")
		w.must(err)
		before, err := w.clients.Get(w.Context(), a.id)
		w.must(err)
		for _, body := range []string{w.encode(wish, "client_name", "Other"), w.encode(wish, "status", "approved", "enabled", true), w.encode(wish)} {
			w.wantError(w.send(http.MethodPut, a.path, a.token, body), http.StatusForbidden, "access_denied")
		}
		if res := w.send(http.MethodPost, "/register", a.token, w.encode(wish)); res.str("status") != "disapproved" {
			w.Errorf("registered again: %s", res.body)
		}
		after, err := w.clients.Get(w.Context(), a.id)
		w.must(err)
		if after.Version != before.Version || after.Status != clientstore.Disapproved || w.revision(a.id) != nil {
			w.Errorf("changed: %+v", after)
		}
	})
}

// DC-15: what an approved client wants to become waits, and it works on as
// what was approved.
func TestApprovedClientWaitsForItsRevision(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		c := w.approve(a.id)
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
		client := app{c, a.str("client_secret")}
		const moved = "https://new.example/cb"
		for name, change := range map[string][]any{
			"redirect URIs": {"redirect_uris", []string{moved}}, "name": {"client_name", "Bank"}, "logo": {"logo_uri", "https://rp.example/l"},
			"scope": {"scope", "openid admin"}, "grants": {"grant_types", []string{"authorization_code"}}, "response types": {"response_types", []string{"code", "id_token"}},
		} {
			res := w.send(http.MethodPut, a.path, a.token, w.encode(wish, change...))
			member, _ := change[0].(string)
			revision, _ := res.json["pending_revision"].(map[string]any)
			read, err := w.clients.Get(w.Context(), a.id)
			w.must(err)
			if res.StatusCode != http.StatusOK || revision[member] == nil || res.str("client_name") != "Wish" || res.str("status") != "approved" || read.Version != c.Version {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
			w.tokens(client)
		}
		w.send(http.MethodPut, a.path, a.token, w.encode(wish, "redirect_uris", []string{moved}))
		old := w.revision(a.id).ID
		w.send(http.MethodPut, a.path, a.token, w.encode(wish, "redirect_uris", []string{moved, callback}))
		r := w.revision(a.id)
		if _, err := w.clients.ApproveRevision(w.Context(), admin, a.id, old); !errors.Is(err, storage.ErrConflict) {
			w.Errorf("approved a revision that nobody saw: %v", err)
		}
		if differences, err := r.Differences(c); err != nil || len(differences) != 1 || differences[0].Member != "redirect_uris" {
			w.Errorf("differences %v, %v", differences, err)
		}
		if asked := w.authorize(client.ask("redirect_uri", moved)); asked.StatusCode != http.StatusBadRequest {
			w.Errorf("the new redirect URI works before it is approved: %s", asked.Status)
		}
		after, err := w.clients.ApproveRevision(w.Context(), admin, a.id, r.ID)
		w.must(err)
		if !after.MatchRedirectURI(moved) || after.ConsentDigest == c.ConsentDigest || after.Status != clientstore.Approved || len(after.Secrets) != 1 {
			w.Errorf("approved %+v", after)
		}
		if read := w.send(http.MethodGet, a.path, a.token, ""); read.json["pending_revision"] != nil || !strings.Contains(read.body, moved) {
			w.Errorf("read %s", read.body)
		}
		if _, err := w.clients.ApproveRevision(w.Context(), admin, a.id, r.ID); !errors.Is(err, storage.ErrNotFound) {
			w.Errorf("approved twice: %v", err)
		}
	})
}

func TestRevisionsThatAreNotApproved(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		c := w.approve(a.id)
		other := w.encode(wish, "client_name", "Other")
		w.send(http.MethodPut, a.path, a.token, other)
		_, err := w.clients.RejectRevision(w.Context(), admin, a.id, w.revision(a.id).ID, "")
		w.must(err)
		w.send(http.MethodPut, a.path, a.token, other)
		r := w.revision(a.id)
		if w.send(http.MethodPut, a.path, a.token, other); w.revision(a.id).ID != r.ID {
			w.Error("the same revision is another")
		}
		if w.send(http.MethodPut, a.path, a.token, w.encode(wish)); w.revision(a.id) != nil {
			w.Error("a revision that its client took back waits on")
		}
		w.wantError(w.send(http.MethodPut, a.path, a.token, w.encode(wish, "token_endpoint_auth_method", "none")), 400, "invalid_client_metadata")
		w.send(http.MethodPut, a.path, a.token, other)
		r = w.revision(a.id)
		_, err = w.clients.Disapprove(w.Context(), admin, a.id, "")
		w.must(err)
		if _, err := w.clients.ApproveRevision(w.Context(), admin, a.id, r.ID); err == nil || w.revision(a.id) == nil {
			w.Errorf("approved the revision of a disapproved client: %v", err)
		}
		after, err := w.clients.Get(w.Context(), a.id)
		if err != nil || after.Name != c.Name {
			w.Errorf("is %+v, %v", after, err)
		}
		var got []string
		events, err := audit.New(w.db).List(w.Context(), audit.Filter{TargetID: a.id})
		w.must(err)
		for _, e := range events {
			got = append(got, strings.TrimPrefix(e.Action, "client."))
		}
		if want := "disapprove revise withdraw_revision revise reject_revision revise approve register"; strings.Join(got, " ") != want {
			w.Errorf("audit record %v; want %s", got, want)
		}
	})
}

// A client that waits for its approval is told when it comes.
func TestWaitingForADecision(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		wait := func(seconds string) (answer, time.Duration) {
			r := w.request(http.MethodGet, a.path, "", "")
			r.Header.Set("Authorization", "Bearer "+a.token)
			r.Header.Set("Prefer", "wait="+seconds)
			began := time.Now() //nolint:forbidigo // waiting takes real time
			return w.do(r), time.Since(began)
		}
		if res, took := wait("1"); res.str("status") != "pending" || took < time.Second || res.Header.Get("Preference-Applied") != "wait=1" {
			w.Errorf("nothing happened: %s after %s", res.body, took)
		}
		go func() {
			time.Sleep(200 * time.Millisecond)
			_, _ = w.clients.Approve(w.Context(), admin, a.id)
		}()
		if res, took := wait("30"); res.str("status") != "approved" || took > 10*time.Second {
			w.Errorf("approved: %s after %s", res.body, took)
		}
		if res, took := wait("30"); res.str("status") != "approved" || took > 10*time.Second || res.Header.Get("Preference-Applied") != "" {
			w.Errorf("nothing to wait for: %s after %s", res.body, took)
		}
		w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_name", "Other"))
		go func() {
			time.Sleep(200 * time.Millisecond)
			_ = w.clients.Remove(w.Context(), admin, a.id)
		}()
		res, _ := wait("30")
		w.wantBearer(res)
	})
}

// A server that stops sends nobody away without an answer.
func TestWaitingEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		a := w.enrol("", w.encode(wish))
		r := w.request(http.MethodGet, a.path, "", "")
		r.Header.Set("Authorization", "Bearer "+a.token)
		r.Header.Set("Prefer", "wait=20")
		time.AfterFunc(300*time.Millisecond, func() { close(w.stopping) })
		began := time.Now() //nolint:forbidigo // waiting takes real time
		if res := w.do(r); res.str("status") != "pending" || time.Since(began) > 10*time.Second {
			t.Errorf("%s %s after %s", res.Status, res.body, time.Since(began))
		}
	})
}

// INV-08: whichever statement fails, the client is told 503 and nothing has
// happened.
func TestEveryStatementOfRegistrationMayFail(t *testing.T) {
	each(t, func(w *world) {
		pending, other := w.enrol("", w.encode(wish)), w.encode(wish, "client_name", "Other")
		approved := w.enrol("", w.encode(wish))
		w.approve(approved.id)
		_, value, err := w.clients.CreateInitialToken(w.Context(), admin, clientstore.InitialGrant{Name: "x", Lifetime: time.Hour, Uses: 1, Approve: true})
		w.must(err)
		for _, tt := range []struct{ name, method, path, token, body string }{
			{"read", http.MethodGet, pending.path, pending.token, ""},
			{"register", http.MethodPost, "/register", value, w.encode(wish)},
			{"register again", http.MethodPost, "/register", pending.token, w.encode(wish)},
			{"change while pending", http.MethodPut, pending.path, pending.token, other},
			{"change once approved", http.MethodPut, approved.path, approved.token, other},
			{"take the change back", http.MethodPut, approved.path, approved.token, w.encode(wish)},
			{"remove", http.MethodDelete, pending.path, pending.token, ""},
		} {
			before := w.state()
			for n := 1; ; n++ {
				res, failed := w.failingAt(n, w.sending(tt.method, tt.path, tt.token, tt.body))
				if !failed {
					if res.StatusCode >= 300 || n == 1 {
						w.Errorf("%s: %s %s after %d failures", tt.name, res.Status, res.body, n-1)
					}
					break
				}
				w.wantError(res, http.StatusServiceUnavailable, "temporarily_unavailable")
				if after := w.state(); after != before {
					w.Fatalf("%s: statement %d failed and left\n%s\nbefore\n%s", tt.name, n, after, before)
				}
			}
		}
	})
}

func (w *world) sending(method, path, token, body string) func() answer {
	return func() answer { return w.send(method, path, token, body) }
}

// failingAt makes the statement with this number fail, if there are so many.
func (w *world) failingAt(n int, do func() answer) (res answer, failed bool) {
	w.Helper()
	seen := 0
	restore := storagetest.FailStatements(w.db, func(statement string) bool {
		if statement == "ROLLBACK" {
			return false
		}
		seen++
		return seen == n
	})
	defer restore()
	return do(), seen >= n
}

// state is everything that registration may change.
func (w *world) state() string {
	w.Helper()
	var all []any
	list, err := w.clients.List(w.Context(), clientstore.Filter{})
	w.must(err)
	for i := range list {
		all = append(all, list[i].Document(), w.revision(list[i].ID))
	}
	tokens, err := w.clients.InitialTokens(w.Context())
	w.must(err)
	events, err := audit.New(w.db).List(w.Context(), audit.Filter{})
	w.must(err)
	text, err := json.Marshal(append(all, tokens, len(events)))
	w.must(err)
	return string(text)
}
