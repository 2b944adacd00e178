package clientstore

import (
	"slices"

	"countersign/storage/grant"
)

// ActsForAbsent reports whether the client may get tokens for people who are
// not there, by naming them in what it signs (RFC 7523, section 2.1).
func (c *Client) ActsForAbsent() bool { return slices.Contains(c.Metadata.GrantTypes, GrantJWTBearer) }

// ConsentOf identifies what an account consents to that allows the client what
// it asks for, as it is and as it was approved. That it may come back by itself
// is part of it; then it ends with what ends by the account's epoch, such as a
// change of its password, as refresh tokens do.
func (c *Client) ConsentOf(accountEpoch int64) string {
	if c.ActsForAbsent() {
		return grant.Bound(c.ConsentDigest, accountEpoch)
	}
	return c.ConsentDigest
}

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
