package account_test

import (
	"errors"
	"strconv"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// Under four eyes no administrator becomes two: by another account, or by one
// that is an administrator's already (AP-10). Nor do they give another one an address
// (AP-28).
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
		setEmail := func(by audit.Actor, id string) error {
			return s.SetContact(t.Context(), by, id, account.Contact{Email: new("ada@x.test")})
		}
		if err := s.SetContact(t.Context(), operator, bob.ID, account.Contact{Email: new("bob@x.test"), EmailVerified: new(true)}); err != nil {
			t.Fatal(err)
		}
		attempts := map[string]func(by audit.Actor) error{
			"permissions of another": func(by audit.Actor) error {
				return s.SetPermissions(t.Context(), by, eve.ID, []account.Permission{account.ConfigureServer})
			},
			"permissions of a new one": func(by audit.Actor) error {
				_, err := s.Create(t.Context(), by, account.Registration{Username: "mallory", Password: other, Permissions: []account.Permission{account.ConfigureServer}})
				return err
			},
			"permissions of a disabled one":   func(by audit.Actor) error { return s.Enable(t.Context(), by, gone.ID) },
			"password of another":             func(by audit.Actor) error { return s.SetPassword(t.Context(), by, bob.ID, other) },
			"password of a disabled one":      func(by audit.Actor) error { return s.SetPassword(t.Context(), by, gone.ID, other) },
			"email address of another":        func(by audit.Actor) error { return setEmail(by, bob.ID) },
			"email address of a disabled one": func(by audit.Actor) error { return setEmail(by, gone.ID) },
			"verified address of another": func(by audit.Actor) error {
				return s.SetContact(t.Context(), by, bob.ID, account.Contact{EmailVerified: new(false)})
			},
			"a verified address for anybody": func(by audit.Actor) error {
				return s.SetContact(t.Context(), by, eve.ID, account.Contact{Email: new("bob@x.test"), EmailVerified: new(true)})
			},
			"a verified address of one's own": func(by audit.Actor) error {
				return s.SetContact(t.Context(), by, ada.ID, account.Contact{Email: new("bob@x.test"), EmailVerified: new(true)})
			},
			"second factor of another": func(by audit.Actor) error { return s.RemoveFactors(t.Context(), by, bob.ID) },
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
			"email of somebody else":    setEmail(by, eve.ID),
			"one's own email":           setEmail(by, ada.ID),
			"name of another":           s.SetContact(t.Context(), by, bob.ID, account.Contact{Name: new("Bob")}),
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

// AP-26: who may sign in as an account that is made an administrator is known,
// until the server's machine has set a password and no second factor is left
// that they may have added.
func TestStranger(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: cheap, FourEyes: true})
		ada := create(t, s, "ada", account.ConfigureServer)
		by := audit.Actor{AccountID: ada.ID, Name: "ada", Via: audit.ViaAPI}
		bob, err := s.Create(t.Context(), by, account.Registration{Username: "bob", Password: goodPassword})
		if err != nil {
			t.Fatal(err)
		}
		self := audit.Actor{AccountID: bob.ID, Name: "bob", Via: audit.ViaPages}
		set := func(by audit.Actor) func() error {
			return func() error { return s.SetPassword(t.Context(), by, bob.ID, "an entirely other sentence") }
		}
		add := func() error {
			_, err := s.AddPasskey(t.Context(), self, bob, account.Passkey{ID: "k", Name: "Laptop", Credential: "{}"})
			return err
		}
		remove := func() error { return s.RemoveFactors(t.Context(), operator, bob.ID) }
		for _, step := range []struct {
			name string
			do   func() error
			want string // the action of a stranger, empty for none
		}{
			{"no administrator", func() error { return nil }, ""},
			{"permitted", func() error {
				return s.SetPermissions(t.Context(), operator, bob.ID, []account.Permission{account.ConfigureServer})
			}, "account.create"},
			{"their own password", set(self), "account.create"},
			{"disabled", func() error { return s.Disable(t.Context(), operator, bob.ID) }, "account.create"},
			{"a password of the machine", set(operator), ""},
			{"a passkey", add, ""},
			{"no factors", remove, ""},
			{"demoted", func() error { return s.SetPermissions(t.Context(), by, bob.ID, nil) }, ""},
			{"a password of ada", set(by), ""},
			{"a passkey of whoever knows it", add, ""},
			{"permitted again", func() error {
				return s.SetPermissions(t.Context(), operator, bob.ID, []account.Permission{account.ConfigureServer})
			}, "account.set_password"},
			{"a password of the machine, the passkey stays", set(operator), "account.set_password"},
			{"the passkey goes", func() error { return s.RemovePasskey(t.Context(), self, bob, "k") }, ""},
			{"another passkey", add, "account.set_password"}, // which they may have added by the one before
			{"no factors again", remove, ""},
		} {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			e, err := s.Stranger(t.Context(), get(t, s, bob.ID))
			if err != nil {
				t.Fatal(err)
			}
			if (e == nil) != (step.want == "") || e != nil && (e.Action != step.want || e.ActorName != "ada") {
				t.Errorf("%s: %+v; want %q", step.name, e, step.want)
			}
		}
		eve, err := s.Create(t.Context(), by, account.Registration{Username: "eve", Password: goodPassword, Claims: account.Claims{Name: "0"}})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 101 { // however much happened since
			if err := s.SetClaims(t.Context(), audit.Actor{AccountID: eve.ID}, eve.ID, account.Claims{Name: strconv.Itoa(n + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetPermissions(t.Context(), operator, eve.ID, []account.Permission{account.ConfigureServer}); err != nil {
			t.Fatal(err)
		}
		if e, err := s.Stranger(t.Context(), get(t, s, eve.ID)); e == nil || err != nil {
			t.Errorf("long ago: %+v, %v", e, err)
		}
	})
}
