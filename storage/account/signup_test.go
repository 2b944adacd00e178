package account_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

var stranger = audit.Actor{Via: audit.ViaPages, IP: "203.0.113.9", RequestID: "request-3"}

func newcomer(username string) account.Registration {
	return account.Registration{Username: username, Password: goodPassword}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		if _, _, err := s.SignUp(t.Context(), stranger, newcomer("eve"), ""); !errors.Is(err, account.ErrNotSetUp) || !needsSetup(t, s) {
			t.Fatalf("before there is an administrator: %v; the set-up door is open: %t", err, needsSetup(t, s))
		}
		create(t, s, "Boss", account.ConfigureServer)
		asked := newcomer("bob")
		asked.Permissions = []account.Permission{account.ConfigureServer}
		asked.Claims = account.Claims{Name: "Bob", Email: "bob@example.test", EmailVerified: true, PhoneNumber: "+1 425 555 1212", PhoneNumberVerified: true}
		a, device, err := s.SignUp(t.Context(), stranger, asked, "")
		if err != nil {
			t.Fatal(err)
		}
		got := get(t, s, a.ID)
		if len(got.Permissions) != 0 || got.Claims != (account.Claims{Name: "Bob", Email: "bob@example.test"}) || got.LastSignInAt == nil {
			t.Errorf("created %+v; want no permissions, and nothing that was verified", got)
		}
		if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: goodPassword, IP: stranger.IP, Device: device}); err != nil {
			t.Errorf("Authenticate() = %v", err)
		}
		var events []audit.Event
		if err := db.With(t.Context()).Where("action = ?", "account.sign_up").Find(&events).Error; err != nil || len(events) != 1 {
			t.Fatalf("audited: %+v, %v", events, err)
		}
		if e := events[0]; e.ActorID != a.ID || e.ActorName != "bob" || e.Via != audit.ViaPages || e.IP != stranger.IP || e.RequestID != "request-3" || e.TargetID != a.ID || strings.Contains(string(e.After), "argon2") {
			t.Errorf("audited: %+v", e)
		}
		for username, want := range map[string]string{"": "username", " bob": "username", "bo\x00b": "username", "x": "password"} {
			r := newcomer(username)
			if want == "password" {
				r.Password = "password1"
			}
			_, _, err := s.SignUp(t.Context(), stranger, r, "")
			if wrong, ok := errors.AsType[*account.FieldError](err); !ok || wrong.Field != want {
				t.Errorf("SignUp(%q) = %v; want a fault of the %s", username, err, want)
			}
		}
		for _, name := range []string{"\uff22ob", "b\u043eb", "ceo@corp.example", "ann lee", ".dot", "Admin", "support"} {
			_, _, err := s.SignUp(t.Context(), stranger, newcomer(name), "")
			if wrong, ok := errors.AsType[*account.FieldError](err); !ok || wrong.Field != "username" {
				t.Errorf("SignUp(%q) = %v; want a fault of the username", name, err)
			}
		}
		gone := create(t, s, "Grace")
		if err := s.Remove(t.Context(), audit.Actor{Via: audit.ViaCLI}, gone.ID); err != nil {
			t.Fatal(err)
		}
		for _, taken := range []string{"bob", "BOB", "boss", "grace"} { // LG-10
			if _, _, err := s.SignUp(t.Context(), stranger, newcomer(taken), ""); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("SignUp(%q) = %v; want ErrConflict", taken, err)
			}
		}
	})
}

// LG-08: whether a name is taken has to be said, so that names are tried by
// network and slowly.
func TestSignUpIsSlowedDownByNetwork(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "ada", account.ConfigureServer)
		try := func(ip string, r account.Registration) time.Duration {
			t.Helper()
			_, _, err := s.SignUp(t.Context(), audit.Actor{Via: audit.ViaPages, IP: ip}, r, "")
			if throttled, ok := errors.AsType[*account.ThrottledError](err); ok {
				return throttled.RetryAfter
			}
			if err != nil && !errors.Is(err, storage.ErrConflict) {
				t.Fatal(err)
			}
			return 0
		}
		try("192.0.2.1", newcomer("bob"))
		for range 30 { // what is not acceptable tells nothing, and is not counted
			if _, _, err := s.SignUp(t.Context(), audit.Actor{IP: "192.0.2.1"}, account.Registration{Username: "ada", Password: "short"}, ""); err == nil {
				t.Fatal("a short password is taken")
			}
		}
		for n := range account.SignUpFree - 1 {
			if d := try("192.0.2.200", newcomer("ada")); d != 0 { // the same network
				t.Fatalf("name %d had to wait %v", n+2, d)
			}
		}
		for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second} {
			if d := try("192.0.2.1", newcomer("carol")); d != want {
				t.Fatalf("told to wait %v; want %v", d, want)
			}
			if _, err := s.Find(t.Context(), "carol"); !errors.Is(err, storage.ErrNotFound) {
				t.Fatalf("an account was created: %v", err)
			}
			clock.Advance(want)
			try("192.0.2.1", newcomer("ada"))
		}
		if d := try("198.51.100.1", newcomer("carol")); d != 0 {
			t.Errorf("another network has to wait %v", d)
		}
		if _, _, err := signIn(t, s, "ada", goodPassword); err != nil {
			t.Errorf("signing in is throttled, too: %v", err)
		}
		clock.Advance(2 * time.Hour)
		if d := try("192.0.2.1", newcomer("dave")); d != 0 {
			t.Errorf("after two hours told to wait %v", d)
		}
	})
}

func TestSignUpsOfOneNameRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "ada", account.ConfigureServer)
		var wg sync.WaitGroup
		results := make(chan error, 12)
		for i := range 12 {
			wg.Go(func() {
				_, _, err := s.SignUp(t.Context(), stranger, newcomer([]string{"bob", "BOB"}[i%2]), "")
				results <- err
			})
		}
		wg.Wait()
		close(results)
		created := 0
		for err := range results {
			switch {
			case err == nil:
				created++
			case !errors.Is(err, storage.ErrConflict):
				t.Errorf("SignUp() = %v; want ErrConflict", err)
			}
		}
		if created != 1 {
			t.Errorf("%d accounts of one name were created", created)
		}
		defer storagetest.FailStatements(db, func(string) bool { return true })()
		if _, _, err := s.SignUp(t.Context(), stranger, newcomer("carol"), ""); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("SignUp() without a database = %v; want ErrUnavailable", err)
		}
	})
}
