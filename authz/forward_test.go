package authz_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"

	"countersign/authz/forward"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

const modelsOrigin = "https://models.example"

// resourceServer is an approved client that may learn of every token.
func (w *world) resourceServer(scope string) app {
	w.Helper()
	return w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Models", Metadata: clientstore.Metadata{
		GrantTypes: []string{"client_credentials"}, IntrospectionScope: scope,
	}})
}

// asking is a request that a proxy asks about.
type asking struct {
	proxy       forward.Proxy
	site        app
	query       url.Values // of the address, in place of the usual one
	method, uri string
	header      http.Header // of the client's request
}

// ask asks as a proxy does that is set up as it should be.
func (w *world) ask(a asking) answer {
	w.Helper()
	return w.do(w.asked(a))
}

func (w *world) asked(a asking) *http.Request {
	w.Helper()
	if a.query == nil {
		a.query = url.Values{"origin": {modelsOrigin}, "client_id": {a.site.ID}}
	}
	if a.method == "" {
		a.method, a.uri = http.MethodGet, "/models?name=a+b&x"
	}
	r := w.request(http.MethodGet, a.proxy.Path+"?"+a.query.Encode(), "", "")
	for name, values := range a.header {
		r.Header[name] = values
	}
	r.Header.Set(a.proxy.Method, a.method)
	r.Header.Set(a.proxy.URI, a.uri)
	r.Header.Set(forward.SecretHeader, a.site.secret)
	return r
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// consumerSigned is the header of a request to the site that the consumer signed.
func (w *world) consumerSigned(a app, t *oauth1.Token, method, uri string) http.Header {
	w.Helper()
	r := w.signed(signing{method: method, path: uri, host: modelsOrigin, app: a, token: t.Token, secret: t.TokenSecret})
	return http.Header{"Authorization": r.Header["Authorization"]}
}

// wantLetThrough checks the headers that a resource server relies on.
func (w *world) wantLetThrough(name string, res answer, want [4]string) {
	w.Helper()
	var got [4]string
	for i, header := range []string{"X-Auth-Subject", "X-Auth-Username", "X-Auth-Client-Id", "X-Auth-Scope"} {
		if values := res.Header.Values(header); len(values) != 1 {
			w.Errorf("%s: %s is %q; want it once", name, header, values)
		}
		got[i] = res.Header.Get(header)
	}
	if res.StatusCode != http.StatusOK || got != want || res.body != "" || res.Header.Get("Cache-Control") != "no-store" {
		w.Errorf("%s: %s %q %s; want 200 %q", name, res.Status, got, res.body, want)
	}
}

// wantTurnedAway checks a refusal that a proxy passes on.
func (w *world) wantTurnedAway(name string, res answer, status int, code string) {
	w.Helper()
	all := res.Header.Values("WWW-Authenticate")
	joined := strings.Join(all, "; ")
	if res.StatusCode != status || res.str("error") != code || res.str("error_description") == "" || res.Header.Get("X-Auth-Subject") != "" {
		w.Errorf("%s: %s %s; want %d %s", name, res.Status, res.body, status, code)
	}
	if code != "" && !strings.Contains(all[0], `="`+code+`"`) {
		w.Errorf("%s: the first challenge is %q; want %s", name, all, code)
	}
	if status == http.StatusUnauthorized && (len(all) != 2 || !strings.Contains(joined, `OAuth realm="Countersign"`) || !strings.Contains(joined, `Bearer realm="`+w.issuer+`"`)) {
		w.Errorf("%s: the challenges are %q; want one of each scheme", name, all)
	}
	jazz := res.Header.Get("X-jazz-web-oauth-url") == w.issuer+"/oauth1/authorize" && res.Header.Get("Access-Control-Expose-Headers") == "WWW-Authenticate, X-jazz-web-oauth-url"
	if jazz != (status == http.StatusUnauthorized) {
		w.Errorf("%s: Jazz is told %v", name, res.Header)
	}
}

// wantMisconfigured checks a refusal that is the proxy's affair.
func (w *world) wantMisconfigured(name string, res answer, status int) {
	w.Helper()
	if res.StatusCode != status || res.str("error_description") == "" || len(res.Header.Values("WWW-Authenticate")) != 0 || res.Header.Get("X-Auth-Subject") != "" {
		w.Errorf("%s: %s %v %s; want %d without a challenge", name, res.Status, res.Header.Values("WWW-Authenticate"), res.body, status)
	}
	if !strings.Contains(w.logged.String(), "level=WARN") {
		w.Errorf("%s: nobody is warned", name)
	}
}

func TestForwardAuth(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models read"})
		token, access := w.credentials(tool), w.tokens(w.web, "scope", "openid api").str("access_token")
		for _, p := range forward.Proxies {
			byToken := [4]string{w.user.ID, "ada", w.web.ID, "openid api"}
			w.wantLetThrough(p.Path+" bearer", w.ask(asking{proxy: p, site: site, header: bearer(access)}), byToken)
			bySignature := [4]string{w.user.ID, "ada", tool.ID, "models read"}
			for _, uri := range []string{"/models?name=a+b&x=%7E", "/models//x%2Fy", "/", "/a;v=1/...", "/%C3%A4?" + strings.Repeat("x", 7000)} {
				for _, method := range []string{http.MethodGet, http.MethodPut} {
					header := w.consumerSigned(tool, token, method, uri)
					header.Set("Content-Type", "application/json")
					res := w.ask(asking{proxy: p, site: site, method: method, uri: uri, header: header})
					w.wantLetThrough(p.Path+" "+method+" "+uri[:min(len(uri), 40)], res, bySignature)
				}
			}
			inQuery := w.signed(signing{method: http.MethodGet, path: "/x", host: modelsOrigin, app: tool, token: token.Token, secret: token.TokenSecret})
			header := strings.TrimPrefix(inQuery.Header.Get("Authorization"), "OAuth ")
			uri := "/x?" + strings.ReplaceAll(strings.ReplaceAll(header, `"`, ""), ", ", "&")
			w.wantLetThrough(p.Path+" query", w.ask(asking{proxy: p, site: site, method: http.MethodGet, uri: uri}), bySignature)
			w.wantTurnedAway(p.Path+" again", w.ask(asking{proxy: p, site: site, method: http.MethodGet, uri: uri}), 401, "nonce_used")
			w.wantTurnedAway(p.Path+" no credentials", w.ask(asking{proxy: p, site: site}), 401, "")
			w.wantTurnedAway(p.Path+" Basic", w.ask(asking{proxy: p, site: site, header: http.Header{"Authorization": {"Basic x"}}}), 401, "")

			scoped := url.Values{"origin": {modelsOrigin}, "client_id": {site.ID}, "scope": {"read api"}}
			w.wantTurnedAway(p.Path+" scope", w.ask(asking{proxy: p, site: site, query: scoped, header: bearer(access)}), 403, "insufficient_scope")
			refused := w.ask(asking{proxy: p, site: site, query: scoped, method: "GET", uri: "/x", header: w.consumerSigned(tool, token, "GET", "/x")})
			if got := refused.Header.Get("WWW-Authenticate"); refused.StatusCode != http.StatusForbidden || refused.str("error") != "insufficient_scope" || !strings.Contains(got, `oauth_problem="permission_denied"`) {
				w.Errorf("scope of a signed request: %s %s %q", refused.Status, refused.body, got)
			}
			scoped.Set("scope", "api openid")
			w.wantLetThrough(p.Path+" scopes", w.ask(asking{proxy: p, site: site, query: scoped, header: bearer(access)}), byToken)
		}
		if res := w.do(w.request(http.MethodPost, forward.Nginx.Path, formType, "x")); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET" {
			w.Errorf("POST: %s", res.Status)
		}
		if strings.Contains(w.logged.String(), site.secret) || strings.Contains(w.logged.String(), access) {
			w.Error("the log holds a secret")
		}
	})
}

