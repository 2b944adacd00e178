package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const goodPassword = "correct horse battery staple"

var (
	cheap    = account.HashCost{Memory: 8, Passes: 1}
	operator = audit.Actor{Name: "root", Via: audit.ViaCLI, IP: "203.0.113.9", RequestID: "request-1"}
)

// open returns a store on an installed database.
func open(t *testing.T, db *storage.DB) *account.Store {
	t.Helper()
	err := db.With(t.Context()).Exec("INSERT INTO installation (id, key_check, created_at) VALUES (1, ?, ?)", []byte("sealed"), db.Now()).Error
	if err != nil {
		t.Fatal(err)
	}
	return replica(t, db)
}

// replica returns one more store on the same database, as another process
// would have it.
func replica(t *testing.T, db *storage.DB) *account.Store {
	t.Helper()
	return account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: cheap})
}

func create(t *testing.T, s *account.Store, username string, p ...account.Permission) *account.Account {
	t.Helper()
	a, err := s.Create(t.Context(), operator, account.Registration{Username: username, Password: goodPassword, Permissions: p})
	if err != nil {
		t.Fatalf("create %s: %v", username, err)
	}
	return a
}

func get(t *testing.T, s *account.Store, id string) *account.Account {
	t.Helper()
	a, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// faultyField is the field that an error is about, "" for no error.
func faultyField(t *testing.T, err error) string {
	t.Helper()
	fault, ok := errors.AsType[*account.FieldError](err)
	if !ok && err != nil {
		t.Fatalf("got %v; want a FieldError or none", err)
	}
	if ok {
		return fault.Field
	}
	return ""
}

// together runs f n times at once and returns what it returned.
func together(n int, f func(i int) error) []error {
	var (
		wg    sync.WaitGroup
		start = make(chan struct{})
		errs  = make([]error, n)
	)
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func TestCreate(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		made, err := s.Create(t.Context(), operator, account.Registration{
			Username: "Ada", Password: goodPassword,
			Claims:      account.Claims{Name: "Ada Lovelace", Email: "a@x.test", Address: &account.Address{Country: "GB"}},
			Permissions: []account.Permission{account.ConfigureServer, account.ConfigureServer},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := get(t, s, made.ID)
		if got.Username != "Ada" || got.Claims.Address.Country != "GB" || !slices.Equal(got.Permissions, []account.Permission{account.ConfigureServer}) {
			t.Errorf("kept %+v", got)
		}
		if got.Version != 1 || got.Epoch != 0 || got.LastSignInAt != nil || got.DisabledAt != nil || !got.CreatedAt.Equal(made.CreatedAt) {
			t.Errorf("kept %+v", got)
		}
		if !strings.HasPrefix(got.PasswordHash, "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Errorf("hash %q is not argon2id at the configured cost", got.PasswordHash)
		}
		if _, err := s.Get(t.Context(), "nobody"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get(nobody) = %v; want ErrNotFound", err)
		}
		if _, err := s.Get(t.Context(), "nul\x00"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get with NUL = %v; want ErrNotFound", err)
		}
		create(t, s, "bob")
		list, err := s.List(t.Context())
		if err != nil || len(list) != 2 || list[0].Username != "Ada" || list[1].Username != "bob" {
			t.Errorf("List() = %v, %v", list, err)
		}
	})
}

// LG-10: one account and one counter, however the name is spelt.
func TestUsernameIsOneAccountInAllSpellings(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		ada := create(t, s, "Ada")
		street := create(t, s, "Straße")
		for spelling, want := range map[string]string{
			"Ada": ada.ID, "ADA": ada.ID, "ada": ada.ID, " ada": ada.ID, "ada ": ada.ID, "Ａｄａ": ada.ID, "ada\u3000": ada.ID,
			"STRASSE": street.ID, "strasse": street.ID,
		} {
			a, err := s.Find(t.Context(), spelling)
			if err != nil || a.ID != want {
				t.Errorf("Find(%q) = %v, %v", spelling, a, err)
			}
		}
		for _, taken := range []string{"ADA", "Ａｄａ", "aDa"} {
			_, err := s.Create(t.Context(), operator, account.Registration{Username: taken, Password: goodPassword})
			if !errors.Is(err, storage.ErrConflict) {
				t.Errorf("Create(%q) = %v; want ErrConflict", taken, err)
			}
		}
		if _, err := s.Find(t.Context(), "a\x00da"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Find with NUL = %v; want ErrNotFound", err)
		}
	})
}

