package clientstore

import (
	"slices"
	"strings"
)

// The grant types.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantImplicit          = "implicit"
	GrantPassword          = "password"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // a name, no credential
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     //nolint:gosec // the same
)

// maxFlow is more grant or response types than there are: what is longer is
// not worth reading.
const maxFlow = 50

// grantTypes are those that an OAuth 2.0 or OpenID Connect client may have.
// OAuth 1.0a has one way only, and no name for it.
var grantTypes = []string{
	GrantAuthorizationCode, GrantPassword, GrantRefreshToken, GrantDeviceCode, GrantClientCredentials, GrantTokenExchange,
	GrantJWTBearer,
}

// responseTypes are those that a client of each type may have, their words in
// alphabetical order (OAuth 2.0 Multiple Response Type Encoding Practices,
// section 5).
var responseTypes = map[Type][]string{
	OAuth1: nil,
	OAuth2: {"code", "token"},
	OIDC:   {"code", "code id_token", "code id_token token", "code token", "id_token", "id_token token"},
}

// ResponseTypes returns those that a client of the type may have.
func ResponseTypes(t Type) []string { return slices.Clone(responseTypes[t]) }

// completeFlow settles the grant types and response types. New clients get the
// authorization code grant with refresh tokens; who lists one of the two lists
// gets the other to match (RFC 7591, section 2.1).
func (c *Client) completeFlow(p Policy) error {
	m := &c.Metadata
	if err := checkType(c.Type); err != nil {
		return err
	}
	if c.Type == OAuth1 {
		return nil // it has one way only
	}
	if len(m.GrantTypes) > maxFlow || len(m.ResponseTypes) > maxFlow {
		return refuse("grant_types", "lists more than %d grant types or response types", maxFlow)
	}
	asked := m.defaultFlow()
	if err := c.checkFlow(p); err != nil {
		return err
	}
	if slices.Contains(asked, GrantImplicit) && !m.implicit() {
		return refuse("grant_types", "implicit follows from the response types: list one with token or id_token, or leave implicit out")
	}
	return m.checkConsistency()
}

// defaultFlow fills in the list that is missing, and returns the grant types
// as they were asked for: implicit is not kept.
func (m *Metadata) defaultFlow() []string {
	asked := unique(m.GrantTypes)
	m.GrantTypes = nil
	for _, g := range asked {
		if g != GrantImplicit {
			m.GrantTypes = append(m.GrantTypes, g)
		}
	}
	m.ResponseTypes = canonicalResponseTypes(m.ResponseTypes)
	if len(m.ResponseTypes) == 0 && (len(asked) == 0 || slices.Contains(asked, GrantAuthorizationCode)) {
		m.ResponseTypes = []string{"code"}
	}
	if len(m.GrantTypes) == 0 && m.responds("code") {
		m.GrantTypes = []string{GrantAuthorizationCode, GrantRefreshToken}
	}
	return asked
}

func checkType(t Type) error {
	if _, known := responseTypes[t]; !known {
		return refuse("type", "%s is not a client type; use oauth1, oauth2 or oidc", quoted(string(t)))
	}
	return nil
}

// Permits reports whether the server's policy lets any client use the grant
// type. A client that was registered under another policy may still list it.
func (s *Store) Permits(grantType string) bool { return s.cfg.Policy.permits(grantType) }

// permits refuses what RFC 9700, sections 2.1.2 and 2.4, forbids.
func (p Policy) permits(grantType string) bool {
	return p != Strict || grantType != GrantPassword && grantType != GrantImplicit
}

// PermitsResponse is [Store.Permits] for a response type.
func (s *Store) PermitsResponse(responseType string) bool {
	return s.cfg.Policy.permitsResponse(responseType)
}

// permitsResponse refuses tokens in authorization responses where the implicit
// grant is refused.
func (p Policy) permitsResponse(responseType string) bool {
	return responseType == "code" || p.permits(GrantImplicit)
}

func (c *Client) checkFlow(p Policy) error {
	m, allowed := &c.Metadata, responseTypes[c.Type]
	for _, g := range m.GrantTypes {
		if !slices.Contains(grantTypes, g) {
			return refuse("grant_types", "%s is not a grant type of this server; use %s", quoted(g), strings.Join(grantTypes, ", "))
		}
	}
	for _, r := range m.ResponseTypes {
		if !slices.Contains(allowed, r) {
			return refuse("response_types", "%s is not a response type of an %s client; use %s", quoted(r), c.Type, oneOf(allowed))
		}
	}
	if p != Strict {
		return nil
	}
	if slices.Contains(m.GrantTypes, GrantPassword) {
		return refuse("grant_types", "the password grant is refused by this server's strict policy (RFC 9700, section 2.4); use authorization_code")
	}
	if m.implicit() {
		return refuse("response_types", "tokens in authorization responses are refused by this server's strict policy (RFC 9700, section 2.1.2); use code")
	}
	return nil
}

// checkConsistency holds the two lists against one another (RFC 7591,
// section 2.1).
func (m *Metadata) checkConsistency() error {
	code := slices.Contains(m.GrantTypes, GrantAuthorizationCode)
	switch {
	case code && !m.responds("code"):
		return refuse("response_types", "the authorization_code grant needs a response type with code; add code, or take the grant away")
	case !code && m.responds("code"):
		return refuse("grant_types", "a response type with code needs the authorization_code grant; add it, or take the response type away")
	case slices.Contains(m.GrantTypes, GrantRefreshToken) && len(m.GrantTypes) == 1:
		return refuse("grant_types", "refresh_token needs a grant that issues refresh tokens beside it, such as authorization_code")
	}
	return nil
}

// canonicalResponseTypes puts the words of each response type in alphabetical
// order: their order has no meaning (RFC 6749, section 3.1.1).
func canonicalResponseTypes(list []string) []string {
	canonical := make([]string, len(list))
	for i, r := range list {
		canonical[i] = CanonicalResponseType(r)
	}
	return unique(canonical)
}

// CanonicalResponseType returns the response type as clients are registered
// with it: its words in alphabetical order, one space between them.
func CanonicalResponseType(r string) string {
	words := strings.Fields(r)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// responds reports whether any response type contains the word.
func (m *Metadata) responds(word string) bool {
	return slices.ContainsFunc(m.ResponseTypes, func(r string) bool {
		return slices.Contains(strings.Fields(r), word)
	})
}

// implicit reports whether the authorization endpoint may issue tokens, which
// is what the grant type implicit says in a registration.
func (m *Metadata) implicit() bool { return m.responds("token") || m.responds("id_token") }

func oneOf(values []string) string {
	quotes := make([]string, len(values))
	for i, v := range values {
		quotes[i] = quoted(v)
	}
	return strings.Join(quotes, ", ")
}
