package authz_test

import (
	"context"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/authz/forward"
	"countersign/clientstore"
	"countersign/storage/audit"
)

// Whatever this door reads of a client is what it may be at this moment. Get is
// for administrators: it knows nothing of the conditions of an approval.
func TestDoorReadsClientsAsTheyMayBeUsed(t *testing.T) {
	t.Parallel()
	read := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		read += strings.Count(string(source), "Clients.InUse")
		if strings.Contains(string(source), "Clients.Get") || strings.Contains(string(source), "Clients.List(") {
			t.Errorf("%s reads a client as administrators do; use InUse", path)
		}
		return err
	})
	if err != nil || read < 8 {
		t.Errorf("%d uses, %v; the test looks in the wrong place", read, err)
	}
}

// approveOn approves the client under conditions, whatever it is now.
func (w *world) approveOn(a app, on clientstore.Conditions) {
	w.Helper()
	c, err := w.clients.Get(w.Context(), a.ID)
	w.must(err)
	_, err = w.clients.ApproveOn(w.Context(), admin, a.ID, clientstore.Approval{Conditions: &on, Version: c.Version})
	w.must(err)
}

func (w *world) until(a app, d time.Duration) {
	w.Helper()
	at := w.clock.Now().Add(d).Truncate(time.Second)
	w.approveOn(a, clientstore.Conditions{Until: &at})
}

// JB-05: a consent to a client whose approval withholds refresh tokens is none to
// what it gets with them: the page said that it ends with the session.
func TestConsentIsToWhatTheApprovalGives(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Plain", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"}})
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		v := w.me()
		w.approveOn(a, clientstore.Conditions{GrantTypes: []string{clientstore.GrantAuthorizationCode}})
		v.consent(v.consentForm(a.ask("scope", "models")))
		if !w.authorize(a.ask("scope", "models")).sent().Has("code") {
			w.Error("asked again for the same")
		}
		w.approveOn(a, clientstore.Conditions{})
		if res := w.authorize(a.ask("scope", "models")); !strings.HasPrefix(res.Header.Get("Location"), "/consent") {
			w.Errorf("not asked for more: %s %q", res.Status, res.Header.Get("Location"))
		}
	})
}

// everyWay is a client that may do all that there is.
func (w *world) everyWay() app {
	w.Helper()
	return w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Every way", Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid profile email offline_access api",
		GrantTypes: []string{
			clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantPassword, clientstore.GrantDeviceCode, clientstore.GrantClientCredentials,
		},
		ResponseTypes: []string{"code", "id_token token"},
	}})
}

// An approval ends at its moment by every door: nothing has to note it first (AP-02).
func TestApprovalEndsEverywhere(t *testing.T) {
	each(t, func(w *world) {
		a, tool, site := w.everyWay(), w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"}), w.resourceServer("all")
		tokens, credentials := w.tokens(a), w.credentials(tool)
		for _, one := range []app{a, tool} {
			w.until(one, time.Minute)
		}
		device := w.device(a, "openid")
		if w.userinfo(tokens.str("access_token")).StatusCode != http.StatusOK || !w.active(site, tokens.str("access_token")) {
			w.Fatal("the approval has not ended yet")
		}
		w.clock.Advance(time.Minute)
		if w.active(site, tokens.str("access_token")) || w.userinfo(tokens.str("access_token")).StatusCode != http.StatusUnauthorized {
			w.Error("an access token outlives the approval")
		}
		for name, form := range map[string]url.Values{
			"client_credentials": {"grant_type": {"client_credentials"}, "scope": {"api"}},
			"device":             {"grant_type": {clientstore.GrantDeviceCode}, "device_code": {device.str("device_code")}},
			"password":           {"grant_type": {"password"}, "username": {"ada"}, "password": {password}},
			"refresh":            {"grant_type": {"refresh_token"}, "refresh_token": {tokens.str("refresh_token")}},
		} {
			res := w.post("/token", a, form)
			if res.StatusCode != http.StatusBadRequest || res.str("error") != "unauthorized_client" || !strings.Contains(res.str("error_description"), "The approval ended on ") {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		w.wantError(w.post("/device_authorization", a, url.Values{}), 400, "unauthorized_client")
		w.wantError(w.post("/par", a, a.ask()), 400, "unauthorized_client")
		w.wantPage(w.follow(w.authorize(a.ask())), "The approval has ended")
		proxied := w.ask(asking{proxy: forward.Proxies[0], site: site, header: bearer(tokens.str("access_token"))})
		w.wantTurnedAway("bearer", proxied, 401, "invalid_token")
		res := w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: tool, token: credentials.Token, secret: credentials.TokenSecret}))
		if res.json["active"] != false || !strings.Contains(res.str("oauth_problem_advice"), "The approval ended on ") {
			w.Errorf("OAuth 1.0a: %s %s", res.Status, res.body)
		}
		w.wantProblem("a request token", w.do(w.signed(begin(tool))), 401, "consumer_key_rejected")
		_, err := w.clients.Purge(w.Context(), 100) // notes it
		w.must(err)
		c, err := w.clients.Get(w.Context(), a.ID)
		w.must(err)
		lapses, err := audit.New(w.db).List(w.Context(), audit.Filter{Action: "client.lapse"})
		w.must(err)
		if c.Status != clientstore.Disapproved || c.Epoch != 1 || c.StatusBy != "system" || len(lapses) != 2 {
			w.Errorf("noted: %s by %s, epoch %d, %d records", c.Status, c.StatusBy, c.Epoch, len(lapses))
		}
		w.approveOn(a, clientstore.Conditions{})
		w.wantError(w.refresh(a, tokens.str("refresh_token")), 400, "invalid_grant")
		if w.active(site, tokens.str("access_token")) {
			w.Error("approved again, and the old token lives")
		}
	})
}

