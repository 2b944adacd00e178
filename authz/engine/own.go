package engine

import (
	"net/url"
	"slices"
	"strings"

	"countersign/authz/claims"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
)

// actForItself prepares the client credentials grant (RFC 6749, section 4.4):
// a token of the client's own, with what it is registered for and no scope that
// is about a person. Its subject is the client, whose key no account has as
// identifier (RFC 9700, section 4.15).
func (e *Engine) actForItself(f *flow, form url.Values) error {
	scope, err := settle(f.client, form)
	if err != nil {
		return err
	}
	f.scope = slices.DeleteFunc(scope, aboutAPerson)
	if len(f.scope) == 0 && form.Get("scope") != "" { // no answer could say so (RFC 6749, sections 3.3 and 5.1)
		return protocol.Refuse(protocol.InvalidScope, "A client gets no scope about a person in its own name. Ask for others, or leave the scope out.")
	}
	f.own = &grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantClientCredentials, ClientID: f.client.ID, Subject: f.client.ID,
		Scope: strings.Join(f.scope, " "), Offline: true, ExpiresAt: e.cfg.Now().Add(e.cfg.Lifetimes.AccessToken),
	}
	return nil
}

// Subject returns what the account is called towards the client: the sub claim
// of all that the client is given (OpenID Connect Core 1.0, section 8).
func (e *Engine) Subject(c *clientstore.Client, accountID string) string {
	if sector := c.Sector(); sector != "" {
		return e.cfg.Subjects.Pairwise(sector, accountID)
	}
	return accountID
}

func aboutAPerson(scope string) bool {
	return scope == "openid" || scope == "offline_access" || slices.Contains(claims.Scopes(), scope)
}

// settle returns the scope that a token request asks for.
func settle(c *clientstore.Client, form url.Values) ([]string, error) {
	scope, unregistered := c.SettleScope(form.Get("scope"))
	if unregistered != "" {
		return nil, protocol.Refuse(protocol.InvalidScope,
			"The client is not registered for the scope "+protocol.Printable(unregistered)+". Ask an administrator to add it.")
	}
	return scope, nil
}
