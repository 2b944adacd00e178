package account

import (
	"context"
	"errors"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// setupLifetime is how long a set-up token is accepted.
const setupLifetime = 30 * time.Minute

// errNotInstalled reports a database that no server has opened with its key.
var errNotInstalled = errors.New("the database has no installation record; it is made when the key-encryption key is first checked against the database")

// open is the condition under which the first administrator can be created in
// the browser. bootstrapped_at is never cleared, not even when the last
// account is removed: who can reach the page then must not become
// administrator (CVE-2023-46249 was that).
const open = "id = 1 AND bootstrapped_at IS NULL AND NOT EXISTS (SELECT 1 FROM accounts)"

// NeedsSetup reports whether no account was ever created.
func (s *Store) NeedsSetup(ctx context.Context) (bool, error) {
	var found []bool
	err := s.db.With(ctx).
		Raw("SELECT CASE WHEN " + open + " THEN TRUE ELSE FALSE END FROM installation WHERE id = 1").
		Scan(&found).Error
	if err != nil {
		return false, storage.Err("read installation", err)
	}
	if len(found) == 0 {
		return false, errNotInstalled
	}
	return found[0], nil
}

// StartSetup makes the one-time token that lets a browser create the first
// administrator, valid for 30 minutes, replacing one made before.
// [storage.ErrConflict] says that the door is closed for good.
func (s *Store) StartSetup(ctx context.Context) (token string, err error) {
	token = seal.NewToken(seal.SetupToken)
	res := s.db.With(ctx).Exec("UPDATE installation SET setup_hash = ?, setup_expires_at = ? WHERE "+open,
		s.cfg.Keys.Hash(token), s.db.Now().Add(setupLifetime))
	if res.Error != nil {
		return "", storage.Err("start set-up", res.Error)
	}
	if res.RowsAffected == 0 {
		if _, err := s.NeedsSetup(ctx); err != nil {
			return "", err
		}
		return "", storage.Err("start set-up", storage.ErrConflict)
	}
	return token, nil
}

// CheckSetup reports whether the token would be accepted now; [storage.ErrNotFound]
// says that it is not, for whatever reason.
func (s *Store) CheckSetup(ctx context.Context, token string) error {
	if !seal.WellFormed(seal.SetupToken, token) {
		return storage.Err("check set-up token", storage.ErrNotFound)
	}
	var found int64
	err := s.db.With(ctx).Table("installation").
		Where(open+" AND setup_hash = ? AND setup_expires_at > ?", s.cfg.Keys.Hash(token), s.db.Now()).
		Count(&found).Error
	if err == nil && found == 0 {
		err = storage.ErrNotFound
	}
	return storage.Err("check set-up token", err)
}

// CompleteSetup spends the token and creates the first administrator, who gets
// [ConfigureServer] whatever the registration says. A registration that is
// refused with a [*FieldError] leaves the token as it was; a token that is not
// accepted is [storage.ErrNotFound].
func (s *Store) CompleteSetup(ctx context.Context, by audit.Actor, token string, r Registration) (*Account, error) {
	if err := s.CheckSetup(ctx, token); err != nil {
		return nil, err
	}
	r.Permissions = []Permission{ConfigureServer}
	a, err := s.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	if by.AccountID == "" && by.Name == "" {
		by.AccountID, by.Name = a.ID, a.Username // nobody else is there
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.spendSetup(ctx, token); err != nil {
			return err
		}
		return s.insert(ctx, by, "account.setup", a)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// spendSetup closes the door with the token. Of requests that race with one
// token exactly one gets through.
func (s *Store) spendSetup(ctx context.Context, token string) error {
	now := s.db.Now()
	res := s.db.With(ctx).Exec("UPDATE installation SET bootstrapped_at = ?, setup_hash = NULL, setup_expires_at = NULL"+
		" WHERE "+open+" AND setup_hash = ? AND setup_expires_at > ?", now, s.cfg.Keys.Hash(token), now)
	if res.Error == nil && res.RowsAffected == 0 {
		return storage.Err("spend set-up token", storage.ErrNotFound)
	}
	return storage.Err("spend set-up token", res.Error)
}

// closeSetup closes the door because an account is created otherwise. Only the
// first one finds it open.
func (s *Store) closeSetup(ctx context.Context) error {
	err := s.db.With(ctx).Exec("UPDATE installation SET bootstrapped_at = ?, setup_hash = NULL, setup_expires_at = NULL"+
		" WHERE id = 1 AND bootstrapped_at IS NULL", s.db.Now()).Error
	return storage.Err("close set-up", err)
}
