package authz_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

func deviceRegistration(name string) clientstore.Registration {
	return clientstore.Registration{Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{
		GrantTypes: []string{clientstore.GrantDeviceCode, clientstore.GrantRefreshToken}, Scope: "openid profile offline_access api",
	}}
}

// television is a public client for devices.
func television(name string) clientstore.Registration {
	r := deviceRegistration(name)
	r.Metadata.TokenEndpointAuthMethod = "none"
	return r
}

// device starts a device and returns its codes.
func (w *world) device(a app, scope string) answer {
	w.Helper()
	res := w.post("/device_authorization", a, with(url.Values{}, "scope", scope))
	if res.StatusCode != http.StatusOK {
		w.Fatalf("device_authorization: %s %s", res.Status, res.body)
	}
	return res
}

func (w *world) poll(a app, code string) answer {
	w.Helper()
	return w.post("/token", a, url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {code}})
}

// deviceForm posts to the device page in the browser where the user is signed in.
func (w *world) deviceForm(form url.Values) answer {
	w.Helper()
	r := w.request(http.MethodPost, "/device", formType, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
	return w.do(r)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)"`)

// decide types the code and answers the page.
func (w *world) decide(userCode, decision string) {
	w.Helper()
	page := w.deviceForm(url.Values{"user_code": {userCode}})
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "Did you start this?") {
		w.Fatalf("device page: %s %s", page.Status, page.body)
	}
	if res := w.answerDevice(page, decision); res.StatusCode != http.StatusOK {
		w.Fatalf("decision: %s %s", res.Status, res.body)
	}
}

func (w *world) answerDevice(page answer, decision string) answer {
	w.Helper()
	form := url.Values{"decision": {decision}}
	for _, f := range hiddenField.FindAllStringSubmatch(page.body, -1) {
		form.Set(f[1], f[2])
	}
	return w.deviceForm(form)
}

func TestDeviceGrant(t *testing.T) {
	each(t, func(w *world) {
		for name, r := range map[string]clientstore.Registration{"public": television("public"), "confidential": deviceRegistration("confidential")} {
			a := w.register(r)
			d := w.device(a, "openid profile offline_access")
			// DV-02.
			if !strings.HasPrefix(d.str("device_code"), "cs_dc_") || !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.str("user_code")) ||
				d.str("verification_uri") != w.issuer+"/device" || d.str("verification_uri_complete") != w.issuer+"/device?user_code="+d.str("user_code") ||
				d.json["expires_in"] != 600.0 || d.json["interval"] != 5.0 || d.Header.Get("Cache-Control") != "no-store" {
				w.Errorf("%s: %s", name, d.body)
			}
			w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending") // DV-04
			page := w.get(strings.TrimPrefix(d.str("verification_uri_complete"), w.issuer))
			for _, want := range []string{name, d.str("user_code"), "Did you start this?", "127.0.0.1", "See your profile", `value="deny"`} { // DV-11
				if !strings.Contains(page.body, want) {
					w.Errorf("%s: page without %q: %s", name, want, page.body)
				}
			}
			w.clock.Advance(5 * time.Second)
			w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending") // a GET grants nothing
			if res := w.answerDevice(page, "allow"); res.StatusCode != http.StatusOK || !strings.Contains(res.body, "connected") {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
			tokens := w.poll(a, d.str("device_code"))
			if tokens.StatusCode != http.StatusOK || tokens.str("scope") != "openid profile offline_access" || tokens.str("refresh_token") == "" {
				w.Fatalf("%s: %s %s", name, tokens.Status, tokens.body)
			}
			claims := w.verify(a, tokens.str("id_token")) // DV-18
			if claims["sub"] != w.user.ID || claims["auth_time"] != float64(w.session.AuthTime.Unix()) || claims["nonce"] != nil || claims["at_hash"] == nil {
				w.Errorf("%s: ID token: %v", name, claims)
			}
			if w.userinfo(tokens.str("access_token")).str("name") != "Ada Lovelace" {
				w.Errorf("%s: userinfo does not know the token", name)
			}
			if res := w.refresh(a, tokens.str("refresh_token")); res.StatusCode != http.StatusOK {
				w.Errorf("%s: refresh: %s", name, res.body)
			}
			w.wantError(w.poll(a, d.str("device_code")), 400, "invalid_grant") // DV-06
			if res := w.userinfo(tokens.str("access_token")); res.StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: DV-06: the code was used twice, and its token lives", name)
			}
		}
	})
}

