package account_test

import (
	"errors"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// Under four eyes no administrator becomes two: by another account, or by one
// that is an administrator's already (AP-10).
func TestFourEyes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		free := open(t, db)
		s := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: cheap, FourEyes: true})
		ada, bob, eve := create(t, free, "ada", account.ConfigureServer), create(t, free, "bob", account.ConfigureServer), create(t, free, "eve")
		by := audit.Actor{AccountID: ada.ID, Name: "ada", Via: audit.ViaAPI}
		secret := account.NewTOTPSecret()
		if _, err := s.AddTOTP(t.Context(), operator, bob, secret, account.TOTPCode(secret, db.Now())); err != nil {
			t.Fatal(err)
		}
		gone := create(t, free, "gone", account.ConfigureServer)
		if err := s.Disable(t.Context(), by, gone.ID); err != nil {
			t.Fatalf("the brake needs nobody else: %v", err)
		}
		const other = "an entirely other sentence"
		attempts := map[string]func(by audit.Actor) error{
			"permissions of another": func(by audit.Actor) error {
				return s.SetPermissions(t.Context(), by, eve.ID, []account.Permission{account.ConfigureServer})
			},
			"permissions of a new one": func(by audit.Actor) error {
				_, err := s.Create(t.Context(), by, account.Registration{Username: "mallory", Password: other, Permissions: []account.Permission{account.ConfigureServer}})
				return err
			},
			"permissions of a disabled one": func(by audit.Actor) error { return s.Enable(t.Context(), by, gone.ID) },
			"password of another":           func(by audit.Actor) error { return s.SetPassword(t.Context(), by, bob.ID, other) },
			"password of a disabled one":    func(by audit.Actor) error { return s.SetPassword(t.Context(), by, gone.ID, other) },
			"second factor of another":      func(by audit.Actor) error { return s.RemoveFactors(t.Context(), by, bob.ID) },
		}
		for name, attempt := range attempts {
			if _, held := errors.AsType[*account.FourEyesError](attempt(by)); !held {
				t.Errorf("%s: not refused", name)
			}
		}
		if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: goodPassword}); err != nil {
			t.Errorf("bob's own password: %v", err)
		}
		if get(t, s, eve.ID).Has(account.ConfigureServer) || get(t, s, gone.ID).DisabledAt == nil {
			t.Error("a refusal did what it refused")
		}
		for name, allowed := range map[string]error{
			"password of somebody else": s.SetPassword(t.Context(), by, eve.ID, other),
			"one's own password":        s.SetPassword(t.Context(), by, ada.ID, other),
			"demote":                    s.SetPermissions(t.Context(), by, bob.ID, nil),
		} {
			if allowed != nil {
				t.Errorf("%s: %v", name, allowed)
			}
		}
		if err := s.SetPermissions(t.Context(), operator, bob.ID, []account.Permission{account.ConfigureServer}); err != nil {
			t.Fatal(err)
		}
		for name, attempt := range attempts {
			if err := attempt(operator); err != nil {
				t.Errorf("on the server's machine: %s: %v", name, err)
			}
		}
	})
}

// AP-25: nor by way of an account that is disabled, whose permission is given
// and taken all the same.
func TestFourEyesOfDisabledAccounts(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		free := open(t, db)
		s := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: cheap, FourEyes: true})
		ada, bob, eve := create(t, free, "ada", account.ConfigureServer), create(t, free, "bob", account.ConfigureServer), create(t, free, "eve")
		by := audit.Actor{AccountID: ada.ID, Name: "ada", Via: audit.ViaAPI}
		configure := []account.Permission{account.ConfigureServer}
		for _, err := range []error{
			s.Disable(t.Context(), by, bob.ID), s.SetPermissions(t.Context(), by, bob.ID, nil), s.Disable(t.Context(), by, eve.ID),
		} {
			if err != nil {
				t.Fatalf("what takes power away needs nobody else: %v", err)
			}
		}
		for _, a := range []*account.Account{bob, eve} {
			if _, held := errors.AsType[*account.FourEyesError](s.SetPermissions(t.Context(), by, a.ID, configure)); !held {
				t.Errorf("%s, disabled, is made an administrator", a.Username)
			}
			if err := s.Enable(t.Context(), by, a.ID); err != nil {
				t.Errorf("%s is nobody in particular: %v", a.Username, err)
			}
			if len(get(t, s, a.ID).Permissions) != 0 {
				t.Errorf("%s may %v", a.Username, get(t, s, a.ID).Permissions)
			}
		}
	})
}
