package conformance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

func server(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	if f.code != "" {
		r.want(len(f.code)*6 >= 128 && entropy(f.code) >= 96, "the code %q is too short, or has too little entropy", f.code)
	}
}

func responseTypeMissing(r *run) {
	p := r.register(nil)
	q := p.request("response_type", "")
	v := r.browse().authorize(q)
	if v.callback == nil {
		r.wantErrorPage(v, "response_type")
		return
	}
	p.wantError(v, q, "unsupported_response_type", "invalid_request")
}

func idTokenSignature(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	header, _ := r.verify(f.idToken)
	r.want(header.Algorithm == "RS256" && header.KeyID != "", "the header is %+v", header)
}

// idTokenUnsigned: the certification skips the module where none is not
// advertised.
func idTokenUnsigned(r *run) {
	r.want(!slices.Contains(list(r.op.metadata, "id_token_signing_alg_values_supported"), "none"), "the metadata lists none")
	_, metadata := r.newParty()
	r.wantRefusal(r.registration(merged(metadata, map[string]any{"id_token_signed_response_alg": "none"})), "invalid_client_metadata")
	r.outcome = refused
}

func userinfoGet(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	p.claims(f.access, f.identity())
}

func userinfoPostHeader(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	a := r.op.send(r, newRequest(r, http.MethodPost, r.op.endpoint(r, "userinfo_endpoint"), "", "Authorization", "Bearer "+f.access))
	r.checkUserinfo(a, f.identity())
}

func userinfoPostBody(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	form := url.Values{"access_token": {f.access}}
	a := r.op.send(r, newRequest(r, http.MethodPost, r.op.endpoint(r, "userinfo_endpoint"), form.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
	r.checkUserinfo(a, f.identity())
}

func withoutNonceSucceeds(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request("nonce", ""))
	_, there := f.identity()["nonce"]
	r.want(!there, "the ID token has a nonce that nobody sent")
}

func withoutNonceFails(r *run) {
	p := r.register(nil)
	q := p.request("nonce", "")
	v := r.browse().authorize(q)
	if v.callback == nil {
		r.wantErrorPage(v, "nonce")
		return
	}
	p.wantError(v, q, "invalid_request")
}

func scope(r *run, scopes ...string) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request("scope", "openid "+strings.Join(scopes, " ")))
	for _, s := range scopes {
		for _, name := range scopeClaims[s] {
			_, there := f.about()[name]
			r.want(there, "the scope %s does not bring %s", s, name)
		}
	}
	for name := range f.about() {
		for other, names := range scopeClaims {
			r.want(slices.Contains(scopes, other) || !slices.Contains(names, name), "%s was brought, and the scope %s was not asked for", name, other)
		}
	}
}

func otherOrder(r *run) {
	p := r.register(nil)
	q := p.request("scope", "email openid")
	parts := strings.Split(q.Encode(), "&")
	slices.Reverse(parts)
	b := r.browse()
	p.receive(b.finish(b.open(r.op.endpoint(r, "authorization_endpoint")+"?"+strings.Join(parts, "&"))), q)
}

// tolerates goes the whole way with a further parameter.
func tolerates(r *run, name, value string) {
	p := r.register(nil)
	p.flow(r.browse(), p.request(name, value))
}

func promptLogin(r *run) {
	p, b := r.register(nil), r.browse()
	first := p.flow(b, p.request())
	r.sleep(1100 * time.Millisecond) // auth_time counts seconds
	second := p.flow(b, p.request("prompt", "login"))
	r.want(slices.Contains(b.shown, signInPage), "nobody was asked to sign in: %q", b.shown)
	was, is := number(first.identity(), "auth_time"), number(second.identity(), "auth_time")
	r.want(is > was, "auth_time was %v and is %v", was, is)
	r.outcome = seen
}

// personNeeded are the errors that say so (OpenID Connect Core 1.0, section
// 3.1.2.6).
var personNeeded = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

func promptNoneSignedOut(r *run) {
	p, b := r.register(nil), r.browse()
	q := p.request("prompt", "none")
	p.wantError(b.authorize(q), q, personNeeded...)
	r.want(len(b.shown) == 0, "a page was shown: %q", b.shown)
}

