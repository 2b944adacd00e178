package conformance

import (
	"slices"
	"testing"
)

// Groups of response types that a module applies to.
var (
	withCode     = []string{"code", "code id_token", "code token", "code id_token token"}
	withUserinfo = []string{"code", "id_token token", "code id_token", "code token", "code id_token token"}
	nonceAsked   = []string{"id_token", "id_token token", "code id_token", "code id_token token"}
	nonceFree    = []string{"code", "code token"}
	onlyCode     = []string{"code"}
)

// core are the modules of the Basic, Implicit and Hybrid plans, and of those
// with form_post.
var core = []module{
	{"oidcc-server", "A whole flow works. Codes have 128 bits and 96 bits of entropy, hashes bind what came along, the ID token has no claim that nobody asked for.", server, nil, false},
	{"oidcc-response-type-missing", "A request without response_type is refused with unsupported_response_type or invalid_request, or on a page.", responseTypeMissing, []string{"code", "id_token token", "code id_token"}, false},
	{"oidcc-idtoken-signature", "A client that registered no algorithm gets ID tokens signed with RS256, with a kid.", idTokenSignature, nil, false},
	{"oidcc-idtoken-unsigned", "Unsigned ID tokens are what a client registered for, or are not offered.", idTokenUnsigned, onlyCode, false},
	{"oidcc-userinfo-get", "UserInfo answers a GET with a Bearer token.", userinfoGet, withUserinfo, false},
	{"oidcc-userinfo-post-header", "UserInfo answers a POST with a Bearer token.", userinfoPostHeader, withUserinfo, false},
	{"oidcc-userinfo-post-body", "UserInfo answers a POST with the token in its form.", userinfoPostBody, withUserinfo, false},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "No nonce is needed where no ID token comes by the browser, and none is made up.", withoutNonceSucceeds, nonceFree, false},
	{"oidcc-ensure-request-without-nonce-fails", "A nonce is needed where an ID token comes by the browser.", withoutNonceFails, nonceAsked, false},
	{"oidcc-scope-profile", "The scope profile opens its 14 claims.", func(r *run) { scope(r, "profile") }, nil, false},
	{"oidcc-scope-email", "The scope email opens its claims, and no name.", func(r *run) { scope(r, "email") }, nil, false},
	{"oidcc-scope-address", "The scope address opens its claim.", func(r *run) { scope(r, "address") }, nil, false},
	{"oidcc-scope-phone", "The scope phone opens its claims.", func(r *run) { scope(r, "phone") }, nil, false},
	{"oidcc-scope-all", "All scopes together open all claims.", func(r *run) { scope(r, "profile", "email", "address", "phone") }, nil, false},
	{"oidcc-alternate-happy-flow", "Neither scopes nor parameters have an order.", otherOrder, []string{"code", "id_token", "id_token token", "code id_token"}, false},
	{"oidcc-display-page", "display=page is taken.", func(r *run) { tolerates(r, "display", "page") }, nil, false},
	{"oidcc-display-popup", "display=popup is taken.", func(r *run) { tolerates(r, "display", "popup") }, nil, false},
	{"oidcc-prompt-login", "prompt=login asks for a sign-in although there was one, which auth_time shows.", promptLogin, nil, false},
	{"oidcc-prompt-none-not-logged-in", "prompt=none shows no page: the client learns that a person is needed.", promptNoneSignedOut, nil, false},
	{"oidcc-prompt-none-logged-in", "prompt=none answers for who is signed in and consented before, with the same sub and auth_time.", promptNoneSignedIn, nil, false},
	{"oidcc-max-age-1", "A sign-in older than max_age is asked for again; auth_time is there and later.", maxAge1, nil, false},
	{"oidcc-max-age-10000", "A sign-in younger than max_age is taken; auth_time is there and the same.", maxAge10000, nil, false},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", "Parameters that nobody knows are ignored.", func(r *run) { tolerates(r, "extra", "foobar") }, nil, false},
	{"oidcc-id-token-hint", "prompt=none with id_token_hint answers for that person.", idTokenHint, nil, false},
	{"oidcc-login-hint", "A login_hint for somebody unknown breaks nothing.", func(r *run) { tolerates(r, "login_hint", "buffy@localhost") }, nil, false},
	{"oidcc-ui-locales", "ui_locales that are not spoken here break nothing.", func(r *run) { tolerates(r, "ui_locales", "se") }, nil, false},
	{"oidcc-claims-locales", "claims_locales that are not spoken here break nothing.", func(r *run) { tolerates(r, "claims_locales", "se") }, nil, false},
	{"oidcc-ensure-request-with-acr-values-succeeds", "acr_values are taken, and the ID token has one of those asked for.", acrValues, nil, false},
	{"oidcc-codereuse", "A code that comes twice is refused with invalid_grant.", codeReuse, withCode, false},
	{"oidcc-codereuse-30seconds", "So it is after 30 seconds, and what was issued for it is revoked.", codeReuseLater, withCode, true},
	{"oidcc-ensure-registered-redirect-uri", "A redirect URI that only begins like a registered one gets an error page and no answer.", registeredRedirectURI, nil, false},
	{"oidcc-ensure-post-request-succeeds", "The authorization endpoint takes POST.", postRequest, onlyCode, false},
	{"oidcc-server-client-secret-post", "client_secret_post works and is listed.", clientSecretPost, withCode, false},
	{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", "An unsigned request object at request_uri is taken as it says, or refused.", unsignedRequestURI, nil, false},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "An unsigned request object is taken as it says, or refused; never ignored.", unsignedRequest, nil, false},
	{"oidcc-claims-essential", "An essential claim is delivered where the claims parameter asks for it, and only there.", claimsEssential, nil, false},
	{"oidcc-ensure-request-object-with-redirect-uri", "The redirect URI inside a request object counts, not the one beside it. (Seen with a signed one; unsigned ones are refused.)", requestObjectRedirectURI, nil, false},
	{"oidcc-refresh-token", "Refresh tokens renew access and ID token, and are good for their client alone.", refreshToken, withCode, false},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", "PKCE with S256 works.", pkce, []string{"code", "code id_token"}, false},
}

