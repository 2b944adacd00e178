package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// RFC 6238, appendix B, with the last six of its eight digits.
func TestTOTPCodes(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := account.TOTPCode(secret, time.Unix(at, 0)); got != want {
			t.Errorf("code at %d is %s; want %s", at, got, want)
		}
	}
	if got := account.TOTPKey(secret); got != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" {
		t.Errorf("key is %s", got)
	}
}

// enrol gives the account an authenticator and returns its secret and the
// recovery codes.
func enrol(t *testing.T, s *account.Store, a *account.Account, at time.Time) (secret []byte, recovery []string) {
	t.Helper()
	secret = account.NewTOTPSecret()
	recovery, err := s.AddTOTP(t.Context(), operator, a, secret, account.TOTPCode(secret, at))
	if err != nil {
		t.Fatal(err)
	}
	return secret, recovery
}

func prove(t *testing.T, s *account.Store, a *account.Account, code string) error {
	t.Helper()
	return s.ProveSecond(t.Context(), account.Second{Account: a, Code: code, By: operator})
}

// LG-21: a code counts once, whoever is quicker, and no earlier one after it.
func TestLG21CodesCountOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada := create(t, s, "ada")
		secret, recovery := enrol(t, s, ada, clock.Now())
		if err := prove(t, s, ada, account.TOTPCode(secret, clock.Now())); !errors.Is(err, account.ErrWrongCode) {
			t.Errorf("LG-21: the code of the enrolment again: %v; want ErrWrongCode", err)
		}
		clock.Advance(2 * time.Minute)
		code := account.TOTPCode(secret, clock.Now())
		errs := together(4, func(int) error { return prove(t, replica(t, db), ada, code) })
		if won := count(errs, nil); won != 1 || count(errs, account.ErrWrongCode) != 3 {
			t.Errorf("LG-21: %v; want one success", errs)
		}
		if err := prove(t, s, ada, account.TOTPCode(secret, clock.Now().Add(-30*time.Second))); !errors.Is(err, account.ErrWrongCode) {
			t.Errorf("LG-21: the code before the last: %v; want ErrWrongCode", err)
		}
		clock.Advance(time.Hour)
		for name, tt := range map[string]struct {
			code string
			want error
		}{
			"two steps late":  {account.TOTPCode(secret, clock.Now().Add(-60*time.Second)), account.ErrWrongCode},
			"two steps early": {account.TOTPCode(secret, clock.Now().Add(60*time.Second)), account.ErrWrongCode},
			"five digits":     {account.TOTPCode(secret, clock.Now())[:5], account.ErrWrongCode},
			"empty":           {"", account.ErrWrongCode},
		} {
			if err := prove(t, s, ada, tt.code); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v; want %v", name, err, tt.want)
			}
		}
		clock.Advance(time.Hour)
		late := account.TOTPCode(secret, clock.Now().Add(-30*time.Second))
		if err := prove(t, s, ada, " "+late[:3]+" "+late[3:]+" "); err != nil {
			t.Errorf("a clock that is half a minute late: %v", err)
		}
		checkRecoveryCodes(t, db, s, ada, recovery)
	})
}

// checkRecoveryCodes uses codes up, LG-21 as well.
func checkRecoveryCodes(t *testing.T, db *storage.DB, s *account.Store, ada *account.Account, recovery []string) {
	t.Helper()
	try := func(code string) error {
		return s.ProveSecond(t.Context(), account.Second{Account: ada, Recovery: code, By: operator})
	}
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes; want 10", len(recovery))
	}
	typed := strings.ToLower(strings.ReplaceAll(recovery[0], "-", " "))
	errs := together(4, func(int) error { return try(typed) })
	if won := count(errs, nil); won != 1 || count(errs, account.ErrWrongCode) != 3 {
		t.Errorf("LG-21: a recovery code: %v; want one success", errs)
	}
	f, err := s.Factors(t.Context(), ada.ID)
	if err != nil || f.RecoveryCodes != 9 || f.TOTP == nil || f.TOTP.UsedAt == nil {
		t.Errorf("Factors() = %+v, %v", f, err)
	}
	again, err := s.NewRecoveryCodes(t.Context(), operator, ada)
	if err != nil || len(again) != 10 {
		t.Fatalf("NewRecoveryCodes() = %v, %v", again, err)
	}
	if err := try(recovery[1]); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("a code that was replaced: %v", err)
	}
	if err := try(again[1]); err != nil {
		t.Errorf("a new code: %v", err)
	}
	var kept string
	if err := db.With(t.Context()).Raw(`SELECT count(*) FROM audit_events WHERE action = 'account.use_recovery_code'`).Scan(&kept).Error; err != nil || kept != "2" {
		t.Errorf("%s uses are recorded, %v; want 2", kept, err)
	}
}

// count is how many of the errors are this one.
func count(errs []error, target error) (n int) {
	for _, err := range errs {
		if target == nil && err == nil || target != nil && errors.Is(err, target) {
			n++
		}
	}
	return n
}

// LG-11: guesses at the second step are delayed like those at the password, and
// an owner's own browser is not locked out by a stranger's.
func TestLG11SecondStepIsThrottled(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada := create(t, s, "ada")
		device := s.KnowDevice("", ada.ID)
		secret, _ := enrol(t, s, ada, clock.Now())
		clock.Advance(time.Minute)
		for range 5 {
			if err := prove(t, s, ada, "000000"); !errors.Is(err, account.ErrWrongCode) {
				t.Fatalf("a guess: %v", err)
			}
		}
		code := account.TOTPCode(secret, clock.Now())
		if _, ok := errors.AsType[*account.ThrottledError](prove(t, s, ada, code)); !ok {
			t.Error("the sixth attempt at once is looked at")
		}
		own := account.Second{Account: ada, Code: code, Device: device, By: operator}
		if err := s.ProveSecond(t.Context(), own); err != nil {
			t.Errorf("LG-09: the owner's own browser: %v", err)
		}
	})
}

