package account

import (
	"context"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/signout"
)

// view is an account as the audit log shows it: without hashes.
type view struct {
	Username          string       `json:"username"`
	Permissions       []Permission `json:"permissions"`
	Claims            Claims       `json:"claims"`
	PasswordChangedAt string       `json:"password_changed_at"`
	Disabled          bool         `json:"disabled"`
}

func (a *Account) view() view {
	return view{
		Username: a.Username, Permissions: a.Permissions, Claims: a.Claims,
		PasswordChangedAt: a.PasswordChangedAt.UTC().Format("2006-01-02T15:04:05.000000Z"), Disabled: a.DisabledAt != nil,
	}
}

// record tells the audit log of a change; before is nil for an account that is
// new, after for one that is gone.
func (s *Store) record(ctx context.Context, by audit.Actor, action string, before, after *Account) error {
	c := audit.Change{Action: action, TargetType: "account"}
	if before != nil {
		c.TargetID, c.TargetName, c.Before = before.ID, before.Username, before.view()
	}
	if after != nil {
		c.TargetID, c.TargetName, c.After = after.ID, after.Username, after.view()
	}
	return s.cfg.Audit.Record(ctx, by, c)
}

// SetPermissions replaces the permissions. Taking configure_server from the
// last account that has it is refused with [ErrLastAdministrator].
func (s *Store) SetPermissions(ctx context.Context, by audit.Actor, id string, p []Permission) error {
	p, err := checkPermissions(p)
	if err != nil {
		return err
	}
	return s.edit(ctx, by, id, "account.set_permissions", func(a *Account) { a.Permissions = p })
}

// SetClaims replaces the claims.
func (s *Store) SetClaims(ctx context.Context, by audit.Actor, id string, c Claims) error {
	if err := c.check(); err != nil {
		return err
	}
	return s.edit(ctx, by, id, "account.set_claims", func(a *Account) { a.Claims = c })
}

// Contact is how somebody is called and reached, as an administrator corrects
// it. Nil members stay as they are; an empty text is taken away.
type Contact struct {
	Name, Email *string
	// EmailVerified is whether the address is verified. Nil leaves that as it
	// is, but for a new address, which is not.
	EmailVerified *bool
}

// SetContact corrects the name and the e-mail address, and ends nothing: tokens
// tell the new ones from now on. A [*FieldError] says what is wrong with them.
func (s *Store) SetContact(ctx context.Context, by audit.Actor, id string, c Contact) error {
	return s.amendClaims(ctx, by, id, c.apply)
}

// amendClaims changes some claims, of which those that are new are checked.
func (s *Store) amendClaims(ctx context.Context, by audit.Actor, id string, apply func(*Claims)) error {
	var draft Claims
	apply(&draft)
	if err := draft.check(); err != nil {
		return err
	}
	return s.edit(ctx, by, id, "account.set_claims", func(a *Account) { apply(&a.Claims) })
}

// setEmail sets the address, nil for the one that there is. A new one is not
// verified.
func (c *Claims) setEmail(email *string) {
	if email != nil && *email != c.Email {
		c.Email, c.EmailVerified = *email, false
	}
}

func (c Contact) apply(to *Claims) {
	if c.Name != nil {
		to.Name = *c.Name
	}
	to.setEmail(c.Email)
	if c.EmailVerified != nil {
		to.EmailVerified = *c.EmailVerified && to.Email != "" // no address is none that is verified
	}
}

// SetPassword replaces the password and ends what was issued before.
func (s *Store) SetPassword(ctx context.Context, by audit.Actor, id, password string) error {
	a, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := checkPassword(password, a); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.edit(ctx, by, id, "account.set_password", s.passwordSetter(hash))
}

// Disable refuses the account from now on; everything issued to it is dead and
// stays so. Disabling a disabled account changes nothing.
func (s *Store) Disable(ctx context.Context, by audit.Actor, id string) error {
	return s.edit(ctx, by, id, "account.disable", func(a *Account) {
		if a.DisabledAt == nil {
			now := s.db.Now()
			a.DisabledAt = &now
			a.Epoch++
		}
	})
}

