package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestRevocation is the first part of section 1.7. RV-09 is
// [TestRaceRevocation]; RV-05 is tested in authz, where a database can be made
// to fail.
func TestRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, public, u := s.Client(), s.PublicClient(), s.User()
		t.Run("RV-01 access token", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(c, u)
			if a := s.Revoke(c, got.access); a.Status != http.StatusOK {
				t.Fatalf("got %d %s; want 200", a.Status, a.Body)
			}
			wantInactive(t, s.Introspect(c, got.access))
			wantBearerError(t, s.Userinfo(got.access), http.StatusUnauthorized, "invalid_token")
			wantTokens(t, s.Refresh(c, got.refresh))
		})
		t.Run("RV-02 refresh token", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(public, u)
			if a := s.Revoke(public, got.refresh); a.Status != http.StatusOK {
				t.Fatalf("got %d %s; want 200", a.Status, a.Body)
			}
			wantError(t, s.Refresh(public, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantBearerError(t, s.Userinfo(got.access), http.StatusUnauthorized, "invalid_token")
		})
		t.Run("RV-03 unknown tokens", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(c, u)
			for _, token := range []string{"garbage", "cs_at_x", got.access + "x", got.access, got.access, strings.Repeat("x", 5000)} {
				if a := s.Revoke(c, token); a.Status != http.StatusOK {
					t.Errorf("%.20s gets %d %s; want 200", token, a.Status, a.Body)
				}
			}
			a := s.Post(s.endpoint("revocation_endpoint"), c, url.Values{"token": {got.refresh}, "token_type_hint": {"access_token"}})
			if a.Status != http.StatusOK {
				t.Errorf("a wrong hint gets %d", a.Status)
			}
			wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "invalid_grant")
			wantError(t, s.Post(s.endpoint("revocation_endpoint"), c, nil), http.StatusBadRequest, "invalid_request")
		})
		t.Run("RV-04 another client's token", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(c, u)
			for _, token := range []string{got.access, got.refresh} {
				if a := s.Revoke(s.Client(), token); a.Status != http.StatusBadRequest {
					t.Errorf("got %d %s; want an error", a.Status, a.Body)
				}
			}
			wantActive(t, s.Introspect(c, got.access))
			wantTokens(t, s.Refresh(c, got.refresh))
		})
		t.Run("RV-08 without authentication", func(t *testing.T) {
			s := s.as(t)
			got := s.Tokens(c, u)
			wantError(t, s.Post(s.endpoint("revocation_endpoint"), nil, url.Values{"token": {got.access}}), http.StatusUnauthorized, "invalid_client")
			wantError(t, s.Post(s.endpoint("revocation_endpoint"), nil, url.Values{"token": {got.access}, "client_id": {c.ID}}), http.StatusUnauthorized, "invalid_client")
			wantActive(t, s.Introspect(c, got.access))
		})
	})
}

// TestIntrospection is the second part of section 1.7. IN-08 is tested in
// authz, where a database can be made to fail.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, public, u := s.Client(), s.PublicClient(), s.User()
		auditor := s.Client("--set", "introspection_scope=all")
		got := s.Tokens(c, u)
		introspect := s.endpoint("introspection_endpoint")

		a := s.Introspect(c, got.access)
		wantActive(t, a)
		for member, want := range map[string]any{"client_id": c.ID, "sub": u.ID, "token_type": "Bearer", "iss": s.issuer, "username": u.Username} {
			if a.JSON[member] != want {
				t.Errorf("%s is %v; want %v", member, a.JSON[member], want)
			}
		}
		if !strings.Contains(a.str("scope"), "openid") || a.JSON["exp"] == nil || a.JSON["iat"] == nil {
			t.Errorf("scope, exp or iat is missing: %s", a.Body)
		}
		wantActive(t, s.Introspect(auditor, got.access))
		wantInactive(t, s.Introspect(auditor, got.refresh))   // IN-07
		wantInactive(t, s.Introspect(s.Client(), got.access)) // IN-04

		bearer := s.formPost(introspect, url.Values{"token": {got.access}})
		bearer.Header.Set("Authorization", "Bearer "+got.access)
		if a := s.do(bearer); a.Status != http.StatusUnauthorized || a.JSON["active"] != nil {
			t.Errorf("IN-02 a user's token as credential gets %d %s; want 401", a.Status, a.Body)
		}
		wantError(t, s.Introspect(public, got.access), http.StatusUnauthorized, "invalid_client") // IN-03
		wantError(t, s.Post(introspect, nil, url.Values{"token": {got.access}}), http.StatusUnauthorized, "invalid_client")
		wantError(t, s.Post(introspect, c, nil), http.StatusBadRequest, "invalid_request")

		r := s.Request(c)
		code := s.Code(s.browse(), r, u)
		foreign := forge(map[string]any{"alg": "RS256", "typ": "at+jwt"}, map[string]any{"iss": "https://other.example"}, []byte("x"))
		for what, token := range map[string]string{
			"code": code, "ID token": got.id, "foreign JWT": foreign, "garbage": "x", "truncated": got.access[:len(got.access)-1],
			"padded": got.access + " ", "in another case": strings.ToUpper(got.access), "client secret": c.Secret,
		} {
			t.Run("IN-10 "+what, func(t *testing.T) { wantInactive(t, s.as(t).Introspect(c, token)) })
		}
	})
}

