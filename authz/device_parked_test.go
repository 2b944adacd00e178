package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// enter registers a client that nobody has approved.
func (w *world) enter(r clientstore.Registration) app {
	w.Helper()
	c, secret, err := w.clients.Register(w.Context(), admin, r)
	w.must(err)
	return app{c, secret}
}

func (w *world) disapprove(a app) {
	w.Helper()
	_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "No.")
	w.must(err)
}

// wantAwaited polls and checks what the device is told to wait for.
func (w *world) wantAwaited(a app, code, awaited string) {
	w.Helper()
	res := w.poll(a, code)
	w.wantError(res, 400, "authorization_pending")
	if !strings.Contains(res.str("error_description"), awaited) {
		w.Errorf("awaited: %s; want %q", res.body, awaited)
	}
	w.clock.Advance(5 * time.Second)
}

const awaitsApproval = "awaits the approval of an administrator"

// The request of a pending client waits for its approval, and for its person
// after that.
func TestDeviceOfPendingClientIsParked(t *testing.T) {
	each(t, func(w *world) {
		for name, r := range map[string]clientstore.Registration{"public": television("public"), "confidential": deviceRegistration("confidential")} {
			a := w.enter(r)
			d := w.device(a, "openid profile")
			code := url.Values{"user_code": {d.str("user_code")}}
			w.wantAwaited(a, d.str("device_code"), awaitsApproval)
			page := w.deviceForm(code)
			resume := "/device?" + code.Encode()
			for _, want := range []string{"Waiting for approval", name, d.str("user_code"), "admin@example.test", `http-equiv="refresh" content="5; url=` + resume, `data-looks-again="` + resume} {
				if !strings.Contains(page.body, want) {
					w.Errorf("%s: waiting page without %q: %s", name, want, page.body)
				}
			}
			if page.StatusCode != http.StatusForbidden || strings.Contains(page.body, `name="decision"`) {
				w.Errorf("%s: waiting page: %s %s", name, page.Status, page.body)
			}
			for _, decision := range []string{"allow", "deny"} { // no page offers it
				res := w.deviceForm(with(url.Values{}, "user_code", d.str("user_code"), "account", w.user.ID, "decision", decision))
				if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != resume {
					w.Errorf("%s: %s while it waits: %s %q", name, decision, res.Status, res.Header.Get("Location"))
				}
			}
			w.wantAwaited(a, d.str("device_code"), awaitsApproval)
			w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending")
			w.wantError(w.poll(a, d.str("device_code")), 400, "slow_down")
			w.clock.Advance(10 * time.Second)

			w.approve(a.ID)
			w.wantAwaited(a, d.str("device_code"), "user has not answered")
			if page = w.get(resume); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "Did you start this?") {
				w.Fatalf("%s: approved: %s %s", name, page.Status, page.body)
			}
			w.answerDevice(page, "allow")
			tokens := w.poll(a, d.str("device_code"))
			if tokens.StatusCode != http.StatusOK || w.userinfo(tokens.str("access_token")).StatusCode != http.StatusOK {
				w.Errorf("%s: allowed: %s %s", name, tokens.Status, tokens.body)
			}
			w.wantError(w.poll(a, d.str("device_code")), 400, "invalid_grant")
		}
	})
}

// LC-02, LC-18: a disapproval and a removal end for good what is parked, and so
// does time.
func TestParkedDeviceEnds(t *testing.T) {
	each(t, func(w *world) {
		for name, r := range map[string]clientstore.Registration{"public": television("public"), "confidential": deviceRegistration("confidential")} {
			refused, code := 401, "invalid_client"
			if name == "confidential" {
				refused, code = 400, "unauthorized_client"
			}
			a := w.enter(r)
			d := w.device(a, "openid")
			w.deviceForm(url.Values{"user_code": {d.str("user_code")}}) // opened: the person is told what becomes of it
			w.disapprove(a)
			w.wantError(w.poll(a, d.str("device_code")), refused, code)
			w.wantError(w.post("/device_authorization", a, url.Values{}), refused, code)
			if page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}}); !strings.Contains(page.body, "may not be used") {
				w.Errorf("%s: disapproved: %s", name, page.body)
			}
			w.approve(a.ID)
			w.wantError(w.poll(a, d.str("device_code")), 400, "invalid_grant")
			if page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}}); !strings.Contains(page.body, "may not be used") {
				w.Errorf("%s: approved again: %s", name, page.body)
			}

			b := w.enter(r)
			d, late := w.device(b, "openid"), w.device(b, "openid")
			w.wantError(w.poll(b, "cs_dc_rubbish"), refused, code) // a code that is not parked serves nobody
			w.wantError(w.poll(b, w.device(a, "openid").str("device_code")), refused, code)
			w.wantError(w.post("/token", b, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "device_code": {d.str("device_code")}}), refused, code)
			w.clock.Advance(10 * time.Minute)
			w.wantError(w.poll(b, late.str("device_code")), 400, "expired_token")
			w.must(w.clients.Remove(w.Context(), admin, b.ID))
			w.wantError(w.poll(b, d.str("device_code")), 401, "invalid_client")

			// Allowed at last, and disapproved before the device asks.
			c := w.enter(r)
			d = w.device(c, "openid offline_access")
			w.approve(c.ID)
			w.decide(d.str("user_code"), "allow")
			w.disapprove(c)
			w.wantError(w.poll(c, d.str("device_code")), refused, code)
			w.approve(c.ID)
			w.wantError(w.poll(c, d.str("device_code")), 400, "invalid_grant")
		}
		var tokens int64
		w.must(w.db.With(w.Context()).Table("access_tokens").Count(&tokens).Error)
		if tokens != 0 {
			w.Errorf("%d tokens were issued", tokens)
		}
	})
}