func promptNoneSignedIn(r *run) {
	p, b := r.register(nil), r.browse()
	sameAgain(r, b, p.flow(b, p.request()), p.flow(b, p.request("prompt", "none")))
}

// sameAgain asserts that the second flow showed nothing and is about the same
// sign-in.
func sameAgain(r *run, b *browser, first, second *result) {
	r.Helper()
	r.want(len(b.shown) == 0, "a page was shown: %q", b.shown)
	for _, name := range []string{"sub", "auth_time"} {
		r.want(first.identity()[name] == second.identity()[name], "%s was %v and is %v", name, first.identity()[name], second.identity()[name])
	}
}

func maxAge1(r *run) {
	p, b := r.register(nil), r.browse()
	first := p.flow(b, p.request())
	r.sleep(2 * time.Second)
	second := p.flow(b, p.request("max_age", "1"))
	r.want(slices.Contains(b.shown, signInPage), "nobody was asked to sign in: %q", b.shown)
	was, is := number(first.identity(), "auth_time"), number(second.identity(), "auth_time")
	r.want(is > was && float64(time.Now().Unix())-is < 60, "auth_time was %v and is %v", was, is)
	r.outcome = seen
}

func maxAge10000(r *run) {
	p, b := r.register(nil), r.browse()
	first := p.flow(b, p.request("max_age", "15000"))
	r.sleep(1100 * time.Millisecond) // auth_time counts seconds
	sameAgain(r, b, first, p.flow(b, p.request("max_age", "10000")))
	r.want(number(first.identity(), "auth_time") > 0, "auth_time is %v", first.identity()["auth_time"])
}

func idTokenHint(r *run) {
	p, b := r.register(nil), r.browse()
	first := p.flow(b, p.request())
	sameAgain(r, b, first, p.flow(b, p.request("prompt", "none", "id_token_hint", first.idToken)))
}

func acrValues(r *run) {
	asked := list(r.op.metadata, "acr_values_supported")
	if len(asked) == 0 {
		asked = []string{"1", "2"}
	}
	p := r.register(nil)
	f := p.flow(r.browse(), p.request("acr_values", strings.Join(asked, " ")))
	r.want(slices.Contains(asked, text(f.identity(), "acr")), "acr is %v; asked for %q", f.identity()["acr"], asked)
}

func codeReuse(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	r.wantRefusal(p.exchange(f.code), "invalid_grant")
}

func codeReuseLater(r *run) {
	p := r.register(nil)
	f := p.flow(r.browse(), p.request())
	r.sleep(31 * time.Second)
	r.wantRefusal(p.exchange(f.code), "invalid_grant")
	a := r.op.get(r, r.op.endpoint(r, "userinfo_endpoint"), "Authorization", "Bearer "+f.access)
	r.want(a.Status == http.StatusUnauthorized, "userinfo answers %d to the token of a code that came twice", a.Status)
}

func registeredRedirectURI(r *run) {
	p := r.register(nil)
	q := p.request("redirect_uri", p.redirectURI+"/"+rand.Text())
	r.wantErrorPage(r.browse().authorize(q), "not registered")
}

func postRequest(r *run) {
	p := r.register(nil)
	q := p.request()
	p.receive(r.browse().post(r.op.endpoint(r, "authorization_endpoint"), q), q)
}

func clientSecretPost(r *run) {
	r.want(slices.Contains(list(r.op.metadata, "token_endpoint_auth_methods_supported"), "client_secret_post"), "the metadata does not list it")
	p := r.register(map[string]any{"token_endpoint_auth_method": "client_secret_post"})
	p.flow(r.browse(), p.request())
}

func claimsEssential(r *run) {
	place := "userinfo"
	if r.responseType == "id_token" {
		place = "id_token"
	}
	p := r.register(nil)
	f := p.flow(r.browse(), p.request("claims", `{"`+place+`":{"name":{"essential":true}}}`))
	r.want(text(f.about(), "name") == "Ada Lovelace", "the name is %v", f.about()["name"])
}

func pkce(r *run) {
	p := r.register(nil)
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	q := p.request("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256")
	p.flow(r.browse(), q, "code_verifier", verifier)
}
