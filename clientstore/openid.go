package clientstore

import "slices"

const (
	defaultIDTokenAlg = "RS256"
	maxDefaultMaxAge  = 10 * 365 * 24 * 3600 // seconds
)

// notWithoutOpenID is said of members that mean nothing without ID tokens.
const notWithoutOpenID = "belongs to OpenID Connect; leave it out, or register the client as oidc"

// idTokenAlgs sign ID tokens. None, which would leave them unsigned, is not
// among them.
var idTokenAlgs = []string{"RS256", "ES256", "PS256", "EdDSA"}

// completeOpenID settles the members of OpenID Connect Dynamic Client
// Registration 1.0, section 2.
func (c *Client) completeOpenID(Policy) error {
	m := &c.Metadata
	if c.Type != OIDC {
		return c.checkNoOpenID()
	}
	if m.IDTokenSignedResponseAlg == "" {
		m.IDTokenSignedResponseAlg = defaultIDTokenAlg
	}
	if !slices.Contains(idTokenAlgs, m.IDTokenSignedResponseAlg) {
		return refuse("id_token_signed_response_alg", "%s is not an algorithm that this server signs ID tokens with; use %s",
			quoted(m.IDTokenSignedResponseAlg), oneOf(idTokenAlgs))
	}
	if alg := m.UserinfoSignedResponseAlg; alg != "" && !slices.Contains(idTokenAlgs, alg) {
		return refuse("userinfo_signed_response_alg", "%s is not an algorithm that this server signs with; use %s", quoted(alg), oneOf(idTokenAlgs))
	}
	if age := m.DefaultMaxAge; age != nil && (*age < 0 || *age > maxDefaultMaxAge) {
		return refuse("default_max_age", "%d is not a number of seconds between 0 and %d", *age, maxDefaultMaxAge)
	}
	return m.checkInitiateLogin()
}

// checkInitiateLogin asks for https: who could change the address on its way
// would choose the server that the client signs in with. To the person's own
// machine there is no way, and no certificate.
func (m *Metadata) checkInitiateLogin() error {
	uri := m.InitiateLoginURI
	if uri == "" {
		return nil
	}
	if fault := redirectURIFault(uri, Default); fault != "" {
		return refuse("initiate_login_uri", "%s %s", quoted(uri), fault)
	}
	if p := splitURI(uri); p.scheme != "https" && (p.scheme != "http" || !isLoopback(p.authority)) {
		return refuse("initiate_login_uri", "%s is not https, which it has to be (OpenID Connect Dynamic Client Registration 1.0, section 2)", quoted(uri))
	}
	return nil
}

func (c *Client) checkNoOpenID() error {
	m := &c.Metadata
	for _, member := range []struct {
		field string
		set   bool
	}{
		{"subject_type", m.SubjectType != ""},
		{"sector_identifier_uri", m.SectorIdentifierURI != ""},
		{"id_token_signed_response_alg", m.IDTokenSignedResponseAlg != ""},
		{"id_token_encrypted_response_alg", m.IDTokenEncryptedResponseAlg != ""},
		{"id_token_encrypted_response_enc", m.IDTokenEncryptedResponseEnc != ""},
		{"userinfo_signed_response_alg", m.UserinfoSignedResponseAlg != ""},
		{"userinfo_encrypted_response_alg", m.UserinfoEncryptedResponseAlg != ""},
		{"userinfo_encrypted_response_enc", m.UserinfoEncryptedResponseEnc != ""},
		{"default_max_age", m.DefaultMaxAge != nil},
		{"require_auth_time", m.RequireAuthTime},
		{"initiate_login_uri", m.InitiateLoginURI != ""},
	} {
		if member.set {
			return refuse(member.field, notWithoutOpenID)
		}
	}
	return nil
}
