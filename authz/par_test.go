package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/pushed"
)

// push pushes a request and returns its reference.
func (w *world) push(a app, change ...string) string {
	w.Helper()
	res := w.post("/par", a, a.ask(change...))
	if res.StatusCode != http.StatusCreated || res.Header.Get("Cache-Control") != "no-store" || res.json["expires_in"] != 60.0 ||
		len(res.str("request_uri")) != len("urn:ietf:params:oauth:request_uri:")+43 { // JR-11
		w.Fatalf("push: %s %s", res.Status, res.body)
	}
	return res.str("request_uri")
}

func (a app) begin(ref string, change ...string) url.Values {
	return with(url.Values{"client_id": {a.ID}, "request_uri": {ref}}, change...)
}

// JR-11, JR-14 and what a reference leads to.
func TestPushedRequests(t *testing.T) {
	each(t, func(w *world) {
		for name, a := range map[string]app{"confidential": w.web, "public": w.native} {
			ref := w.push(a)
			// What comes beside the reference counts for nothing (PK-14).
			sent := w.authorize(a.begin(ref, "state", "outside", "scope", "openid", "code_challenge", "x", "redirect_uri", "https://attacker.example/")).sent()
			if sent.Get("code") == "" || sent.Get("state") != "st&a te" {
				w.Fatalf("%s: %v", name, sent)
			}
			if res := w.post("/token", a, redemption(sent.Get("code"))); res.str("scope") != "openid profile offline_access" {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
			w.wantPage(w.authorize(a.begin(ref)), "E-REQUEST") // used
		}
		for name, ref := range map[string]string{
			"another client's": w.push(w.native), "unknown": "urn:ietf:params:oauth:request_uri:x",
			"by another case": strings.ToUpper(w.push(w.web)),
		} {
			res := w.authorize(w.web.begin(ref))
			if res.sent() != nil || res.StatusCode != http.StatusBadRequest {
				w.Errorf("%s: %s %q", name, res.Status, res.Header.Get("Location"))
			}
		}
		late := w.push(w.web)
		w.clock.Advance(time.Minute)
		w.wantPage(w.authorize(w.web.begin(late)), "E-REQUEST") // JR-14
		w.wantRefusal(w.authorize(w.web.begin(late, "redirect_uri", callback)), "invalid_request_uri", "")

		s := testKeys()["ES256"]
		keyed := w.keyed(allKeys(w.T))
		for _, aud := range []string{w.issuer, w.issuer + "/token", w.issuer + "/par"} {
			res := w.postSigned("/par", s.sign(w.T, w.assertion(keyed.ID, map[string]any{"aud": aud}), nil), keyed.ask())
			if res.StatusCode != http.StatusCreated {
				w.Errorf("aud %s: %s", aud, res.body)
			}
		}
		object := s.sign(w.T, w.object(keyed, nil), nil)
		res := w.postSigned("/par", s.sign(w.T, w.assertion(keyed.ID, nil), nil), url.Values{"request": {object}})
		if sent := w.authorize(keyed.begin(res.str("request_uri"))).sent(); sent.Get("code") == "" || sent.Get("state") != "inside" {
			w.Errorf("a request object that was pushed: %s %v", res.body, sent)
		}
	})
}

func TestPushRefusals(t *testing.T) {
	each(t, func(w *world) {
		for name, tt := range map[string]struct {
			change []string
			code   string
		}{
			"JR-09 request_uri":          {[]string{"request_uri", "https://rp.example/r"}, "invalid_request"},
			"JR-09 a pushed one":         {[]string{"request_uri", w.push(w.web)}, "invalid_request"},
			"RU redirect URI of a thief": {[]string{"redirect_uri", "https://attacker.example/"}, "invalid_request"},
			"no redirect URI":            {[]string{"redirect_uri", ""}, "invalid_request"},
			"unregistered scope":         {[]string{"scope", "admin"}, "invalid_scope"},
			"unknown response type":      {[]string{"response_type", "cheese"}, "unsupported_response_type"},
			"plain challenge":            {[]string{"code_challenge_method", "plain"}, "invalid_request"},
			"request object":             {[]string{"request", "x.y.z"}, "invalid_request_object"},
			"another client":             {[]string{"client_id", w.native.ID}, "invalid_request"},
			"a prompt that is too long":  {[]string{"prompt", "login" + strings.Repeat(" ", 300)}, "invalid_request"},
		} {
			if res := w.post("/par", w.web, w.web.ask(tt.change...)); res.StatusCode != http.StatusBadRequest || res.str("error") != tt.code {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		w.wantError(w.post("/par", app{w.web.Client, "wrong"}, w.web.ask()), 401, "invalid_client")
		w.wantError(w.do(w.request(http.MethodPost, "/par", formType, w.web.ask().Encode()+"&state=again")), 400, "invalid_request")
		for _, method := range []string{http.MethodGet, http.MethodPut} { // JR-10
			if res := w.do(w.request(method, "/par", "", "")); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
				w.Errorf("%s: %s", method, res.Status)
			}
		}
		w.wantError(w.do(w.request(http.MethodPost, "/par", formType, strings.Repeat("x", 1<<20))), 413, "invalid_request")

		r := registration("Pushes")
		r.Metadata.RequirePushedAuthorizationRequests = true
		must := w.register(r)
		w.wantRefusal(w.authorize(must.ask()), "invalid_request", "st&a te") // JR-15
		if sent := w.authorize(must.begin(w.push(must))).sent(); sent.Get("code") == "" {
			w.Errorf("pushed: %v", sent)
		}
		ref := w.push(must)
		w.down(func() {
			w.wantError(w.post("/par", must, must.ask()), 503, "temporarily_unavailable")
			if res := w.authorize(must.begin(ref)); res.StatusCode != http.StatusServiceUnavailable {
				w.Errorf("database down: %s", res.Status)
			}
		})
		_, err := w.clients.Disapprove(w.Context(), admin, must.ID, "It asks for too much.") // LC-02, LC-11, JR-17
		w.must(err)
		w.wantError(w.post("/par", must, must.ask()), 400, "unauthorized_client")
		w.wantPage(w.follow(w.authorize(must.begin(ref))), "It asks for too much.")
	})
}

// A reference is used up by the answer, not by a look.
func TestPushedRequestIsAnsweredOnce(t *testing.T) {
	each(t, func(w *world) {
		ref := w.push(w.web, "prompt", "login")
		var first answer
		for range 3 {
			first = w.authorize(w.web.begin(ref))
			if !strings.HasPrefix(first.Header.Get("Location"), "/login?") {
				w.Fatalf("%s %q", first.Status, first.Header.Get("Location"))
			}
		}
		plain := w.push(w.web)
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				res := w.authorize(w.web.begin(plain))
				switch sent := res.sent(); {
				case sent.Get("code") != "":
					won.Add(1)
				case sent.Get("error") == "invalid_request_uri", sent == nil && res.StatusCode == http.StatusBadRequest:
					lost.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 19 {
			w.Errorf("%d answered and %d refused; want 1 and 19", won.Load(), lost.Load())
		}
		none := w.push(w.web, "prompt", "none", "max_age", "0")
		w.wantRefusal(w.authorize(w.web.begin(none)), "login_required", "st&a te")
		w.wantPage(w.authorize(w.web.begin(none)), "E-REQUEST")
		// The reference is in no table as it is.
		var kept string
		w.must(w.db.With(w.Context()).Raw(`SELECT COALESCE(MAX(request), '') FROM interactions`).Scan(&kept).Error)
		if kept == "" || strings.Contains(kept, ref) { // CD-17
			w.Errorf("the interaction holds the reference: %s", kept)
		}
	})
}

// AP-29: a disapproval ends what the client pushed, also when the client is
// approved again within the minute, and what a person began with it.
func TestPushedRequestDiesWithADisapproval(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{"cs_session": w.cookie}}
		form := v.consentForm(w.web.begin(w.push(w.web, "prompt", "consent")))
		waiting := w.push(w.web)
		_, err := w.clients.Disapprove(w.Context(), admin, w.web.ID, "")
		w.must(err)
		_, err = w.clients.Approve(w.Context(), admin, w.web.ID)
		w.must(err)
		w.wantPage(w.authorize(w.web.begin(waiting)), "E-REQUEST")
		w.wantRefusal(v.get(v.consent(form).Header.Get("Location")), "invalid_request_uri", "st&a te")
		if sent := w.authorize(w.web.begin(w.push(w.web))).sent(); sent.Get("code") == "" {
			w.Errorf("pushed after the approval: %v", sent)
		}
	})
}