// A client that is approved again before anything noted the end has lost what
// was issued to it all the same (AP-02).
func TestRenewedApprovalBringsNothingBack(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		w.until(w.web, time.Minute)
		w.clock.Advance(time.Minute)
		w.approveOn(w.web, clientstore.Conditions{})
		if w.active(w.web, tokens.str("access_token")) {
			w.Error("a token from before the end lives")
		}
		w.wantError(w.refresh(w.web, tokens.str("refresh_token")), 400, "invalid_grant")
	})
}

// What an approver takes from a client it has by no flow, not even in what was
// issued before (AP-03).
func TestNarrowedScope(t *testing.T) {
	each(t, func(w *world) {
		a := w.everyWay()
		before := w.tokens(a, "scope", "openid profile email api offline_access", "claims", `{"userinfo":{"email":null},"id_token":{"email":null}}`)
		if w.userinfo(before.str("access_token")).str("email") == "" {
			w.Fatal("userinfo has no email before")
		}
		w.approveOn(a, clientstore.Conditions{Scope: "openid profile offline_access"})
		narrow := func(name, scope string) {
			w.Helper()
			if got := strings.Fields(scope); slices.Contains(got, "email") || slices.Contains(got, "api") || !slices.Contains(got, "openid") {
				w.Errorf("%s: scope %q", name, scope)
			}
		}
		narrow("introspection of an old token", w.about(a, before.str("access_token")).str("scope"))
		if res := w.userinfo(before.str("access_token")); res.StatusCode != http.StatusOK || res.json["email"] != nil || res.str("name") == "" {
			w.Errorf("userinfo with an old token: %s", res.body)
		}
		refreshed := w.refresh(a, before.str("refresh_token"))
		narrow("refresh", refreshed.str("scope"))
		if claims := w.verify(a, refreshed.str("id_token")); claims["email"] != nil {
			w.Errorf("ID token of a refresh: %v", claims)
		}
		fresh := w.tokens(a, "scope", "openid profile email", "claims", `{"userinfo":{"email":null},"id_token":{"email":null}}`)
		narrow("code", fresh.str("scope"))
		if res := w.userinfo(fresh.str("access_token")); res.json["email"] != nil {
			w.Errorf("userinfo gives the claim by its name: %s", res.body)
		}
		if claims := w.verify(a, fresh.str("id_token")); claims["email"] != nil {
			w.Errorf("ID token gives the claim by its name: %v", claims)
		}
		narrow("everything by default", w.login(a).str("scope"))
		device := w.device(a, "openid email api")
		w.decide(device.str("user_code"), "allow")
		narrow("device", w.poll(a, device.str("device_code")).str("scope"))
		w.wantError(w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}}), 400, "invalid_scope")
		w.approveOn(a, clientstore.Conditions{})
		if scope := w.tokens(a, "scope", "openid api").str("scope"); scope != "openid api" {
			w.Errorf("lifted: scope %q", scope)
		}
	})
}

