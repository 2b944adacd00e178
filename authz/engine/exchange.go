package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
)

// The types of tokens that an exchange issues (RFC 8693, section 3).
const (
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // the name of a type
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// Subject is what a client presents for a token of its own (RFC 8693): proved,
// live, and the client's to exchange.
type Subject struct {
	Grant grant.Grant
	// Token is the access token, empty for credentials of OAuth 1.0a.
	Token     string
	Scope     []string // that it is good for at this moment
	Audience  string   // space-separated
	ExpiresAt time.Time
}

// Exchange answers a token exchange. What a client gets for a token of its own
// is a further access token of the same grant; for that of another, a grant that
// ends with the other. Errors are those of [Engine.Token].
func (e *Engine) Exchange(ctx context.Context, asked TokenRequest) (*TokenResponse, error) {
	f := &flow{client: asked.Client, grantType: clientstore.GrantTokenExchange}
	issued, err := issuedType(f.client, asked.Form.Get("requested_token_type"))
	if err != nil {
		return nil, err
	}
	if f.scope, err = narrowed(f.client, asked.Subject, asked.Form); err != nil {
		return nil, err
	}
	own := asked.Subject.Token != "" && asked.Subject.Grant.ClientID == f.client.ID
	if own {
		err = e.narrow(f, asked)
	} else {
		err = e.derive(f, asked)
	}
	if err != nil {
		return nil, err
	}
	token, err := e.newAccessToken(ctx, f)
	if err != nil {
		return nil, err
	}
	e.gatherAccess(f, token, *f.own)
	if own {
		err = e.cfg.Grants.Narrow(ctx, asked.Subject.Token, f.issue)
	} else {
		err = e.cfg.Grants.Derive(ctx, *f.own, f.issue)
	}
	if errors.Is(err, grant.ErrNotPermitted) {
		return nil, protocol.Refuse(protocol.InvalidRequest, "The subject_token, or what it stands on, has ended this very moment. Ask the user to authorize again.")
	}
	if err != nil {
		return nil, err
	}
	return &TokenResponse{
		AccessToken: token, IssuedTokenType: issued, TokenType: "Bearer", ExpiresIn: e.secondsUntil(f.issue.AccessTokenExpiresAt),
		Scope: f.issue.Scope, GrantID: f.own.ID,
	}, nil
}

// issuedType settles the type of the token. Access tokens are all that is
// issued, and only those of a client that is registered for them are JSON Web
// Tokens.
func issuedType(c *clientstore.Client, requested string) (string, error) {
	switch {
	case requested == "" || requested == TypeAccessToken:
		return TypeAccessToken, nil
	case requested != typeJWT:
		return "", protocol.Refuse(protocol.InvalidRequest, "An exchange issues access tokens only. Leave requested_token_type out, or send "+TypeAccessToken+".")
	case c.Metadata.AccessTokenFormat != clientstore.FormatJWT:
		return "", protocol.Refuse(protocol.InvalidRequest,
			"The client's access tokens are no JSON Web Tokens. Leave requested_token_type out, or ask an administrator to set access_token_format to jwt.")
	default:
		return typeJWT, nil
	}
}

// narrowed settles the scope: what is asked for, or all that the subject token
// is good for and the client is registered for. It never reaches further than
// either. Nothing is issued for when nobody is there.
func narrowed(c *clientstore.Client, s *Subject, form url.Values) ([]string, error) {
	asked, unregistered := c.SettleScope(form.Get("scope"))
	if unregistered != "" {
		return nil, protocol.Refuse(protocol.InvalidScope,
			"The client is not registered for the scope "+protocol.Printable(unregistered)+". Ask an administrator to add it.")
	}
	common := slices.DeleteFunc(asked, func(scope string) bool { return scope == "offline_access" || !slices.Contains(s.Scope, scope) })
	switch lacking := lacking(common, form); {
	case lacking != "":
		return nil, protocol.Refuse(protocol.InvalidScope, "The subject_token is not good for the scope "+protocol.Printable(lacking)+". Ask for less.")
	case len(common) == 0 && len(s.Scope) > 0:
		return nil, protocol.Refuse(protocol.InvalidScope, "The client is registered for no scope that the subject_token is good for. Ask an administrator to add one.")
	default:
		return common, nil
	}
}

// lacking returns the first scope that is asked for and not had.
func lacking(had []string, form url.Values) string {
	for s := range strings.FieldsSeq(form.Get("scope")) {
		if s != "offline_access" && !slices.Contains(had, s) {
			return s
		}
	}
	return ""
}

// narrow prepares a further access token of the client's own grant. Whom a
// token is for can be narrowed and not changed.
func (*Engine) narrow(f *flow, asked TokenRequest) error {
	s, audience := asked.Subject, asked.Form.Get("audience")
	g := s.Grant
	g.ExpiresAt = earlier(g.ExpiresAt, s.ExpiresAt)
	switch {
	case audience == "":
		g.Audience = s.Audience
	case s.Audience != "" && !slices.Contains(strings.Fields(s.Audience), audience):
		return protocol.Refuse(protocol.InvalidTarget, "The subject_token is for another audience. Exchange one that is for this audience, or for none.")
	default:
		g.Audience = audience
	}
	f.own = &g
	return nil
}

// derive prepares a grant of the client that ends with that of the subject
// token.
func (e *Engine) derive(f *flow, asked TokenRequest) error {
	parent := &asked.Subject.Grant
	switch {
	case parent.AccountID == "":
		return protocol.Refuse(protocol.InvalidRequest, "The subject_token is of a client that acts for itself, and nobody else can act for it.")
	case parent.ParentID != "":
		return protocol.Refuse(protocol.InvalidRequest, "The subject_token was itself made by an exchange, of another client. Exchange the token that it was made of.")
	}
	f.own = &grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantTokenExchange, ClientID: f.client.ID, ParentID: parent.ID,
		AccountID: parent.AccountID, Subject: e.Subject(f.client, parent.AccountID),
		Scope: strings.Join(f.scope, " "), Audience: asked.Form.Get("audience"), ACR: parent.ACR, AuthTime: parent.AuthTime,
		// It has no session but its parent's.
		Offline: true, ExpiresAt: earlier(e.cfg.Now().Add(e.cfg.Lifetimes.AccessToken), asked.Subject.ExpiresAt),
	}
	if asked.Subject.Token != "" {
		f.own.ParentHash = e.cfg.Grants.Hash(asked.Subject.Token)
	}
	return nil
}
