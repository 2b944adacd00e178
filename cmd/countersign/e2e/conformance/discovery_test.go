package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

var config = plan{
	name: "oidcc-config-certification-test-plan", title: "Config", variants: []variant{{}},
	modules: []module{{"oidcc-discovery-endpoint-verification", "The discovery document is complete, true to its address, and valid by OpenID Connect Discovery 1.0 and RFC 8414; the key set has distinct public keys, each with a kid.", discovery, nil, false}},
}

func TestConfig(t *testing.T) { config.test(t) }

// standardMetadata are the members of the registry "OAuth Authorization Server
// Metadata", of OpenID Connect Discovery 1.0 and of the logout specifications,
// as far as they are used here.
var standardMetadata = strings.Fields(`
	issuer authorization_endpoint token_endpoint jwks_uri registration_endpoint scopes_supported response_types_supported
	response_modes_supported grant_types_supported token_endpoint_auth_methods_supported token_endpoint_auth_signing_alg_values_supported
	service_documentation ui_locales_supported op_policy_uri op_tos_uri revocation_endpoint revocation_endpoint_auth_methods_supported
	revocation_endpoint_auth_signing_alg_values_supported introspection_endpoint introspection_endpoint_auth_methods_supported
	introspection_endpoint_auth_signing_alg_values_supported code_challenge_methods_supported signed_metadata
	device_authorization_endpoint tls_client_certificate_bound_access_tokens mtls_endpoint_aliases userinfo_endpoint
	acr_values_supported subject_types_supported id_token_signing_alg_values_supported id_token_encryption_alg_values_supported
	id_token_encryption_enc_values_supported userinfo_signing_alg_values_supported userinfo_encryption_alg_values_supported
	userinfo_encryption_enc_values_supported request_object_signing_alg_values_supported request_object_encryption_alg_values_supported
	request_object_encryption_enc_values_supported display_values_supported claim_types_supported claims_supported
	claims_locales_supported claims_parameter_supported request_parameter_supported request_uri_parameter_supported
	require_request_uri_registration require_signed_request_object pushed_authorization_request_endpoint
	require_pushed_authorization_requests authorization_response_iss_parameter_supported prompt_values_supported
	end_session_endpoint check_session_iframe frontchannel_logout_supported frontchannel_logout_session_supported
	backchannel_logout_supported backchannel_logout_session_supported`)

// checkProvider is what every module begins with.
func (r *run) checkProvider() map[string]any {
	r.Helper()
	a := r.op.get(r, r.op.issuer+"/.well-known/openid-configuration")
	r.want(a.Status == http.StatusOK && a.contentType() == "application/json", "discovery answers %d %q", a.Status, a.Header.Get("Content-Type"))
	r.want(text(a.JSON, "issuer") == r.op.issuer && strings.HasPrefix(r.op.issuer, "https://"), "the issuer is %v", a.JSON["issuer"])
	r.checkEndpoints(a.JSON)
	r.checkKeySet()
	return a.JSON
}

func discovery(r *run) {
	m := r.checkProvider()
	for name := range m { // those of OAuth 1.0a are this server's own, which the suite is told to allow
		r.want(slices.Contains(standardMetadata, name) || strings.HasPrefix(name, "oauth1_"), "%s is in no registry", name)
	}
	for name, members := range map[string][]string{
		"response_types_supported":                    {"code", "id_token", "id_token token"},
		"subject_types_supported":                     {"public"},
		"id_token_signing_alg_values_supported":       {"RS256"},
		"grant_types_supported":                       {"authorization_code", "implicit"},
		"scopes_supported":                            {"openid"},
		"code_challenge_methods_supported":            {"S256"},
		"claims_supported":                            {"sub", "iss", "name", "email"},
		"request_object_signing_alg_values_supported": {"RS256"},
	} {
		for _, member := range members {
			r.want(slices.Contains(responseTypes(list(m, name)), member), "%s is %v and lacks %s", name, m[name], member)
		}
	}
	for _, subject := range list(m, "subject_types_supported") {
		r.want(subject == "public" || subject == "pairwise", "subject type %s", subject)
	}
	if algs, ok := m["userinfo_signing_alg_values_supported"]; ok {
		r.want(len(list(m, "userinfo_signing_alg_values_supported")) > 0, "userinfo_signing_alg_values_supported is %v", algs)
	}
	r.checkSpelling(m)
}

// responseTypes puts the words of response types in order: they have none.
func responseTypes(values []string) []string {
	var sorted []string
	for _, v := range values {
		words := strings.Fields(v)
		slices.Sort(words)
		sorted = append(sorted, strings.Join(words, " "))
	}
	return sorted
}

// checkEndpoints: every address is https, and those that have to be there are.
func (r *run) checkEndpoints(m map[string]any) {
	r.Helper()
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint"} {
		r.want(text(m, name) != "", "no %s", name)
	}
	for name := range m {
		if !strings.HasSuffix(name, "_endpoint") && !strings.HasSuffix(name, "_uri") && name != "check_session_iframe" {
			continue
		}
		u, err := url.Parse(text(m, name))
		r.want(err == nil && u.Scheme == "https" && u.Host != "" && u.Fragment == "", "%s is %v", name, m[name])
	}
}

var (
	scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)                                        // RFC 6749, section 3.3
	localeTag  = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?(-[a-z0-9]{5,8})*$`) // RFC 5646, in its canonical case
)

func (r *run) checkSpelling(m map[string]any) {
	r.Helper()
	for _, s := range list(m, "scopes_supported") {
		r.want(scopeToken.MatchString(s), "scope %q", s)
	}
	for _, name := range []string{"ui_locales_supported", "claims_locales_supported"} {
		for _, tag := range list(m, name) {
			r.want(localeTag.MatchString(tag), "%s has %q", name, tag)
		}
	}
}

// checkKeySet: nothing secret is published, and every key can be told from
// the others.
func (r *run) checkKeySet() {
	r.Helper()
	a := r.op.get(r, r.op.endpoint(r, "jwks_uri"))
	var raw struct {
		Keys []map[string]any `json:"keys"`
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(a.Body), &raw); err != nil || json.Unmarshal([]byte(a.Body), &set) != nil || len(set.Keys) == 0 {
		r.Fatalf("the key set cannot be read: %s", a.Body)
	}
	seenKeys := map[string]bool{}
	for _, key := range raw.Keys {
		kid := text(key, "kid")
		r.want(kid != "" && !seenKeys[kid], "kid %q is missing or there twice", kid)
		seenKeys[kid] = true
		r.want(slices.Contains([]string{"RSA", "EC", "OKP"}, text(key, "kty")), "key type %v", key["kty"])
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			_, there := key[secret]
			r.want(!there, "a published key has %s", secret)
		}
	}
	for _, key := range set.Keys {
		r.want(key.Valid() && key.IsPublic(), "key %s is not a valid public key", key.KeyID)
	}
}
