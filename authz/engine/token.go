package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// ErrClientChanged reports that the client of a request for a token of its own
// is no longer what the request was judged by. Whoever asks judges it again by
// what the client is now.
var ErrClientChanged = errors.New("the client has changed")

// TokenResponse is a successful answer of the token endpoint (RFC 6749,
// section 5.1; OpenID Connect Core 1.0, section 3.1.3.3).
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	// IssuedTokenType is the type of what an exchange issued (RFC 8693, section
	// 2.2.1).
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"` // seconds
	RefreshToken    string `json:"refresh_token,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
	Scope           string `json:"scope,omitempty"`

	// GrantID is the grant of the tokens, for the log.
	GrantID string `json:"-"`
}

// TokenRequest is a token request of a client that has proved to be itself and
// is approved. A client that is not may ask what became of a device that is
// parked, and nothing else.
type TokenRequest struct {
	Client *clientstore.Client
	Form   url.Values
	// Code, Refresh and Device are what the authorization code, the refresh
	// token or the device code stands for, read with the client; nil in every
	// other grant, and when there is none.
	Code    *grant.Code
	Refresh *grant.Refresh
	Device  *grant.Device
	// Subject is what an exchange is about; nil in every other grant.
	Subject *Subject
	// Bearer is whom a client that signed an assertion acts for; nil in every
	// other grant.
	Bearer *Bearer
	// IP is where the request came from; guesses at passwords are counted by
	// it.
	IP string
}

// Token answers a token request. Errors are [*protocol.Error] where the client
// is at fault; a failing database is [storage.ErrUnavailable].
func (e *Engine) Token(ctx context.Context, asked TokenRequest) (*TokenResponse, error) {
	form := asked.Form
	f := &flow{client: asked.Client, grantType: form.Get("grant_type"), verifier: form.Get("code_verifier"), read: asked, device: asked.Device}
	if _, ok := e.grants[f.grantType]; !ok {
		return nil, protocol.Refuse(protocol.UnsupportedGrantType, "This server does not know the grant type.")
	}
	if err := e.begin(ctx, f, asked); err != nil {
		return nil, err
	}
	ctx = withFlow(ctx, f)
	request, err := e.provider.NewAccessRequest(ctx, post(form), newSessionView(""))
	if err != nil {
		return nil, e.refused(ctx, f, err)
	}
	response, err := e.provider.NewAccessResponse(ctx, wholeAccess{request})
	if err != nil {
		return nil, e.refused(ctx, f, err)
	}
	if err := e.keep(ctx, f); err != nil {
		return nil, err
	}
	return e.tokenResponse(f, response), nil
}

// begin prepares the grants that begin at the token endpoint.
func (e *Engine) begin(ctx context.Context, f *flow, asked TokenRequest) error {
	switch f.grantType {
	case clientstore.GrantClientCredentials:
		return e.actForItself(f, asked.Form)
	case clientstore.GrantPassword:
		return e.actOnPassword(ctx, f, asked)
	default:
		return nil
	}
}

// refused says why fosite refused. A code whose proof was wrong is burnt on
// the way: there is no second guess.
func (e *Engine) refused(ctx context.Context, f *flow, err error) error {
	if f.failure == nil && f.proofSeen && errors.Is(err, fosite.ErrInvalidGrant) {
		if err := e.cfg.Grants.BurnCode(ctx, f.presented); err != nil {
			return err
		}
	}
	if errors.Is(err, storage.ErrNotFound) { // the account went between two reads
		return grantEnded()
	}
	return f.failedOr(err)
}

// keep writes what the response will hand out, as one.
func (e *Engine) keep(ctx context.Context, f *flow) error {
	var err error
	switch {
	case f.own != nil:
		err = e.keepOwn(ctx, f)
	case f.code != nil:
		err = e.cfg.Grants.Redeem(ctx, f.presented, f.issue)
	case f.device != nil:
		err = e.cfg.Grants.RedeemDevice(ctx, f.presented, f.issue)
	case f.kept:
		err = e.cfg.Grants.Keep(ctx, f.presented, f.issue)
	case f.repeated:
		err = e.cfg.Grants.Repeat(ctx, f.presented, f.issue)
	default:
		err = e.rotate(ctx, f)
	}
	switch {
	case errors.Is(err, grant.ErrNotPermitted), f.kept && errors.Is(err, grant.ErrSpent):
		return grantEnded()
	case errors.Is(err, grant.ErrSpent):
		return e.reused(ctx, f)
	default:
		return err
	}
}

// keepOwn keeps a grant that began at the token endpoint.
func (e *Engine) keepOwn(ctx context.Context, f *flow) error {
	if f.own.AccountID != "" {
		return e.cfg.Grants.IssueToAccount(ctx, *f.own, f.issue)
	}
	err := e.cfg.Grants.IssueToClient(ctx, *f.own, f.client.Edition(), f.issue)
	if errors.Is(err, grant.ErrNotPermitted) {
		return ErrClientChanged
	}
	return err
}

// rotate spends the refresh token. Whoever loses a race for it lost an answer
// in effect, and gets the winner's successor.
func (e *Engine) rotate(ctx context.Context, f *flow) error {
	err := e.cfg.Grants.Rotate(ctx, f.presented, f.issue)
	if errors.Is(err, grant.ErrSpent) && e.cfg.Lifetimes.RefreshGrace > 0 {
		return e.cfg.Grants.Repeat(ctx, f.presented, f.issue)
	}
	return err
}

// reused ends the grant of a code, device code or refresh token that was used twice: one of
// the two users stole it (RFC 6749, section 10.5; RFC 9700, section 4.14.2).
func (e *Engine) reused(ctx context.Context, f *flow) error {
	id := f.grant().ID
	e.cfg.Log.WarnContext(ctx, "code, device code or refresh token used again; its grant is revoked",
		"client_id", f.client.ID, "grant_type", f.grantType, "grant_id", id)
	if err := e.cfg.Grants.Revoke(ctx, id); err != nil {
		return err
	}
	return protocol.Refuse(protocol.InvalidGrant,
		"This was used before, so everything that came of it has been revoked. Ask the user to authorize again.")
}

func grantEnded() error {
	return protocol.Refuse(protocol.InvalidGrant, "The authorization has ended. Ask the user to authorize again.")
}

// grant is the grant that the request draws on.
func (f *flow) grant() *grant.Grant {
	switch {
	case f.issuing != nil:
		return &f.issuing.Grant
	case f.own != nil:
		return f.own
	case f.code != nil:
		return &f.code.Grant
	case f.device != nil:
		return &f.device.Grant
	default:
		return &f.refresh.Grant
	}
}

// populate makes the first tokens of a grant that has no code.
func (e *Engine) populate(ctx context.Context, g grant.Grant, r fosite.AccessRequester, response fosite.AccessResponder) error {
	f := flowOf(ctx)
	token, err := e.newAccessToken(ctx, f)
	if err != nil {
		return f.failed(err)
	}
	e.gatherAccess(f, token, g)
	if g.Offline && f.client.Offline(strings.Fields(g.Scope)) {
		e.gatherRefresh(f, seal.NewToken(seal.RefreshToken), g)
	}
	response.SetAccessToken(f.issue.AccessToken)
	response.SetTokenType("bearer")
	if !slices.Contains(f.scope, "openid") {
		return nil
	}
	return e.ids.IssueExplicitIDToken(ctx, e.cfg.Lifetimes.IDToken, r, response)
}

func (e *Engine) tokenResponse(f *flow, response fosite.AccessResponder) *TokenResponse {
	r := &TokenResponse{
		AccessToken: f.issue.AccessToken, TokenType: "Bearer",
		ExpiresIn:    e.secondsUntil(f.issue.AccessTokenExpiresAt),
		RefreshToken: f.issue.RefreshToken, Scope: strings.Join(f.scope, " "), GrantID: f.grant().ID,
	}
	if id, ok := response.GetExtra("id_token").(string); ok {
		r.IDToken = id
	}
	return r
}

func (e *Engine) secondsUntil(at time.Time) int64 {
	return int64(at.Sub(e.cfg.Now()).Round(time.Second) / time.Second)
}
