package account

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
)

// Registration is what a new account is made of.
type Registration struct {
	Username    string
	Password    string
	Claims      Claims
	Permissions []Permission
}

// Create validates and keeps an account. [*FieldError] says what is wrong with
// the registration, [storage.ErrConflict] that the username is taken. The
// first account closes the set-up door for good, see [Store.StartSetup].
func (s *Store) Create(ctx context.Context, by audit.Actor, r Registration) (*Account, error) {
	if s.held(by) && slices.Contains(r.Permissions, ConfigureServer) {
		return nil, errAnother
	}
	a, err := s.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.closeSetup(ctx); err != nil {
			return err
		}
		return s.insert(ctx, by, "account.create", a)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// prepare makes a valid account of the registration, with its password hashed.
// It runs outside of any transaction, which would wait for the hash.
func (s *Store) prepare(ctx context.Context, r Registration) (*Account, error) {
	a, err := s.draft(r)
	if err != nil {
		return nil, err
	}
	a.PasswordHash, err = s.hasher.hash(ctx, r.Password)
	return a, err
}

// draft makes a valid account of the registration, as yet without password.
func (s *Store) draft(r Registration) (*Account, error) {
	if err := checkUsername(r.Username); err != nil {
		return nil, err
	}
	permissions, err := checkPermissions(r.Permissions)
	if err != nil {
		return nil, err
	}
	if err := r.Claims.check(); err != nil {
		return nil, err
	}
	now := s.db.Now()
	a := &Account{
		ID: uuid.NewString(), Username: r.Username, UsernameKey: usernameKey(r.Username),
		Permissions: permissions, Claims: r.Claims,
		Version: 1, CreatedAt: now, UpdatedAt: now, PasswordChangedAt: now,
	}
	return a, checkPassword(r.Password, a)
}

func (s *Store) insert(ctx context.Context, by audit.Actor, action string, a *Account) error {
	if err := s.db.With(ctx).Create(a).Error; err != nil {
		return storage.Err("create account", err)
	}
	return s.record(ctx, by, action, nil, a)
}