func TestUsernames(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	for _, tt := range []struct{ name, username, wantField string }{
		{"letters", "ada", ""},
		{"an e-mail address", "ada@example.test", ""},
		{"a space between", "Ada Lovelace", ""},
		{"another script", "エイダ", ""},
		{"128 bytes", strings.Repeat("x", 128), ""},
		{"empty", "", "username"},
		{"only spaces", "  ", "username"},
		{"leading space", " grace", "username"},
		{"trailing space", "grace ", "username"},
		{"trailing no-break space", "grace\u00a0", "username"},
		{"129 bytes", strings.Repeat("y", 129), "username"},
		{"NUL", "gr\x00ace", "username"},
		{"line break", "gr\nace", "username"},
		{"right-to-left override", "gr\u202eace", "username"},
		{"zero-width space", "gr\u200bace", "username"},
		{"soft hyphen", "gr\u00adace", "username"},
		{"variation selector", "grace\ufe0f", "username"},
		{"invalid UTF-8", "gr\xfface", "username"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Create(t.Context(), operator, account.Registration{Username: tt.username, Password: goodPassword})
			if got := faultyField(t, err); got != tt.wantField {
				t.Errorf("Create(%q) = %v; want a fault in %q", tt.username, err, tt.wantField)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "root", account.ConfigureServer)
		bob := create(t, s, "bob")
		for _, step := range []struct {
			action string
			change func(ctx context.Context, by audit.Actor, id string) error
			epoch  int64
		}{
			{"account.set_permissions", func(ctx context.Context, by audit.Actor, id string) error {
				return s.SetPermissions(ctx, by, id, []account.Permission{account.ConfigureServer})
			}, 0},
			{"account.set_claims", func(ctx context.Context, by audit.Actor, id string) error {
				return s.SetClaims(ctx, by, id, account.Claims{Email: "bob@x.test", EmailVerified: true})
			}, 0},
			{"account.set_password", func(ctx context.Context, by audit.Actor, id string) error {
				return s.SetPassword(ctx, by, id, "a quite different phrase")
			}, 1},
			{"account.disable", s.Disable, 2},
			{"account.enable", s.Enable, 2},
		} {
			clock.Advance(1e9)
			before := get(t, s, bob.ID)
			if err := step.change(t.Context(), operator, bob.ID); err != nil {
				t.Fatalf("%s: %v", step.action, err)
			}
			after := get(t, s, bob.ID)
			if after.Version != before.Version+1 || !after.UpdatedAt.Equal(clock.Now()) || after.Epoch != step.epoch {
				t.Errorf("%s: version %d, epoch %d, updated at %v", step.action, after.Version, after.Epoch, after.UpdatedAt)
			}
			checkAudited(t, db, step.action, bob.ID)
			if err := step.change(t.Context(), operator, "nobody"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s of nobody: %v; want ErrNotFound", step.action, err)
			}
		}
		if a := get(t, s, bob.ID); a.Claims.Email != "bob@x.test" || !a.Claims.EmailVerified || !a.Has(account.ConfigureServer) || !a.PasswordChangedAt.After(a.CreatedAt) {
			t.Errorf("in the end: %+v", a)
		}
		version := get(t, s, bob.ID).Version
		if err := s.Enable(t.Context(), operator, bob.ID); err != nil || get(t, s, bob.ID).Version != version {
			t.Errorf("enabling an enabled account: %v, version %d; want no change", err, get(t, s, bob.ID).Version)
		}
		if err := s.Remove(t.Context(), operator, bob.ID); err != nil {
			t.Fatal(err)
		}
		checkAudited(t, db, "account.remove", bob.ID)
		if err := s.Remove(t.Context(), operator, bob.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("removing again: %v; want ErrNotFound", err)
		}
	})
}

// checkAudited looks for exactly one event with the actor and no hash (AD-13).
func checkAudited(t *testing.T, db *storage.DB, action, id string) {
	t.Helper()
	events, err := audit.New(db).List(t.Context(), audit.Filter{Action: action, TargetID: id})
	if err != nil || len(events) != 1 {
		t.Fatalf("%s: %d audit events, %v; want 1", action, len(events), err)
	}
	e := events[0]
	if e.ActorName != "root" || e.Via != audit.ViaCLI || e.IP != "203.0.113.9" || e.RequestID != "request-1" || e.TargetName != "bob" {
		t.Errorf("%s: audit event %+v", action, e)
	}
	if e.Before == e.After || strings.Contains(string(e.Before+e.After), "argon2") {
		t.Errorf("%s: before %s, after %s", action, e.Before, e.After)
	}
}