// Grants and response types that an approver takes away are refused with the
// reason (AP-03).
func TestNarrowedGrants(t *testing.T) {
	each(t, func(w *world) {
		a := w.everyWay()
		tokens := w.tokens(a)
		w.approveOn(a, clientstore.Conditions{GrantTypes: []string{clientstore.GrantClientCredentials, clientstore.GrantDeviceCode}, ResponseTypes: []string{"id_token token"}})
		for name, form := range map[string]url.Values{
			"password": {"grant_type": {"password"}, "username": {"ada"}, "password": {password}},
			"refresh":  {"grant_type": {"refresh_token"}, "refresh_token": {tokens.str("refresh_token")}},
		} {
			res := w.post("/token", a, form)
			if res.str("error") != "unauthorized_client" || !strings.Contains(res.str("error_description"), "approved this client without the grant type") {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		w.wantRefusal(w.authorize(a.ask("response_type", "code")), "unauthorized_client", "st&a te")
		if res := w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}}); res.StatusCode != http.StatusOK {
			w.Errorf("what is left does not work: %s %s", res.Status, res.body)
		}
		w.approveOn(a, clientstore.Conditions{GrantTypes: []string{clientstore.GrantPassword}})
		w.wantError(w.post("/device_authorization", a, url.Values{}), 400, "unauthorized_client")
		if res := w.login(a, "scope", "openid offline_access"); res.StatusCode != http.StatusOK || res.str("refresh_token") != "" {
			w.Errorf("a refresh token without the grant: %s %s", res.Status, res.body)
		}
	})
}

// A client that changes itself does not undo what an approver narrowed (AP-06).
func TestOwnEditsKeepTheConditions(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		c := w.approve(a.id)
		w.approveOn(app{Client: c}, clientstore.Conditions{Scope: "openid"})
		res := w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_name", "Other", "scope", "openid profile email phone"))
		if res.StatusCode != http.StatusOK {
			w.Fatalf("PUT: %s %s", res.Status, res.body)
		}
		approval, _ := res.json["approval"].(map[string]any)
		if approval["scope"] != "openid" || res.str("scope") == "openid" {
			w.Errorf("the owner reads %v of its approval, and the scope %q", approval, res.str("scope"))
		}
		_, err := w.clients.ApproveRevision(w.Context(), admin, a.id, w.revision(a.id).ID)
		w.must(err)
		used, err := w.clients.InUse(w.Context(), a.id)
		w.must(err)
		if used.Metadata.Scope != "openid" || used.Name != "Other" {
			w.Errorf("%s may ask for %q", used.Name, used.Metadata.Scope)
		}
	})
}

// A rejected change is told to who asked for it, with the reason.
func TestOwnerReadsTheRejection(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		w.approve(a.id)
		w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_name", "Other"))
		_, err := w.clients.RejectRevision(w.Context(), admin, a.id, w.revision(a.id).ID, "Not under this name.")
		w.must(err)
		res := w.send(http.MethodGet, a.path, a.token, "")
		rejected, _ := res.json["revision_rejected"].(map[string]any)
		if rejected["reason"] != "Not under this name." || rejected["at"] == nil || rejected["by"] != nil || res.json["pending_revision"] != nil {
			w.Errorf("GET: %s %s", res.Status, res.body)
		}
		res = w.send(http.MethodPut, a.path, a.token, w.encode(wish, "client_name", "Another"))
		if res.json["revision_rejected"] != nil || res.json["pending_revision"] == nil {
			w.Errorf("PUT: %s", res.body)
		}
		_, err = w.clients.Disapprove(w.Context(), admin, a.id, "Reported as stolen.")
		w.must(err)
		if res := w.send(http.MethodGet, a.path, a.token, ""); res.str("status_reason") != "Reported as stolen." {
			w.Errorf("GET of a disapproved client: %s", res.body)
		}
	})
}