// Who had the password before there was a factor may have made many devices
// known: they are held back together.
func TestSecondStepIsThrottledOverDevices(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada := create(t, s, "ada")
		enrol(t, s, ada, clock.Now())
		wrong := 0
		for range 100 {
			err := s.ProveSecond(t.Context(), account.Second{Account: ada, Code: "000000", Device: s.KnowDevice("", ada.ID), By: operator})
			if errors.Is(err, account.ErrWrongCode) {
				wrong++
			}
		}
		if wrong != 50 {
			t.Errorf("%d guesses were looked at; want 50", wrong)
		}
	})
}

func TestFactorsComeAndGo(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada, bob := create(t, s, "ada"), create(t, s, "bob")
		wrong := account.NewTOTPSecret()
		if _, err := s.AddTOTP(t.Context(), operator, ada, wrong, "000000"); !errors.Is(err, account.ErrWrongCode) {
			t.Errorf("AddTOTP() with a wrong code = %v", err)
		}
		_, recovery := enrol(t, s, ada, clock.Now())
		if _, err := s.AddTOTP(t.Context(), operator, ada, wrong, account.TOTPCode(wrong, clock.Now())); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a second authenticator: %v; want ErrConflict", err)
		}
		more, err := s.AddPasskey(t.Context(), operator, ada, account.Passkey{ID: "k1", Name: "Laptop", Credential: "{}"})
		if err != nil || len(recovery) != 10 || len(more) != 0 {
			t.Errorf("recovery codes: %d with the first factor, %d with the second, %v", len(recovery), len(more), err)
		}
		if _, err := s.AddPasskey(t.Context(), operator, bob, account.Passkey{ID: "k1"}); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("another's passkey: %v; want ErrConflict", err)
		}
		if err := s.RemovePasskey(t.Context(), operator, bob, "k1"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("removing another's passkey: %v; want ErrNotFound", err)
		}
		for _, step := range []struct {
			remove func() error
			left   bool
		}{
			{func() error { return s.RemoveTOTP(t.Context(), operator, ada) }, true},
			{func() error { return s.RemovePasskey(t.Context(), operator, ada, "k1") }, false},
		} {
			if err := step.remove(); err != nil {
				t.Fatal(err)
			}
			f, err := s.Factors(t.Context(), ada.ID)
			has, hasErr := s.HasSecondFactor(t.Context(), ada.ID)
			if err = errors.Join(err, hasErr); err != nil || f.Any() != step.left || has != step.left || (f.RecoveryCodes > 0) != step.left {
				t.Errorf("factors %+v, %v, %v; want some left: %v", f, has, err, step.left)
			}
			if err := step.remove(); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("removing twice: %v; want ErrNotFound", err)
			}
		}
		enrol(t, s, ada, clock.Now())
		if err := s.RemoveFactors(t.Context(), operator, ada.ID); err != nil {
			t.Fatal(err)
		}
		if has, err := s.HasSecondFactor(t.Context(), ada.ID); has || err != nil {
			t.Errorf("after RemoveFactors(): %v, %v", has, err)
		}
		if err := s.RemoveFactors(t.Context(), operator, ada.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("RemoveFactors() of none = %v; want ErrNotFound", err)
		}
	})
}

// A counter that does not move on is a copy's (WebAuthn Level 3, 6.1.1).
func TestPasskeyCounters(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		ada := create(t, s, "ada")
		for _, id := range []string{"counts", "does not"} {
			if _, err := s.AddPasskey(t.Context(), operator, ada, account.Passkey{ID: id, Credential: "{}"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			id    string
			count int64
			want  error
		}{
			{"does not", 0, nil},
			{"does not", 0, nil},
			{"counts", 5, nil},
			{"counts", 5, storage.ErrConflict},
			{"counts", 4, storage.ErrConflict},
			{"counts", 0, storage.ErrConflict},
			{"counts", 6, nil},
		} {
			err := s.UsePasskey(t.Context(), &account.Passkey{ID: step.id, SignCount: step.count, Credential: "{}"})
			if !errors.Is(err, step.want) {
				t.Errorf("%s at %d: %v; want %v", step.id, step.count, err, step.want)
			}
		}
	})
}

func TestFirstStep(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		ada := create(t, s, "ada")
		step := s.SealFirstStep(ada)
		if a, err := s.OpenFirstStep(t.Context(), step); err != nil || a.ID != ada.ID {
			t.Fatalf("OpenFirstStep() = %v, %v", a, err)
		}
		flipped := step[:20] + map[bool]string{true: "A", false: "B"}[step[20] != 'A'] + step[21:]
		for name, bad := range map[string]string{"empty": "", "garbage": "x", "tampered with": flipped, "an enrolment": s.SealEnrolment(ada.ID, []byte("secret"))} {
			if _, err := s.OpenFirstStep(t.Context(), bad); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: %v; want ErrNotFound", name, err)
			}
		}
		clock.Advance(11 * time.Minute)
		if _, err := s.OpenFirstStep(t.Context(), step); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("eleven minutes later: %v; want ErrNotFound", err)
		}
		step = s.SealFirstStep(ada)
		if err := s.SetPassword(t.Context(), operator, ada.ID, newPassword); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenFirstStep(t.Context(), step); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("LG-16: under another password: %v; want ErrNotFound", err)
		}
	})
}
