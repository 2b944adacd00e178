package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// relyingParty is an application made of golang.org/x/oauth2 and
// github.com/coreos/go-oidc/v3.
type relyingParty struct {
	s        *server
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	config   oauth2.Config
	ctx      context.Context //nolint:containedctx // the libraries take their HTTP client from it
}

func newRelyingParty(s *server, c *client) *relyingParty {
	s.t.Helper()
	ctx := oidc.ClientContext(context.Background(), machine)
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	return &relyingParty{
		s: s, provider: provider, ctx: ctx,
		verifier: provider.Verifier(&oidc.Config{ClientID: c.ID}),
		config: oauth2.Config{
			ClientID: c.ID, ClientSecret: c.Secret, Endpoint: provider.Endpoint(), RedirectURL: c.RedirectURIs[0],
			Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
		},
	}
}

// signIn goes through the code flow with PKCE, state and nonce.
func (rp *relyingParty) signIn(t *testing.T, b *browser, u *user) *oauth2.Token {
	t.Helper()
	verifier, state, nonce := oauth2.GenerateVerifier(), newVerifier(), newVerifier()
	p := b.Authorize(rp.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)), u)
	if p.Callback == nil {
		t.Fatalf("no answer: %s", p.Text())
	}
	q := p.Callback.Query()
	if q.Get("state") != state || q.Get("iss") != rp.s.issuer {
		t.Fatalf("the answer has state %q and iss %q; want %q and %q", q.Get("state"), q.Get("iss"), state, rp.s.issuer)
	}
	token, err := rp.config.Exchange(rp.ctx, q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	id := rp.verify(t, token)
	if id.Nonce != nonce {
		t.Errorf("nonce is %q; want %q", id.Nonce, nonce)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	return token
}

// verify checks the ID token of a token response.
func (rp *relyingParty) verify(t *testing.T, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string) // "" fails below
	for name, secret := range map[string]string{"access token": token.AccessToken, "refresh token": token.RefreshToken, "ID token": raw} {
		rp.s.canaries.add(name, secret)
	}
	id, err := rp.verifier.Verify(rp.ctx, raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	return id
}

// TestGoClient is golang.org/x/oauth2 and coreos/go-oidc as the relying party:
// code with PKCE, ID token, userinfo, refresh, and a rotation of the signing
// keys while the server runs.
func TestGoClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u := s.User()
		for name, c := range map[string]*client{"confidential": s.Client(), "public": s.PublicClient()} {
			t.Run(name, func(t *testing.T) {
				rp := newRelyingParty(s.as(t), c)
				token := rp.signIn(t, s.browse(), u)

				info, err := rp.provider.UserInfo(rp.ctx, oauth2.StaticTokenSource(token))
				if err != nil {
					t.Fatal(err)
				}
				if info.Subject != u.ID || info.Email != u.email {
					t.Errorf("userinfo says %s, %s; want %s, %s", info.Subject, info.Email, u.ID, u.email)
				}

				refreshed, err := rp.config.TokenSource(rp.ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
				if err != nil {
					t.Fatal(err)
				}
				if refreshed.AccessToken == token.AccessToken {
					t.Error("refreshing returns the same access token")
				}
				if id := rp.verify(t, refreshed); id.Subject != u.ID {
					t.Errorf("the refreshed ID token is for %s; want %s", id.Subject, u.ID)
				}
			})
		}
	})
}

// TestKeyRotation rotates the signing keys from a second process while a
// relying party with a cached key set goes on (INV-13, INV-14).
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			u, c := s.User(), s.Client()
			rp := newRelyingParty(s, c)
			before := rp.signIn(t, s.browse(), u)
			kid := keyID(t, before)

			s.CLI("", "keys", "rotate", "--immediately", "--yes")
			after := rp.signIn(t, s.browse(), u)
			for deadline := time.Now().Add(15 * time.Second); keyID(t, after) == kid; after = rp.signIn(t, s.browse(), u) {
				if time.Now().After(deadline) {
					t.Fatal("the key signs on 15 seconds after its immediate rotation")
				}
				time.Sleep(time.Second) // servers keep keys in memory for some seconds
			}
			rp.verify(t, before) // the retired key is still published
			if list := s.CLI("", "keys", "list", "-o", "json"); list == "" {
				t.Error("keys list prints nothing")
			}
			s.Restart()
			rp.verify(t, before)
			rp.verify(t, after)
		})
	}
}

// keyID returns the kid header of the ID token in a token response.
func keyID(t *testing.T, token *oauth2.Token) string {
	t.Helper()
	raw, _ := token.Extra("id_token").(string) // "" fails below
	return jwtHeader(t, raw)["kid"].(string)
}

// TestGoClientIsRefused sees what the libraries report when a client is
// disapproved: the protocol's error, with the reason.
func TestGoClientIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, c := s.User(), s.Client()
		rp := newRelyingParty(s, c)
		token := rp.signIn(t, s.browse(), u)
		s.disapprove(c)
		_, err := rp.config.TokenSource(rp.ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		if refusal, ok := asRetrieveError(err); !ok || refusal.ErrorCode != "unauthorized_client" {
			t.Errorf("refresh of a disapproved client: %v; want unauthorized_client", err)
		}
		if _, err := rp.provider.UserInfo(rp.ctx, oauth2.StaticTokenSource(token)); err == nil {
			t.Error("userinfo answers a disapproved client")
		}
		if status := s.Userinfo(token.AccessToken).Status; status != http.StatusUnauthorized {
			t.Errorf("userinfo answers %d; want 401", status)
		}
	})
}
