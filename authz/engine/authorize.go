package engine

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ory/fosite"

	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/session"
)

// Authorization is what a resource owner allowed a client: an authorization
// request that was validated, with the session it is answered from.
type Authorization struct {
	Client       *clientstore.Client
	Session      *session.Session
	ResponseType string
	Scope        []string // granted
	// RedirectURI is where the answer goes; it matched a registered one.
	RedirectURI string
	// SentRedirectURI is what the request said; empty when it left it out.
	SentRedirectURI     string
	State               string
	Nonce               string
	CodeChallenge       string
	CodeChallengeMethod string
	Claims              string // the claims parameter
}

// Authorize issues what the response type asks for and returns the parameters
// of the answer. It fails with [grant.ErrNotPermitted] when the client's
// approval or the session ended meanwhile.
func (e *Engine) Authorize(ctx context.Context, a Authorization) (url.Values, error) {
	f := &flow{
		client: a.Client, issuing: e.newAnswer(a), presented: a.RedirectURI, responseType: a.ResponseType, state: a.State, scope: a.Scope,
	}
	ctx = withFlow(ctx, f)
	request, err := e.provider.NewAuthorizeRequest(ctx, post(a.form()))
	if err != nil {
		return nil, fmt.Errorf("authorization request that was validated: %w", f.failedOr(err))
	}
	for _, scope := range a.Scope {
		request.GrantScope(scope)
	}
	response, err := e.provider.NewAuthorizeResponse(ctx, wholeAuthorization{request}, newSessionView(f.issuing.Grant.Subject))
	if err != nil {
		return nil, fmt.Errorf("authorization response: %w", f.failedOr(err))
	}
	if err := e.cfg.Grants.Authorize(ctx, *f.issuing); err != nil {
		return nil, err
	}
	return e.parameters(f, response), nil
}

// parameters are those of the answer; the door adds state and issuer.
func (e *Engine) parameters(f *flow, response fosite.AuthorizeResponder) url.Values {
	answer := response.GetParameters()
	answer.Del("state")
	if f.issuing.AccessToken != "" {
		answer.Set("token_type", "Bearer")
		answer.Set("expires_in", strconv.FormatInt(e.secondsUntil(f.issue.AccessTokenExpiresAt), 10))
	}
	return answer
}

// form is the request as fosite is to see it: what decides on codes and
// tokens. Prompts, ages and hints were decided before.
func (a Authorization) form() url.Values {
	form := url.Values{
		"client_id":     {a.Client.ID},
		"response_type": {a.ResponseType},
		"redirect_uri":  {a.RedirectURI},
		"scope":         {strings.Join(a.Scope, " ")},
		// fosite insists on a state. The client's own, if any, is the door's.
		"state": {"none of fosite's concern"},
	}
	if a.Nonce != "" {
		form.Set("nonce", a.Nonce)
	}
	if a.CodeChallenge != "" {
		form.Set("code_challenge", a.CodeChallenge)
		form.Set("code_challenge_method", a.CodeChallengeMethod)
	}
	return form
}

func (e *Engine) newAnswer(a Authorization) *grant.Answer {
	now := e.cfg.Now()
	authTime := a.Session.AuthTime
	g := grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantAuthorizationCode,
		ClientID: a.Client.ID, AccountID: a.Session.AccountID, SessionID: a.Session.ID,
		Subject: e.Subject(a.Client, a.Session.AccountID), Scope: strings.Join(a.Scope, " "), Claims: a.Claims, Nonce: a.Nonce,
		ACR: a.Session.ACR, AMR: strings.Join(a.Session.AMR, " "), AuthTime: &authTime,
	}
	g.ExpiresAt = earlier(now.Add(e.cfg.Lifetimes.Code+e.cfg.Lifetimes.AccessToken), a.Session.ExpiresAt)
	if !slices.Contains(strings.Fields(a.ResponseType), "code") {
		g.Kind = clientstore.GrantImplicit // no code, no refresh token (RFC 6749, section 4.2)
	} else if a.Client.Offline(a.Scope) {
		g.Offline, g.ExpiresAt = true, now.Add(e.cfg.Lifetimes.RefreshAbsolute)
	}
	return &grant.Answer{
		Grant: g, RedirectURI: a.RedirectURI, RedirectURISent: a.SentRedirectURI != "",
		CodeChallenge: a.CodeChallenge, CodeChallengeMethod: a.CodeChallengeMethod,
		CodeExpiresAt: now.Add(e.cfg.Lifetimes.Code),
	}
}
