package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// result is what a relying party has at the end of a flow.
type result struct {
	params      url.Values     // of the authorization response
	front, back map[string]any // claims of the ID tokens, by the browser and from the token endpoint
	idToken     string         // the last one
	code        string
	access      string // the last access token
	tokens      map[string]any
	userinfo    map[string]any
}

// identity are the claims of an ID token, whichever there is.
func (f *result) identity() map[string]any {
	if f.back != nil {
		return f.back
	}
	return f.front
}

// about are the claims about the person that the flow was to bring: from
// userinfo, or where no access token opens it from the ID token.
func (f *result) about() map[string]any {
	if f.userinfo != nil {
		return f.userinfo
	}
	return f.front
}

// flow goes the whole way of an authorization request and checks everything
// that comes back on it.
func (p *party) flow(b *browser, q url.Values, more ...string) *result {
	p.r.Helper()
	return p.receive(b.authorize(q), q, more...)
}

// receive takes the authorization response and finishes the flow.
func (p *party) receive(v *visit, q url.Values, more ...string) *result {
	r := p.r
	r.Helper()
	f := &result{params: p.response(v, q)}
	if code := f.params.Get("error"); code != "" {
		r.Fatalf("the authorization response is %s: %s", code, f.params.Get("error_description"))
	}
	f.code, f.access, f.idToken = f.params.Get("code"), f.params.Get("access_token"), f.params.Get("id_token")
	for word, value := range map[string]string{"code": f.code, "token": f.access, "id_token": f.idToken} {
		r.want(r.has(word) == (value != ""), "response_type %q, and the response has %v", r.responseType, f.params)
	}
	r.want(f.access == "" || strings.EqualFold(f.params.Get("token_type"), "bearer") && f.params.Get("expires_in") != "",
		"the access token has the type %q and lasts %q", f.params.Get("token_type"), f.params.Get("expires_in"))
	if f.idToken != "" {
		f.front = p.checkIDToken(f.idToken, q, expectation{code: f.code, access: f.access, front: true})
	}
	if f.access != "" {
		f.userinfo = p.claims(f.access, f.front)
	}
	if f.code != "" {
		p.redeem(f, q, more...)
	}
	return f
}

// redeem exchanges the code and checks what comes of it.
func (p *party) redeem(f *result, q url.Values, more ...string) {
	r := p.r
	r.Helper()
	a := p.exchange(f.code, more...)
	if a.Status != http.StatusOK {
		r.Fatalf("the token endpoint answers %d %s", a.Status, a.Body)
	}
	r.checkTokenResponse(a)
	f.tokens, f.access, f.idToken = a.JSON, text(a.JSON, "access_token"), text(a.JSON, "id_token")
	f.back = p.checkIDToken(f.idToken, q, expectation{code: f.code, access: f.access})
	if f.front != nil {
		for _, name := range []string{"iss", "sub"} {
			r.want(f.front[name] == f.back[name], "%s is %v by the browser and %v from the token endpoint", name, f.front[name], f.back[name])
		}
	}
	f.userinfo = p.claims(f.access, f.back)
}

// checkTokenResponse holds a token response against RFC 6749, section 5.1.
func (r *run) checkTokenResponse(a answer) {
	r.Helper()
	expires, numeric := a.JSON["expires_in"].(float64)
	r.want(numeric && expires > 0, "expires_in is %v", a.JSON["expires_in"])
	r.want(strings.EqualFold(text(a.JSON, "token_type"), "bearer"), "token_type is %v", a.JSON["token_type"])
	r.want(a.contentType() == "application/json", "the token response is %q", a.Header.Get("Content-Type"))
	r.want(strings.Contains(a.Header.Get("Cache-Control"), "no-store"), "Cache-Control is %q", a.Header.Get("Cache-Control"))
	r.want(entropy(text(a.JSON, "access_token")) >= 96, "the access token has too little entropy")
	r.want(!strings.ContainsFunc(text(a.JSON, "access_token"), notVSCHAR), "the access token has characters that RFC 6749, A.12, does not allow")
}