// FA-01, FA-03: what a client sends under the names of another proxy's headers
// is nothing to this one, and a header that comes twice is not guessed at.
func TestForwardAuthBelievesOnePair(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, access := w.credentials(tool), w.tokens(w.web).str("access_token")
		for _, p := range forward.Proxies {
			spoofed := w.consumerSigned(tool, token, "GET", "/open")
			for _, name := range []string{"X-Original-Uri", "X-Forwarded-Uri", "X-Original-Url", "X-Rewrite-Url"} {
				spoofed.Set(name, "/open")
			}
			spoofed.Set("X-Forwarded-Host", "models.example")
			res := w.ask(asking{proxy: p, site: site, method: "GET", uri: "/closed", header: spoofed})
			w.wantTurnedAway(p.Path+" signed for another path", res, 401, "signature_invalid")
			for _, name := range []string{p.Method, p.URI, forward.SecretHeader} {
				r := w.asked(asking{proxy: p, site: site, header: bearer(access)})
				r.Header.Add(name, r.Header.Get(name))
				w.wantMisconfigured(p.Path+" two "+name, w.do(r), 403)
				r = w.asked(asking{proxy: p, site: site, header: bearer(access)})
				r.Header.Del(name)
				w.wantMisconfigured(p.Path+" no "+name, w.do(r), 403)
			}
			w.wantMisconfigured(p.Path+" no method", w.ask(asking{proxy: p, site: site, method: "GET /x", uri: "/"}), 400)
		}
	})
}

