package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// AD-09: somebody may always configure the server.
func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		ada := create(t, s, "ada", account.ConfigureServer)
		grace := create(t, s, "grace", account.ConfigureServer)
		create(t, s, "bob")
		if err := s.Disable(t.Context(), operator, grace.ID); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{ // grace is disabled and does not count
			"demote":  s.SetPermissions(t.Context(), operator, ada.ID, nil),
			"disable": s.Disable(t.Context(), operator, ada.ID),
			"remove":  s.Remove(t.Context(), operator, ada.ID),
		} {
			if !errors.Is(err, account.ErrLastAdministrator) {
				t.Errorf("%s the last administrator = %v; want ErrLastAdministrator", name, err)
			}
		}
		if err := s.SetPermissions(t.Context(), operator, grace.ID, nil); err != nil {
			t.Errorf("demote a disabled administrator: %v", err)
		}
		if a := get(t, s, ada.ID); !a.Has(account.ConfigureServer) || a.Version != 1 {
			t.Errorf("ada is %+v", a)
		}
	})
}

// AD-09: administrators who end one another in parallel leave one.
func TestAdministratorsRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		for round, end := range map[string]func(id string) error{
			"demote":  func(id string) error { return s.SetPermissions(context.Background(), operator, id, nil) },
			"disable": func(id string) error { return s.Disable(context.Background(), operator, id) },
			"remove":  func(id string) error { return s.Remove(context.Background(), operator, id) },
		} {
			var ids []string
			for i := range 4 {
				ids = append(ids, create(t, s, fmt.Sprintf("%s-%d", round, i), account.ConfigureServer).ID)
			}
			ids = append(ids, administratorsBut(t, s, ids)...) // the one who is left of the round before
			refused := 0
			for i, err := range together(len(ids), func(i int) error { return end(ids[i]) }) {
				if errors.Is(err, account.ErrLastAdministrator) {
					refused++
				} else if err != nil {
					t.Errorf("%s %d: %v", round, i, err)
				}
			}
			if left := administratorsBut(t, s, nil); refused != 1 || len(left) != 1 {
				t.Errorf("%s: %d refused, %d administrators left; want 1 and 1", round, refused, len(left))
			}
		}
	})
}

func administratorsBut(t *testing.T, s *account.Store, but []string) []string {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, a := range list {
		if a.Has(account.ConfigureServer) && !slices.Contains(but, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func TestPermissionsAreKnown(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	bob := create(t, s, "bob")
	for _, p := range []account.Permission{"", "configure-server", "root", `configure_server"`} {
		if err := s.SetPermissions(t.Context(), operator, bob.ID, []account.Permission{p}); faultyField(t, err) != "permissions" {
			t.Errorf("SetPermissions(%q) = %v; want a fault in permissions", p, err)
		}
	}
}
