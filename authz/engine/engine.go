// Package engine issues codes and tokens. It is the only package that imports
// fosite: it wires fosite's handlers to our stores, takes the place of those
// that fall short of the specifications, and speaks our own words to the
// packages around it, so that the handling of one grant can be rewritten
// without touching another room.
package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"

	"countersign/authz/clientjwt"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/keyset"
	"countersign/storage/subject"
)

// Lifetimes bound what is issued.
type Lifetimes struct {
	Code            time.Duration
	AccessToken     time.Duration
	IDToken         time.Duration
	RefreshIdle     time.Duration // a refresh token that is not used
	RefreshAbsolute time.Duration // a grant, however often it is refreshed
	// RefreshGrace is how long a used refresh token still yields the same
	// successor, for a client that lost the answer.
	RefreshGrace time.Duration
	OAuth1Token  time.Duration // token credentials of OAuth 1.0a, which nobody refreshes
}

// Config is what the engine needs.
type Config struct {
	Issuer    string
	Lifetimes Lifetimes
	Grants    *grant.Store
	Accounts  *account.Store
	Keys      *keyset.Store
	Subjects  *subject.Identifiers
	// ClientKeys encrypts to clients.
	ClientKeys *clientjwt.Verifier
	// Lender lends redirect URIs for administrators' tests.
	Lender clientstore.Lender
	Log    *slog.Logger
	Now    func() time.Time
}

// Engine issues codes and tokens.
type Engine struct {
	cfg      Config
	provider fosite.OAuth2Provider
	ids      *openid.IDTokenHandleHelper
	grants   map[string]fosite.TokenEndpointHandlers
}

// New returns an engine.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg}
	c := &config{Config: e.fositeConfig(), engine: e}
	tokens, store, ids := tokenStrategy{e}, codeStore{e}, &openid.IDTokenHandleHelper{IDTokenStrategy: idTokenStrategy{e}}
	e.ids = ids
	code := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, AuthorizeCodeStrategy: tokens,
		CoreStorage: store, TokenRevocationStorage: store, Config: c,
	}
	id := &openid.OpenIDConnectExplicitHandler{
		OpenIDConnectRequestStorage:   store,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, c),
		Config:                        c, IDTokenHandleHelper: ids,
	}
	proof := &pkce.Handler{AuthorizeCodeStrategy: tokens, Storage: store, Config: c}
	// The proof key comes after what issues the code that it belongs to.
	c.AuthorizeEndpointHandlers = append(fosite.AuthorizeEndpointHandlers{code, id}, append(frontChannel(c, code, id), proof)...)
	own := &oauth2.ClientCredentialsGrantHandler{
		HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: tokens, AccessTokenStorage: store, Config: c}, Config: c,
	}
	e.grants = map[string]fosite.TokenEndpointHandlers{
		clientstore.GrantAuthorizationCode: {code, identity{id}, proof},
		clientstore.GrantRefreshToken:      {&refreshHandler{engine: e, ids: ids}},
		clientstore.GrantClientCredentials: {own},
		clientstore.GrantDeviceCode:        {&deviceHandler{e}},
		clientstore.GrantPassword:          {&passwordHandler{e}},
	}
	e.provider = fosite.NewOAuth2Provider(store, c)
	return e
}

// identity is fosite's handler of ID tokens. That it has nothing to say of whether
// a code may be redeemed, it says by an error with the stack of each request.
type identity struct {
	*openid.OpenIDConnectExplicitHandler
}

// HandleTokenEndpointRequest leaves the request to the handler of codes.
func (identity) HandleTokenEndpointRequest(context.Context, fosite.AccessRequester) error {
	return fosite.ErrUnknownRequest
}

