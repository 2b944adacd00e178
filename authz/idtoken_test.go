package authz_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// verify checks an ID token as a relying party does: with a library of others,
// from the published metadata alone.
func (w *world) verify(a app, raw string) map[string]any {
	w.Helper()
	provider, err := oidc.NewProvider(w.Context(), w.issuer)
	w.must(err)
	token, err := provider.VerifierContext(w.Context(), &oidc.Config{
		ClientID: a.ID, Now: w.clock.Now, SupportedSigningAlgs: []string{"RS256", "ES256", "PS256", "EdDSA"},
	}).Verify(context.WithoutCancel(w.Context()), raw)
	w.must(err)
	claims := map[string]any{}
	w.must(token.Claims(&claims))
	return claims
}

func TestIDToken(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web)
		claims := w.verify(w.web, tokens.str("id_token"))
		now := float64(w.clock.Now().Unix())
		for name, want := range map[string]any{
			"iss": w.issuer, "aud": w.web.ID, "sub": w.user.ID, "sid": w.subjects.Session(w.web.ID, w.session.ID), "nonce": "n-0S6_WzA2Mj", "acr": "urn:countersign:acr:pwd",
			"iat": now, "exp": now + 300, "auth_time": float64(w.session.AuthTime.Unix()),
		} {
			if claims[name] != want {
				w.Errorf("%s = %v; want %v", name, claims[name], want)
			}
		}
		// The profile is the UserInfo endpoint's: nothing else is in the token.
		for name := range claims {
			if !slices.Contains(strings.Fields("iss aud sub sid nonce acr amr iat exp auth_time at_hash"), name) {
				w.Errorf("ID token has %s = %v", name, claims[name])
			}
		}
		w.clock.Advance(time.Minute)
		again := w.verify(w.web, w.refresh(w.web, tokens.str("refresh_token")).str("id_token")) // RT-14
		if again["sub"] != claims["sub"] || again["auth_time"] != claims["auth_time"] || again["iat"] == claims["iat"] || again["nonce"] != nil {
			w.Errorf("refreshed ID token: %v", again)
		}
	})
}

func TestIDTokenAlgorithms(t *testing.T) {
	each(t, func(w *world) {
		for alg, half := range map[string]func(string) []byte{
			"":      func(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:16] },
			"RS256": func(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:16] },
			"ES256": func(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:16] },
			"PS256": func(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:16] },
			"EdDSA": func(s string) []byte { h := sha512.Sum512([]byte(s)); return h[:32] },
		} {
			r := registration("Signed " + alg)
			r.Metadata.IDTokenSignedResponseAlg = alg
			a := w.register(r)
			tokens := w.tokens(a)
			header, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens.str("id_token"), ".")[0])
			w.must(err)
			want := alg
			if want == "" {
				want = "RS256"
			}
			if !strings.Contains(string(header), `"alg":"`+want+`"`) || !strings.Contains(string(header), `"kid":"`) {
				w.Errorf("%q: header %s", alg, header)
			}
			claims := w.verify(a, tokens.str("id_token"))
			if claims["at_hash"] != base64.RawURLEncoding.EncodeToString(half(tokens.str("access_token"))) {
				w.Errorf("%q: at_hash %v", alg, claims["at_hash"])
			}
		}
	})
}

func TestClaimsParameter(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web, "scope", "openid",
			"claims", `{"id_token":{"email":{"essential":true},"iss":null,"locale":null},"userinfo":{"name":null}}`)
		claims := w.verify(w.web, tokens.str("id_token"))
		if claims["email"] != "ada@example.test" || claims["name"] != nil || claims["locale"] != nil || claims["iss"] != w.issuer {
			w.Errorf("ID token: %v", claims)
		}
		info := w.userinfo(tokens.str("access_token"))
		if info.str("name") != "Ada Lovelace" || info.json["email"] != nil || info.str("sub") != w.user.ID {
			w.Errorf("userinfo: %s", info.body)
		}
	})
}

func TestNoIDTokenWithoutOpenID(t *testing.T) {
	each(t, func(w *world) {
		tokens := w.tokens(w.web, "scope", "api")
		if tokens.str("id_token") != "" || tokens.str("refresh_token") == "" {
			w.Errorf("plain OAuth 2.0: %s", tokens.body)
		}
		if res := w.userinfo(tokens.str("access_token")); res.StatusCode != http.StatusForbidden || !strings.Contains(res.Header.Get("WWW-Authenticate"), "insufficient_scope") {
			w.Errorf("UI-04: %s %q", res.Status, res.Header.Get("WWW-Authenticate"))
		}
		for _, token := range []string{tokens.str("refresh_token"), w.tokens(w.web).str("id_token"), w.code(w.web)} { // UI-05, RT-15
			if res := w.userinfo(token); res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("WWW-Authenticate"), "invalid_token") {
				w.Errorf("%.10s…: %s", token, res.Status)
			}
		}
	})
}

// Core 1.0, sections 3.1.2.1 and 5.5.1.1: the context that was asked for is
// told when it was met, and one that is essential is met or refused.
func TestRequestedACR(t *testing.T) {
	each(t, func(w *world) {
		const ours = "urn:countersign:acr:pwd"
		essential := func(values string) string { return `{"id_token":{"acr":{"essential":true,` + values + `}}}` }
		for name, change := range map[string][]string{
			"acr_values":           {"acr_values", "urn:x " + ours},
			"voluntary and unmet":  {"claims", `{"id_token":{"acr":{"value":"urn:x"}}}`},
			"essential, any":       {"claims", `{"id_token":{"acr":{"essential":true}}}`},
			"essential, one":       {"claims", essential(`"value":"` + ours + `"`)},
			"essential, of two":    {"claims", essential(`"values":["urn:x","` + ours + `"]`)},
			"essential and silent": {"claims", essential(`"value":"` + ours + `"`), "prompt", "none"},
		} {
			if acr := w.verify(w.web, w.tokens(w.web, change...).str("id_token"))["acr"]; acr != ours {
				w.Errorf("%s: acr %v", name, acr)
			}
		}
	})
}
