package e2e

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestRefreshToken is section 1.6 of the catalogue. RT-03 and RT-13 are
// [TestRaceForOneRefreshToken], RT-12 [TestSurvivesKill], RT-18
// [TestRaceRefreshAgainstRevocation].
func TestRefreshToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		public, confidential, u := s.PublicClient(), s.Client(), s.User()
		refresh := func(s *server, c *client, token, scope string) answer {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
			if scope != "" {
				form.Set("scope", scope)
			}
			return s.Post(s.endpoint("token_endpoint"), c, form)
		}
		t.Run("RT-01 rotation", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(public, u)
			a := s.Refresh(public, got.refresh)
			wantTokens(t, a)
			if a.str("refresh_token") == got.refresh || a.str("refresh_token") == "" {
				t.Error("a public client's refresh token does not rotate")
			}
			if a.str("access_token") == got.access {
				t.Error("the access token is the same")
			}
		})
		t.Run("RT-04 another client's", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(confidential, u)
			wantError(t, s.Refresh(s.Client(), got.refresh), http.StatusBadRequest, "invalid_grant")
			wantError(t, s.Refresh(public, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantTokens(t, s.Refresh(confidential, got.refresh))
		})
		t.Run("RT-05 a scope that was not granted", func(t *testing.T) {
			s := s.as(t)
			got := s.tokensFor(public, u, s.Request(public).With("scope", "openid offline_access"))
			wantError(t, refresh(s, public, got.refresh, "openid offline_access email"), http.StatusBadRequest, "invalid_scope")
			wantError(t, refresh(s, public, got.refresh, "no-such-scope"), http.StatusBadRequest, "invalid_scope")
			wantTokens(t, s.Refresh(public, got.refresh)) // a refused try spends nothing
		})
		t.Run("RT-06 a narrower scope", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(public, u)
			narrow := refresh(s, public, got.refresh, "openid")
			wantTokens(t, narrow)
			if narrow.str("scope") != "openid" {
				t.Errorf("the scope is %q; want openid", narrow.str("scope"))
			}
			if a := s.Userinfo(narrow.str("access_token")); a.JSON["email"] != nil {
				t.Errorf("the narrow token reads an e-mail address: %s", a.Body)
			}
			full := refresh(s, public, narrow.str("refresh_token"), "")
			wantTokens(t, full)
			if a := s.Userinfo(full.str("access_token")); a.JSON["email"] != u.email {
				t.Errorf("the next refresh has not the full scope: %s %s", full.Body, a.Body)
			}
		})
		t.Run("RT-08 password changed", func(t *testing.T) {
			s := s.as(t)
			other := s.User()
			got := s.Tokens(confidential, other)
			other.password = s.canaries.add("password", "another "+newVerifier())
			s.CLI(other.password+"\n", "user", "set-password", other.Username, "--password-stdin")
			wantError(t, s.Refresh(confidential, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantInactive(t, s.Introspect(confidential, got.access))
		})
		t.Run("RT-08 account removed", func(t *testing.T) {
			s := s.as(t)
			other := s.User()
			got := s.Tokens(confidential, other)
			s.CLI("", "user", "remove", other.Username, "--yes")
			wantError(t, s.Refresh(confidential, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantInactive(t, s.Introspect(confidential, got.access))
			wantBearerError(t, s.Userinfo(got.access), http.StatusUnauthorized, "invalid_token")
		})
		t.Run("RT-14 the ID token of a refresh", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(confidential, u)
			time.Sleep(1100 * time.Millisecond) // for a later iat
			first, second := jwtClaims(t, got.id), jwtClaims(t, s.Refresh(confidential, got.refresh).str("id_token"))
			for _, same := range []string{"iss", "sub", "auth_time"} {
				if first[same] != second[same] {
					t.Errorf("%s is %v; want %v", same, second[same], first[same])
				}
			}
			if sprintAudience(first["aud"]) != sprintAudience(second["aud"]) {
				t.Errorf("aud is %v; want %v", second["aud"], first["aud"])
			}
			if before, after := number(first["iat"]), number(second["iat"]); after <= before {
				t.Errorf("iat is %v; want later than %v", after, before)
			}
		})
		t.Run("RT-15 a refresh token is no access token", func(t *testing.T) {
			s := s.as(t)
			wantBearerError(t, s.Userinfo(s.Tokens(public, u).refresh), http.StatusUnauthorized, "invalid_token")
		})
		t.Run("RT-16 no refresh grant, no refresh token", func(t *testing.T) {
			s := s.as(t)
			c := s.Client()
			s.CLI("", "client", "edit", c.ID, "--grant", "authorization_code", "--scope", "openid profile email")
			if got := s.tokensFor(c, u, s.Request(c).With("scope", "openid profile")); got.refresh != "" {
				t.Error("a client without the refresh grant got a refresh token")
			}
		})
		t.Run("a confidential client may keep its refresh token", func(t *testing.T) {
			s := s.as(t)
			c := s.Client("--set", "refresh_token_rotation=false")
			got := s.Tokens(c, u)
			for range 3 {
				a := s.Refresh(c, got.refresh)
				wantTokens(t, a)
				if next := a.str("refresh_token"); next != "" && next != got.refresh {
					t.Errorf("the refresh token changed")
				}
			}
		})
	})
}

func sprintAudience(v any) string {
	if text, ok := v.(string); ok {
		return text + " "
	}
	return sprintList(v)
}

func number(v any) float64 {
	n, _ := v.(float64) // 0 fails where it is compared
	return n
}

// TestRefreshTokenReuse is RT-02: outside the grace a repeated refresh token
// ends its family.
func TestRefreshTokenReuse(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"REFRESH_GRACE", "1s"}, setting{"REFRESH_IDLE", "10s"}, setting{"REFRESH_ABSOLUTE", "20s"})
			c, u := s.PublicClient(), s.User()
			auditor := s.Client("--set", "introspection_scope=all")
			got := s.Tokens(c, u)
			next := s.Refresh(c, got.refresh)
			wantTokens(t, next)
			time.Sleep(1200 * time.Millisecond)
			wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantError(t, s.Refresh(c, next.str("refresh_token")), http.StatusBadRequest, "invalid_grant")
			wantInactive(t, s.Introspect(auditor, got.access))
			wantInactive(t, s.Introspect(auditor, next.str("access_token")))

			// RT-07: idle, and absolute with continuous rotation. A machine that is busy
			// has five seconds to answer.
			idle := s.Tokens(c, u).refresh
			live, began := s.Tokens(c, u).refresh, time.Now()
			for time.Since(began) < 12*time.Second {
				time.Sleep(3 * time.Second)
				a := s.Refresh(c, live)
				wantTokens(t, a)
				live = a.str("refresh_token")
			}
			wantError(t, s.Refresh(c, idle), http.StatusBadRequest, "invalid_grant")
			time.Sleep(20*time.Second - time.Since(began) + 200*time.Millisecond)
			wantError(t, s.Refresh(c, live), http.StatusBadRequest, "invalid_grant")
		})
	}
}
