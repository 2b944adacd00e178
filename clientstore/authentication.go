package clientstore

import "slices"

var (
	authMethods        = []string{AuthBasic, AuthPost, AuthSecretJWT, AuthPrivateKeyJWT, AuthNone}
	tokenFormats       = []string{FormatOpaque, FormatJWT}
	assertionAudiences = []string{AudienceIssuer, AudienceEndpoint}
	introspections     = []string{IntrospectOwn, IntrospectAudience, IntrospectAll}
)

// completeAuthentication settles how the client authenticates.
func (c *Client) completeAuthentication(Policy) error {
	m := &c.Metadata
	if c.Type == OAuth1 {
		return nil // by signature, always
	}
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = AuthBasic
	}
	if !slices.Contains(authMethods, m.TokenEndpointAuthMethod) {
		return refuse("token_endpoint_auth_method", "%s is not a method of this server; use %s",
			quoted(m.TokenEndpointAuthMethod), oneOf(authMethods))
	}
	if !c.IsPublic() {
		return nil
	}
	for _, g := range []string{GrantClientCredentials, GrantTokenExchange, GrantJWTBearer} {
		if slices.Contains(m.GrantTypes, g) {
			return refuse("grant_types", "a public client cannot use %s: anyone could be that client (RFC 6749, section 4.4); give it a secret", g)
		}
	}
	return nil
}

// checkAssertions checks what the client's assertions must name.
func (c *Client) checkAssertions(p Policy) error {
	const field = "client_assertion_audience"
	switch m := &c.Metadata; {
	case m.ClientAssertionAudience == "":
		return nil
	case m.TokenEndpointAuthMethod != AuthPrivateKeyJWT && m.TokenEndpointAuthMethod != AuthSecretJWT:
		return refuse(field, "is for clients that authenticate by assertion; leave it out, or set token_endpoint_auth_method to private_key_jwt")
	case !slices.Contains(assertionAudiences, m.ClientAssertionAudience):
		return refuse(field, "%s is not known; use %s", quoted(m.ClientAssertionAudience), oneOf(assertionAudiences))
	case p == Strict && m.ClientAssertionAudience != AudienceIssuer:
		return refuse(field, "this server's strict policy takes assertions for the issuer alone; use issuer, or leave it out")
	}
	return nil
}

func (m *Metadata) checkAccessTokenAlg() error {
	const field = "access_token_signed_response_alg"
	switch alg := m.AccessTokenSignedResponseAlg; {
	case alg == "":
		return nil
	case m.AccessTokenFormat != FormatJWT:
		return refuse(field, "is for access tokens that are signed; set access_token_format to jwt, or leave it out")
	case !slices.Contains(idTokenAlgs, alg):
		return refuse(field, "%s is not an algorithm of this server; use %s", quoted(alg), oneOf(idTokenAlgs))
	}
	return nil
}

// checkTokens checks what the client may do with tokens.
func (c *Client) checkTokens(Policy) error {
	m := &c.Metadata
	if m.IntrospectionScope != "" && !slices.Contains(introspections, m.IntrospectionScope) {
		return refuse("introspection_scope", "%s is not known; use %s", quoted(m.IntrospectionScope), oneOf(introspections))
	}
	if m.AccessTokenFormat != "" && !slices.Contains(tokenFormats, m.AccessTokenFormat) {
		return refuse("access_token_format", "%s is not known; use %s", quoted(m.AccessTokenFormat), oneOf(tokenFormats))
	}
	if err := m.checkAccessTokenAlg(); err != nil {
		return err
	}
	if err := m.checkExchange(); err != nil {
		return err
	}
	if !c.IsPublic() {
		return nil
	}
	if m.IntrospectionScope != "" && m.IntrospectionScope != IntrospectOwn {
		return refuse("introspection_scope", "a public client may introspect its own tokens only: anyone could be that client; give it a secret")
	}
	if m.RefreshTokenRotation != nil && !*m.RefreshTokenRotation {
		return refuse("refresh_token_rotation", "the refresh tokens of a public client are always rotated (RFC 9700, section 2.2.2)")
	}
	return nil
}
