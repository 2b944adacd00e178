package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// An administrator corrects a name and an e-mail address; everything else that
// is known of the person stays, and a new address is not verified.
func TestSetContact(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		known := account.Claims{Name: "Bob", Email: "bob@x.test", EmailVerified: true, Locale: "de"}
		if err := s.SetClaims(t.Context(), operator, bob.ID, known); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name string
			set  account.Contact
			want account.Claims
		}{
			{"nothing", account.Contact{}, known},
			{"the name", account.Contact{Name: new("Robert")}, account.Claims{Name: "Robert", Email: "bob@x.test", EmailVerified: true, Locale: "de"}},
			{"the same address", account.Contact{Email: new("bob@x.test")}, account.Claims{Name: "Robert", Email: "bob@x.test", EmailVerified: true, Locale: "de"}},
			{"another address", account.Contact{Email: new("rob@x.test")}, account.Claims{Name: "Robert", Email: "rob@x.test", Locale: "de"}},
			{"it is verified", account.Contact{EmailVerified: new(true)}, account.Claims{Name: "Robert", Email: "rob@x.test", EmailVerified: true, Locale: "de"}},
			{"another verified one", account.Contact{Email: new("r@x.test"), EmailVerified: new(true)}, account.Claims{Name: "Robert", Email: "r@x.test", EmailVerified: true, Locale: "de"}},
			{"it is not", account.Contact{EmailVerified: new(false)}, account.Claims{Name: "Robert", Email: "r@x.test", Locale: "de"}},
			{"neither", account.Contact{Name: new(""), Email: new(""), EmailVerified: new(true)}, account.Claims{Locale: "de"}},
		} {
			before := get(t, s, bob.ID)
			if err := s.SetContact(t.Context(), operator, bob.ID, step.set); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			after := get(t, s, bob.ID)
			if after.Claims != step.want || after.Epoch != before.Epoch || after.PasswordHash != before.PasswordHash {
				t.Errorf("%s: %+v; want %+v", step.name, after.Claims, step.want)
			}
			if changed := before.Claims != after.Claims; changed != (after.Version == before.Version+1) {
				t.Errorf("%s: version %d after %d", step.name, after.Version, before.Version)
			}
		}
		events, err := audit.New(db).List(t.Context(), audit.Filter{Action: "account.set_claims", TargetID: bob.ID})
		if err != nil || len(events) != 7 { // with that of the beginning; what changes nothing is none
			t.Errorf("%d events, %v; want 7", len(events), err)
		}
	})
}

func TestSetContactRefuses(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		for value, set := range map[string]func(string) account.Contact{
			"bob":                    func(v string) account.Contact { return account.Contact{Email: &v} },
			"Bob <bob@x.test>":       func(v string) account.Contact { return account.Contact{Email: &v} },
			"Bob\nBcc: all":          func(v string) account.Contact { return account.Contact{Name: &v} },
			"B\xffb":                 func(v string) account.Contact { return account.Contact{Name: &v} },
			strings.Repeat("x", 513): func(v string) account.Contact { return account.Contact{Name: &v} },
		} {
			c := set(value)
			field := "name"
			if c.Email != nil {
				field = "email"
			}
			if err := s.SetContact(t.Context(), operator, bob.ID, c); faultyField(t, err) != field {
				t.Errorf("%.20q: %v; want a fault in %s", value, err, field)
			}
		}
		fine := account.Contact{Name: new("Bob")}
		if err := s.SetContact(t.Context(), operator, "nobody", fine); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("of nobody: %v; want ErrNotFound", err)
		}
		if err := s.Seen(7).SetContact(t.Context(), operator, bob.ID, fine); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("of another version: %v; want ErrConflict", err)
		}
		restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
		err := s.SetContact(t.Context(), operator, bob.ID, fine)
		restore()
		if got := get(t, s, bob.ID); !errors.Is(err, storage.ErrUnavailable) || got.Version != 1 || got.Claims != (account.Claims{}) {
			t.Errorf("without a record (AD-14): %v, %+v", err, got)
		}
	})
}

// Corrections that race are all kept: of the name and of the address neither
// undoes the other (AD-33).
func TestContactsRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		for _, err := range together(8, func(i int) error {
			c := account.Contact{Name: new("Bob")}
			if i%2 == 1 {
				c = account.Contact{Email: new("bob@x.test")}
			}
			return s.SetContact(context.Background(), operator, bob.ID, c)
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if got := get(t, s, bob.ID); got.Claims != (account.Claims{Name: "Bob", Email: "bob@x.test"}) || got.Version != 3 {
			t.Errorf("version %d, %+v; want both, once", got.Version, got.Claims)
		}
	})
}
