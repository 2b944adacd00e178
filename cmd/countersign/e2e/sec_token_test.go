package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestTokenEndpoint is section 1.5 of the catalogue, but for client
// authentication.
func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c := s.Client()
		token := s.endpoint("token_endpoint")
		for _, endpoint := range []string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				a := s.do(s.newRequest(method, s.endpoint(endpoint)+"?token=x&callback=f", ""))
				if a.Status != http.StatusMethodNotAllowed || !strings.Contains(a.Header.Get("Allow"), "POST") {
					t.Errorf("TK-01, RV-07, IN-09 %s %s gets %d, Allow %q; want 405, POST", method, endpoint, a.Status, a.Header.Get("Allow"))
				}
			}
			for title, contentType := range map[string]string{
				"JSON": "application/json", "multipart": "multipart/form-data; boundary=x", "text": "text/plain", "none": "",
			} {
				req := s.postRequest(s.endpoint(endpoint), c, url.Values{"grant_type": {"authorization_code"}, "token": {"x"}})
				req.Header.Set("Content-Type", contentType)
				a := s.do(req)
				if a.Status != http.StatusBadRequest && a.Status != http.StatusUnsupportedMediaType || a.str("error") != "invalid_request" {
					t.Errorf("TK-02 %s at %s gets %d %s; want invalid_request", title, endpoint, a.Status, a.Body)
				}
			}
			large := s.Post(s.endpoint(endpoint), c, url.Values{"token": {strings.Repeat("x", 64<<10)}, "grant_type": {"refresh_token"}})
			if large.Status != http.StatusRequestEntityTooLarge && large.Status != http.StatusBadRequest {
				t.Errorf("64 KiB at %s gets %d; want 413", endpoint, large.Status)
			}
			for _, parameter := range []string{"grant_type", "token", "client_id", "client_secret", "code", "scope", "x"} {
				form := url.Values{"grant_type": {"refresh_token"}, "token": {"x"}}
				form[parameter] = []string{"a", "a"}
				wantError(t, s.Post(s.endpoint(endpoint), c, form), http.StatusBadRequest, "invalid_request")
			}
			inURL := s.postRequest(s.endpoint(endpoint)+"?token=x", c, url.Values{"grant_type": {"refresh_token"}, "token": {"x"}})
			wantError(t, s.do(inURL), http.StatusBadRequest, "invalid_request")
			for _, bad := range []string{"token=%zz", "token=a;b=2", "token=%00", "token=%ff", "token=%c0%af"} {
				req := s.newRequest(http.MethodPost, s.endpoint(endpoint), bad+"&grant_type=refresh_token")
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.SetBasicAuth(c.ID, c.Secret)
				wantError(t, s.do(req), http.StatusBadRequest, "invalid_request") // HT-11
			}
		}
		for _, grant := range []string{"frobnicate", "authorization_code refresh_token", "AUTHORIZATION_CODE"} {
			wantError(t, s.Post(token, c, url.Values{"grant_type": {grant}}), http.StatusBadRequest, "unsupported_grant_type") // TK-06
		}
		wantError(t, s.Post(token, c, url.Values{}), http.StatusBadRequest, "invalid_request")
		for title, form := range map[string]url.Values{
			"no code":          {"grant_type": {"authorization_code"}},
			"no refresh token": {"grant_type": {"refresh_token"}},
		} {
			a := s.Post(token, c, form)
			if a.Status != http.StatusBadRequest || a.str("error") != "invalid_request" && a.str("error") != "invalid_grant" {
				t.Errorf("%s gets %d %s; want invalid_request", title, a.Status, a.Body)
			}
		}
		password := s.Post(token, c, url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"x"}})
		if password.Status != http.StatusBadRequest || password.str("error") != "unsupported_grant_type" && password.str("error") != "unauthorized_client" {
			t.Errorf("TK-14 the password grant gets %d %s", password.Status, password.Body)
		}
		if strings.Contains(sprintList(s.metadata["grant_types_supported"]), "password") && password.str("error") == "unsupported_grant_type" {
			t.Error("TK-14 the metadata announces a password grant that the endpoint does not know")
		}
		preflight := s.newRequest(http.MethodOptions, token, "")
		preflight.Header.Set("Origin", "https://evil.example")
		preflight.Header.Set("Access-Control-Request-Method", "POST")
		if a := s.do(preflight); a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("TK-19 the token endpoint allows the origin of no client: %v", a.Header)
		}
	})
}

func sprintList(v any) string {
	list, _ := v.([]any) // nil is an empty list
	var b strings.Builder
	for _, e := range list {
		text, _ := e.(string) // lists of metadata hold text
		b.WriteString(text + " ")
	}
	return b.String()
}

// TestGrantNotRegistered is TK-07 and RT-10.
func TestGrantNotRegistered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		got := s.Tokens(c, u)
		s.CLI("", "client", "edit", c.ID, "--grant", "authorization_code")
		wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "unauthorized_client")
		wantError(t, s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}),
			http.StatusBadRequest, "unauthorized_client")
	})
}

