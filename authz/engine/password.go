package engine

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/grant"
)

// actOnPassword prepares the resource owner password credentials grant (RFC
// 6749, section 4.3): whoever gave the client their password allowed it what it
// asks for. Guesses count where those at the sign-in page do (LG-12), and an
// unknown username is answered as a wrong password is.
func (e *Engine) actOnPassword(ctx context.Context, f *flow, asked TokenRequest) error {
	scope, err := settle(f.client, asked.Form)
	if err != nil {
		return err
	}
	a, _, err := e.cfg.Accounts.Authenticate(ctx, account.SignIn{
		Username: asked.Form.Get("username"), Password: asked.Form.Get("password"), IP: asked.IP,
	})
	if err != nil {
		return wrongPassword(err)
	}
	if !f.client.Admits(a.ID) {
		return notAdmitted()
	}
	second, err := e.cfg.Accounts.HasSecondFactor(ctx, a.ID)
	if err != nil {
		return err
	}
	if second {
		return protocol.Refuse(protocol.InvalidGrant,
			"This account signs in with a second factor, which this grant has no way to ask for. Use the authorization code grant, or the device grant.")
	}
	now := e.cfg.Now()
	f.scope = scope
	f.own = &grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantPassword, ClientID: f.client.ID,
		AccountID: a.ID, AccountEpoch: a.Epoch, Subject: e.Subject(f.client, a.ID), Scope: strings.Join(scope, " "),
		ACR: protocol.ACRPassword, AMR: "pwd", AuthTime: &now,
		// There is no session that it could end with.
		Offline: true, ExpiresAt: now.Add(e.cfg.Lifetimes.AccessToken),
	}
	if f.client.Offline(scope) {
		f.own.ExpiresAt = now.Add(e.cfg.Lifetimes.RefreshAbsolute)
	}
	return nil
}

func notAdmitted() error {
	return protocol.Refuse(protocol.InvalidGrant,
		"This client is being tried out by a few accounts that an administrator named, and this account is none of them. Ask the administrator.")
}

// wrongPassword is what the client is told. A failing database and a busy
// server are no verdict on the password.
func wrongPassword(err error) error {
	if throttled, ok := errors.AsType[*account.ThrottledError](err); ok {
		return &protocol.Error{
			Code: protocol.InvalidGrant, Status: http.StatusBadRequest,
			RetryAfter:  int((throttled.RetryAfter + time.Second - 1) / time.Second),
			Description: "Too many wrong passwords were tried. The password was not looked at; wait before the next attempt.",
		}
	}
	if errors.Is(err, account.ErrWrongPassword) {
		return protocol.Refuse(protocol.InvalidGrant, "The username or the password is wrong.")
	}
	return err
}

var _ fosite.TokenEndpointHandler = (*passwordHandler)(nil)

// passwordHandler is the password grant once the password was found to be
// right. fosite's own asks for a store that says yes or no, and cannot tell a
// client to wait.
type passwordHandler struct{ engine *Engine }

// CanHandleTokenEndpointRequest recognises the grant.
func (*passwordHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(clientstore.GrantPassword)
}

// CanSkipClientAuth says no.
func (*passwordHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest has nothing left to decide.
func (*passwordHandler) HandleTokenEndpointRequest(context.Context, fosite.AccessRequester) error {
	return nil
}

// PopulateTokenEndpointResponse makes the tokens.
func (h *passwordHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) error {
	return h.engine.populate(ctx, *flowOf(ctx).own, r, response)
}
