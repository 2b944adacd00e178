package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
)

// Bearer is whom a client acts for that signed an assertion.
type Bearer struct {
	Principal grant.Principal
	// Spend uses up the assertion, in the transaction of what it yields.
	Spend func(ctx context.Context) error
}

// Bear answers a client that signed whom it acts for (RFC 7523, section 2.1):
// with an access token, within what that person allowed it before. Errors are
// those of [Engine.Token], and those of spending the assertion.
func (e *Engine) Bear(ctx context.Context, asked TokenRequest) (*TokenResponse, error) {
	f, person := &flow{client: asked.Client, grantType: clientstore.GrantJWTBearer}, asked.Bearer.Principal
	person.Client = f.client.Edition()
	if !f.client.Admits(person.AccountID) {
		return nil, notAdmitted()
	}
	var err error
	if f.scope, err = allowed(f.client, person, asked.Form); err != nil {
		return nil, err
	}
	f.own = &grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantJWTBearer, ClientID: f.client.ID,
		AccountID: person.AccountID, AccountEpoch: person.Epoch, Subject: e.Subject(f.client, person.AccountID), Scope: strings.Join(f.scope, " "),
		// Nobody signed in.
		Offline: true, ExpiresAt: e.cfg.Now().Add(e.cfg.Lifetimes.AccessToken),
	}
	token, err := e.newAccessToken(ctx, f)
	if err != nil {
		return nil, err
	}
	e.gatherAccess(f, token, *f.own)
	err = e.cfg.Grants.IssueByConsent(ctx, *f.own, person, asked.Bearer.Spend, f.issue)
	if errors.Is(err, grant.ErrNotPermitted) {
		return nil, protocol.Refuse(protocol.InvalidGrant,
			"What the person allowed, or what it stands on, has changed this very moment. Sign another assertion and try again.")
	}
	if err != nil {
		return nil, err
	}
	return &TokenResponse{
		AccessToken: token, TokenType: "Bearer", ExpiresIn: e.secondsUntil(f.issue.AccessTokenExpiresAt), Scope: f.issue.Scope, GrantID: f.own.ID,
	}, nil
}

// allowed settles the scope: what is asked for, or all that the person allowed
// and the client is registered for, but what is for people who are there. The
// administration of this server is: who administers it shows that they are.
func allowed(c *clientstore.Client, person grant.Principal, form url.Values) ([]string, error) {
	asked, err := settle(c, form)
	if err != nil {
		return nil, err
	}
	had := strings.Fields(person.Scope)
	common := slices.DeleteFunc(asked, func(scope string) bool {
		return scope == "offline_access" || slices.Contains(clientstore.AdministrationScopes, scope) || !slices.Contains(had, scope)
	})
	if lacking := lacking(common, form); lacking != "" {
		return nil, protocol.Refuse(protocol.InvalidScope, "The person did not allow the client the scope "+protocol.Printable(lacking)+
			", or it is only for people who are there. Ask for less, or have them authorize the client again.")
	}
	if len(common) == 0 && (len(had) > 0 || form.Get("scope") != "") { // no answer could say so (RFC 6749, sections 3.3 and 5.1)
		return nil, protocol.Refuse(protocol.InvalidScope, "The person allowed the client no scope that it could have while they are away. Have them authorize the client again.")
	}
	return common, nil
}
