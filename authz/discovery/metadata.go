package discovery

import (
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/claims"
	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/keyset"
	"countersign/storage/locale"
)

// Metadata describes the server to clients (OpenID Connect Discovery 1.0,
// section 3; RFC 8414, section 2). It names what works and nothing else: a
// feature is added here in the change that makes it work. The members that
// have a default are written out, because clients forget the defaults.
type Metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	CheckSessionIframe    string `json:"check_session_iframe"`
	PAREndpoint           string `json:"pushed_authorization_request_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`

	oauth1Metadata

	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint"` // RFC 8628, section 4

	ScopesSupported               []string `json:"scopes_supported"`
	ResponseTypesSupported        []string `json:"response_types_supported"`
	ResponseModesSupported        []string `json:"response_modes_supported"`
	GrantTypesSupported           []string `json:"grant_types_supported"`
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`
	PromptValuesSupported         []string `json:"prompt_values_supported"`
	DisplayValuesSupported        []string `json:"display_values_supported"`
	ACRValuesSupported            []string `json:"acr_values_supported"`
	UILocalesSupported            []string `json:"ui_locales_supported"`

	TokenEndpointAuthMethodsSupported         []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionEndpointAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationEndpointAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpointAuthSigningAlgs      []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpointAuthSigningAlgs         []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	SubjectTypesSupported              []string                  `json:"subject_types_supported"`
	IDTokenSigningAlgValuesSupported   []jose.SignatureAlgorithm `json:"id_token_signing_alg_values_supported"`
	IDTokenEncryptionAlgs              []string                  `json:"id_token_encryption_alg_values_supported"`
	IDTokenEncryptionEncs              []string                  `json:"id_token_encryption_enc_values_supported"`
	UserinfoSigningAlgs                []jose.SignatureAlgorithm `json:"userinfo_signing_alg_values_supported"`
	UserinfoEncryptionAlgs             []string                  `json:"userinfo_encryption_alg_values_supported"`
	UserinfoEncryptionEncs             []string                  `json:"userinfo_encryption_enc_values_supported"`
	ClaimTypesSupported                []string                  `json:"claim_types_supported"`
	ClaimsSupported                    []string                  `json:"claims_supported"`
	ClaimsParameterSupported           bool                      `json:"claims_parameter_supported"`
	RequestParameterSupported          bool                      `json:"request_parameter_supported"`
	RequestURIParameterSupported       bool                      `json:"request_uri_parameter_supported"` // true when left out
	RequireRequestURIRegistration      bool                      `json:"require_request_uri_registration"`
	RequestObjectSigningAlgs           []string                  `json:"request_object_signing_alg_values_supported"`
	RequestObjectEncryptionAlgs        []string                  `json:"request_object_encryption_alg_values_supported"`
	RequestObjectEncryptionEncs        []string                  `json:"request_object_encryption_enc_values_supported"`
	RequirePushedRequests              bool                      `json:"require_pushed_authorization_requests"`
	BackchannelLogoutSupported         bool                      `json:"backchannel_logout_supported"`
	BackchannelLogoutSessionSupported  bool                      `json:"backchannel_logout_session_supported"`
	FrontchannelLogoutSupported        bool                      `json:"frontchannel_logout_supported"`
	FrontchannelLogoutSessionSupported bool                      `json:"frontchannel_logout_session_supported"`
	AuthorizationResponseISS           bool                      `json:"authorization_response_iss_parameter_supported"`

	// Teamwork Cloud's own, where it is imitated.
	ValidationEndpoint string `json:"validation_endpoint,omitempty"`
	SignoutEndpoint    string `json:"signout_endpoint,omitempty"`

	ServiceDocumentation string `json:"service_documentation,omitempty"`
	PolicyURI            string `json:"op_policy_uri,omitempty"`
	TosURI               string `json:"op_tos_uri,omitempty"`
}

// oauth1Metadata are the endpoints of OAuth 1.0a, which has no metadata of its
// own.
type oauth1Metadata struct {
	OAuth1RequestTokenEndpoint  string   `json:"oauth1_request_token_endpoint"`
	OAuth1AuthorizationEndpoint string   `json:"oauth1_authorization_endpoint"`
	OAuth1AccessTokenEndpoint   string   `json:"oauth1_access_token_endpoint"`
	OAuth1VerificationEndpoint  string   `json:"oauth1_verification_endpoint"`
	OAuth1RegistrationEndpoint  string   `json:"oauth1_registration_endpoint,omitempty"`
	OAuth1SignatureMethods      []string `json:"oauth1_signature_methods_supported"`
}

func oauth1(cfg Config, at func(path string) string) oauth1Metadata {
	return oauth1Metadata{
		OAuth1RequestTokenEndpoint: at("/oauth1/request_token"), OAuth1AuthorizationEndpoint: at("/oauth1/authorize"),
		OAuth1AccessTokenEndpoint: at("/oauth1/access_token"), OAuth1VerificationEndpoint: at("/oauth1/verify"),
		OAuth1RegistrationEndpoint: consumerEndpoint(cfg, at), OAuth1SignatureMethods: signatureMethods(cfg.Issuer),
	}
}

// signatureMethods leaves out PLAINTEXT where it is refused, for it sends the
// secrets themselves (RFC 5849, section 3.4.4).
func signatureMethods(issuer string) []string {
	if strings.HasPrefix(issuer, "https://") {
		return clientstore.SignatureMethods
	}
	return slices.DeleteFunc(slices.Clone(clientstore.SignatureMethods), func(m string) bool { return m == string(signature.Plaintext) })
}

// consumerEndpoint is where consumer keys are asked for, empty where nobody can.
func consumerEndpoint(cfg Config, at func(path string) string) string {
	if !cfg.Registration {
		return ""
	}
	return at("/oauth1/register")
}

// confidential are the methods by which a client proves itself.
var confidential = []string{clientstore.AuthBasic, clientstore.AuthPost, clientstore.AuthSecretJWT, clientstore.AuthPrivateKeyJWT}

// metadata describes the server. Every URL begins with the issuer, byte for
// byte, and none depends on the request.
func metadata(cfg Config) Metadata {
	at := func(path string) string { return strings.TrimSuffix(cfg.Issuer, "/") + path }
	m := Metadata{
		Issuer:                cfg.Issuer,
		AuthorizationEndpoint: at("/authorize"),
		TokenEndpoint:         at("/token"),
		UserinfoEndpoint:      at("/userinfo"),
		IntrospectionEndpoint: at("/introspect"),
		RevocationEndpoint:    at("/revoke"),
		EndSessionEndpoint:    at("/end_session"),
		CheckSessionIframe:    at("/session/iframe"),
		PAREndpoint:           at("/par"),
		JWKSURI:               at("/.well-known/jwks.json"),

		oauth1Metadata:              oauth1(cfg, at),
		DeviceAuthorizationEndpoint: at("/device_authorization"),

		ScopesSupported:               append([]string{"openid", "profile", "email", "address", "phone", "offline_access"}, clientstore.AdministrationScopes...),
		ResponseTypesSupported:        cfg.ResponseTypes,
		ResponseModesSupported:        []string{"query", "fragment", "form_post"},
		GrantTypesSupported:           cfg.GrantTypes,
		CodeChallengeMethodsSupported: []string{"S256"},
		PromptValuesSupported:         cfg.Prompts,
		DisplayValuesSupported:        []string{"page", "popup", "touch", "wap"},
		ACRValuesSupported:            protocol.ACRValues,
		UILocalesSupported:            locale.Codes(),

		TokenEndpointAuthMethodsSupported:         append(slices.Clone(confidential), clientstore.AuthNone),
		IntrospectionEndpointAuthMethodsSupported: confidential,
		RevocationEndpointAuthMethodsSupported:    append(slices.Clone(confidential), clientstore.AuthNone),
		TokenEndpointAuthSigningAlgs:              clientstore.AssertionAlgs,
		IntrospectionEndpointAuthSigningAlgs:      clientstore.AssertionAlgs,
		RevocationEndpointAuthSigningAlgs:         clientstore.AssertionAlgs,

		SubjectTypesSupported:            clientstore.SubjectTypes,
		IDTokenSigningAlgValuesSupported: keyset.Algorithms,
		ClaimTypesSupported:              []string{"normal"},
		ClaimsSupported: append([]string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "s_hash", "sid",
		}, claims.Supported()...),
		ClaimsParameterSupported:           true,
		RequestParameterSupported:          true,
		RequestURIParameterSupported:       true,
		RequireRequestURIRegistration:      true,
		RequestObjectSigningAlgs:           clientstore.AssertionAlgs,
		BackchannelLogoutSupported:         true,
		BackchannelLogoutSessionSupported:  true,
		FrontchannelLogoutSupported:        true,
		FrontchannelLogoutSessionSupported: true,
		AuthorizationResponseISS:           true,

		ServiceDocumentation: cfg.ServiceDocumentation,
		PolicyURI:            cfg.PolicyURI,
		TosURI:               cfg.TosURI,
	}
	m.describeEncryption()
	m.describeOptions(cfg, at)
	return m
}

// describeOptions tells of the endpoints that not every installation has.
func (m *Metadata) describeOptions(cfg Config, at func(string) string) {
	if cfg.Registration {
		m.RegistrationEndpoint = at("/register")
	}
	if cfg.TeamworkCloud {
		m.ValidationEndpoint, m.SignoutEndpoint = at("/api/validate"), at("/api/signout")
	}
}

// describeEncryption tells what is signed and encrypted to clients beside ID
// tokens' signatures, and what clients encrypt.
func (m *Metadata) describeEncryption() {
	m.UserinfoSigningAlgs = keyset.Algorithms
	for _, algs := range []*[]string{&m.IDTokenEncryptionAlgs, &m.UserinfoEncryptionAlgs, &m.RequestObjectEncryptionAlgs} {
		*algs = clientstore.EncryptionAlgs
	}
	for _, encs := range []*[]string{&m.IDTokenEncryptionEncs, &m.UserinfoEncryptionEncs, &m.RequestObjectEncryptionEncs} {
		*encs = clientstore.ContentAlgs
	}
}