// Enable lets a disabled account sign in again. Enabling an enabled account
// changes nothing.
func (s *Store) Enable(ctx context.Context, by audit.Actor, id string) error {
	return s.edit(ctx, by, id, "account.enable", func(a *Account) { a.DisabledAt = nil })
}

// edit applies a change to the account, keeps it and records it, in one
// transaction.
func (s *Store) edit(ctx context.Context, by audit.Actor, id, action string, apply func(*Account)) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		administrators, err := s.lockAdministrators(ctx)
		if err != nil {
			return err
		}
		a, err := s.lockAccount(ctx, id)
		if err != nil {
			return err
		}
		return s.amend(ctx, by, administrators, a, action, apply)
	})
}

// amend is [Store.edit] of an account that is locked, with the administrators,
// who are so many.
func (s *Store) amend(ctx context.Context, by audit.Actor, administrators int, a *Account, action string, apply func(*Account)) error {
	if s.seen != 0 && a.Version != s.seen {
		return storage.Err(action, storage.ErrConflict)
	}
	was := *a
	apply(a)
	if a.PasswordHash == was.PasswordHash && reflect.DeepEqual(was.view(), a.view()) {
		return nil // asked for what is so already
	}
	if was.Has(ConfigureServer) && !a.Has(ConfigureServer) && administrators == 1 {
		return ErrLastAdministrator
	}
	if err := s.checkFourEyes(by, &was, a); err != nil {
		return err
	}
	return s.keep(ctx, by, action, &was, a)
}

// keep writes the change down, with what it ends and who made it.
func (s *Store) keep(ctx context.Context, by audit.Actor, action string, before, after *Account) error {
	if err := s.endSessions(ctx, before, after); err != nil {
		return err
	}
	if err := s.update(ctx, after); err != nil {
		return err
	}
	return s.record(ctx, by, action, before, after)
}

// endSessions ends what the account was signed in to, when the change is one
// that nothing from before survives.
func (s *Store) endSessions(ctx context.Context, before, after *Account) error {
	if after.Epoch == before.Epoch {
		return nil
	}
	return signout.Account(ctx, s.db, after.ID)
}

// update writes what edit may change. The version makes it conditional, so
// that no change between is lost, whatever the database's isolation.
func (s *Store) update(ctx context.Context, a *Account) error {
	read := a.Version
	a.Version++
	a.UpdatedAt = s.db.Now()
	res := s.db.With(ctx).Model(a).
		Where("version = ?", read).
		Select("password_hash", "permissions", "claims", "epoch", "version", "updated_at", "password_changed_at", "disabled_at").
		UpdateColumns(a)
	if res.Error != nil {
		return storage.Err("change account", res.Error)
	}
	if res.RowsAffected == 0 {
		return storage.Err("change account", storage.ErrConflict)
	}
	return nil
}

// Remove deletes the account with its sessions and consents. Removing the last
// account that may configure the server is refused with [ErrLastAdministrator].
func (s *Store) Remove(ctx context.Context, by audit.Actor, id string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		administrators, err := s.lockAdministrators(ctx)
		if err != nil {
			return err
		}
		a, err := s.lockAccount(ctx, id)
		if err != nil {
			return err
		}
		if a.Has(ConfigureServer) && administrators == 1 {
			return ErrLastAdministrator
		}
		if err := signout.Account(ctx, s.db, id); err != nil {
			return err
		}
		if err := s.db.With(ctx).Where("id = ?", id).Delete(&Account{}).Error; err != nil {
			return storage.Err("remove account", err)
		}
		return s.record(ctx, by, "account.remove", a, nil)
	})
}

// locking is [storage.DB.With] for reads that lock what they find until the
// transaction ends. SQLite locks the database when the transaction begins.
func (s *Store) locking(ctx context.Context) *gorm.DB {
	if s.db.Dialect() == storage.SQLite {
		return s.db.With(ctx)
	}
	return s.db.With(ctx).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}
