package authz_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// each runs a test in a world on every database.
func each(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) { test(newWorld(t, db)) })
}

func TestCodeFlow(t *testing.T) {
	each(t, func(w *world) {
		for name, a := range map[string]app{"confidential": w.web, "public": w.native} {
			res := w.authorize(a.ask())
			sent := res.sent()
			if sent.Get("state") != "st&a te" || sent.Get("iss") != w.issuer || len(sent) != 4 || !sent.Has("session_state") {
				w.Errorf("%s: AZ-22: redirected with %v", name, sent)
			}
			tokens := w.post("/token", a, redemption(sent.Get("code")))
			if tokens.StatusCode != http.StatusOK || tokens.str("token_type") != "Bearer" || tokens.json["expires_in"] != 600.0 ||
				tokens.str("scope") != "openid profile offline_access" || tokens.str("refresh_token") == "" || tokens.str("id_token") == "" {
				w.Errorf("%s: token: %s %s", name, tokens.Status, tokens.body)
			}
			if tokens.Header.Get("Cache-Control") != "no-store" {
				w.Errorf("%s: Cache-Control %q", name, tokens.Header.Get("Cache-Control"))
			}
		}
	})
}

// F1: fosite forgets the challenge at the first wrong verifier, and asks for
// none at the second attempt.
func TestPK07ProofCannotBeStripped(t *testing.T) {
	each(t, func(w *world) {
		for name, a := range map[string]app{"confidential": w.web, "public": w.native} {
			for attempt, first := range map[string]string{
				"PK-05 wrong verifier": "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
				"PK-06 no verifier":    "",
			} {
				code := w.code(a)
				w.wantError(w.post("/token", a, redemption(code, "code_verifier", first)), 400, "invalid_grant")
				w.wantError(w.post("/token", a, redemption(code, "code_verifier", "")), 400, "invalid_grant")
				// PK-08: the failed attempt has burnt the code.
				res := w.post("/token", a, redemption(code))
				w.wantError(res, 400, "invalid_grant")
				if res.StatusCode == http.StatusOK {
					w.Errorf("%s, %s: the code survived", name, attempt)
				}
			}
		}
	})
}

func TestProofKeys(t *testing.T) {
	each(t, func(w *world) {
		w.wantRefusal(w.authorize(w.native.ask("code_challenge", "", "code_challenge_method", "")), "invalid_request", "st&a te") // PK-01
		for name, change := range map[string][]string{
			"PK-02 plain":                {"code_challenge_method", "plain"},
			"PK-03 no method":            {"code_challenge_method", ""},
			"F11 method alone":           {"code_challenge", ""},
			"F11 short challenge":        {"code_challenge", "abc"},
			"F11 challenge of 44":        {"code_challenge", challenge + "x"},
			"F11 not base64url":          {"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw=cM"},
			"PK-04 method in lower case": {"code_challenge_method", "s256"},
		} {
			res := w.authorize(w.web.ask(change...))
			if res.sent().Get("error") != "invalid_request" {
				w.Errorf("%s: %q", name, res.Header.Get("Location"))
			}
		}
		// PK-09: a verifier for a code that has no challenge.
		code := w.code(w.web, "code_challenge", "", "code_challenge_method", "")
		w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant")
		// A confidential client may do without.
		code = w.code(w.web, "code_challenge", "", "code_challenge_method", "")
		if res := w.post("/token", w.web, redemption(code, "code_verifier", "")); res.StatusCode != http.StatusOK {
			w.Errorf("no PKCE: %s %s", res.Status, res.body)
		}
		for name, v := range map[string]string{
			"PK-10 of 42":   verifier[:42],
			"PK-10 of 129":  verifier + verifier + verifier,
			"PK-10 illegal": verifier[:42] + "!",
		} {
			res := w.post("/token", w.web, redemption(w.code(w.web), "code_verifier", v))
			if res.str("error") != "invalid_grant" {
				w.Errorf("%s: %s", name, res.body)
			}
		}
	})
}

