package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"countersign/clientstore"
)

func (w *world) writesJWT(change func(*clientstore.Registration)) app {
	w.Helper()
	r := registration("JWT")
	r.Metadata.AccessTokenFormat = "jwt"
	if change != nil {
		change(&r)
	}
	return w.register(r)
}

// readJWT checks an access token as a resource server does, from the published
// keys, and returns its header and claims.
func (w *world) readJWT(token, audience string) (header, claims map[string]any) {
	w.Helper()
	provider, err := oidc.NewProvider(w.Context(), w.issuer)
	w.must(err)
	read, err := provider.VerifierContext(w.Context(), &oidc.Config{
		ClientID: audience, Now: w.clock.Now, SupportedSigningAlgs: []string{"ES256"},
	}).Verify(context.WithoutCancel(w.Context()), token)
	w.must(err)
	w.must(read.Claims(&claims))
	head, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	w.must(err)
	w.must(json.Unmarshal(head, &header))
	return header, claims
}

// JW-08 and RV-10: what it contains, and that a JSON Web Token is as good as an
// opaque one here, and as dead once it is revoked.
func TestJWTAccessTokens(t *testing.T) {
	each(t, func(w *world) {
		a := w.writesJWT(nil)
		tokens := w.tokens(a)
		token, now := tokens.str("access_token"), float64(w.clock.Now().Unix())
		header, claims := w.readJWT(token, a.ID)
		if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == nil {
			w.Errorf("header %v", header)
		}
		for name, want := range map[string]any{
			"iss": w.issuer, "sub": w.user.ID, "aud": a.ID, "client_id": a.ID, "iat": now, "exp": now + 600,
			"scope": "openid profile offline_access", "acr": "urn:countersign:acr:pwd", "auth_time": float64(w.session.AuthTime.Unix()),
		} {
			if claims[name] != want {
				w.Errorf("%s = %v; want %v", name, claims[name], want)
			}
		}
		if jti, _ := claims["jti"].(string); len(jti) != 36 || len(claims) != 10 {
			w.Errorf("claims %v", claims)
		}
		if info := w.userinfo(token); info.StatusCode != http.StatusOK || info.str("sub") != w.user.ID {
			w.Errorf("userinfo: %s %s", info.Status, info.body)
		}
		if res := w.post("/introspect", a, url.Values{"token": {token}}); res.json["active"] != true || res.str("token_type") != "Bearer" || res.str("client_id") != a.ID {
			w.Errorf("introspect: %s", res.body)
		}
		w.verify(a, tokens.str("id_token"))
		refreshed := w.refresh(a, tokens.str("refresh_token"), "scope", "openid")
		if _, claims = w.readJWT(refreshed.str("access_token"), a.ID); claims["scope"] != "openid" || claims["auth_time"] == nil {
			w.Errorf("refreshed: %v", claims)
		}
		// One that differs by a bit, or was never issued, is none.
		forged := token[:len(token)-2] + map[bool]string{true: "AA", false: "BB"}[!strings.HasSuffix(token, "AA")]
		for name, other := range map[string]string{"forged": forged, "JW-03 unsigned": raw(`{"alg":"none","typ":"at+jwt"}`, `{}`, []byte("x")), "JW-07 ID token": tokens.str("id_token"), "long": "eyJ" + strings.Repeat("a", 9<<10) + ".a.a"} {
			if w.active(a, other) {
				w.Errorf("%s is active", name)
			}
			if w.userinfo(other).StatusCode != http.StatusUnauthorized {
				w.Errorf("%s opens userinfo", name)
			}
		}
		w.wantRefusal(w.authorize(a.ask("id_token_hint", token)), "invalid_request", "st&a te") // JW-07
		if res := w.post("/revoke", a, url.Values{"token": {token}}); res.StatusCode != http.StatusOK || w.active(a, token) {
			w.Errorf("revoke: %s", res.Status)
		}
	})
}

func TestJWTAccessTokensOfEveryGrant(t *testing.T) {
	each(t, func(w *world) {
		service := w.writesJWT(func(r *clientstore.Registration) {
			r.Type, r.Metadata = clientstore.OAuth2, clientstore.Metadata{GrantTypes: []string{"client_credentials"}, Scope: "api", AccessTokenFormat: "jwt"}
		})
		res := w.post("/token", service, url.Values{"grant_type": {"client_credentials"}})
		if _, claims := w.readJWT(res.str("access_token"), service.ID); claims["sub"] != service.ID || claims["scope"] != "api" || claims["auth_time"] != nil {
			w.Errorf("client credentials: %v", claims)
		}
		front := w.writesJWT(func(r *clientstore.Registration) { r.Metadata.ResponseTypes = []string{"id_token token"} })
		u, err := url.Parse(w.authorize(front.ask("response_type", "id_token token", "scope", "openid profile")).Header.Get("Location"))
		w.must(err)
		sent, err := url.ParseQuery(u.Fragment)
		w.must(err)
		if _, claims := w.readJWT(sent.Get("access_token"), front.ID); claims["scope"] != "openid profile" {
			w.Errorf("implicit: %v", claims)
		}
		a := w.writesJWT(nil)
		tokens := w.tokens(a)
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "")
		w.must(err)
		if w.userinfo(tokens.str("access_token")).StatusCode != http.StatusUnauthorized {
			w.Error("LC-04: the token of a disapproved client opens userinfo")
		}
		ref := w.writesJWT(nil)
		code := w.code(ref)
		w.down(func() { w.wantError(w.post("/token", ref, redemption(code)), 503, "temporarily_unavailable") })
	})
}