// FA-04, FA-10: the proxy proves to be a client, and that client is entitled.
func TestForwardAuthOfAResourceServer(t *testing.T) {
	each(t, func(w *world) {
		site, narrow := w.resourceServer(clientstore.IntrospectAll), w.resourceServer("")
		access := w.tokens(w.web).str("access_token")
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token := w.credentials(tool)
		own := w.post("/token", narrow, url.Values{"grant_type": {"client_credentials"}}).str("access_token")
		w.wantTurnedAway("of another client", w.ask(asking{proxy: forward.Caddy, site: narrow, header: bearer(access)}), 401, "invalid_token")
		res := w.ask(asking{proxy: forward.Caddy, site: narrow, header: bearer(own)})
		if res.StatusCode != http.StatusOK || res.Header.Get("X-Auth-Client-Id") != narrow.ID || len(res.Header.Values("X-Auth-Username")) != 1 || res.Header.Get("X-Auth-Username") != "" {
			w.Errorf("its own token: %s %v", res.Status, res.Header)
		}
		signed := asking{proxy: forward.Caddy, site: narrow, method: "GET", uri: "/x", header: w.consumerSigned(tool, token, "GET", "/x")}
		w.wantMisconfigured("signed, not entitled", w.ask(signed), 403)
		signed.site = site
		if res := w.ask(signed); res.StatusCode != http.StatusOK {
			w.Errorf("the refusal used up the nonce: %s %s", res.Status, res.body)
		}

		good := asking{proxy: forward.Nginx, site: site, header: bearer(access)}
		for name, change := range map[string]func(*asking){
			"a wrong secret":   func(a *asking) { a.site.secret = "wrong" },
			"another's secret": func(a *asking) { a.site.secret = narrow.secret },
			"unknown":          func(a *asking) { a.site.Client = &clientstore.Client{ID: "nobody"} },
			"a public client":  func(a *asking) { a.site = app{w.native.Client, "x"} },
			"a consumer":       func(a *asking) { a.site = tool },
		} {
			a := good
			change(&a)
			w.wantMisconfigured(name, w.ask(a), 403)
		}
		pending, secret, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OAuth2, Name: "New", Metadata: clientstore.Metadata{
			GrantTypes: []string{"client_credentials"}, IntrospectionScope: clientstore.IntrospectAll,
		}})
		w.must(err)
		w.wantMisconfigured("pending", w.ask(asking{proxy: forward.Nginx, site: app{pending, secret}, header: bearer(access)}), 403)
		_, err = w.clients.Disapprove(w.Context(), admin, site.ID, "No.")
		w.must(err)
		w.wantMisconfigured("disapproved", w.ask(good), 403)
		for name, query := range map[string]url.Values{
			"no origin":     {"client_id": {site.ID}},
			"no client":     {"origin": {modelsOrigin}},
			"two origins":   {"client_id": {site.ID}, "origin": {modelsOrigin, modelsOrigin}},
			"path":          {"client_id": {site.ID}, "origin": {modelsOrigin + "/"}},
			"scheme":        {"client_id": {site.ID}, "origin": {"ftp://models.example"}},
			"a user":        {"client_id": {site.ID}, "origin": {"https://u@models.example"}},
			"a query":       {"client_id": {site.ID}, "origin": {"https://models.example?"}},
			"no host":       {"client_id": {site.ID}, "origin": {"https://:443"}},
			"something new": {"client_id": {site.ID}, "origin": {modelsOrigin}, "secret": {"x"}},
		} {
			w.wantMisconfigured(name, w.ask(asking{proxy: forward.Traefik, site: site, query: query, header: bearer(access)}), 400)
		}
	})
}