func TestDevicePolls(t *testing.T) {
	each(t, func(w *world) {
		a, other := w.register(television("TV")), w.register(television("Other"))
		d := w.device(a, "api")
		code := d.str("device_code")
		w.wantError(w.poll(a, code), 400, "authorization_pending")
		w.clock.Advance(time.Second)
		w.wantError(w.poll(a, code), 400, "slow_down")
		w.clock.Advance(6 * time.Second)
		w.wantError(w.poll(a, code), 400, "slow_down") // the interval is 10 seconds by now
		w.clock.Advance(15 * time.Second)
		w.wantError(w.poll(a, code), 400, "authorization_pending")
		for range 20 {
			w.wantError(w.poll(other, code), 400, "invalid_grant") // DV-05: and it slows nobody down
		}
		w.clock.Advance(15 * time.Second)
		w.wantError(w.poll(a, code), 400, "authorization_pending")
		w.wantError(w.poll(a, "cs_dc_rubbish"), 400, "invalid_grant")
		w.wantError(w.post("/token", a, url.Values{"grant_type": {clientstore.GrantDeviceCode}}), 400, "invalid_request")
		w.decide(d.str("user_code"), "deny")
		w.wantError(w.poll(a, code), 400, "access_denied") // DV-04, without having to wait

		d = w.device(a, "api")
		w.decide(d.str("user_code"), "allow")
		w.wantError(w.poll(other, d.str("device_code")), 400, "invalid_grant") // DV-05: allowed, and still another's
		if res := w.poll(a, d.str("device_code")); res.StatusCode != http.StatusOK || res.str("refresh_token") == "" || res.str("id_token") != "" {
			w.Errorf("allowed: %s %s", res.Status, res.body)
		}

		waits, allowed := w.device(a, "api"), w.device(a, "api")
		w.decide(allowed.str("user_code"), "allow")
		w.clock.Advance(10 * time.Minute)
		w.wantError(w.poll(a, waits.str("device_code")), 400, "expired_token") // never authorization_pending
		w.wantError(w.poll(a, allowed.str("device_code")), 400, "expired_token")
	})
}

// DV-07.
func TestParallelPolls(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "openid")
		w.decide(d.str("user_code"), "allow")
		var mu sync.Mutex
		got := map[int]int{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				res := w.poll(a, d.str("device_code"))
				mu.Lock()
				defer mu.Unlock()
				got[res.StatusCode]++
			})
		}
		wg.Wait()
		if got[http.StatusOK] != 1 || got[http.StatusBadRequest] != 19 {
			w.Errorf("20 polls at once: %v; want one success", got)
		}
		// Two people, or two windows, answer at once: one decision holds.
		d = w.device(a, "openid")
		page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}})
		done := map[string]int{}
		for i := range 8 {
			wg.Go(func() {
				res := w.answerDevice(page, []string{"allow", "deny"}[i%2])
				mu.Lock()
				defer mu.Unlock()
				if strings.Contains(res.body, "<h1>Your device is connected") || strings.Contains(res.body, "<h1>Nothing was allowed") {
					done["decided"]++
				}
			})
		}
		wg.Wait()
		if done["decided"] != 1 {
			w.Errorf("%d of 8 decisions at once held; want 1", done["decided"])
		}
	})
}

func TestDeviceAuthorizationRefuses(t *testing.T) {
	each(t, func(w *world) {
		tv, kiosk := w.register(television("TV")), w.register(deviceRegistration("Kiosk"))
		for name, tt := range map[string]struct {
			a      app
			scope  string
			status int
			code   string
		}{
			"DV-01 unknown client":            {app{Client: &clientstore.Client{ID: "nobody"}}, "", 401, "invalid_client"},
			"DV-01 confidential without auth": {app{Client: kiosk.Client}, "", 401, "invalid_client"},
			"DV-01 wrong secret":              {app{kiosk.Client, "wrong"}, "", 401, "invalid_client"},
			"DV-01 without the grant":         {w.web, "openid", 400, "unauthorized_client"},
			"DV-15 scope not registered":      {tv, "openid email", 400, "invalid_scope"},
		} {
			res := w.post("/device_authorization", tt.a, with(url.Values{}, "scope", tt.scope))
			if res.StatusCode != tt.status || res.str("error") != tt.code || res.str("user_code") != "" {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		w.wantError(w.post("/device_authorization", tv, url.Values{"scope": {"api", "api"}}), 400, "invalid_request")
		if res := w.do(w.request(http.MethodGet, "/device_authorization", "", "")); res.StatusCode != http.StatusMethodNotAllowed {
			w.Errorf("GET: %s", res.Status)
		}
		for range 100 { // DV-16
			w.device(tv, "api")
		}
		full := w.post("/device_authorization", tv, url.Values{})
		if w.wantError(full, 429, "temporarily_unavailable"); full.Header.Get("Retry-After") == "" {
			w.Error("DV-16: no Retry-After")
		}
		w.device(kiosk, "api") // another client is not concerned
		w.clock.Advance(10 * time.Minute)
		w.device(tv, "api")
		w.clock.Advance(2 * time.Hour)
		n, err := w.grants.Purge(w.Context(), 1000)
		if w.must(err); n != 102 {
			w.Errorf("purged %d codes; want all 102", n)
		}
	})
}

// LC-06, LC-18 and DV-14: what loses its ground between the codes and the tokens, at
// whatever moment.
func TestDeviceLosesItsGround(t *testing.T) {
	each(t, func(w *world) {
		for name, do := range map[string]func(a app){
			"disapproved, and approved again": func(a app) {
				_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "")
				w.must(err)
				w.wantError(w.post("/device_authorization", a, url.Values{}), 401, "invalid_client")
				_, err = w.clients.Approve(w.Context(), admin, a.ID)
				w.must(err)
			},
			"consent withdrawn": func(a app) { w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID)) },
			"account disabled":  func(app) { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) },
			"password changed": func(app) {
				w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, "another horse, another battery"))
			},
			"signed out": func(app) { w.must(w.sessions.End(w.Context(), w.session.ID)) },
		} {
			w.revive()
			a := w.register(television(name))
			waits, online, offline := w.device(a, "openid"), w.device(a, "openid"), w.device(a, "openid offline_access")
			w.decide(online.str("user_code"), "allow")
			w.decide(offline.str("user_code"), "allow")
			do(a)
			w.wantError(w.poll(a, online.str("device_code")), 400, "invalid_grant")
			res := w.poll(a, offline.str("device_code"))
			if survives := name == "signed out"; (res.StatusCode == http.StatusOK) != survives || !survives && res.str("error") != "invalid_grant" {
				w.Errorf("%s: offline: %s %s", name, res.Status, res.body)
			}
			waiting := "authorization_pending" // nobody had allowed it yet
			if strings.HasPrefix(name, "disapproved") {
				waiting = "invalid_grant"
			}
			w.wantError(w.poll(a, waits.str("device_code")), 400, waiting)
		}
		gone := w.register(television("Gone"))
		d := w.device(gone, "api")
		w.must(w.clients.Remove(w.Context(), admin, gone.ID))
		w.wantError(w.poll(gone, d.str("device_code")), 401, "invalid_client")
	})
}