// JR-10: who pushes and pushes is told to wait; who pushes to a public client
// from one network leaves it to those of others.
func TestPushFlood(t *testing.T) {
	each(t, func(w *world) {
		fill := func(a app, network string, n int) {
			w.must(w.db.With(w.Context()).Exec(`
				WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < @n)
				INSERT INTO pushed_requests (hash, client_id, network, request, created_at, expires_at)
				SELECT CAST(@client || '|' || @network || '|' || n AS `+map[storage.Dialect]string{storage.SQLite: "BLOB", storage.PostgreSQL: "bytea"}[w.db.Dialect()]+`),
					@client, @network, '{}', @now, @later FROM i`,
				map[string]any{"n": n, "client": a.ID, "network": network, "now": w.db.Now(), "later": w.db.Now().Add(time.Minute)}).Error)
		}
		fill(w.native, "198.51.100.0/24", pushed.MaxWaitingPublic)
		fill(w.native, "127.0.0.0/24", pushed.MaxWaitingPublic-1)
		fill(w.web, "", pushed.MaxWaiting-1)
		for _, a := range []app{w.native, w.web} {
			if sent := w.authorize(a.begin(w.push(a))).sent(); sent.Get("code") == "" {
				w.Errorf("%s: the last that is let through: %v", a.Name, sent)
			}
			w.push(a) // the place that the answered one left
			res := w.post("/par", a, a.ask())
			w.wantError(res, http.StatusTooManyRequests, "temporarily_unavailable")
			if res.Header.Get("Retry-After") != "60" {
				w.Errorf("%s: Retry-After %q", a.Name, res.Header.Get("Retry-After"))
			}
		}
		w.clock.Advance(time.Minute)
		w.push(w.native)
		w.push(w.web)
	})
}
