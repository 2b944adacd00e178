// Package passkey makes and checks the ceremonies of WebAuthn: how a passkey is
// registered, and how it signs somebody in. It is the only package that knows
// the library for it.
package passkey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/replay"
)

const (
	// signInFor is how long a page may stand before a passkey signs in on it:
	// as long as what waits for the sign-in.
	signInFor = 30 * time.Minute
	// registerFor is how long registering one may take.
	registerFor = 10 * time.Minute
	// promptFor is how long the browser's own dialog stands.
	promptFor = 5 * time.Minute
	// maxResponse is longer than any answer of a browser without attestation.
	maxResponse = 16 << 10
)

// ErrRefused is an answer of a browser that proves nothing. It says why, for
// the log.
var ErrRefused = errors.New("passkey refused")

// Config is what the ceremonies need.
type Config struct {
	// Issuer is the server's address: passkeys are for its host and its origin,
	// and for none that a request names.
	Issuer string
	// Name is what the server is called.
	Name     string
	Accounts *account.Store
	Used     *replay.Store
	Now      func() time.Time
}

// Passkeys makes and checks the ceremonies.
type Passkeys struct {
	cfg Config
	web *webauthn.WebAuthn // nil where there can be none
}

// New returns the ceremonies. A server whose address has no name, as
// http://127.0.0.1 has none, has no passkeys either (WebAuthn Level 3, section
// 5.1.2).
func New(cfg Config) (*Passkeys, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	p := &Passkeys{cfg: cfg}
	if issuer.Hostname() == "" || net.ParseIP(issuer.Hostname()) != nil {
		return p, nil
	}
	required := true
	limits := webauthn.TimeoutConfig{Timeout: promptFor, TimeoutUVD: promptFor}
	p.web, err = webauthn.New(&webauthn.Config{
		RPID: issuer.Hostname(), RPDisplayName: cfg.Name, RPOrigins: []string{issuer.Scheme + "://" + issuer.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: limits, Registration: limits},
	})
	if err != nil {
		return nil, fmt.Errorf("set up passkeys for %s: %w", issuer.Hostname(), err)
	}
	return p, nil
}

// Available reports whether there can be passkeys at the server's address.
func (p *Passkeys) Available() bool { return p.web != nil }

// user is an account as the library sees it.
type user struct {
	account     *account.Account
	credentials []webauthn.Credential
}

// WebAuthnID is what the authenticator keeps and gives back. It is the
// account's identifier: random, and nothing about the person.
func (u *user) WebAuthnID() []byte { return []byte(u.account.ID) }

// WebAuthnName tells the person's passkeys apart.
func (u *user) WebAuthnName() string { return u.account.Username }

// WebAuthnDisplayName is what they call themselves.
func (u *user) WebAuthnDisplayName() string {
	if u.account.Claims.Name != "" {
		return u.account.Claims.Name
	}
	return u.account.Username
}

// WebAuthnCredentials are the passkeys.
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func newUser(a *account.Account, keys []account.Passkey) (*user, error) {
	u := &user{account: a}
	for _, k := range keys {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(k.Credential), &c); err != nil {
			return nil, fmt.Errorf("read passkey: %w", err)
		}
		c.Authenticator.SignCount = uint32(k.SignCount) //nolint:gosec // it was written from one
		u.credentials = append(u.credentials, c)
	}
	return u, nil
}

// The purposes of a challenge. Each is for one browser.
func toRegister(browser, accountID string) string {
	return "register\x00" + browser + "\x00" + accountID
}
func toSignIn(browser string) string             { return "sign in\x00" + browser }
func toConfirm(browser, accountID string) string { return "second\x00" + browser + "\x00" + accountID }

// RegistrationOptions are what the browser is to make a passkey for the account
// by, as JSON (WebAuthn Level 3, section 5.1.9). The account's passkeys are
// excluded, so that no authenticator has two.
func (p *Passkeys) RegistrationOptions(browser string, a *account.Account, have []account.Passkey) (string, error) {
	u, err := newUser(a, have)
	if err != nil {
		return "", err
	}
	created, _, err := p.web.BeginRegistration(u, webauthn.WithExclusions(descriptors(u.credentials)))
	if err != nil {
		return "", fmt.Errorf("begin registration of a passkey: %w", err)
	}
	created.Response.Challenge = p.cfg.Used.NewChallenge(toRegister(browser, a.ID), p.cfg.Now().Add(registerFor))
	return encode(created.Response)
}

func descriptors(credentials []webauthn.Credential) []protocol.CredentialDescriptor {
	list := make([]protocol.CredentialDescriptor, len(credentials))
	for i := range credentials {
		list[i] = credentials[i].Descriptor()
	}
	return list
}

// Made is a passkey that the browser made, yet without a name, and the method
// that it signs in by (RFC 8176, section 2).
type Made struct {
	Key    account.Passkey
	Method string
}

// Register checks what the browser made. What proves nothing is [ErrRefused].
func (p *Passkeys) Register(ctx context.Context, browser string, a *account.Account, response string) (*Made, error) {
	if !p.Available() || len(response) > maxResponse {
		return nil, fmt.Errorf("%w: no passkey", ErrRefused)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return nil, refused(err)
	}
	challenge := parsed.Response.CollectedClientData.Challenge
	if err := p.use(ctx, toRegister(browser, a.ID), challenge); err != nil {
		return nil, err
	}
	made, err := p.web.CreateCredential(&user{account: a}, webauthn.SessionData{
		Challenge: challenge, UserID: []byte(a.ID), UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersDefault(),
	}, parsed)
	if err != nil {
		return nil, refused(err)
	}
	made.Attestation = webauthn.CredentialAttestation{} // nobody looks at it
	key, err := keep(made)
	return &Made{key, method(made)}, err
}

// method tells a key in hardware from one that is synchronised.
func method(c *webauthn.Credential) string {
	if c.Flags.BackupEligible {
		return "swk"
	}
	return "hwk"
}

// keep writes a credential down.
func keep(c *webauthn.Credential) (account.Passkey, error) {
	text, err := encode(c)
	return account.Passkey{ID: base64.RawURLEncoding.EncodeToString(c.ID), Credential: text, SignCount: int64(c.Authenticator.SignCount)}, err
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// use uses the challenge up before anything is looked at that was made with
// it: whatever comes of it, there is no second time.
func (p *Passkeys) use(ctx context.Context, purpose, challenge string) error {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil {
		return refused(err)
	}
	err = p.cfg.Used.UseChallenge(ctx, purpose, raw)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, replay.ErrUsed) {
		return refused(err)
	}
	return err
}

// refused is an answer that proves nothing, and why.
func refused(why error) error {
	if e, ok := errors.AsType[*protocol.Error](why); ok && e.DevInfo != "" {
		return fmt.Errorf("%w: %s: %s", ErrRefused, e.Details, e.DevInfo)
	}
	return fmt.Errorf("%w: %s", ErrRefused, why.Error())
}
