package clientstore

import "slices"

// ActsForAbsent reports whether the client may get tokens for people who are
// not there, by naming them in what it signs (RFC 7523, section 2.1).
func (c *Client) ActsForAbsent() bool { return slices.Contains(c.Metadata.GrantTypes, GrantJWTBearer) }

// checkBearer checks what the grant needs that lets a client act for people who
// are not there: keys that nobody else has, a way for people to allow it, and
// subjects by which it and the server mean the same person.
func (c *Client) checkBearer(Policy) error {
	m := &c.Metadata
	switch {
	case !c.ActsForAbsent():
		return nil
	case !m.hasKeys():
		return refuse("jwks_uri", "is required, or jwks: what the client signs for the grant type %s is checked with its public keys", GrantJWTBearer)
	case !slices.Contains(m.GrantTypes, GrantAuthorizationCode) && !slices.Contains(m.GrantTypes, GrantDeviceCode):
		return refuse("grant_types", "%s is for people who allowed the client before; add authorization_code or %s, by which they do", GrantJWTBearer, GrantDeviceCode)
	case m.SubjectType == SubjectPairwise:
		return refuse("subject_type", "must be public for the grant type %s: the client names people by their subject, and a pairwise one leads to nobody", GrantJWTBearer)
	default:
		return nil
	}
}