// F2: fosite reads a code and spends it later; the loser gets a 500.
func TestCD03FiftyParallelRedemptions(t *testing.T) {
	each(t, func(w *world) {
		code := w.code(w.web)
		var (
			wg       sync.WaitGroup
			mu       sync.Mutex
			statuses = map[int]int{}
			won      answer
		)
		for range 50 {
			wg.Go(func() {
				res := w.post("/token", w.web, redemption(code))
				mu.Lock()
				defer mu.Unlock()
				statuses[res.StatusCode]++
				if res.StatusCode == http.StatusOK {
					won = res
				} else if res.str("error") != "invalid_grant" {
					w.Errorf("a loser got %s %s", res.Status, res.body)
				}
			})
		}
		wg.Wait()
		if statuses[200] != 1 || statuses[400] != 49 {
			w.Errorf("statuses = %v; want one 200 and 49 400", statuses)
		}
		if w.active(w.web, won.str("access_token")) {
			w.Error("INV-03: the code was used twice and its tokens live")
		}
	})
}

func TestCD02SecondUseEndsWhatTheFirstYielded(t *testing.T) {
	each(t, func(w *world) {
		code := w.code(w.web)
		first := w.post("/token", w.web, redemption(code))
		// CD-04: a stranger can neither use the code nor end its grant.
		other := w.register(registration("Other"))
		w.wantError(w.post("/token", other, redemption(code)), 400, "invalid_grant")
		if !w.active(w.web, first.str("access_token")) {
			w.Fatal("CD-04: another client ended the grant by replaying its code")
		}
		// Neither can who has seen the code alone, which is in the browser's history.
		w.wantError(w.post("/token", w.web, redemption(code, "code_verifier", "")), 400, "invalid_grant")
		if !w.active(w.web, first.str("access_token")) {
			w.Fatal("the grant was ended without its proof key")
		}
		w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant")
		if w.active(w.web, first.str("access_token")) || w.active(w.web, first.str("refresh_token")) {
			w.Error("the tokens of the first use are live")
		}
	})
}