// Of a client that is approved for test users nobody else gets anything, by any
// flow, and is told so (AP-04).
func TestTestUsers(t *testing.T) {
	each(t, func(w *world) {
		a, tool := w.everyWay(), w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
		tokens, credentials := w.tokens(a), w.credentials(tool)
		requestToken, _, err := w.dghubble(tool, nil).RequestToken()
		w.must(err)
		tester, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		only := clientstore.Conditions{TestAccounts: []string{tester.ID}}
		w.approveOn(a, only)
		w.approveOn(tool, only)

		if w.active(a, tokens.str("access_token")) || w.userinfo(tokens.str("access_token")).StatusCode != http.StatusUnauthorized {
			w.Error("the token of somebody else lives")
		}
		w.wantError(w.refresh(a, tokens.str("refresh_token")), 400, "invalid_grant")
		w.wantPage(w.authorize(a.ask()), "E-NOT-A-TESTER")
		w.wantRefusal(w.authorize(a.ask("prompt", "none")), "access_denied", "st&a te")
		if res := w.login(a); res.str("error") != "invalid_grant" || !strings.Contains(res.str("error_description"), "tried out") {
			w.Errorf("password: %s %s", res.Status, res.body)
		}
		device := w.device(a, "openid")
		if res := w.deviceForm(url.Values{"user_code": {device.str("user_code")}}); strings.Contains(res.body, "Did you start this?") {
			w.Errorf("device: %s %s", res.Status, res.body)
		}
		b := w.browse()
		res := w.open(b, "/oauth1/authorize?oauth_token="+url.QueryEscape(requestToken))
		w.wantPage(w.open(b, res.Header.Get("Location")), "E-NOT-A-TESTER")
		res = w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: tool, token: credentials.Token, secret: credentials.TokenSecret}))
		if res.json["active"] != false {
			w.Errorf("OAuth 1.0a: %s %s", res.Status, res.body)
		}
		if res := w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}}); res.StatusCode != http.StatusOK {
			w.Errorf("where nobody is concerned: %s %s", res.Status, res.body)
		}

		w.user = tester
		w.signIn()
		w.must(w.grants.RememberConsent(w.Context(), tester.ID, a.ID, a.Metadata.Scope, a.ConsentDigest))
		if w.userinfo(w.tokens(a).str("access_token")).StatusCode != http.StatusOK {
			w.Error("the tester gets nothing")
		}
		w.decide(device.str("user_code"), "allow")
		if res := w.poll(a, device.str("device_code")); res.StatusCode != http.StatusOK {
			w.Errorf("the tester's device: %s %s", res.Status, res.body)
		}
	})
}

// What a test user lost with their place stays lost when they get it back, by
// whichever way, and so does what others lost when test users were named (AP-05).
func TestTestUserWhoComesBack(t *testing.T) {
	each(t, func(w *world) {
		a, tool := w.everyWay(), w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
		tester, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		mine, tester2 := clientstore.Conditions{TestAccounts: []string{w.user.ID}}, clientstore.Conditions{TestAccounts: []string{tester.ID}}
		for name, back := range map[string]clientstore.Conditions{
			"named again": {TestAccounts: []string{tester.ID, w.user.ID}}, "everybody": {},
		} {
			w.approveOn(a, mine)
			w.approveOn(tool, mine)
			tokens, credentials, device := w.tokens(a), w.credentials(tool), w.device(a, "openid")
			w.decide(device.str("user_code"), "allow")
			for _, on := range []clientstore.Conditions{tester2, back} {
				w.approveOn(a, on)
				w.approveOn(tool, on)
			}
			if w.active(a, tokens.str("access_token")) || w.userinfo(tokens.str("access_token")).StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: the access token of before lives again", name)
			}
			w.wantError(w.refresh(a, tokens.str("refresh_token")), 400, "invalid_grant")
			if res := w.poll(a, device.str("device_code")); res.StatusCode == http.StatusOK {
				w.Errorf("%s: the device of before gets tokens: %s", name, res.body)
			}
			res := w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: tool, token: credentials.Token, secret: credentials.TokenSecret}))
			if res.json["active"] != false {
				w.Errorf("%s: OAuth 1.0a: %s %s", name, res.Status, res.body)
			}
			fresh := w.tokens(a)
			if w.userinfo(fresh.str("access_token")).StatusCode != http.StatusOK {
				w.Errorf("%s: no new token", name)
			}
			w.approveOn(a, clientstore.Conditions{TestAccounts: []string{w.user.ID, tester.ID}}) // who stays loses nothing
			if w.userinfo(fresh.str("access_token")).StatusCode != http.StatusOK {
				w.Errorf("%s: who stayed lost a token", name)
			}
		}
	})
}

// The statement that issues asks again: an administrator can name test users
// while a request is under way (AP-04).
func TestTestUsersNamedInFlight(t *testing.T) {
	each(t, func(w *world) {
		tester, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		once, codes := sync.Once{}, int64(0)
		w.db.SetHook(func(_ context.Context, statement string) error {
			if statement == "BEGIN" || strings.Contains(statement, "INSERT INTO grants") { // the client was found to admit everybody
				once.Do(func() { //nolint:contextcheck // the statement's own context may end with it
					w.db.SetHook(nil)
					w.must(w.db.With(context.WithoutCancel(w.Context())).Exec("UPDATE clients SET approved_test_accounts = ? WHERE id = ?", `["`+tester.ID+`"]`, w.web.ID).Error)
				})
			}
			return nil
		})
		if res := w.authorize(w.web.ask()); res.sent().Get("code") != "" {
			w.Errorf("a code was issued for somebody else: %s", res.Header.Get("Location"))
		}
		w.must(w.db.With(w.Context()).Table("authorization_codes").Count(&codes).Error)
		if codes != 0 {
			w.Errorf("%d codes are kept", codes)
		}
	})
}