// FA-05, FA-06, FA-07, FA-08, FA-09: what a client can try. nginx passes on 401
// and 403 alone.
func TestForwardAuthRefuses(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, tokens := w.credentials(tool), w.tokens(w.web)
		access := tokens.str("access_token")
		plain := w.consumerSigned(tool, token, "GET", "/x")
		form := w.consumerSigned(tool, token, "POST", "/x")
		form.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		elsewhere := w.signed(signing{method: "GET", path: "/x", host: "https://other.example", app: tool, token: token.Token, secret: token.TokenSecret}).Header
		tests := []struct {
			name   string
			method string
			uri    string
			header http.Header
			status int
			code   string
		}{
			{"FA-05 dots", "GET", "/a/../b", bearer(access), 400, "invalid_request"},
			{"FA-05 encoded dots", "GET", "/a/%2e%2E/b", bearer(access), 400, "invalid_request"},
			{"FA-05 half encoded dots", "GET", "/a/.%2e/b", bearer(access), 400, "invalid_request"},
			{"FA-05 dots behind an encoded slash", "GET", "/a%2f..%2fb", bearer(access), 400, "invalid_request"},
			{"FA-05 dots behind an encoded backslash", "GET", "/a%5C..%5Cb", bearer(access), 400, "invalid_request"},
			{"FA-05 dots with a parameter", "GET", "/a/..;x/b", bearer(access), 400, "invalid_request"},
			{"FA-05 one dot", "GET", "/./b", bearer(access), 400, "invalid_request"},
			{"FA-05 backslash", "GET", `/a\..\b`, bearer(access), 400, "invalid_request"},
			{"FA-05 NUL", "GET", "/a%00", bearer(access), 400, "invalid_request"},
			{"FA-05 half an escape", "GET", "/a%2", bearer(access), 400, "invalid_request"},
			{"FA-05 another authority", "GET", "@evil.example/x", bearer(access), 400, "invalid_request"},
			{"FA-05 absolute", "GET", "https://models.example/x", bearer(access), 400, "invalid_request"},
			{"FA-05 fragment", "GET", "/x#y", bearer(access), 400, "invalid_request"},
			{"FA-05 not ASCII", "GET", "/\xc3\xa4", bearer(access), 400, "invalid_request"},
			{"FA-05 signed for the path without the second slash", "GET", "//x", plain, 401, "signature_invalid"},
			{"FA-05 signed for the path that is not encoded", "GET", "/%78", plain, 401, "signature_invalid"},
			{"FA-06 signed for another method", "PUT", "/x", plain, 401, "signature_invalid"},
			{"FA-06 signed for another query", "GET", "/x?y", plain, 401, "signature_invalid"},
			{"FA-06 signed for another origin", "GET", "/x", elsewhere, 401, "signature_invalid"},
			{"FA-07 token in the query", "GET", "/x?access_token=" + access, nil, 400, "invalid_request"},
			{"FA-07 token in header and query", "GET", "/x?access_token=", bearer(access), 400, "invalid_request"},
			{"FA-07 two headers", "GET", "/x", http.Header{"Authorization": {"Bearer " + access, "Bearer " + access}}, 400, "invalid_request"},
			{"FA-07 two schemes", "GET", "/x", http.Header{"Authorization": {"Bearer " + access, plain.Get("Authorization")}}, 400, "invalid_request"},
			{"FA-07 signed in the query, and a token", "GET", "/x?oauth_signature_method=HMAC-SHA1", bearer(access), 400, "invalid_request"},
			{"FA-07 no token after the scheme", "GET", "/x", http.Header{"Authorization": {"Bearer "}}, 400, "invalid_request"},
			{"FA-08 form", "POST", "/x", form, 400, "parameter_rejected"},
			{"FA-09 long URI", "GET", "/" + strings.Repeat("x", 9000), bearer(access), 400, "invalid_request"},
			{"FA-09 long token", "GET", "/x", bearer(strings.Repeat("x", 64<<10)), 401, "invalid_token"},
			{"FA-09 long signature", "GET", "/x", http.Header{"Authorization": {`OAuth oauth_signature="` + strings.Repeat("x", 64<<10) + `"`}}, 400, "parameter_rejected"},
			{"refresh token", "GET", "/x", bearer(tokens.str("refresh_token")), 401, "invalid_token"},
			{"token credentials as a bearer token", "GET", "/x", bearer(token.Token), 401, "invalid_token"},
			{"unknown token", "GET", "/x", bearer("cs_at_" + rand.Text()), 401, "invalid_token"},
			{"malformed signature", "GET", "/x", http.Header{"Authorization": {`OAuth oauth_consumer_key="x"`}}, 400, "parameter_absent"},
		}
		for _, tt := range tests {
			for _, p := range []forward.Proxy{forward.Nginx, forward.Traefik} {
				status := tt.status
				if p.Path == forward.Nginx.Path {
					status = 401
				}
				res := w.ask(asking{proxy: p, site: site, method: tt.method, uri: tt.uri, header: tt.header})
				w.wantTurnedAway(p.Path+" "+tt.name, res, status, tt.code)
			}
		}
		plain.Set("Content-Type", formType) // as npm's oauth says of GET
		if res := w.ask(asking{proxy: forward.Nginx, site: site, method: "GET", uri: "/x", header: plain}); res.StatusCode != http.StatusOK {
			w.Errorf("what was refused used up the nonce: %s %s", res.Status, res.body)
		}
	})
}

