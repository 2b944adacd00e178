package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestPKCE is section 1.3 of the catalogue.
func TestPKCE(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		public, confidential, u := s.PublicClient(), s.Client(), s.User()
		t.Run("PK-01 a public client without a challenge", func(t *testing.T) {
			r := s.Request(public).With("code_challenge", "").With("code_challenge_method", "")
			wantRedirectError(t, s.as(t).browse().Open(r.URL()), r, "invalid_request")
		})
		for title, change := range map[string]func(*request) *request{
			"PK-02 plain":                        func(r *request) *request { return r.With("code_challenge_method", "plain") },
			"PK-02 no method, which means plain": func(r *request) *request { return r.With("code_challenge_method", "") },
			"PK-03 unknown method":               func(r *request) *request { return r.With("code_challenge_method", "S512") },
			"PK-03 method in another case":       func(r *request) *request { return r.With("code_challenge_method", "s256") },
			"PK-04 method without a challenge":   func(r *request) *request { return r.With("code_challenge", "") },
			"PK-04 challenge of 42 characters":   func(r *request) *request { return r.With("code_challenge", strings.Repeat("a", 42)) },
			"PK-04 challenge of 44 characters":   func(r *request) *request { return r.With("code_challenge", strings.Repeat("a", 44)) },
			"PK-04 challenge that is no base64url": func(r *request) *request {
				return r.With("code_challenge", strings.Repeat("+", 43))
			},
		} {
			t.Run(title, func(t *testing.T) {
				for _, c := range []*client{public, confidential} {
					r := change(s.Request(c))
					wantRedirectError(t, s.as(t).browse().Open(r.URL()), r, "invalid_request")
				}
			})
		}
		for title, verifier := range map[string]string{
			"PK-05 wrong":                     newVerifier(),
			"PK-06 absent":                    "",
			"PK-10 42 characters":             strings.Repeat("v", 42),
			"PK-10 129 characters":            strings.Repeat("v", 129),
			"PK-10 characters it cannot have": strings.Repeat("v", 42) + "/",
		} {
			t.Run(title, func(t *testing.T) {
				for _, c := range []*client{public, confidential} {
					testBadVerifier(t, s.as(t), c, u, verifier)
				}
			})
		}
		t.Run("PK-09 a verifier without a challenge", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(confidential).With("code_challenge", "").With("code_challenge_method", "")
			wantError(t, s.Exchange(confidential, s.Code(s.browse(), r, u), r), http.StatusBadRequest, "invalid_grant")
		})
		t.Run("a confidential client may do without", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(confidential).With("code_challenge", "").With("code_challenge_method", "")
			code := s.Code(s.browse(), r, u)
			r.verifier = ""
			form := r.exchange(code)
			form.Del("code_verifier")
			wantTokens(t, s.Post(s.endpoint("token_endpoint"), confidential, form))
		})
		t.Run("PK-15 metadata", func(t *testing.T) {
			methods, _ := s.metadata["code_challenge_methods_supported"].([]any) // nil fails below
			if len(methods) != 1 || methods[0] != "S256" {
				t.Errorf("code_challenge_methods_supported is %v; want S256 alone", methods)
			}
		})
	})
}

// testBadVerifier sends a bad verifier, then none (PK-07: the challenge cannot
// be stripped by a failed try), then the right one (PK-08: the first failure
// has spent the code).
func testBadVerifier(t *testing.T, s *server, c *client, u *user, verifier string) {
	t.Helper()
	r := s.Request(c)
	code := s.Code(s.browse(), r, u)
	bad := r.exchange(code)
	bad.Set("code_verifier", verifier)
	if verifier == "" {
		bad.Del("code_verifier")
	}
	wantError(t, s.Post(s.endpoint("token_endpoint"), c, bad), http.StatusBadRequest, "invalid_grant")
	bad.Del("code_verifier")
	wantError(t, s.Post(s.endpoint("token_endpoint"), c, bad), http.StatusBadRequest, "invalid_grant")
	wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
}