// A client whose scope was taken from it gets no more of it by a device either.
func TestDeviceGetsWhatIsStillRegistered(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		early, late := w.device(a, "openid api"), w.device(a, "openid api")
		w.decide(early.str("user_code"), "allow")
		m := a.Metadata
		m.Scope = "openid"
		_, err := w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &m, Version: a.Version})
		w.must(err)
		w.decide(late.str("user_code"), "allow")
		for name, d := range map[string]answer{"allowed before": early, "allowed after": late} {
			if res := w.poll(a, d.str("device_code")); res.str("scope") != "openid" {
				w.Errorf("%s: %s", name, res.body)
			}
		}
	})
}

func TestDeviceBudgetAndFailures(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "api")
		count := storagetest.CountStatements(w.db)
		w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending")
		if n := count.Count(); n != 2 {
			w.Errorf("a poll takes %d statements; want 2: %q", n, count.Statements())
		}
		storagetest.FailStatements(w.db, nil)() // stop counting
		w.down(func() {
			w.wantError(w.poll(a, d.str("device_code")), 503, "temporarily_unavailable")
			w.wantError(w.post("/device_authorization", a, url.Values{}), 503, "temporarily_unavailable")
			w.wantPage(w.deviceForm(url.Values{"user_code": {d.str("user_code")}}), "E-UNAVAILABLE")
			w.wantPage(w.get("/device"), "E-UNAVAILABLE")
		})
		opens, answers := 2, 2
		if w.db.Dialect() == storage.SQLite {
			opens = 3 // it looks at the counters first
		}
		count = storagetest.CountStatements(w.db)
		page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}})
		if n := count.Count(); n != opens {
			w.Errorf("opening a code takes %d statements; want %d: %q", n, opens, count.Statements())
		}
		storagetest.FailStatements(w.db, nil)() // stop counting
		w.failing([]string{"UPDATE device_codes", "INSERT INTO grants", "INSERT INTO consents", "INTO account_activities"}, func() { w.wantPage(w.answerDevice(page, "allow"), "E-UNAVAILABLE") })
		count = storagetest.CountStatements(w.db)
		w.answerDevice(page, "allow")
		if n := count.Count(); n != answers {
			w.Errorf("an answer takes %d statements; want %d: %q", n, answers, count.Statements())
		}
		storagetest.FailStatements(w.db, nil)() // stop counting
		w.failing([]string{"device_codes", "access_tokens", "refresh_tokens"}, func() {
			w.wantError(w.poll(a, d.str("device_code")), 503, "temporarily_unavailable")
		})
		count = storagetest.CountStatements(w.db)
		if res := w.poll(a, d.str("device_code")); res.StatusCode != http.StatusOK { // nothing was lost
			w.Errorf("after the failures: %s %s", res.Status, res.body)
		}
		if n := count.Count(); n != 2 {
			w.Errorf("redeeming takes %d statements; want 2: %q", n, count.Statements())
		}
	})
}

// failing runs f while statements with each of the fragments fail.
func (w *world) failing(fragments []string, f func()) {
	w.Helper()
	for _, fragment := range fragments {
		restore := storagetest.FailStatements(w.db, storagetest.Containing(fragment))
		f()
		restore()
	}
}
