package account

import (
	"cmp"
	"context"
	"slices"

	"countersign/storage/audit"
	"countersign/storage/locale"
)

// FourEyesError refuses an administrator what would make them two: whoever can
// make another administrator, or take over an account that is one, approves
// their own work as that one.
type FourEyesError struct {
	Field  string // permissions, password, email or second_factor: what was to be set
	Reason locale.Message
}

func (e *FourEyesError) Error() string { return "under four_eyes: " + e.Reason.String() }

var (
	errAnother = &FourEyesError{"permissions", "Under four_eyes no administrator makes another one, who could approve in their place. " +
		"Whoever runs the server does so on its machine, by countersign user permit, create or enable."}
	errPassword = &FourEyesError{"password", "Under four_eyes no administrator sets the password of another one, whom they could then sign in as. " +
		"Whoever runs the server does so on its machine, by countersign user set-password."}
	errEmail = &FourEyesError{"email", "Under four_eyes no administrator changes the email address of another one, by which others may know them. " +
		"Whoever runs the server does so on its machine, by countersign user edit."}
	errVerified = &FourEyesError{"email", "Under four_eyes no administrator says that an email address is verified: applications may take its account for another one. " +
		"Whoever runs the server does so on its machine, by countersign user edit."}
	errFactors = &FourEyesError{"second_factor", "Under four_eyes no administrator takes the second factors of another one away. " +
		"Whoever runs the server does so on its machine, by countersign user remove-factors."}
)

// held reports whether four eyes hold who acts. The command line on the
// database could do anything to it; the audit record tells.
func (s *Store) held(by audit.Actor) bool { return s.cfg.FourEyes && by.AccountID != "" }

// administers reports whether the account has the permission, disabled or not:
// whoever may enable it need not be who disabled it.
func (a *Account) administers() bool { return slices.Contains(a.Permissions, ConfigureServer) }

// checkFourEyes refuses an administrator a change by which they would become
// two. What people do to their own account is theirs.
func (s *Store) checkFourEyes(by audit.Actor, before, after *Account) error {
	switch {
	case !s.held(by):
		return nil
	case becomesAdministrator(before, after):
		return errAnother
	case after.Claims.EmailVerified && !sameEmail(before, after):
		return errVerified
	case !before.administers() || by.AccountID == before.ID:
		return nil
	case after.PasswordHash != before.PasswordHash:
		return errPassword
	case !sameEmail(before, after):
		return errEmail
	default:
		return nil
	}
}

// becomesAdministrator reports whether the account may administer and could not
// before.
func becomesAdministrator(before, after *Account) bool {
	return after.administers() && (!before.administers() || before.DisabledAt != nil && after.DisabledAt == nil)
}

// sameEmail reports whether the address, and what is known of it, is as it was.
func sameEmail(before, after *Account) bool {
	return before.Claims.Email == after.Claims.Email && before.Claims.EmailVerified == after.Claims.EmailVerified
}

// Stranger returns the change by which an administrator may be able to sign in
// as another one, where four eyes hold: they made that account or set its
// password when it was none, which is theirs to do, and the server's machine
// has not set another one since, or a second factor that was added meanwhile
// is still there. It is nil where there is no such change. Whoever makes an
// administrator of the account wants to know.
func (s *Store) Stranger(ctx context.Context, a *Account) (*audit.Event, error) {
	if !s.cfg.FourEyes || !a.administers() {
		return nil, nil
	}
	var changes []audit.Event
	for last := ""; ; {
		page, err := s.cfg.Audit.List(ctx, audit.Filter{TargetType: "account", TargetID: a.ID, Before: last})
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			slices.Reverse(changes)
			knows, holds := strangers(a.ID, changes)
			if has, err := s.HasSecondFactor(ctx, a.ID); err != nil || !has {
				return knows, err // the second factor is gone, if there was one
			}
			return cmp.Or(knows, holds), nil
		}
		changes = append(changes, page...)
		last = page[len(page)-1].ID
	}
}

// strangers goes through what happened to the account, the oldest first, and
// returns by which change somebody knows its password, and by which they may
// hold a second factor of it. Changing the password oneself clears nothing:
// whoever knows it can.
func strangers(id string, changes []audit.Event) (knows, holds *audit.Event) {
	for i, c := range changes {
		switch c.Action {
		case "account.create", "account.set_password":
			if c.ActorID == "" {
				knows = nil
			} else if c.ActorID != id {
				knows = &changes[i]
			}
		case "account.add_totp", "account.add_passkey":
			holds = cmp.Or(holds, knows)
		case "account.remove_factors":
			holds = nil
		}
	}
	return knows, holds
}