// Strangers may register, so that what they park is bounded more narrowly.
func TestParkedDevicesAreBounded(t *testing.T) {
	each(t, func(w *world) {
		a, b := w.enter(television("A")), w.enter(television("B"))
		for range 5 {
			w.device(a, "api")
		}
		full := w.post("/device_authorization", a, url.Values{})
		if w.wantError(full, 429, "temporarily_unavailable"); full.Header.Get("Retry-After") == "" {
			w.Error("no Retry-After")
		}
		w.device(b, "api")
		w.approve(a.ID)
		w.device(a, "api") // a client that somebody vouches for may have more
		count := storagetest.CountStatements(w.db)
		d := w.device(b, "api")
		if n := count.Count(); n != 2 {
			w.Errorf("parking takes %d statements; want 2: %q", n, count.Statements())
		}
		count = storagetest.CountStatements(w.db)
		w.wantError(w.poll(b, d.str("device_code")), 400, "authorization_pending")
		if n := count.Count(); n != 2 {
			w.Errorf("a poll takes %d statements; want 2: %q", n, count.Statements())
		}
	})
}

// Of all who poll while an administrator approves and the person allows, one
// gets tokens. Of a disapproval that comes at the same time, nobody keeps any.
func TestParkedDeviceRaces(t *testing.T) {
	each(t, func(w *world) {
		for range 3 {
			a := w.enter(television("TV"))
			d := w.device(a, "openid")
			page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}})
			var mu sync.Mutex
			got := map[int]int{}
			var issued answer
			polls := func(until chan struct{}) {
				for last := false; !last; {
					select {
					case <-until:
						last = true
					default:
					}
					res := w.poll(a, d.str("device_code"))
					mu.Lock()
					got[res.StatusCode]++
					if res.StatusCode == http.StatusOK {
						issued = res
					}
					mu.Unlock()
				}
			}
			done := make(chan struct{})
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { polls(done) })
			}
			w.approve(a.ID)
			page = w.get("/device?user_code=" + d.str("user_code"))
			w.answerDevice(page, "allow")
			close(done)
			wg.Wait()
			if got[http.StatusOK] != 1 || len(got) != 2 || got[http.StatusBadRequest] == 0 {
				w.Fatalf("polls while it was approved and allowed: %v; want one success", got)
			}
			// The code came again, so that its grant is over.
			if res := w.userinfo(issued.str("access_token")); res.StatusCode != http.StatusUnauthorized {
				w.Errorf("DV-06: the token lives: %s", res.Status)
			}

			b := w.enter(television("TV"))
			d = w.device(b, "openid")
			w.approve(b.ID)
			page = w.deviceForm(url.Values{"user_code": {d.str("user_code")}})
			wg.Go(func() { w.disapprove(b) })
			wg.Go(func() { w.answerDevice(page, "allow") })
			var first answer
			wg.Go(func() { first = w.poll(b, d.str("device_code")) })
			wg.Wait()
			if token := first.str("access_token"); token != "" && w.userinfo(token).StatusCode != http.StatusUnauthorized {
				w.Error("a token outlived the disapproval")
			}
			w.approve(b.ID)
			if res := w.poll(b, d.str("device_code")); res.StatusCode == http.StatusOK {
				w.Error("a code outlived the disapproval")
			}
		}
	})
}
