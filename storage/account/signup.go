package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// ErrNotSetUp refuses an account that somebody asks for before there is an
// administrator.
var ErrNotSetUp = errors.New("the server is not set up")

const (
	signUpFree   = 20 // an office or a school may share one address
	signUpWindow = time.Hour
)

// SignUp creates the account that somebody at a browser asks for, with the name
// and the email address that they say are theirs, and without permissions. It
// returns the device cookie to keep in the browser, as [Store.Authenticate]
// does.
//
// [*FieldError] says what is wrong with the registration, and
// [storage.ErrConflict] that the username is taken. Who asks for an account
// can only be told so, and could try all the names there are: what might
// succeed is counted by network, as sign-ins are, and beyond twenty in an hour
// each has to wait longer than the one before, which is a [*ThrottledError].
// [ErrBusy] and [ErrNotSetUp] are the other failures.
func (s *Store) SignUp(ctx context.Context, by audit.Actor, r Registration, device string) (a *Account, cookie string, err error) {
	needed, err := s.NeedsSetup(ctx)
	if err != nil {
		return nil, "", err
	}
	if needed { // the first account closes the set-up door for good
		return nil, "", ErrNotSetUp
	}
	a, err = s.draft(Registration{Username: r.Username, Password: r.Password, Claims: Claims{Name: r.Claims.Name, Email: r.Claims.Email}})
	if err != nil {
		return nil, "", err
	}
	if err := checkOwnChoice(r.Username); err != nil {
		return nil, "", err
	}
	made, err := s.reserve(ctx, []limit{{s.throttleKey("sign-up of network", addressPrefix(by.IP)), signUpFree, signUpWindow}})
	if err != nil {
		return nil, "", err
	}
	err = s.signUp(ctx, by, a, r.Password)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return nil, "", err
	case err != nil:
		return nil, "", errors.Join(err, s.release(ctx, made))
	}
	return a, s.deviceCookie(device, a.ID, ""), nil
}

// reserved are names that speak for the server or for who runs it.
var reserved = []string{
	"abuse", "admin", "administrator", "anonymous", "countersign", "help", "hostmaster", "info", "moderator", "nobody", "operator", "owner",
	"postmaster", "root", "security", "server", "service", "staff", "support", "sysadmin", "system", "webmaster",
}

// checkOwnChoice refuses a name that only an administrator may give, because it
// could be taken for another's.
func checkOwnChoice(username string) error {
	fault := func(reason locale.Message) error { return &FieldError{Field: "username", Reason: reason} }
	for i := range len(username) {
		c := username[i] | 0x20
		if (c < 'a' || c > 'z') && (username[i] < '0' || username[i] > '9') && (i == 0 || !strings.ContainsRune("._-", rune(username[i]))) {
			return fault("Use letters from a to z, digits, and between them dots, hyphens and underscores.")
		}
	}
	if slices.Contains(reserved, strings.ToLower(username)) {
		return fault("Choose another one: this name is reserved.")
	}
	return nil
}

// checkFree refuses a name that somebody has, and one that somebody had before,
// whom applications may still know by it: only an administrator gives that out
// again.
func (s *Store) checkFree(ctx context.Context, username string) error {
	_, err := s.Find(ctx, username)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	had, failure := s.cfg.Audit.Named(ctx, "account.remove", username)
	if err == nil || had {
		return storage.Err("sign up", storage.ErrConflict)
	}
	return failure
}

// signUp keeps the account, unless its name is taken: that is worth no hash.
func (s *Store) signUp(ctx context.Context, by audit.Actor, a *Account, password string) error {
	if err := s.checkFree(ctx, a.Username); err != nil {
		return err
	}
	var err error
	if a.PasswordHash, err = s.hasher.hash(ctx, password); err != nil {
		return err
	}
	now := s.db.Now()
	a.LastSignInAt = &now
	by.AccountID, by.Name = a.ID, a.Username // nobody else is there
	return s.db.InTx(ctx, func(ctx context.Context) error { return s.insert(ctx, by, "account.sign_up", a) })
}
