package account_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/shacrypt"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

const newPassword = "a quite different phrase"

// signIn tries once, from an address of its own so that only the account's
// counter counts.
func signIn(t *testing.T, s *account.Store, username, password string) (*account.Account, string, error) {
	t.Helper()
	return s.Authenticate(t.Context(), account.SignIn{Username: username, Password: password, IP: "192.0.2.1"})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada := create(t, s, "Ada")
		clock.Advance(time.Minute)
		a, device, err := signIn(t, s, "ADA", goodPassword)
		if err != nil || a.ID != ada.ID || a.LastSignInAt == nil || !a.LastSignInAt.Equal(clock.Now()) {
			t.Fatalf("Authenticate() = %+v, %v", a, err)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_.~-]{40,300}$`).MatchString(device) {
			t.Errorf("device cookie %q is not fit for a cookie", device)
		}
		kept := get(t, s, ada.ID)
		if !kept.LastSignInAt.Equal(clock.Now()) || kept.Version != 1 || !kept.UpdatedAt.Equal(ada.UpdatedAt) || kept.PasswordHash != ada.PasswordHash {
			t.Errorf("kept %+v", kept)
		}
		if err := s.SetPassword(t.Context(), operator, ada.ID, newPassword); err != nil {
			t.Fatal(err)
		}
		if _, _, err := signIn(t, s, "ada", goodPassword); !errors.Is(err, account.ErrWrongPassword) {
			t.Errorf("the old password = %v; want ErrWrongPassword", err)
		}
		if _, _, err := signIn(t, s, "ada", newPassword); err != nil {
			t.Errorf("the new password = %v", err)
		}
	})
}

// LG-07: unknown, wrong and disabled get one answer, which costs one hash of
// the same kind and the same statements.
func TestFailuresAreAlike(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "mallory")
		if err := s.Disable(t.Context(), operator, create(t, s, "gone").ID); err != nil {
			t.Fatal(err)
		}
		var hashes []string
		s.OnHash(func(encoded string) { hashes = append(hashes, encoded[:strings.LastIndex(encoded, "$")-22]) })
		var first string
		for _, in := range []account.SignIn{
			{Username: "mallory", Password: "wrong"},
			{Username: "gone", Password: goodPassword}, // LG-23: disabled, though the password is right
			{Username: "gone", Password: "wrong"},
			{Username: "aaron", Password: goodPassword}, // before everybody in the index
			{Username: "hugo", Password: goodPassword},  // between two
			{Username: "zoe", Password: goodPassword},   // behind everybody
			{Username: "", Password: goodPassword},
			{Username: "nul\x00", Password: goodPassword},
			{Username: "\xff", Password: goodPassword},
			{Username: strings.Repeat("x", 5000), Password: goodPassword},
		} {
			hashes = nil
			count := storagetest.CountStatements(db)
			a, device, err := s.Authenticate(t.Context(), in)
			db.SetHook(nil)
			if a != nil || device != "" || !errors.Is(err, account.ErrWrongPassword) || err.Error() != account.ErrWrongPassword.Error() {
				t.Errorf("%.20q = %v, %q, %v; want ErrWrongPassword and nothing else", in.Username, a, device, err)
			}
			got := fmt.Sprint(hashes, len(count.Statements()))
			if first == "" {
				first = got
			}
			if got != first || len(hashes) != 1 {
				t.Errorf("%.20q cost %s; want %s as the first", in.Username, got, first)
			}
		}
	})
}

// LG-07: hashes of another cost do not tell who exists either: a stranger
// costs what the next account in the index costs.
func TestStrangersCostWhatAccountsCost(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		bob := create(t, s, "bob")
		costly := account.New(db, account.Config{Keys: storagetest.Keys(t), Cost: account.HashCost{Memory: 64, Passes: 3}})
		var seen string
		costly.OnHash(func(encoded string) { seen = encoded })
		if _, _, err := signIn(t, costly, "alice", goodPassword); !errors.Is(err, account.ErrWrongPassword) || seen != bob.PasswordHash {
			t.Errorf("alice = %v, checked %q; want ErrWrongPassword by bob's hash", err, seen)
		}
	})
}

// Passwords that other systems hashed are verified and hashed anew.
func TestHashesAreUpgraded(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		for name, hash := range imports(t) {
			a := create(t, s, name)
			err := db.With(t.Context()).Exec("UPDATE accounts SET password_hash = ? WHERE id = ?", hash, a.ID).Error
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := signIn(t, s, name, "wrong"); !errors.Is(err, account.ErrWrongPassword) || get(t, s, a.ID).PasswordHash != hash {
				t.Errorf("%s: a wrong password = %v; want ErrWrongPassword and the hash as it was", name, err)
			}
			if _, _, err := signIn(t, s, name, goodPassword); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := get(t, s, a.ID).PasswordHash; !strings.HasPrefix(got, "$argon2id$v=19$m=8,t=1,p=1$") {
				t.Errorf("%s: hash is %q after a sign-in; want argon2id", name, got)
			}
			if _, _, err := signIn(t, s, name, goodPassword); err != nil {
				t.Errorf("%s, hashed anew: %v", name, err)
			}
		}
	})
}

// imports are hashes of goodPassword as other systems make them, the cheap
// ones; TestMatch knows the others.
func imports(t *testing.T) map[string]string {
	t.Helper()
	argon, err := argon2.New(argon2.WithVariantI(), argon2.WithM(16), argon2.WithT(3), argon2.WithP(1))
	if err != nil {
		t.Fatal(err)
	}
	sha, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(1000))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, hasher := range map[string]algorithm.Hash{"argon2i": argon, "shacrypt": sha} {
		digest, err := hasher.Hash(goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = digest.Encode()
	}
	return out
}

// LG-23: who is disabled, or gets another password, while the old one is
// being checked does not get in; and no connection is held meanwhile.
func TestChangeWhileThePasswordIsChecked(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		other := replica(t, db)
		bob := create(t, s, "bob")
		for name, change := range map[string]func() error{
			"disabled": func() error {
				return errors.Join(other.Disable(t.Context(), operator, bob.ID), other.Enable(t.Context(), operator, bob.ID))
			},
			"new password": func() error { return other.SetPassword(t.Context(), operator, bob.ID, goodPassword) },
		} {
			s.OnHash(func(string) {
				// SQLite's statements are compiled beside the first sign-in, which takes a moment.
				for until := time.Now().Add(2 * time.Second); db.Pool().Stats().InUse != 0; time.Sleep(time.Millisecond) { //nolint:forbidigo // compilers take real time
					if time.Now().After(until) { //nolint:forbidigo // as above
						t.Errorf("%d connections in use while hashing; want none", db.Pool().Stats().InUse)
						break
					}
				}
				if err := change(); err != nil {
					t.Error(err)
				}
			})
			if _, _, err := signIn(t, s, "bob", goodPassword); !errors.Is(err, account.ErrWrongPassword) {
				t.Errorf("%s meanwhile: %v; want ErrWrongPassword", name, err)
			}
		}
	})
}

// INV-08: whichever statement fails, the answer is an outage and no verdict,
// for right passwords as for wrong ones; and the attempt can be made again.
func TestSignInWithFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "bob")
		for password, want := range map[string]error{goodPassword: nil, "wrong": account.ErrWrongPassword} {
			failed := 0
			for n := 0; ; n++ {
				injected := failNth(db, n)
				_, _, err := signIn(t, s, "bob", password)
				db.SetHook(nil)
				if !injected() {
					if !errors.Is(err, want) {
						t.Errorf("%q without a failure: %v; want %v", password, err, want)
					}
					break
				}
				failed++
				if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, account.ErrWrongPassword) {
					t.Errorf("%q with statement %d failing: %v; want ErrUnavailable", password, n, err)
				}
			}
			if failed < map[bool]int{true: 5, false: 2}[want == nil] { // find, count; begin, record, settle, commit
				t.Errorf("%q: only %d statements were made to fail", password, failed)
			}
		}
	})
}

// failNth makes one statement fail; the function tells whether it came to it.
func failNth(db *storage.DB, n int) func() bool {
	var mu sync.Mutex
	seen := 0
	db.SetHook(func(_ context.Context, statement string) error {
		mu.Lock()
		defer mu.Unlock()
		if statement == "ROLLBACK" {
			return nil
		}
		seen++
		if seen == n+1 {
			return storagetest.ErrInjected
		}
		return nil
	})
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen > n
	}
}

// An attempt whose password was not looked at does not count: neither one
// that was sent away by a full queue nor one that gave up waiting.
func TestUnevaluatedAttemptsAreGivenBack(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		storagetest.Clock(db)
		s := open(t, db)
		create(t, s, "bob")
		block := make(chan struct{})
		begun := make(chan struct{}, 1000)
		s.OnHash(func(string) { begun <- struct{}{}; <-block })
		var blocking sync.WaitGroup
		for i := range account.Hashers() {
			blocking.Go(func() {
				_, _, _ = s.Authenticate(context.Background(), account.SignIn{Username: fmt.Sprint("stranger", i), Password: "x", IP: "192.0.2.1"})
			})
		}
		for range account.Hashers() {
			<-begun
		}
		for range 3 * account.AccountFree {
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() {
				_, _, err := s.Authenticate(ctx, account.SignIn{Username: "bob", Password: "wrong", IP: "192.0.2.1"})
				result <- err
			}()
			for s.Waiting() == 0 {
				time.Sleep(time.Millisecond) // until it was counted and waits
			}
			cancel()
			err := <-result
			if !errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrUnavailable) {
				t.Fatalf("gave up waiting: %v; want Canceled", err)
			}
		}
		close(block)
		blocking.Wait()
		s.OnHash(func(string) {})
		for range account.AccountFree {
			if _, _, err := signIn(t, s, "bob", "wrong"); !errors.Is(err, account.ErrWrongPassword) {
				t.Fatalf("afterwards: %v; want ErrWrongPassword", err)
			}
		}
	})
}

// LG-14: a flood of sign-ins is sent away at once, and what was sent away is
// not held against anyone.
func TestFloodIsSentAway(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	bob := create(t, s, "bob")
	_, device, err := signIn(t, s, "bob", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	block := make(chan struct{})
	s.OnHash(func(string) { <-block })
	n := account.HashQueue + account.Hashers() + 10
	results := make(chan error, n)
	for i := range n {
		go func() {
			_, _, err := s.Authenticate(context.Background(), account.SignIn{Username: fmt.Sprint("stranger", i), Password: "x", IP: fmt.Sprintf("10.0.%d.1", i)})
			results <- err
		}()
	}
	for range n - account.HashQueue - account.Hashers() {
		if err := <-results; !errors.Is(err, account.ErrBusy) {
			t.Errorf("in the flood: %v; want ErrBusy", err)
		}
	}
	close(block)
	for range account.HashQueue + account.Hashers() {
		if err := <-results; !errors.Is(err, account.ErrWrongPassword) {
			t.Errorf("in the queue: %v; want ErrWrongPassword", err)
		}
	}
	a, again, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: goodPassword, Device: device})
	if err != nil || a.ID != bob.ID || again == "" {
		t.Errorf("after the flood: %v", err)
	}
}

// A sign-in that is sent away has asked the database nothing: a flood leaves it
// to everybody else.
func TestWhoIsSentAwayCostsNoStatement(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	block := make(chan struct{})
	s.OnHash(func(string) { <-block })
	n := account.HashQueue + account.Hashers()
	var flood sync.WaitGroup
	for i := range n {
		flood.Go(func() {
			_, _, _ = s.Authenticate(context.Background(), account.SignIn{Username: fmt.Sprint("stranger", i), Password: "x", IP: fmt.Sprintf("10.0.%d.1", i)})
		})
	}
	for s.Waiting() < account.HashQueue {
		time.Sleep(time.Millisecond) // until all have been counted and wait
	}
	counter := storagetest.CountStatements(db)
	if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "bob", Password: "x", IP: "10.1.0.1"}); !errors.Is(err, account.ErrBusy) {
		t.Errorf("behind a full queue: %v; want ErrBusy", err)
	}
	if asked := counter.Statements(); len(asked) != 0 {
		t.Errorf("who was sent away cost %q; want nothing", asked)
	}
	close(block)
	flood.Wait()
}

// Who waits for the database to keep a sign-in takes no place from those who
// wait for a hash.
func TestPlaceIsGivenBackBeforeTheSignInIsKept(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "bob")
		var places []int
		db.SetHook(func(_ context.Context, statement string) error {
			if strings.HasPrefix(statement, "UPDATE accounts SET last_sign_in_at") {
				places = append(places, s.Places())
			}
			return nil
		})
		if _, _, err := signIn(t, s, "bob", goodPassword); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(places, []int{0}) {
			t.Errorf("places held while the sign-in is kept: %d; want 0, once", places)
		}
	})
}

// Many right passwords at once all get in, one by one or together.
func TestSignInsRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		create(t, s, "bob")
		_, device, err := signIn(t, s, "bob", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		errs := together(account.AccountFree, func(int) error {
			_, _, err := s.Authenticate(context.Background(), account.SignIn{Username: "bob", Password: goodPassword, Device: device})
			return err
		})
		if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			t.Errorf("in parallel: %v", errs)
		}
	})
}