// frontChannel are the handlers of the response types that hand out tokens at
// the authorization endpoint (RFC 6749, section 4.2; OpenID Connect Core 1.0,
// sections 3.2 and 3.3).
func frontChannel(c *config, code *oauth2.AuthorizeExplicitGrantHandler, id *openid.OpenIDConnectExplicitHandler) fosite.AuthorizeEndpointHandlers {
	token := &oauth2.AuthorizeImplicitGrantTypeHandler{
		AccessTokenStrategy: code.AccessTokenStrategy, AccessTokenStorage: code.CoreStorage, Config: c,
	}
	return fosite.AuthorizeEndpointHandlers{
		token,
		&openid.OpenIDConnectImplicitHandler{
			IDTokenHandleHelper: id.IDTokenHandleHelper, AuthorizeImplicitGrantTypeHandler: token,
			OpenIDConnectRequestValidator: id.OpenIDConnectRequestValidator, Config: c,
		},
		&openid.OpenIDConnectHybridHandler{
			IDTokenHandleHelper: id.IDTokenHandleHelper, AuthorizeImplicitGrantTypeHandler: token, AuthorizeExplicitGrantHandler: code,
			OpenIDConnectRequestValidator: id.OpenIDConnectRequestValidator, OpenIDConnectRequestStorage: id.OpenIDConnectRequestStorage, Config: c,
		},
	}
}

// fositeConfig sets what fosite would otherwise set lazily, without a lock,
// and turns off what stands in front of it already.
func (e *Engine) fositeConfig() *fosite.Config {
	return &fosite.Config{
		AccessTokenLifespan:            e.cfg.Lifetimes.AccessToken,
		AuthorizeCodeLifespan:          e.cfg.Lifetimes.Code,
		IDTokenLifespan:                e.cfg.Lifetimes.IDToken,
		RefreshTokenLifespan:           e.cfg.Lifetimes.RefreshIdle,
		IDTokenIssuer:                  e.cfg.Issuer,
		AccessTokenIssuer:              e.cfg.Issuer,
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		RedirectSecureChecker:          redirectWasChecked,
		EnforcePKCEForPublicClients:    true,
		EnablePKCEPlainChallengeMethod: false,
		MinParameterEntropy:            -1, // state and nonce are the client's
		OmitRedirectScopeParam:         true,
		SanitationWhiteList:            []string{"redirect_uri", "code_challenge", "code_challenge_method", "nonce"},
		AllowedPromptValues:            []string{"none"}, // prompts are decided before; none reaches fosite
	}
}

// config is fosite's configuration where it depends on the request.
type config struct {
	*fosite.Config
	engine *Engine
}

// GetTokenEndpointHandlers returns the handlers of the request's grant alone:
// every other would refuse it with a captured stack trace, which is most of
// what fosite spends on a token.
func (c *config) GetTokenEndpointHandlers(ctx context.Context) fosite.TokenEndpointHandlers {
	return c.engine.grants[flowOf(ctx).grantType]
}

// GetClientAuthenticationStrategy tells fosite whom our own authentication
// found: see package token.
func (*config) GetClientAuthenticationStrategy(context.Context) fosite.ClientAuthenticationStrategy {
	return authenticated
}

// GetRefreshTokenScopes returns the scopes one of which a grant needs for a
// refresh token: offline_access when the request is OpenID Connect's (Core
// 1.0, section 11), none when it is plain OAuth 2.0.
func (*config) GetRefreshTokenScopes(ctx context.Context) []string {
	if c := flowOf(ctx).code; c != nil && !c.Grant.Offline {
		return []string{scopeNobodyHas}
	}
	return []string{}
}

// scopeNobodyHas cannot be a scope (RFC 6749, section 3.3).
const scopeNobodyHas = "\x00"

// GrantTypes are the grant types of the token endpoint.
var GrantTypes = []string{
	clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantClientCredentials,
	clientstore.GrantDeviceCode, clientstore.GrantPassword, clientstore.GrantTokenExchange, clientstore.GrantJWTBearer,
}

// ResponseTypes are the response types of the authorization endpoint, their
// words in alphabetical order (OAuth 2.0 Multiple Response Type Encoding
// Practices, section 5).
var ResponseTypes = []string{
	"code", "code id_token", "code id_token token", "code token", "id_token", "id_token token", "token",
}
