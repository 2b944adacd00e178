package account_test

import (
	"errors"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// LG-13, LG-22, AD-11: what is refused as a password and what is not.
func TestPasswords(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	long := strings.Repeat("Lorem ipsum, dolor sit amet! 17. ", 40)
	for _, tt := range []struct{ name, password, wantField string }{
		{"four words", goodPassword, ""},
		{"as testers write them", "S3cret-pass-1", ""},
		{"with the username within", "Passw0rd!Ada-2026", ""},
		{"8 characters", "kT7#pq_v", ""},
		{"leading and trailing spaces", "  vexing quartz ", ""},
		{"emoji", "🦊🌋🪁🧵🥝🛰️🎻🧊", ""},
		{"64 bytes", long[:64], ""},
		{"128 bytes", long[:128], ""},
		{"1024 bytes", long[:1024], ""},
		{"1025 bytes", long[:1025], "password"},
		{"empty", "", "password"},
		{"7 characters", "kT7#pq_", "password"},
		{"two emoji of eight bytes", "🦊🌋", "password"},
		{"NUL", "kT7#pq_v\x00kT7#pq_v", "password"},
		{"invalid UTF-8", "kT7#pq_v\xff", "password"},
		{"common", "password", "password"},
		{"common, decorated", "Password123!", "password"},
		{"common, disguised", "p@ssw0rd", "password"},
		{"a walk on the keyboard", "qwertyuiop", "password"},
		{"digits in order", "1234567890", "password"},
		{"one letter", "aaaaaaaaaaaaaaaa", "password"},
		{"the product", "countersign1", "password"},
		{"the username", "adalovelace", "password"},
		{"the username with a year", "adalovelace99", "password"},
		{"the e-mail address", "countess@x.test", "password"},
		{"the name", "Augusta Ada King", "password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Create(t.Context(), operator, account.Registration{
				Username: "adalovelace", Password: tt.password,
				Claims: account.Claims{Email: "countess@x.test", Name: "Augusta Ada King"},
			})
			if errors.Is(err, storage.ErrConflict) {
				err = nil // the password was accepted here before
			}
			if got := faultyField(t, err); got != tt.wantField {
				t.Errorf("password %q: %v; want a fault in %q", tt.password, err, tt.wantField)
			}
		})
	}
}

// AD-11: administrators need longer passwords, when created and when changed.
func TestAdministratorsPassword(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	r := account.Registration{Username: "root", Password: "kT7#pq_vW!8", Permissions: []account.Permission{account.ConfigureServer}}
	if _, err := s.Create(t.Context(), operator, r); faultyField(t, err) != "password" {
		t.Errorf("11 characters for an administrator: %v; want a fault in password", err)
	}
	r.Password += "x"
	a, err := s.Create(t.Context(), operator, r)
	if err != nil {
		t.Fatalf("12 characters for an administrator: %v", err)
	}
	if err := s.SetPassword(t.Context(), operator, a.ID, "kT7#pq_v"); faultyField(t, err) != "password" {
		t.Errorf("changed to 8 characters: %v; want a fault in password", err)
	}
	for _, p := range []string{"", "admin", "password"} {
		r := account.Registration{Username: "admin", Password: p, Permissions: r.Permissions}
		if _, err := s.Create(t.Context(), operator, r); faultyField(t, err) != "password" {
			t.Errorf("admin with password %q: %v; want a fault in password", p, err)
		}
	}
}

// LG-13: every byte of a password counts, and none is changed.
func TestPasswordIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		prefix := strings.Repeat("vexing quartz, ", 5) // 75 bytes: more than bcrypt reads
		for username, p := range map[string]struct{ right, wrong string }{
			"long":     {prefix + "one", prefix + "two"},
			"spaces":   {"  vexing quartz ", "vexing quartz"},
			"case":     {"Vexing Quartz Owl", "vexing quartz owl"},
			"composed": {"v\u00e9xing quartz owl", "ve\u0301xing quartz owl"},
			"emoji":    {"🦊🌋🪁🧵🥝🛰️🎻🧊", "🦊🌋🪁🧵🥝🛰️🎻"},
		} {
			_, err := s.Create(t.Context(), operator, account.Registration{Username: username, Password: p.right})
			if err != nil {
				t.Fatalf("%s: %v", username, err)
			}
			if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: username, Password: p.wrong}); !errors.Is(err, account.ErrWrongPassword) {
				t.Errorf("%s: %q = %v; want ErrWrongPassword", username, p.wrong, err)
			}
			if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: username, Password: p.right}); err != nil {
				t.Errorf("%s: %q = %v", username, p.right, err)
			}
		}
		for _, impossible := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 4097)} {
			if _, _, err := s.Authenticate(t.Context(), account.SignIn{Username: "long", Password: impossible}); !errors.Is(err, account.ErrWrongPassword) {
				t.Errorf("%.10q = %v; want ErrWrongPassword", impossible, err)
			}
		}
	})
}