// FA-11: what a token stands on is looked at with every request.
func TestFA11ForwardAuthHonoursTheStatus(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		type end struct {
			name            string
			fall            func(a app, access string)
			problem, bearer string // after it
		}
		for _, tt := range []end{
			{"disapproved", func(a app, _ string) { _, err := w.clients.Disapprove(w.Context(), admin, a.ID, "No."); w.must(err) }, "consumer_key_rejected", "invalid_token"},
			{"removed", func(a app, _ string) { w.must(w.clients.Remove(w.Context(), admin, a.ID)) }, "signature_invalid", "invalid_token"},
			{"revoked", func(a app, access string) {
				w.must(w.db.With(w.Context()).Exec("UPDATE grants SET revoked_at = ? WHERE client_id = ?", w.db.Now(), a.ID).Error)
				w.must(w.grants.RevokeAccessToken(w.Context(), access))
			}, "invalid_expired_token", "invalid_token"},
			{"account disabled", func(app, string) { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) }, "invalid_expired_token", "invalid_token"},
		} {
			tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
			web := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Web", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "openid profile offline_access"}})
			token, access := w.credentials(tool), w.tokens(web).str("access_token")
			byToken := func() answer { return w.ask(asking{proxy: forward.Caddy, site: site, header: bearer(access)}) }
			bySignature := func() answer {
				return w.ask(asking{proxy: forward.Caddy, site: site, method: "GET", uri: "/x", header: w.consumerSigned(tool, token, "GET", "/x")})
			}
			if a, b := byToken(), bySignature(); a.StatusCode != http.StatusOK || b.StatusCode != http.StatusOK {
				w.Errorf("%s: before: %s, %s", tt.name, a.Status, b.Status)
			}
			tt.fall(tool, access)
			if tt.name != "account disabled" && tt.name != "revoked" {
				tt.fall(web, access)
			}
			w.wantTurnedAway(tt.name, byToken(), 401, tt.bearer)
			w.wantTurnedAway(tt.name, bySignature(), 401, tt.problem)
		}
	})
}