func TestCodesAreBoundToTheirRequest(t *testing.T) {
	each(t, func(w *world) {
		for name, change := range map[string][]string{
			"CD-05 redirect URI missing":  {"redirect_uri", ""},
			"CD-05 another redirect URI":  {"redirect_uri", callback + "/"},
			"CD-06 code truncated":        {"code", "cs_ac_x"},
			"CD-06 code with white space": {"code", " "},
		} {
			res := w.post("/token", w.web, redemption(w.code(w.web), change...))
			if res.StatusCode != http.StatusBadRequest || res.str("error") != "invalid_grant" {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		other := w.register(registration("Other"))
		code := w.code(w.web)
		w.wantError(w.post("/token", other, redemption(code)), 400, "invalid_grant")
		if res := w.post("/token", w.web, redemption(code)); res.StatusCode != http.StatusOK {
			w.Errorf("CD-04: a stranger denied the client its code: %s %s", res.Status, res.body)
		}
		code = w.code(w.web)
		w.clock.Advance(time.Minute + time.Second)
		w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant") // CD-01
	})
}

// F10: fosite ignores the scope of a refresh.
func TestRefreshScope(t *testing.T) {
	each(t, func(w *world) {
		first := w.tokens(w.web)
		w.wantError(w.refresh(w.web, first.str("refresh_token"), "scope", "openid email"), 400, "invalid_scope")
		narrow := w.refresh(w.web, first.str("refresh_token"), "scope", "openid")
		if narrow.str("scope") != "openid" {
			w.Errorf("RT-06: scope = %q", narrow.str("scope"))
		}
		full := w.refresh(w.web, narrow.str("refresh_token"))
		if full.str("scope") != "openid profile offline_access" {
			w.Errorf("RT-06: after a narrow one, scope = %q", full.str("scope"))
		}
	})
}

func TestRefreshRotation(t *testing.T) {
	each(t, func(w *world) {
		for _, a := range []app{w.web, w.native} {
			first := w.tokens(a)
			second := w.refresh(a, first.str("refresh_token"))
			again := w.refresh(a, first.str("refresh_token"))
			if second.str("refresh_token") == first.str("refresh_token") || again.str("refresh_token") != second.str("refresh_token") {
				w.Errorf("RT-13: the lost answer was not repeated: %s", again.body)
			}
			third := w.refresh(a, second.str("refresh_token"))
			w.clock.Advance(11 * time.Second)
			w.wantError(w.refresh(a, first.str("refresh_token")), 400, "invalid_grant") // RT-02
			w.wantError(w.refresh(a, third.str("refresh_token")), 400, "invalid_grant")
			if a.secret != "" && w.active(a, third.str("access_token")) {
				w.Error("RT-02: the family lives")
			}
		}
		// Two windows, one of them quick: neither kills the other's session.
		first := w.tokens(w.web)
		second := w.refresh(w.web, first.str("refresh_token"))
		third := w.refresh(w.web, second.str("refresh_token"))
		late := w.refresh(w.web, first.str("refresh_token"))
		if late.str("refresh_token") != second.str("refresh_token") || !w.active(w.web, late.str("access_token")) {
			w.Errorf("INV-04: the slow window got %s", late.body)
		}
		if w.refresh(w.web, late.str("refresh_token")).str("refresh_token") != third.str("refresh_token") {
			w.Error("INV-04: the family forked")
		}
	})
}

func TestFiftyParallelRefreshes(t *testing.T) {
	each(t, func(w *world) {
		first := w.tokens(w.native)
		var (
			wg         sync.WaitGroup
			mu         sync.Mutex
			successors = map[string]int{}
		)
		for range 50 {
			wg.Go(func() {
				res := w.refresh(w.native, first.str("refresh_token"))
				mu.Lock()
				defer mu.Unlock()
				if res.StatusCode != http.StatusOK {
					w.Errorf("refresh: %s %s", res.Status, res.body)
				}
				successors[res.str("refresh_token")]++
			})
		}
		wg.Wait()
		if len(successors) != 1 {
			w.Errorf("INV-04: %d successors", len(successors))
		}
		for token := range successors {
			if res := w.refresh(w.native, token); res.StatusCode != http.StatusOK {
				w.Errorf("the family was killed: %s %s", res.Status, res.body)
			}
		}
	})
}

func TestRefreshLimits(t *testing.T) {
	each(t, func(w *world) {
		idle := w.tokens(w.web).str("refresh_token")
		w.clock.Advance(25 * time.Hour)
		w.wantError(w.refresh(w.web, idle), 400, "invalid_grant") // RT-07
		w.signIn()
		token := w.tokens(w.web).str("refresh_token")
		for range 3 {
			w.clock.Advance(23 * time.Hour)
			res := w.refresh(w.web, token)
			if token = res.str("refresh_token"); token == "" {
				w.Fatalf("refresh: %s %s", res.Status, res.body)
			}
		}
		w.clock.Advance(23 * time.Hour)
		w.wantError(w.refresh(w.web, token), 400, "invalid_grant") // RT-07, absolute

		w.signIn()
		other := w.register(registration("Other"))
		token = w.tokens(w.web).str("refresh_token")
		w.wantError(w.refresh(other, token), 400, "invalid_grant") // RT-04
		if res := w.refresh(w.web, token); res.StatusCode != http.StatusOK {
			w.Errorf("RT-04: a stranger denied the client its token: %s", res.body)
		}
		if res := w.tokens(w.web, "scope", "openid profile"); res.str("refresh_token") != "" {
			w.Error("RT-16: a refresh token without offline_access")
		}
	})
}

func TestConfidentialClientMayKeepItsRefreshToken(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Keeper")
		off := false
		r.Metadata.RefreshTokenRotation = &off
		keeper := w.register(r)
		token := w.tokens(keeper).str("refresh_token")
		for range 3 {
			w.clock.Advance(23 * time.Hour / 2)
			res := w.refresh(keeper, token)
			if res.str("refresh_token") != token || !w.active(keeper, res.str("access_token")) {
				w.Errorf("refresh: %s %s", res.Status, res.body)
			}
		}
	})
}

