package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Expected answers of the authorization endpoint, for tables.
const (
	aPage    = "page"     // an error page, no redirect
	aSignIn  = "sign-in"  // the request is fine
	aTooLong = "too long" // 414, 431 or an error page
)

// TestAuthorizationEndpoint is section 1.1 of the catalogue.
func TestAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(r *request)
		want   string // one of the answers, or the error the client is told
	}{
		{"a valid request", func(*request) {}, aSignIn},
		{"an unknown parameter is ignored", func(r *request) { r.Set("frobnicate", "1") }, aSignIn},
		{"without state", func(r *request) { r.Del("state") }, aSignIn},
		{"a state of one character", func(r *request) { r.Set("state", "x") }, aSignIn},
		{"a state of 400 characters", func(r *request) { r.Set("state", strings.Repeat("s", 400)) }, aSignIn},
		{"AZ-01 no client_id", func(r *request) { r.Del("client_id") }, aPage},
		{"AZ-01 unknown client_id", func(r *request) { r.Set("client_id", "no-such-client") }, aPage},
		{"AZ-01 client_id in another case", func(r *request) { r.Set("client_id", strings.ToUpper(r.Get("client_id"))+"x") }, aPage},
		{"AZ-05 no redirect_uri with scope openid", func(r *request) { r.Del("redirect_uri") }, aPage},
		{"AZ-06 no response_type", func(r *request) { r.Del("response_type") }, "invalid_request"},
		{"AZ-07 unknown response_type", func(r *request) { r.Set("response_type", "secret") }, "unsupported_response_type"},
		{"AZ-08 response_type that is not registered", func(r *request) { r.Set("response_type", "token") }, "unauthorized_client|unsupported_response_type"},
		{"AZ-09 the order of a response_type is no matter", func(r *request) { r.Set("response_type", "id_token code") }, "unauthorized_client|unsupported_response_type"},
		{"AZ-10 client_id twice", func(r *request) { r.Add("client_id", r.Get("client_id")) }, aPage},
		{"AZ-10 redirect_uri twice", func(r *request) { r.Add("redirect_uri", r.Get("redirect_uri")) }, aPage},
		{"AZ-10 scope twice", func(r *request) { r.Add("scope", "openid") }, "invalid_request"},
		{"AZ-10 response_type twice", func(r *request) { r.Add("response_type", "code") }, "invalid_request"},
		{"AZ-10 nonce twice", func(r *request) { r.Add("nonce", "other") }, "invalid_request"},
		{"AZ-10 prompt twice", func(r *request) { r.Values["prompt"] = []string{"login", "login"} }, "invalid_request"},
		{"AZ-10 code_challenge twice", func(r *request) { r.Add("code_challenge", challenge("other")) }, "invalid_request"},
		{"AZ-10 an unknown parameter twice", func(r *request) { r.Values["x"] = []string{"1", "2"} }, "invalid_request"},
		{"AZ-15 unknown scope", func(r *request) { r.Set("scope", "openid no-such-scope") }, "invalid_scope"},
		{"AZ-15 scope with a quotation mark", func(r *request) { r.Set("scope", `openid "`) }, "invalid_scope"},
		{"AZ-15 scope with a backslash", func(r *request) { r.Set("scope", `openid \`) }, "invalid_scope"},
		{"AZ-15 scope that is not ASCII", func(r *request) { r.Set("scope", "openid ümläut") }, "invalid_scope"},
		{"AZ-15 10 000 scopes", func(r *request) { r.Set("scope", strings.Repeat("a ", 10_000)) }, aTooLong},
		{"AZ-24 64 KiB query", func(r *request) { r.Set("x", strings.Repeat("x", 64<<10)) }, aTooLong},
		{"AZ-25 prompt=none login", func(r *request) { r.Set("prompt", "none login") }, "invalid_request"},
		{"AZ-25 unknown prompt", func(r *request) { r.Set("prompt", "foo") }, "invalid_request"},
		{"AZ-26 negative max_age", func(r *request) { r.Set("max_age", "-1") }, "invalid_request"},
		{"AZ-26 max_age=abc", func(r *request) { r.Set("max_age", "abc") }, "invalid_request"},
		{"AZ-26 max_age=1e99", func(r *request) { r.Set("max_age", "1e99") }, "invalid_request"},
		{"AZ-29 a thousand locales", func(r *request) { r.Set("ui_locales", strings.Repeat("xx-YY ", 1000)) }, aSignIn + "|" + aPage},
		{"AZ-30 response_mode=query is the default", func(r *request) { r.Set("response_mode", "query") }, aSignIn},
		{"AZ-31 unknown response_mode", func(r *request) { r.Set("response_mode", "smoke") }, "invalid_request"},
		{"AZ-33 registration", func(r *request) { r.Set("registration", "{}") }, "registration_not_supported"},
		{"JR-05 request object", func(r *request) { r.Set("request", "eyJhbGciOiJub25lIn0.e30.") }, "invalid_request_object"},
		{"JR-05 request object without openid", func(r *request) {
			r.Set("request", "eyJhbGciOiJub25lIn0.e30.")
			r.Set("scope", "api")
		}, "invalid_request_object"},
		{"JR-07 request_uri", func(r *request) { r.Set("request_uri", "https://rp.example/r.jwt") }, "invalid_request_uri"},
		{"JR-01 request and request_uri", func(r *request) {
			r.Set("request", "x")
			r.Set("request_uri", "https://rp.example/r.jwt")
		}, "invalid_request"},
		{"AZ-39 authorization_details", func(r *request) { r.Set("authorization_details", `[{"type":"x"}]`) }, "invalid_request|invalid_authorization_details"},
		{"AZ-40 nonce of 20 KiB", func(r *request) { r.Set("nonce", strings.Repeat("n", 20<<10)) }, aTooLong + "|invalid_request"},
		{"claims that are no JSON", func(r *request) { r.Set("claims", "{") }, "invalid_request"},
		{"claims", func(r *request) { r.Set("claims", `{"id_token":{"auth_time":{"essential":true}}}`) }, aSignIn},
		{"display=popup", func(r *request) { r.Set("display", "popup") }, aSignIn},
		{"PN-01 prompt=none without a session", func(r *request) { r.Set("prompt", "none") }, "login_required"},
	}
	each(t, func(t *testing.T, s *server) {
		c := s.Client()
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				r := s.Request(c)
				tt.change(r)
				began := time.Now()
				p := s.browse().Open(r.URL())
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the answer took %s", took)
				}
				wantAuthorize(t, p, r, tt.want)
			})
		}
	})
}

// wantAuthorize asserts one of several acceptable answers.
func wantAuthorize(t *testing.T, p *page, r *request, want string) {
	t.Helper()
	wants := strings.Split(want, "|")
	if p.Callback != nil {
		got := delivered(p.Callback).Get("error")
		for _, w := range wants {
			if w == got {
				wantRedirectError(t, p, r, w)
				return
			}
		}
		wantRedirectError(t, p, r, wants[0])
		return
	}
	for _, w := range wants {
		switch {
		case w == aSignIn && p.asksToSignIn():
			wantPageHeaders(t, p)
			return
		case w == aPage && !p.asksToSignIn():
			wantPage(t, p, http.StatusBadRequest)
			return
		case w == aTooLong && p.Status >= 400 && p.Status < 500 && !p.asksToSignIn():
			return
		}
	}
	t.Errorf("got a page (%d: %.300s); want %s", p.Status, p.Text(), want)
}

// TestAuthorizationEndpointMethods is AZ-18, AZ-19 and AZ-23.
func TestAuthorizationEndpointMethods(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			a := s.do(s.newRequest(method, s.Request(c).URL(), ""))
			if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" {
				t.Errorf("AZ-18 %s gets %d, Allow %q; want 405 with Allow", method, a.Status, a.Header.Get("Allow"))
			}
		}
		options := s.newRequest(http.MethodOptions, s.Request(c).URL(), "")
		options.Header.Set("Origin", "https://rp.example")
		options.Header.Set("Access-Control-Request-Method", "GET")
		if a := s.do(options); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("AZ-23 the authorization endpoint allows another origin")
		}

		// AZ-19: a cross-site POST, without the browser's Lax cookies.
		r, b := s.Request(c), s.browse()
		post := s.formPost(s.endpoint("authorization_endpoint"), r.Values)
		post.Header.Set("Origin", "https://rp.example")
		post.Header.Set("Sec-Fetch-Site", "cross-site")
		p := b.follow(post)
		if !p.asksToSignIn() {
			t.Fatalf("AZ-19 a POST does not lead to the sign-in page: %d %s%s", p.Status, p.Text(), p.where())
		}
		p = b.SignIn(p, u.Username, u.password)
		p = b.Decide(p, "allow")
		if p.Callback == nil || !p.Callback.Query().Has("code") {
			t.Fatalf("AZ-19 a POST leads to no code: %s%s", p.Text(), p.where())
		}
		wantTokens(t, s.Exchange(c, p.Callback.Query().Get("code"), r))

		// AZ-11: the same parameter in query and body.
		both := s.formPost(s.endpoint("authorization_endpoint")+"?scope=openid", r.Values)
		if p := s.browse().follow(both); p.Callback == nil || p.Callback.Query().Get("error") != "invalid_request" {
			t.Errorf("AZ-11 a parameter in query and body: %d %s%s; want invalid_request", p.Status, p.Text(), p.where())
		}
		multipart := s.newRequest(http.MethodPost, s.endpoint("authorization_endpoint"), "--x\r\n\r\n--x--")
		multipart.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		if p := s.browse().follow(multipart); p.Status < 400 || p.Callback != nil {
			t.Errorf("F9 a multipart body is accepted: %d", p.Status)
		}
	})
}

// TestSuccessCarriesIssuer is AZ-22 for success; errors are asserted by every
// other test.
func TestSuccessCarriesIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		r := s.Request(c)
		p := s.browse().Authorize(r.URL(), u)
		if p.Callback == nil {
			t.Fatalf("no answer: %s", p.Text())
		}
		q := p.Callback.Query()
		if q.Get("iss") != s.issuer || q.Get("iss") != s.metadata["issuer"] {
			t.Errorf("AZ-22 iss is %q; want %q", q.Get("iss"), s.issuer)
		}
		if s.metadata["authorization_response_iss_parameter_supported"] != true {
			t.Error("AZ-22 the metadata does not announce iss")
		}
		if q.Get("state") != r.Get("state") {
			t.Errorf("state is %q; want %q", q.Get("state"), r.Get("state"))
		}
		if p.RedirectStatus != http.StatusSeeOther {
			t.Errorf("AZ-20 the redirect's status is %d; want 303", p.RedirectStatus)
		}
		if q.Has("access_token") || p.Callback.Fragment != "" {
			t.Errorf("the answer holds more than a code: %s", p.Callback)
		}
	})
}

// TestInteractionBelongsToItsBrowser is AZ-37, AZ-38, CN-02 and LG-16: an
// interaction in another browser, tampered with, or ahead of its turn leads
// nowhere.
func TestInteractionBelongsToItsBrowser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		mine := s.browse()
		signIn := mine.Open(s.Request(c).URL())
		id := signIn.URL.Query().Get("interaction")
		if id == "" {
			t.Fatalf("the sign-in page's address names no interaction: %s", signIn.URL)
		}
		consent := s.issuer + "/consent?interaction=" + url.QueryEscape(id)

		other := s.browse()
		if p := other.Open(signIn.URL.String()); p.asksToSignIn() || p.Callback != nil {
			t.Errorf("AZ-38 another browser opens the interaction: %s%s", p.Text(), p.where())
		}
		if p := other.follow(other.post(consent, url.Values{"interaction": {id}, "decision": {"allow"}})); p.Callback != nil {
			t.Errorf("CN-02 another browser consents: %s", p.Callback)
		}

		if p := mine.follow(mine.post(consent, url.Values{"interaction": {id}, "decision": {"allow"}})); p.Callback != nil || p.asksForConsent() {
			t.Errorf("LG-16 consent before sign-in leads to %s%s", p.Text(), p.where())
		}
		for _, bad := range []string{id + "x", strings.ToUpper(id), "", "../" + id, id[:len(id)-1]} {
			if p := mine.Open(s.issuer + "/consent?interaction=" + url.QueryEscape(bad)); p.Callback != nil || p.asksForConsent() {
				t.Errorf("AZ-37 interaction %q leads to %s%s", bad, p.Text(), p.where())
			}
		}
		p := mine.SignIn(signIn, u.Username, u.password)
		if !p.asksForConsent() {
			t.Fatalf("the interaction is lost: %s%s", p.Text(), p.where())
		}

		// Another account of the same browser cannot answer what this one was asked.
		eve := s.User()
		evil := s.browse()
		evil.SignIn(evil.Open(s.issuer+"/login"), eve.Username, eve.password)
		if q := evil.Replay(p); q.Callback != nil {
			t.Errorf("AZ-38 another account answers the consent page: %s", q.Callback)
		}
		done := mine.Decide(p, "allow")
		if done.Callback == nil {
			t.Fatalf("no answer: %s", done.Text())
		}
		// CN-01, LG-16: the page again, after it was answered.
		if again := mine.Replay(p); again.Callback != nil && again.Callback.Query().Get("code") == done.Callback.Query().Get("code") {
			t.Error("LG-16 a replayed decision yields the same code")
		}
	})
}

// Replay presses "allow" of a page that another browser was shown.
func (b *browser) Replay(p *page) *page {
	b.t.Helper()
	return b.Submit(p, p.formDeciding("allow"), url.Values{"decision": {"allow"}})
}
