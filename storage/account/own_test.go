package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

const (
	wishedPassword = "quite another long phrase"
	resetPassword  = "the phrase an administrator set"
)

// changer is somebody who changes their own password in a session.
type changer struct {
	*testing.T
	accounts *account.Store
	sessions *session.Store
	ada      *account.Account
	begun    func() // is called when the session has begun, before that is kept
}

// change changes ada's password as her page does, and returns the cookie of
// the session that goes on.
func (c *changer) change(accounts *account.Store) (cookie string, err error) {
	err = accounts.ChangePassword(c.Context(), audit.Actor{AccountID: c.ada.ID, Name: "ada"}, account.PasswordChange{
		AccountID: c.ada.ID, Username: "ada", Current: goodPassword, New: wishedPassword, IP: "192.0.2.1",
	}, func(ctx context.Context, change func(context.Context) (*account.Account, error)) error {
		a, err := change(ctx)
		if err != nil {
			return err
		}
		_, cookie, err = c.sessions.Start(ctx, session.SignIn{AccountID: a.ID, AccountEpoch: a.Epoch})
		c.begun()
		return err
	})
	return cookie, err
}

func changing(t *testing.T, db *storage.DB) *changer {
	t.Helper()
	c := &changer{T: t, accounts: open(t, db), begun: func() {}, sessions: session.New(db, session.Config{Keys: storagetest.Keys(t), Audit: audit.New(db)})}
	c.ada = create(t, c.accounts, "ada")
	return c
}

// While the new password is hashed an administrator takes the account back from
// who knows the old one. That must not be undone.
func TestChangePasswordAfterwards(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile func(*changer) error
		opens     string // what signs in once the account is enabled
	}{
		"reset":   {func(c *changer) error { return c.accounts.SetPassword(c.Context(), operator, c.ada.ID, resetPassword) }, resetPassword},
		"disable": {func(c *changer) error { return c.accounts.Disable(c.Context(), operator, c.ada.ID) }, goodPassword},
		"disable and enable": {func(c *changer) error {
			return errors.Join(c.accounts.Disable(c.Context(), operator, c.ada.ID), c.accounts.Enable(c.Context(), operator, c.ada.ID))
		}, goodPassword},
		"another window": {func(c *changer) error { _, err := c.change(c.accounts); return err }, wishedPassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, db *storage.DB) {
				c := changing(t, db)
				hashing := replica(t, db)
				hashing.OnNewHash(func() {
					if err := tt.meanwhile(c); err != nil {
						t.Error(err)
					}
				})
				if cookie, err := c.change(hashing); !errors.Is(err, account.ErrWrongPassword) || cookie != "" {
					t.Errorf("changed after all: %v", err)
				}
				if err := c.accounts.Enable(t.Context(), operator, c.ada.ID); err != nil {
					t.Fatal(err)
				}
				if _, _, err := signIn(t, c.accounts, "ada", tt.opens); err != nil {
					t.Errorf("sign in with %q: %v", tt.opens, err)
				}
			})
		})
	}
}

// An administrator signs somebody out everywhere just as they change their
// password: the session that goes on by that is signed out as well.
func TestSignOutWhileThePasswordChanges(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		c := changing(t, db)
		for range 2 { // so that there is one to wait for
			if _, _, err := c.sessions.Start(t.Context(), session.SignIn{AccountID: c.ada.ID, AccountEpoch: c.ada.Epoch}); err != nil {
				t.Fatal(err)
			}
		}
		signedOut := make(chan error, 1)
		c.begun = func() {
			go func() { signedOut <- c.sessions.SignOut(context.Background(), operator, c.ada.ID) }()
			time.Sleep(100 * time.Millisecond) // with less it comes after the change, and has less to do
		}
		cookie, err := c.change(c.accounts)
		if err := errors.Join(err, <-signedOut); err != nil {
			t.Fatal(err)
		}
		if _, err := c.sessions.Get(t.Context(), cookie); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the session lives on: %v", err)
		}
	})
}