// TestUserinfo is the third part of section 1.7.
func TestUserinfo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		got := s.Tokens(c, u)
		userinfo := s.endpoint("userinfo_endpoint")

		t.Run("in the header, in a form, by POST", func(t *testing.T) {
			s := s.as(t)
			post := s.newRequest(http.MethodPost, userinfo, "")
			post.Header.Set("Authorization", "Bearer "+got.access)
			for title, a := range map[string]answer{
				"GET": s.Userinfo(got.access), "POST with a header": s.do(post),
				"POST with a form": s.Post(userinfo, nil, url.Values{"access_token": {got.access}}),
			} {
				if a.Status != http.StatusOK || a.JSON["sub"] != u.ID || a.JSON["email"] != u.email {
					t.Errorf("%s gets %d %s", title, a.Status, a.Body)
				}
				if !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
					t.Errorf("G-6 %s may be stored", title)
				}
			}
		})
		t.Run("UI-01 no token", func(t *testing.T) {
			wantBearerError(t, s.as(t).Userinfo(""), http.StatusUnauthorized, "")
		})
		t.Run("UI-02 token in the URL", func(t *testing.T) {
			s := s.as(t)
			a := s.do(s.newRequest(http.MethodGet, userinfo+"?access_token="+got.access, ""))
			if a.Status < 400 || a.JSON["sub"] != nil {
				t.Errorf("got %d %s; want a refusal", a.Status, a.Body)
			}
		})
		t.Run("UI-03 two tokens", func(t *testing.T) {
			s := s.as(t)
			both := s.formPost(userinfo, url.Values{"access_token": {got.access}})
			both.Header.Set("Authorization", "Bearer "+got.access)
			wantBearerError(t, s.do(both), http.StatusBadRequest, "invalid_request")
		})
		t.Run("UI-04 token without openid", func(t *testing.T) {
			s := s.as(t)
			plain := s.tokensFor(c, u, s.Request(c).With("scope", "api").With("nonce", ""))
			wantBearerError(t, s.Userinfo(plain.access), http.StatusForbidden, "insufficient_scope")
		})
		t.Run("UI-05 other tokens", func(t *testing.T) {
			s := s.as(t)
			code := s.Code(s.browse(), s.Request(c), u)
			for _, token := range []string{got.id, got.refresh, code, "garbage", got.access + "x", c.Secret} {
				wantBearerError(t, s.Userinfo(token), http.StatusUnauthorized, "invalid_token")
			}
		})
		t.Run("UI-06 claims by scope", func(t *testing.T) {
			s := s.as(t)
			narrow := s.tokensFor(c, u, s.Request(c).With("scope", "openid"))
			a := s.Userinfo(narrow.access)
			if len(a.JSON) != 1 || a.JSON["sub"] != u.ID || jwtClaims(t, narrow.id)["sub"] != u.ID {
				t.Errorf("scope openid reads %s; want sub alone", a.Body)
			}
			a = s.Userinfo(s.tokensFor(c, u, s.Request(c).With("scope", "openid profile")).access)
			if a.JSON["name"] != "Ada Lovelace" || a.JSON["email"] != nil {
				t.Errorf("scope profile reads %s", a.Body)
			}
		})
		t.Run("UI-10 other origins", func(t *testing.T) {
			s := s.as(t)
			req := s.newRequest(http.MethodGet, userinfo, "")
			req.Header.Set("Authorization", "Bearer "+got.access)
			req.Header.Set("Origin", "https://evil.example")
			if a := s.do(req); a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Access-Control-Allow-Origin") == "https://evil.example" {
				t.Errorf("another origin is allowed: %v", a.Header)
			}
		})
	})
}