// TestClientAuthentication is the second half of section 1.5.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		basic, public := s.Client(), s.PublicClient()
		post := s.Client("--set", "token_endpoint_auth_method=client_secret_post")
		refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}
		with := func(more ...string) url.Values {
			form := url.Values{}
			for n, v := range refresh {
				form[n] = v
			}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return form
		}
		send := func(form url.Values, authorization string) answer {
			req := s.formPost(s.endpoint("token_endpoint"), form)
			if authorization != "" {
				req.Header.Set("Authorization", authorization)
			}
			return s.do(req)
		}
		header := func(id, secret string) string {
			req := s.newRequest(http.MethodPost, s.issuer, "")
			req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return req.Header.Get("Authorization")
		}
		tests := []struct {
			name          string
			form          url.Values
			authorization string
			status        int
			code          string
		}{
			{"the right secret, in the header", with(), header(basic.ID, basic.Secret), 400, "invalid_grant"},
			{"the right secret, in the body", with("client_id", post.ID, "client_secret", post.Secret), "", 400, "invalid_grant"},
			{"a public client", with("client_id", public.ID), "", 400, "invalid_grant"},
			{"CA-01 wrong secret in the header", with(), header(basic.ID, "wrong"), 401, "invalid_client"},
			{"CA-01 wrong secret in the body", with("client_id", post.ID, "client_secret", "wrong"), "", 401, "invalid_client"},
			{"CA-01 no credentials", with(), "", 401, "invalid_client"},
			{"CA-02 unknown client", with(), header("no-such-client", "wrong"), 401, "invalid_client"},
			{"CA-03 header and body", with("client_id", basic.ID, "client_secret", basic.Secret), header(basic.ID, basic.Secret), 400, "invalid_request"},
			{"CA-03 secret and assertion", with("client_assertion", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), header(basic.ID, basic.Secret), 400, "invalid_request|invalid_client"},
			{"CA-04 another client_id in the body", with("client_id", post.ID), header(basic.ID, basic.Secret), 400, "invalid_request"},
			{"CA-05 basic client posts", with("client_id", basic.ID, "client_secret", basic.Secret), "", 401, "invalid_client"},
			{"CA-05 post client uses the header", with(), header(post.ID, post.Secret), 401, "invalid_client"},
			{"CA-05 confidential client without a secret", with("client_id", basic.ID), "", 401, "invalid_client"},
			{"CA-05 public client with a secret", with("client_id", public.ID, "client_secret", "anything"), "", 401, "invalid_client"},
			{"a public client that names itself in the header", with(), header(public.ID, ""), 400, "invalid_grant"},
			{"CA-05 public client with a secret in the header", with(), header(public.ID, "anything"), 401, "invalid_client"},
			{"CA-05 confidential client with an empty header", with(), header(basic.ID, ""), 401, "invalid_client"},
			{"CA-08 malformed base64", with(), "Basic !!!", 401, "invalid_client"},
			{"CA-08 no colon", with(), "Basic YWJj", 401, "invalid_client"},
			{"CA-08 another scheme", with(), "Bearer x", 401, "invalid_client"},
			{"CA-18 an unsigned assertion", with("client_id", basic.ID, "client_assertion", forge(map[string]any{"alg": "none"}, map[string]any{"iss": basic.ID}, nil), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), "", 401, "invalid_client"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				a := send(tt.form, tt.authorization)
				if wants := strings.Split(tt.code, "|"); len(wants) > 1 {
					if a.Status < 400 || a.Status > 401 || a.str("error") != wants[0] && a.str("error") != wants[1] {
						t.Errorf("got %d %s; want %s", a.Status, a.Body, tt.code)
					}
					return
				}
				wantError(t, a, tt.status, tt.code)
				if challenge := a.Header.Get("WWW-Authenticate"); tt.status == 401 && tt.authorization != "" && !strings.HasPrefix(challenge, "Basic") {
					t.Errorf("WWW-Authenticate is %q; want Basic", challenge)
				}
			})
		}
		huge := s.formPost(s.endpoint("token_endpoint"), refresh)
		huge.Header.Set("Authorization", "Basic "+strings.Repeat("A", 100<<10))
		if a := s.do(huge); a.Status < 400 || a.Status > 431 {
			t.Errorf("CA-08 a header of 100 KiB gets %d; want 431", a.Status)
		}
	})
}

// TestSecretRotation is the several secrets of a client: both work while they
// overlap, and a typed one works like a generated one.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		old := *c
		rotated := mustJSON[client](t, s.CLI("", "client", "rotate-secret", c.ID, "--overlap", "1h", "-o", "json"))
		s.canaries.add("client secret", rotated.Secret)
		if rotated.Secret == "" || rotated.Secret == old.Secret {
			t.Fatal("rotate-secret prints no new secret")
		}
		c.Secret = rotated.Secret
		if got := s.Tokens(c, u); got.access == "" {
			t.Error("the new secret does not work")
		}
		if got := s.Tokens(&old, u); got.access == "" {
			t.Error("the old secret does not work during the overlap")
		}
		typed := s.canaries.add("typed secret", "a typed secret: +%/&="+newVerifier())
		s.CLI(typed+"\n", "client", "rotate-secret", c.ID, "--secret-stdin", "--overlap", "0s")
		for range 3 { // the first is hashed slowly, the others come from the memo
			c.Secret = typed
			wantError(t, s.Refresh(c, "x"), http.StatusBadRequest, "invalid_grant")
			wantError(t, s.Refresh(&old, "x"), http.StatusUnauthorized, "invalid_client")
		}
	})
}
