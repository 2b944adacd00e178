package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Signed and encrypted both ways, with pairwise subjects, by libraries that are
// not ours.
func TestSealedRelyingParty(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		for _, tt := range []struct{ idToken, userinfo, request, enc string }{
			{"RSA-OAEP-256", "ECDH-ES", "RSA-OAEP-256", "A256GCM"},
			{"ECDH-ES+A256KW", "RSA-OAEP", "ECDH-ES+A128KW", "A128CBC-HS256"},
		} {
			t.Run(tt.idToken, func(t *testing.T) {
				s := s.as(t)
				rp := node(t, "sealed.mjs")
				rp.write(map[string]string{"idTokenAlg": tt.idToken, "userinfoAlg": tt.userinfo, "requestAlg": tt.request, "enc": tt.enc})
				var made struct{ JWKS json.RawMessage }
				rp.read(&made)
				c := s.Client("--set", "jwks="+string(made.JWKS), "--set", "subject_type=pairwise",
					"--set", "id_token_signed_response_alg=PS256", "--set", "userinfo_signed_response_alg=ES256",
					"--set", "id_token_encrypted_response_alg="+tt.idToken, "--set", "id_token_encrypted_response_enc="+tt.enc,
					"--set", "userinfo_encrypted_response_alg="+tt.userinfo, "--set", "userinfo_encrypted_response_enc="+tt.enc,
					"--set", "request_object_signing_alg=ES256", "--set", "require_signed_request_object=true",
					"--set", "request_object_encryption_alg="+tt.request, "--set", "request_object_encryption_enc="+tt.enc)
				testSealed(t, s, rp, c, tt.idToken)
			})
		}
	})
}

func testSealed(t *testing.T, s *server, rp *script, c *client, alg string) {
	t.Helper()
	u := s.User()
	rp.write(map[string]string{
		"issuer": s.issuer, "clientID": c.ID, "clientSecret": c.Secret, "redirectURI": c.RedirectURIs[0], "scope": "openid profile email offline_access",
	})
	var ask struct{ Open string }
	rp.read(&ask)
	p := s.browse().Authorize(ask.Open, u)
	if p.Callback == nil {
		t.Fatalf("no answer: %s", p.Text())
	}
	rp.write(map[string]string{"callback": p.Callback.String()})
	var got struct {
		Result struct {
			Claims, Userinfo, Header map[string]any
			Kids, Secrets            []string
		}
	}
	rp.read(&got)
	for _, secret := range got.Result.Secrets {
		s.canaries.add("token", secret)
	}
	r := got.Result
	if sub, _ := r.Claims["sub"].(string); sub == u.ID || len(sub) != 43 || r.Userinfo["sub"] != sub {
		t.Errorf("sub %v, at userinfo %v", r.Claims["sub"], r.Userinfo["sub"])
	}
	if r.Userinfo["email"] != u.email || r.Userinfo["iss"] != s.issuer || r.Userinfo["aud"] != c.ID || r.Userinfo["nonce"] != nil {
		t.Errorf("userinfo %v", r.Userinfo)
	}
	if r.Header["alg"] != alg || r.Header["kid"] != alg || r.Header["cty"] != "JWT" {
		t.Errorf("header of the ID token %v", r.Header)
	}
	slices.Sort(r.Kids)
	if len(slices.Compact(slices.Clone(r.Kids))) != len(r.Kids) || slices.Contains(r.Kids, "") {
		t.Errorf("kids %v", r.Kids)
	}
}

// What the command line lets an administrator do with subjects.
func TestSubjectsByCommandLine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		document := `["` + webRedirect + `","https://second.example/cb"]`
		sector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }))
		defer sector.Close()
		pairwise := []string{"--set", "subject_type=pairwise"}
		second := []string{"--redirect-uri", "https://second.example/cb"}
		a := s.Client(append(slices.Clone(pairwise), append(second, "--set", "sector_identifier_uri="+sector.URL+"/s.json")...)...)
		b := s.Client(append(slices.Clone(pairwise), "--set", "sector_identifier_uri="+sector.URL)...)
		public, u := s.Client(), s.User()
		sub := func(c *client) any { return jwtClaims(t, s.Tokens(c, u).id)["sub"] }
		name := sub(a)
		if name != sub(b) || name == u.ID || sub(public) != u.ID {
			t.Errorf("one sector: %v and %v; public %v", name, sub(b), sub(public))
		}
		third := []string{"--redirect-uri", webRedirect, "--redirect-uri", "https://third.example/cb"}
		for what, refusal := range map[string]string{
			"does not list the redirect URI":    s.refuses(append([]string{"client", "edit", a.ID}, third...)...),
			"would know nobody":                 s.refuses("client", "edit", a.ID, "--redirect-uri", "https://third.example/cb", "--set", "sector_identifier_uri="),
			"cannot change once the client was": s.refuses("client", "edit", public.ID, "--set", "subject_type=pairwise"),
			"when the redirect URIs have several hosts": s.refuses(append([]string{
				"client", "create", "--name", "Two hosts", "--set", "subject_type=pairwise",
			}, third...)...),
		} {
			if !strings.Contains(refusal, what) {
				t.Errorf("%q; want %q", refusal, what)
			}
		}
		s.CLI("", "client", "edit", a.ID, "--name", "Another name")
		if again := sub(a); again != name {
			t.Errorf("after an edit: %v; want %v", again, name)
		}
		keys := s.CLI("", "keys", "rotate", "--alg", "RSA-OAEP", "--alg", "ECDH-ES", "-o", "json")
		if list := mustJSON[[]struct{ Alg, State string }](t, keys); len(list) != 2 || list[0].Alg != "RSA-OAEP" || list[1].State != "next" {
			t.Errorf("keys rotate: %s", keys)
		}
	})
}

// prompt=select_account is a way to another account, though somebody is signed
// in.
func TestSelectAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, ada, bob := s.Client(), s.User(), s.User()
		b := s.browse()
		if p := b.Authorize(s.Request(c).URL(), ada); p.Callback == nil {
			t.Fatalf("no answer: %s", p.Text())
		}
		r := s.Request(c).With("prompt", "select_account")
		p := b.Open(r.URL())
		if !p.asksToSignIn() {
			t.Fatalf("got %s%s; want the sign-in page", p.Text(), p.where())
		}
		p = b.SignIn(p, bob.Username, bob.password)
		if !p.asksForConsent() || !strings.Contains(p.Text(), bob.Username) {
			t.Fatalf("got %s%s; want to ask the other account", p.Text(), p.where())
		}
		p = b.Decide(p, "allow")
		a := s.Exchange(c, p.Callback.Query().Get("code"), r)
		if sub := jwtClaims(t, a.str("id_token"))["sub"]; sub != bob.ID {
			t.Errorf("sub %v; want %s", sub, bob.ID)
		}
		silent := s.Request(c).With("prompt", "none")
		if p := b.Open(silent.URL()); p.Callback == nil || jwtClaims(t, s.Exchange(c, p.Callback.Query().Get("code"), silent).str("id_token"))["sub"] != bob.ID {
			t.Errorf("the account did not stay selected: %s", p.Text())
		}
	})
}