// coreFor are the core modules that apply to any of the variants.
func coreFor(variants []variant) []module {
	return slices.DeleteFunc(slices.Clone(core), func(m module) bool {
		return !slices.ContainsFunc(variants, m.applies)
	})
}

func corePlan(name, title string, formPost bool, responseTypes ...string) plan {
	p := plan{name: name, title: title}
	for _, responseType := range responseTypes {
		p.variants = append(p.variants, variant{responseType: responseType, formPost: formPost, auth: "client_secret_basic"})
	}
	p.modules = coreFor(p.variants)
	return p
}

var (
	implicitTypes = []string{"id_token", "id_token token"}
	hybridTypes   = []string{"code id_token", "code token", "code id_token token"}

	basic            = corePlan("oidcc-basic-certification-test-plan", "Basic", false, "code")
	implicit         = corePlan("oidcc-implicit-certification-test-plan", "Implicit", false, implicitTypes...)
	hybrid           = corePlan("oidcc-hybrid-certification-test-plan", "Hybrid", false, hybridTypes...)
	formPostBasic    = corePlan("oidcc-formpost-basic-certification-test-plan", "Form Post, Basic", true, "code")
	formPostImplicit = corePlan("oidcc-formpost-implicit-certification-test-plan", "Form Post, Implicit", true, implicitTypes...)
	formPostHybrid   = corePlan("oidcc-formpost-hybrid-certification-test-plan", "Form Post, Hybrid", true, hybridTypes...)
)

func TestBasic(t *testing.T)            { basic.test(t) }
func TestImplicit(t *testing.T)         { implicit.test(t) }
func TestHybrid(t *testing.T)           { hybrid.test(t) }
func TestFormPostBasic(t *testing.T)    { formPostBasic.test(t) }
func TestFormPostImplicit(t *testing.T) { formPostImplicit.test(t) }
func TestFormPostHybrid(t *testing.T)   { formPostHybrid.test(t) }