// AD-14: what cannot be recorded does not happen, and is an outage.
func TestChangeWithoutAuditIsUndone(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
		_, created := s.Create(t.Context(), operator, account.Registration{Username: "eve", Password: goodPassword})
		errs := map[string]error{
			"create":          created,
			"disable":         s.Disable(t.Context(), operator, bob.ID),
			"set password":    s.SetPassword(t.Context(), operator, bob.ID, "a quite different phrase"),
			"set permissions": s.SetPermissions(t.Context(), operator, bob.ID, []account.Permission{account.ConfigureServer}),
			"remove":          s.Remove(t.Context(), operator, bob.ID),
		}
		restore()
		for name, err := range errs {
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s = %v; want ErrUnavailable", name, err)
			}
		}
		if got := get(t, s, bob.ID); got.Version != 1 || got.Epoch != 0 || got.DisabledAt != nil {
			t.Errorf("changed without a record: %+v", got)
		}
		if _, err := s.Find(t.Context(), "eve"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("created without a record: %v", err)
		}
	})
}

// What hangs on an account goes with it.
func TestRemoveTakesSessionsAndConsents(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		now := db.Now()
		for _, insert := range []string{
			"INSERT INTO sessions (id, account_id, account_epoch, auth_time, acr, amr, ip, user_agent, created_at, last_seen_at, expires_at, hash)" +
				" VALUES ('s', @id, 0, @now, '', '[]', '', '', @now, @now, @now, @hash)",
			"INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)" +
				" VALUES ('c', 'oidc', 'App', 'approved', '{}', '[]', '', @now, '', @now, @now)",
			"INSERT INTO consents (account_id, client_id, scope, digest, created_at, updated_at) VALUES (@id, 'c', '', '', @now, @now)",
		} {
			err := db.With(t.Context()).Exec(insert, map[string]any{"id": bob.ID, "now": now, "hash": []byte("hash")}).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Remove(t.Context(), operator, bob.ID); err != nil {
			t.Fatal(err)
		}
		var left int64
		err := db.With(t.Context()).Raw("SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM consents)").Scan(&left).Error
		if err != nil || left != 0 {
			t.Errorf("%d sessions and consents left, %v", left, err)
		}
	})
}

// Changes that race on one account are all kept, or refused as a conflict.
func TestChangesRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		errs := together(16, func(i int) error {
			return s.SetClaims(context.Background(), operator, bob.ID, account.Claims{Nickname: fmt.Sprint("bob", i)})
		})
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		if got := get(t, s, bob.ID).Version; got != 17 {
			t.Errorf("version is %d after 16 changes; want 17", got)
		}
	})
}

// A database that does not answer is never a verdict (INV-08).
func TestDatabaseFailureIsUnavailable(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		restore := storagetest.FailStatements(db, nil)
		defer restore()
		_, get := s.Get(t.Context(), bob.ID)
		_, find := s.Find(t.Context(), "bob")
		_, list := s.List(t.Context())
		_, create := s.Create(t.Context(), operator, account.Registration{Username: "eve", Password: goodPassword})
		_, needs := s.NeedsSetup(t.Context())
		_, start := s.StartSetup(t.Context())
		_, purge := s.Purge(t.Context(), 10)
		for name, err := range map[string]error{
			"Get": get, "Find": find, "List": list, "Create": create, "NeedsSetup": needs, "StartSetup": start, "Purge": purge,
			"SetPassword":    s.SetPassword(t.Context(), operator, bob.ID, goodPassword),
			"SetPermissions": s.SetPermissions(t.Context(), operator, bob.ID, nil),
			"SetClaims":      s.SetClaims(t.Context(), operator, bob.ID, account.Claims{}),
			"SetContact":     s.SetContact(t.Context(), operator, bob.ID, account.Contact{}),
			"Disable":        s.Disable(t.Context(), operator, bob.ID),
			"Enable":         s.Enable(t.Context(), operator, bob.ID),
			"Remove":         s.Remove(t.Context(), operator, bob.ID),
		} {
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s = %v; want ErrUnavailable", name, err)
			}
		}
	})
}
