package account

import (
	"context"

	"countersign/storage/audit"
)

// PasswordChange is somebody's wish for another password.
type PasswordChange struct {
	AccountID string
	Username  string
	// Current is the password until now, which is checked, and counted, as at a
	// sign-in from this browser.
	Current, New string
	IP, Device   string
}

// ChangePassword gives the account another password if the present one is
// right, and ends everything that was issued before, as [Store.SetPassword]
// does. What then does with the changed account is part of the change; it may
// begin the session that goes on. The failures are those of
// [Store.Authenticate], and a [*FieldError] for the new password.
func (s *Store) ChangePassword(ctx context.Context, by audit.Actor, c PasswordChange, then func(context.Context, *Account) error) error {
	a, err := s.Get(ctx, c.AccountID)
	if err != nil {
		return err
	}
	if err := checkPassword(c.New, a); err != nil { // before the present one is looked at: that would count
		return err
	}
	a, _, err = s.Authenticate(ctx, SignIn{Username: c.Username, Password: c.Current, IP: c.IP, Device: c.Device})
	switch {
	case err != nil:
		return err
	case a.ID != c.AccountID: // the name is another's meanwhile
		return ErrWrongPassword
	case c.New == c.Current:
		return &FieldError{Field: "password", Reason: "This is the password you have now. Choose another one."}
	}
	hash, err := s.hasher.hash(ctx, c.New)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.edit(ctx, by, a.ID, "account.set_password", s.passwordSetter(hash)); err != nil {
			return err
		}
		changed, err := s.Get(ctx, a.ID)
		if err != nil {
			return err
		}
		return then(ctx, changed)
	})
}

// passwordSetter changes the password of an account, and ends what was issued
// before.
func (s *Store) passwordSetter(hash string) func(*Account) {
	return func(a *Account) {
		a.PasswordHash = hash
		a.PasswordChangedAt = s.db.Now()
		a.Epoch++
	}
}

// Profile is what people say of themselves. Everything else that is known of
// them is for an administrator to keep: applications may go by it.
type Profile struct {
	Name, GivenName, FamilyName, Nickname, Website string
	// Email is nil where it is the administrator's. A new one is not verified.
	Email *string
}

// SetProfile replaces what somebody says of themselves, and leaves the rest as
// it is. A [*FieldError] says what is wrong with it.
func (s *Store) SetProfile(ctx context.Context, by audit.Actor, id string, p Profile) error {
	return s.amendClaims(ctx, by, id, p.apply)
}

func (p Profile) apply(c *Claims) {
	c.Name, c.GivenName, c.FamilyName, c.Nickname, c.Website = p.Name, p.GivenName, p.FamilyName, p.Nickname, p.Website
	c.setEmail(p.Email)
}
