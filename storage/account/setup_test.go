package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

var (
	visitor = audit.Actor{Via: audit.ViaSetup, IP: "203.0.113.9", RequestID: "request-2"}
	first   = account.Registration{Username: "ada", Password: goodPassword}
)

func needsSetup(t *testing.T, s *account.Store) bool {
	t.Helper()
	needs, err := s.NeedsSetup(t.Context())
	if err != nil {
		t.Errorf("NeedsSetup: %v", err)
	}
	return needs
}

// checkClosed tries every way in. The door never opens again (AD-10).
func checkClosed(t *testing.T, s *account.Store, token string) {
	t.Helper()
	if needsSetup(t, s) {
		t.Error("NeedsSetup says that the door is open")
	}
	if _, err := s.StartSetup(t.Context()); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("StartSetup() = %v; want ErrConflict", err)
	}
	if err := s.CheckSetup(t.Context(), token); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("CheckSetup() = %v; want ErrNotFound", err)
	}
	if _, err := s.CompleteSetup(t.Context(), visitor, token, first); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("CompleteSetup() = %v; want ErrNotFound", err)
	}
}

// AD-10, AD-11: no account is there until the token's bearer makes one.
func TestSetup(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		if !needsSetup(t, s) {
			t.Error("NeedsSetup says that the door is closed")
		}
		if list, err := s.List(t.Context()); len(list) != 0 || err != nil {
			t.Errorf("a new installation has accounts: %v, %v", list, err)
		}
		old, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, wrong := range map[string]string{
			"replaced": old, "never issued": seal.NewToken(seal.SetupToken), "empty": "", "malformed": "x", "NUL": "\x00",
			"another kind": seal.NewToken(seal.SessionCookie), "cut": token[:len(token)-1],
		} {
			if err := s.CheckSetup(t.Context(), wrong); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s token = %v; want ErrNotFound", name, err)
			}
			if _, err := s.CompleteSetup(t.Context(), visitor, wrong, first); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("completed with a %s token = %v; want ErrNotFound", name, err)
			}
		}
		clock.Advance(30*time.Minute - time.Second)
		if err := s.CheckSetup(t.Context(), token); err != nil {
			t.Errorf("after 29 minutes: %v", err)
		}
		// A refused form can be filled in again.
		if _, err := s.CompleteSetup(t.Context(), visitor, token, account.Registration{Username: "ada", Password: "admin"}); faultyField(t, err) != "password" {
			t.Errorf("weak password: %v; want a fault in password", err)
		}
		ada, err := s.CompleteSetup(t.Context(), visitor, token, first)
		if err != nil || !ada.Has(account.ConfigureServer) {
			t.Fatalf("CompleteSetup() = %+v, %v", ada, err)
		}
		if _, _, err := signIn(t, s, "ada", goodPassword); err != nil {
			t.Errorf("the first administrator cannot sign in: %v", err)
		}
		events, err := audit.New(db).List(t.Context(), audit.Filter{Action: "account.setup"})
		if err != nil || len(events) != 1 || events[0].ActorName != "ada" || events[0].Via != audit.ViaSetup || events[0].TargetID != ada.ID {
			t.Errorf("audited %+v, %v", events, err)
		}
		checkClosed(t, s, token)
		if err := db.With(t.Context()).Exec("DELETE FROM accounts").Error; err != nil {
			t.Fatal(err)
		}
		checkClosed(t, s, token)
	})
}

// AD-10: an expired token is worth nothing; another may be made.
func TestSetupTokenExpires(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		token, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(30 * time.Minute)
		if err := s.CheckSetup(t.Context(), token); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("after 30 minutes: %v; want ErrNotFound", err)
		}
		if _, err := s.CompleteSetup(t.Context(), visitor, token, first); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("completed after 30 minutes: %v; want ErrNotFound", err)
		}
		if token, err = s.StartSetup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.CheckSetup(t.Context(), token); err != nil {
			t.Errorf("the next token: %v", err)
		}
	})
}

// AD-10: of twenty who come with the token at once one becomes administrator.
func TestSetupRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		token, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		won := 0
		for _, err := range together(20, func(i int) error {
			r := account.Registration{Username: fmt.Sprint("ada", i), Password: goodPassword}
			_, err := s.CompleteSetup(context.Background(), visitor, token, r)
			return err
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, storage.ErrNotFound):
				t.Errorf("lost with %v; want ErrNotFound", err)
			}
		}
		list, err := s.List(t.Context())
		if won != 1 || len(list) != 1 || err != nil {
			t.Errorf("%d won, %d accounts, %v; want 1 and 1", won, len(list), err)
		}
		checkClosed(t, s, token)
	})
}

// AD-10: an account made on the command line closes the door, also to a token
// that is out, and also when both come at once.
func TestCreateClosesSetup(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		token, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bob := create(t, s, "bob")
		checkClosed(t, s, token)
		if err := s.Remove(t.Context(), operator, bob.ID); err != nil {
			t.Fatal(err)
		}
		checkClosed(t, s, token)
	})
}

// An account that came by no door of ours, such as by a restored table, keeps
// the set-up page shut as well.
func TestAccountsCloseSetup(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "bob")
		if err := db.With(t.Context()).Exec("UPDATE installation SET bootstrapped_at = NULL").Error; err != nil {
			t.Fatal(err)
		}
		checkClosed(t, s, seal.NewToken(seal.SetupToken))
	})
}

// A registration that does not go through leaves the token to be used again.
func TestFailedSetupSpendsNothing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		token, err := s.StartSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		restore := storagetest.FailStatements(db, storagetest.Containing("INSERT INTO"))
		_, err = s.CompleteSetup(t.Context(), visitor, token, first)
		restore()
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("CompleteSetup() = %v; want ErrUnavailable", err)
		}
		if !needsSetup(t, s) {
			t.Error("NeedsSetup says that the door is closed")
		}
		if _, err := s.CompleteSetup(t.Context(), visitor, token, first); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// A database that was never opened with its key says so.
func TestSetupWithoutInstallation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := replica(t, db)
		_, needs := s.NeedsSetup(t.Context())
		_, start := s.StartSetup(t.Context())
		for name, err := range map[string]error{"NeedsSetup": needs, "StartSetup": start} {
			if err == nil || !strings.Contains(err.Error(), "no installation record") || errors.Is(err, storage.ErrConflict) {
				t.Errorf("%s = %v; want an error that names the installation record", name, err)
			}
		}
	})
}
