package account

import (
	"context"
	"errors"
	"fmt"

	"countersign/storage"
)

// SignIn is one attempt to sign in.
type SignIn struct {
	Username string
	Password string
	IP       string
	// Device is the value of the browser's device cookie; it tells a browser
	// in which this account signed in before, so that strangers who guess
	// cannot lock its owner out.
	Device string
}

// Authenticate returns the account whose password this is and the device
// cookie to keep in the browser. Failures are [ErrWrongPassword],
// [*ThrottledError] and [ErrBusy]; unknown names take the time of known ones.
func (s *Store) Authenticate(ctx context.Context, in SignIn) (a *Account, device string, err error) {
	if !possible(in.Password) {
		return nil, "", ErrWrongPassword
	}
	if len(in.Username) > maxTypedName {
		in.Username = "" // nobody's, and costs as much as any other
	}
	a, device, made, err := s.compare(ctx, in)
	if err != nil {
		return nil, "", err
	}
	if err := s.admit(ctx, a, in.Password, made); err != nil {
		return nil, "", err
	}
	return a, s.deviceCookie(in.Device, a.ID, device), nil
}

// compare returns the account whose password this is, the browser's known
// device and what the attempt has reserved. Its place among those who have
// passwords hashed is another's from then on: keeping the sign-in may wait for
// the database, not for a hash.
func (s *Store) compare(ctx context.Context, in SignIn) (a *Account, device string, made []reservation, err error) {
	leave, err := s.hasher.admit()
	if err != nil {
		return nil, "", nil, err
	}
	defer leave()
	a, err = s.candidate(ctx, in.Username)
	if err != nil {
		return nil, "", nil, err
	}
	device = s.knownDevice(in.Device, a.ID)
	made, err = s.reserve(ctx, s.limits(in, a.ID, device))
	if err != nil {
		return nil, "", nil, err
	}
	ok, err := s.hasher.verify(ctx, a.PasswordHash, in.Password)
	if err != nil {
		return nil, "", nil, errors.Join(fmt.Errorf("check password: %w", err), s.release(ctx, made))
	}
	if !ok || a.ID == "" || a.DisabledAt != nil {
		return nil, "", nil, ErrWrongPassword
	}
	return a, device, made, nil
}

// maxTypedName bounds a username that somebody types: folding a longer one
// costs more than it is worth, and nobody has one.
const maxTypedName = 4 * maxUsername

// candidate returns the account that a username claims to be. For a name that
// is nobody's it returns one without ID whose hash costs as much to check, and
// it asks the same of the database: the account at this place in the index.
// When that is another one's, its hash lends its cost to the stranger, so that
// hashes of different costs, from before a calibration or another system, do
// not tell either who exists.
func (s *Store) candidate(ctx context.Context, username string) (*Account, error) {
	key := usernameKey(username)
	if !storable(key) {
		key = ""
	}
	var found []Account
	err := s.db.With(ctx).Where("username_key >= ?", key).Order("username_key").Limit(1).Find(&found).Error
	if err != nil {
		return nil, storage.Err("find account", err)
	}
	switch {
	case len(found) == 0:
		return &Account{PasswordHash: s.hasher.cost().decoy()}, nil
	case found[0].UsernameKey != key:
		return &Account{PasswordHash: found[0].PasswordHash}, nil
	default:
		return &found[0], nil
	}
}

// admit keeps that the account signed in, unless it was disabled or got
// another password while this one was checked.
func (s *Store) admit(ctx context.Context, a *Account, password string, made []reservation) error {
	upgraded, err := s.upgrade(ctx, a.PasswordHash, password)
	if err != nil {
		return errors.Join(err, s.release(ctx, made))
	}
	now := s.db.Now()
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		res := s.db.With(ctx).Exec("UPDATE accounts SET last_sign_in_at = ?,"+
			" password_hash = CASE WHEN password_hash = ? THEN ? ELSE password_hash END"+
			" WHERE id = ? AND epoch = ? AND disabled_at IS NULL",
			now, a.PasswordHash, upgraded, a.ID, a.Epoch)
		if res.Error != nil {
			return storage.Err("record sign-in", res.Error)
		}
		if res.RowsAffected == 0 {
			return ErrWrongPassword
		}
		return s.settle(ctx, made)
	})
	if errors.Is(err, ErrWrongPassword) {
		return err
	}
	if err != nil { // the password was right
		return errors.Join(err, s.release(ctx, made))
	}
	a.LastSignInAt, a.PasswordHash = &now, upgraded
	a.FailedBefore = made[0].failures - 1
	return nil
}

// upgrade returns the hash to keep: the same, or a costlier one of the same
// password. That is a favour which a busy moment may skip.
func (s *Store) upgrade(ctx context.Context, encoded, password string) (string, error) {
	if !s.hasher.cost().exceeds(encoded) {
		return encoded, nil
	}
	upgraded, err := s.hasher.hash(ctx, password)
	if errors.Is(err, ErrBusy) {
		return encoded, nil
	}
	return upgraded, err
}