// response checks an authorization response, be it an error or not, and
// returns its parameters from where they belong.
func (p *party) response(v *visit, q url.Values) url.Values {
	r := p.r
	r.Helper()
	c := v.callback
	if c == nil {
		r.Fatalf("no authorization response but %s", v)
	}
	registered, err := url.Parse(p.redirectURI)
	if err != nil {
		r.Fatal(err)
	}
	own := registered.Query()
	bare := *registered
	bare.RawQuery = ""
	r.want(c.url.String() == bare.String(), "answered at %s; want %s", c.url, &bare)
	for name := range own {
		r.want(slices.Equal(c.query[name], own[name]), "the query of the redirect URI is %v; want %v", c.query, own)
	}
	params, elsewhere := p.split(c, q)
	for name := range elsewhere {
		r.want(own.Has(name), "%s is not where the response mode says: %v", name, elsewhere)
	}
	r.want(params.Get("state") == q.Get("state"), "state is %q; want %q", params.Get("state"), q.Get("state"))
	r.want(params.Get("iss") == r.op.issuer, "iss is %q; want %q", params.Get("iss"), r.op.issuer)
	return params
}

// split takes the parameters of a response from where the response mode puts
// them, and returns what is elsewhere.
func (p *party) split(c *callback, q url.Values) (params, elsewhere url.Values) {
	r := p.r
	r.Helper()
	elsewhere = url.Values{}
	front := strings.Contains(q.Get("response_type"), "token")
	switch {
	case q.Get("response_mode") == "form_post":
		r.want(c.method == http.MethodPost, "the response is a %s; want a form that is posted", c.method)
		maps.Copy(elsewhere, c.query)
		maps.Copy(elsewhere, c.fragment)
		return c.form, elsewhere
	case front:
		r.want(c.method == http.MethodGet, "the response is a %s", c.method)
		maps.Copy(elsewhere, c.query)
		return c.fragment, elsewhere
	default:
		r.want(c.method == http.MethodGet, "the response is a %s", c.method)
		maps.Copy(elsewhere, c.fragment)
		params = maps.Clone(c.query)
		own, _ := url.Parse(p.redirectURI) // it has been parsed
		for name := range own.Query() {
			params.Del(name)
		}
		return params, elsewhere
	}
}

// wantError asserts that the relying party is told one of the errors, and
// nothing that an error response must not have (RFC 6749, section 4.1.2.1).
func (p *party) wantError(v *visit, q url.Values, codes ...string) {
	r := p.r
	r.Helper()
	params := p.response(v, q)
	r.want(slices.Contains(codes, params.Get("error")), "the error is %q (%s); want one of %q", params.Get("error"), params.Get("error_description"), codes)
	for name := range params {
		r.want(slices.Contains([]string{"error", "error_description", "error_uri", "state", "session_state", "iss"}, name), "the error response has %s", name)
	}
	r.want(!strings.ContainsFunc(params.Get("error_description"), notNQSCHAR), "error_description %q has characters that RFC 6749 does not allow", params.Get("error_description"))
	if uri := params.Get("error_uri"); uri != "" {
		_, err := url.ParseRequestURI(uri)
		r.want(err == nil, "error_uri %q is no URI", uri)
	}
}

// RFC 6749, appendix A.
func notVSCHAR(c rune) bool  { return c < 0x20 || c > 0x7e }
func notNQSCHAR(c rune) bool { return notVSCHAR(c) || c == '"' || c == '\\' }

// wantErrorPage asserts a page that tells the person, and leads nowhere.
func (r *run) wantErrorPage(v *visit, says string) {
	r.Helper()
	if v.callback != nil {
		r.Fatalf("answered a relying party; want a page: %s", v)
	}
	r.want(v.Status >= 400 && v.Status < 500, "the status is %d: %s", v.Status, v)
	r.want(strings.HasPrefix(v.Header.Get("Content-Type"), "text/html"), "the page is %q", v.Header.Get("Content-Type"))
	r.want(strings.Contains(v.text(), says) && strings.Contains(v.text(), "What to do"), "the page does not say %q and what to do: %s", says, v.text())
	r.outcome = seen
}

// wantRefusal asserts an error of the token endpoint (RFC 6749, section 5.2).
func (r *run) wantRefusal(a answer, codes ...string) {
	r.Helper()
	r.want(a.Status == http.StatusBadRequest && slices.Contains(codes, text(a.JSON, "error")), "answers %d %s; want 400 with %q", a.Status, a.Body, codes)
	r.want(a.contentType() == "application/json", "the error is %q", a.Header.Get("Content-Type"))
}
