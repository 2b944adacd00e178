package passkey

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"countersign/storage"
	"countersign/storage/account"
)

// Proof is somebody who has shown that a passkey is theirs.
type Proof struct {
	Account *account.Account
	// Methods are how, beside what came before (RFC 8176, section 2): by a key
	// in hardware, or one that is synchronised, and with the person there.
	Methods []string
}

// SignInOptions are what the browser is to sign somebody in by, as JSON,
// whoever that is (WebAuthn Level 3, section 5.1.10).
func (p *Passkeys) SignInOptions(browser string) (string, error) {
	if !p.Available() {
		return "", nil
	}
	asked, _, err := p.web.BeginDiscoverableLogin(webauthn.WithChallenge(p.cfg.Used.NewChallenge(toSignIn(browser), p.cfg.Now().Add(signInFor))))
	if err != nil {
		return "", fmt.Errorf("begin sign-in by passkey: %w", err)
	}
	return encode(asked.Response)
}

// ConfirmOptions are what the browser is to show that one of the account's
// passkeys is there by, empty when it has none.
func (p *Passkeys) ConfirmOptions(browser string, a *account.Account, have []account.Passkey) (string, error) {
	if !p.Available() || len(have) == 0 {
		return "", nil
	}
	u, err := newUser(a, have)
	if err != nil {
		return "", err
	}
	asked, _, err := p.web.BeginLogin(u, webauthn.WithChallenge(p.cfg.Used.NewChallenge(toConfirm(browser, a.ID), p.cfg.Now().Add(signInFor))))
	if err != nil {
		return "", fmt.Errorf("begin second step by passkey: %w", err)
	}
	return encode(asked.Response)
}

// SignIn checks an answer to [Passkeys.SignInOptions] in the same browser. What
// proves nothing is [ErrRefused].
func (p *Passkeys) SignIn(ctx context.Context, browser, response string) (*Proof, error) {
	return p.check(ctx, toSignIn(browser), nil, response)
}

// Confirm checks an answer to [Passkeys.ConfirmOptions] of the account in the
// same browser. What proves nothing is [ErrRefused].
func (p *Passkeys) Confirm(ctx context.Context, browser string, a *account.Account, response string) (*Proof, error) {
	return p.check(ctx, toConfirm(browser, a.ID), a, response)
}

// check is the verification of an assertion (WebAuthn Level 3, section 7.2). An
// account that is given is the one that it must be of.
func (p *Passkeys) check(ctx context.Context, purpose string, of *account.Account, response string) (*Proof, error) {
	if !p.Available() || len(response) > maxResponse {
		return nil, fmt.Errorf("%w: no passkey", ErrRefused)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return nil, refused(err)
	}
	challenge := parsed.Response.CollectedClientData.Challenge
	if err := p.use(ctx, purpose, challenge); err != nil {
		return nil, err
	}
	u, err := p.owner(ctx, parsed)
	if err != nil {
		return nil, err
	}
	if of != nil && u.account.ID != of.ID || u.account.DisabledAt != nil {
		return nil, fmt.Errorf("%w: it is of another account, or of one that is disabled", ErrRefused)
	}
	shown, err := p.web.ValidateLogin(u, webauthn.SessionData{
		Challenge: challenge, UserID: u.WebAuthnID(), UserVerification: protocol.VerificationRequired,
	}, parsed)
	if err != nil {
		return nil, refused(err)
	}
	return p.accept(ctx, u, shown)
}

// owner returns the account whose passkey the answer names.
func (p *Passkeys) owner(ctx context.Context, parsed *protocol.ParsedCredentialAssertionData) (*user, error) {
	key, err := p.cfg.Accounts.Passkey(ctx, base64.RawURLEncoding.EncodeToString(parsed.RawID))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%w: it is not registered here, or was removed", ErrRefused)
	}
	if err != nil {
		return nil, err
	}
	a, err := p.cfg.Accounts.Get(ctx, key.AccountID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%w: its account was removed this very moment", ErrRefused)
	}
	if err != nil {
		return nil, err
	}
	return newUser(a, []account.Passkey{*key})
}

// accept keeps what the authenticator says of itself now, unless its counter
// shows that there is a copy of it.
func (p *Passkeys) accept(ctx context.Context, u *user, shown *webauthn.Credential) (*Proof, error) {
	if shown.Authenticator.CloneWarning {
		return nil, fmt.Errorf("%w: its counter went back: there may be a copy of it", ErrRefused)
	}
	kept, err := keep(shown)
	if err != nil {
		return nil, err
	}
	err = p.cfg.Accounts.UsePasskey(ctx, &kept)
	if errors.Is(err, storage.ErrConflict) {
		return nil, fmt.Errorf("%w: its counter went back, or it was removed this very moment", ErrRefused)
	}
	if err != nil {
		return nil, err
	}
	return &Proof{Account: u.account, Methods: []string{method(shown), "user"}}, nil
}