// F3, F4: fosite answers 200 to a revocation that was not stored, and to one
// of another client's token.
func TestRevocation(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		other := w.register(registration("Other"))
		w.wantError(w.post("/revoke", other, url.Values{"token": {tokens.str("access_token")}}), 400, "unauthorized_client") // RV-04
		w.down(func() {
			w.wantError(w.post("/revoke", w.web, url.Values{"token": {tokens.str("access_token")}}), 503, "temporarily_unavailable") // RV-05
		})
		if !w.active(w.web, tokens.str("access_token")) {
			w.Fatal("the token died of a revocation that was refused")
		}
		for range 2 { // RV-01, RV-03
			if res := w.post("/revoke", w.web, url.Values{"token": {tokens.str("access_token")}}); res.StatusCode != http.StatusOK {
				w.Errorf("revoke: %s %s", res.Status, res.body)
			}
		}
		if w.active(w.web, tokens.str("access_token")) || !w.active(w.web, tokens.str("refresh_token")) {
			w.Error("RV-01: not this token alone was revoked")
		}
		next := w.refresh(w.web, tokens.str("refresh_token"))
		w.post("/revoke", w.web, url.Values{"token": {next.str("refresh_token")}})
		if w.active(w.web, next.str("access_token")) || w.active(w.web, next.str("refresh_token")) {
			w.Error("RV-02: a token outlives its family")
		}
		for _, token := range []string{"x", "cs_at_nonsense", next.str("id_token")} {
			if res := w.post("/revoke", w.web, url.Values{"token": {token}}); res.StatusCode != http.StatusOK {
				w.Errorf("RV-03: %s %s", res.Status, res.body)
			}
		}
		w.wantError(w.post("/revoke", w.web, url.Values{}), 400, "invalid_request")
		w.wantError(w.post("/revoke", app{w.web.Client, "wrong"}, url.Values{"token": {"x"}}), 401, "invalid_client") // RV-08
	})
}

// F5: fosite lets anybody introspect anything. IN-05: of an inactive token
// nothing else is said, see active.
func TestIntrospection(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		res := w.post("/introspect", w.web, url.Values{"token": {tokens.str("access_token")}})
		if res.str("sub") != w.user.ID || res.str("client_id") != w.web.ID || res.str("username") != "ada" || res.str("iss") != w.issuer ||
			res.str("token_type") != "Bearer" || res.str("scope") != "openid profile offline_access" || res.json["exp"] == nil {
			w.Errorf("introspection: %s", res.body)
		}
		w.wantError(w.post("/introspect", w.native, url.Values{"token": {tokens.str("access_token")}}), 401, "invalid_client") // IN-03
		r := w.request(http.MethodPost, "/introspect", formType, url.Values{"token": {tokens.str("access_token")}}.Encode())
		r.Header.Set("Authorization", "Bearer "+tokens.str("access_token"))
		w.wantError(w.do(r), 401, "invalid_client") // IN-02
		other := w.register(registration("Resource server"))
		if w.active(other, tokens.str("access_token")) {
			w.Error("IN-04: a stranger reads the token")
		}
		all := registration("Gateway")
		all.Metadata.IntrospectionScope = "all"
		gateway := w.register(all)
		if !w.active(gateway, tokens.str("access_token")) || w.active(gateway, tokens.str("refresh_token")) {
			w.Error("IN-07: the gateway reads refresh tokens, or no access tokens")
		}
		for _, token := range []string{tokens.str("id_token"), "x", "cs_at_" + tokens.str("access_token")} {
			if w.active(w.web, token) {
				w.Errorf("IN-10: %.20s… is active", token)
			}
		}
		w.down(func() {
			w.wantError(w.post("/introspect", w.web, url.Values{"token": {tokens.str("access_token")}}), 503, "temporarily_unavailable") // IN-08
		})
		w.clock.Advance(11 * time.Minute)
		if w.active(w.web, tokens.str("access_token")) {
			w.Error("IN-06: an expired token is active")
		}
	})
}
