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
// does. It has the change made within a transaction in which the account is
// locked: what else belongs to it, and what it depends on, is done or looked at
// there, such as the session that goes on. The change returns the account as it
// is then. The failures are those of [Store.Authenticate], and a [*FieldError]
// for the new password.
func (s *Store) ChangePassword(ctx context.Context, by audit.Actor, c PasswordChange, within func(ctx context.Context, change func(context.Context) (*Account, error)) error) error {
	a, err := s.provePassword(ctx, c)
	if err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, c.New)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		administrators, err := s.lockAdministrators(ctx)
		if err != nil {
			return err
		}
		now, err := s.lockAccount(ctx, a.ID)
		if err != nil {
			return err
		}
		return within(ctx, func(ctx context.Context) (*Account, error) {
			// Whoever disabled the account, or gave it another password, while
			// the new one was hashed shall not find that undone by who knew the
			// old one.
			if now.Epoch != a.Epoch || now.DisabledAt != nil {
				return nil, ErrWrongPassword
			}
			return now, s.amend(ctx, by, administrators, now, "account.set_password", s.passwordSetter(hash))
		})
	})
}

// provePassword returns the account if the present password is right and the
// new one is fit.
func (s *Store) provePassword(ctx context.Context, c PasswordChange) (*Account, error) {
	a, err := s.Get(ctx, c.AccountID)
	if err != nil {
		return nil, err
	}
	if err := checkPassword(c.New, a); err != nil { // before the present one is looked at: that would count
		return nil, err
	}
	a, _, err = s.Authenticate(ctx, SignIn{Username: c.Username, Password: c.Current, IP: c.IP, Device: c.Device})
	switch {
	case err != nil:
		return nil, err
	case a.ID != c.AccountID: // the name is another's meanwhile
		return nil, ErrWrongPassword
	case c.New == c.Current:
		return nil, &FieldError{Field: "password", Reason: "This is the password you have now. Choose another one."}
	}
	return a, nil
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
