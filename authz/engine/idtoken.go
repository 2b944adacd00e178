package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"countersign/authz/claims"
	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/keyset"
)

var _ openid.OpenIDConnectTokenStrategy = idTokenStrategy{}

// idTokenStrategy makes ID tokens (OpenID Connect Core 1.0, section 2). It
// signs with the key set, by the algorithm that the client registered; fosite
// knows one key and one algorithm.
type idTokenStrategy struct{ engine *Engine }

// GenerateIDToken returns the ID token of the flow in ctx.
func (s idTokenStrategy) GenerateIDToken(ctx context.Context, lifetime time.Duration, _ fosite.Requester) (string, error) {
	f := flowOf(ctx)
	alg := signingAlgorithm(f.client)
	members, err := s.members(ctx, f, lifetime)
	if err != nil {
		return "", f.failed(err)
	}
	payload, err := members.Encode()
	if err != nil {
		return "", fmt.Errorf("encode ID token: %w", err)
	}
	token, err := s.engine.cfg.Keys.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", f.failed(fmt.Errorf("sign ID token: %w", err))
	}
	token, err = s.engine.cfg.ClientKeys.Encrypt(ctx, f.client, clientjwt.IDTokenEnvelope(f.client), token)
	if errors.Is(err, clientjwt.ErrRefused) {
		s.engine.cfg.Log.WarnContext(ctx, "an ID token cannot be encrypted", "client_id", f.client.ID, "cause", err.Error())
		f.failure = errNoRecipient
		return "", fosite.ErrServerError
	}
	if err != nil {
		return "", f.failed(fmt.Errorf("encrypt ID token: %w", err))
	}
	return token, nil
}

// members are those of the ID token of a flow.
func (s idTokenStrategy) members(ctx context.Context, f *flow, lifetime time.Duration) (claims.Members, error) {
	members, err := s.engine.requestedClaims(ctx, f)
	if err != nil {
		return nil, err
	}
	now := s.engine.cfg.Now()
	s.protocolClaims(&members, f, signingAlgorithm(f.client))
	members.Set("iat", now.Unix())
	members.Set("exp", now.Add(lifetime).Unix())
	return members, nil
}

// errNoRecipient is what the client is told when it cannot be encrypted to.
// Nothing was spent, so that it may repeat the request once it can be.
var errNoRecipient = &protocol.Error{
	Code: protocol.TemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 60,
	Description: "The ID token cannot be encrypted: the keys of the client cannot be fetched, or none of them is for its id_token_encrypted_response_alg. Publish one and repeat the request.",
}

func (s idTokenStrategy) protocolClaims(members *claims.Members, f *flow, alg jose.SignatureAlgorithm) {
	g := f.grant()
	members.Set("iss", s.engine.cfg.Issuer)
	members.Set("sub", g.Subject)
	members.Set("aud", f.client.ID)
	if g.AuthTime != nil {
		members.Set("auth_time", g.AuthTime.Unix())
	}
	if g.SessionID != "" { // by which a logout names what it ends (OpenID Connect Back-Channel Logout 1.0, section 2.1)
		members.Set("sid", s.engine.cfg.Subjects.Session(f.client.ID, g.SessionID))
	}
	if g.ACR != "" {
		members.Set("acr", g.ACR)
	}
	if amr := strings.Fields(g.AMR); len(amr) > 0 {
		members.Set("amr", amr)
	}
	// A refreshed ID token carries no nonce (OpenID Connect Core 1.0, section 12.2).
	if g.Nonce != "" && f.refresh == nil {
		members.Set("nonce", g.Nonce)
	}
	for name, value := range f.bound() {
		if value != "" {
			members.Set(name, keyset.LeftHalf(alg, value))
		}
	}
}

// bound is what came with the ID token, which it binds by hashes: the access
// token, and at the authorization endpoint the code and the state (OpenID
// Connect Core 1.0, section 3.3.2.11; FAPI 1.0 Part 2, section 5.1).
func (f *flow) bound() map[string]string {
	b := map[string]string{"at_hash": f.issue.AccessToken}
	if f.issuing != nil {
		b["c_hash"], b["s_hash"] = f.issuing.Code, f.state
	}
	return b
}

// signingAlgorithm is what the client registered, RS256 if nothing (OpenID
// Connect Dynamic Client Registration 1.0, section 2).
func signingAlgorithm(c *clientstore.Client) jose.SignatureAlgorithm {
	if alg := c.Metadata.IDTokenSignedResponseAlg; alg != "" {
		return jose.SignatureAlgorithm(alg)
	}
	return keyset.Algorithms[0]
}

// usualMembers is how many members a token has beside the claims about the resource
// owner, at most.
const usualMembers = 12

// requestedClaims are the claims about the resource owner that belong into the
// ID token: those that the claims parameter asks for there, and those of the
// scope where no access token opens the UserInfo endpoint, whose they are
// otherwise (OpenID Connect Core 1.0, sections 5.4 and 5.5).
func (e *Engine) requestedClaims(ctx context.Context, f *flow) (claims.Members, error) {
	request, err := claims.Parse(f.grant().Claims)
	if err != nil {
		return nil, fmt.Errorf("claims parameter that was validated: %w", err)
	}
	wanted := claims.NewSet(request.IDToken())
	if f.responseType == "id_token" { // no access token will open the UserInfo endpoint
		wanted |= claims.ForScope(f.scope)
	}
	if wanted = wanted.Without(f.client.WithheldScope(), f.scope); wanted == 0 {
		return make(claims.Members, 0, usualMembers), nil
	}
	a, err := e.cfg.Accounts.Get(ctx, f.grant().AccountID)
	if err != nil {
		return nil, err
	}
	return claims.Select(wanted, a.Claims, a.Username, a.UpdatedAt), nil
}