// FA-12: a failing database is no verdict.
func TestFA12ForwardAuthOnAFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, access := w.credentials(tool), w.tokens(w.web).str("access_token")
		for _, p := range forward.Proxies {
			for name, header := range map[string]http.Header{"bearer": bearer(access), "signed": w.consumerSigned(tool, token, "GET", "/x")} {
				w.down(func() {
					res := w.ask(asking{proxy: p, site: site, method: "GET", uri: "/x", header: header})
					if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || len(res.Header.Values("WWW-Authenticate")) != 0 || res.str("error") != "temporarily_unavailable" {
						w.Errorf("%s %s: %s %v %s", p.Path, name, res.Status, res.Header, res.body)
					}
				})
			}
		}
		for _, table := range []string{"token_credentials", "used_jtis"} {
			restore := storagetest.FailStatements(w.db, storagetest.Containing(table))
			res := w.ask(asking{proxy: forward.Nginx, site: site, method: "GET", uri: "/x", header: w.consumerSigned(tool, token, "GET", "/x")})
			restore()
			if res.StatusCode != http.StatusServiceUnavailable {
				w.Errorf("%s fails: %s %s", table, res.Status, res.body)
			}
		}
	})
}

func TestStatementsOfForwardAuth(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, access := w.credentials(tool), w.tokens(w.web).str("access_token")
		signed := w.consumerSigned(tool, token, "GET", "/x")
		wrong := http.Header{"Authorization": {strings.Replace(signed.Get("Authorization"), "oauth_nonce=", "oauth_x=", 1)}}
		counter := storagetest.CountStatements(w.db)
		for _, tt := range []struct {
			name   string
			header http.Header
			want   int
		}{{"bearer", bearer(access), 1}, {"signed", signed, 3}, {"no credentials", nil, 0}, {"malformed", wrong, 1}} {
			counter.Reset()
			w.ask(asking{proxy: forward.Nginx, site: site, method: "GET", uri: "/x", header: tt.header})
			if got := counter.Statements(); len(got) != tt.want {
				w.Errorf("%s: %d statements; want %d: %q", tt.name, len(got), tt.want, got)
			}
		}
	})
}

// What is in a header is visible ASCII, whatever people are called.
func TestForwardAuthNames(t *testing.T) {
	each(t, func(w *world) {
		site := w.resourceServer(clientstore.IntrospectAll)
		var err error
		w.user, err = w.accounts.Create(w.Context(), admin, account.Registration{Username: "ädä 100%", Password: "correct horse battery staple"})
		w.must(err)
		w.signIn()
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, w.web.ID, w.web.Metadata.Scope, w.web.ConsentDigest))
		access := w.tokens(w.web).str("access_token")
		res := w.ask(asking{proxy: forward.Nginx, site: site, header: bearer(access)})
		sent := res.Header.Get("X-Auth-Username")
		if read, err := url.PathUnescape(sent); err != nil || read != "ädä 100%" || strings.ContainsFunc(sent, func(r rune) bool { return r <= ' ' || r > '~' }) {
			w.Errorf("the name is sent as %q", sent)
		}
		pairwise := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Pairwise", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "openid profile offline_access", SubjectType: "pairwise",
		}})
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, pairwise.ID, pairwise.Metadata.Scope, pairwise.ConsentDigest))
		res = w.ask(asking{proxy: forward.Nginx, site: site, header: bearer(w.tokens(pairwise).str("access_token"))})
		if res.StatusCode != http.StatusOK || res.Header.Get("X-Auth-Username") != "" || res.Header.Get("X-Auth-Subject") == w.user.ID || !slices.Equal(res.Header.Values("X-Auth-Username"), []string{""}) {
			w.Errorf("beside a pairwise subject: %s %v", res.Status, res.Header)
		}
	})
}
