package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCalibration(t *testing.T) {
	t.Parallel()
	cost := newHasher(HashCost{}).cost()
	if cost.Memory < 19456 || cost.Passes < 2 || cost.Passes > mostPasses {
		t.Errorf("calibrated to %+v; want 19456 KiB and 2 passes at least", cost)
	}
}

func TestCostIsUsedAsGiven(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given HashCost
		want  string
	}{
		{HashCost{Memory: 8, Passes: 1}, "m=8,t=1,p=1"},
		{HashCost{Memory: 64, Passes: 3}, "m=64,t=3,p=1"},
		{HashCost{Memory: 16}, "m=16,t=2,p=1"},
		{HashCost{Passes: 1}, "m=19456,t=1,p=1"},
		{HashCost{Memory: 1, Passes: 1}, "m=8,t=1,p=1"},
	} {
		encoded, err := newHasher(tt.given).hash(t.Context(), "password")
		if err != nil || !strings.Contains(encoded, "$"+tt.want+"$") {
			t.Errorf("%+v made %q, %v; want %s", tt.given, encoded, err, tt.want)
		}
	}
}

func TestDecoyCostsWhatAHashCosts(t *testing.T) {
	t.Parallel()
	cost := HashCost{Memory: 24, Passes: 3}
	encoded, err := cost.hash("password")
	if err != nil {
		t.Fatal(err)
	}
	decoy := cost.decoy()
	shape := func(s string) string {
		part := strings.Split(s, "$")
		return fmt.Sprint(part[:4], len(part[4]), len(part[5]))
	}
	if shape(decoy) != shape(encoded) {
		t.Errorf("decoy %q has not the shape of %q", decoy, encoded)
	}
	if ok, err := match(decoy, "password"); ok || err != nil {
		t.Errorf("match(decoy) = %v, %v; want no match and no error", ok, err)
	}
}

func TestExceeds(t *testing.T) {
	t.Parallel()
	cost := HashCost{Memory: 16, Passes: 2}
	for _, tt := range []struct {
		encoded string
		want    bool
	}{
		{"$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaA", false},
		{"$argon2id$v=19$m=32,t=3,p=1$c2FsdHNhbHQ$aGFzaA", false},
		{"$argon2id$v=19$m=8,t=3,p=1$c2FsdHNhbHQ$aGFzaA", true},
		{"$argon2id$v=19$m=16,t=1,p=1$c2FsdHNhbHQ$aGFzaA", true},
		{"$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaA", true},
		{"$2b$12$abcdefghijklmnopqrstuv", true},
	} {
		if got := cost.exceeds(tt.encoded); got != tt.want {
			t.Errorf("exceeds(%s) = %v; want %v", tt.encoded, got, tt.want)
		}
	}
}

// LG-14: as many hashes at once as half the processors, a bounded queue, and everybody
// else is sent away at once.
func TestHashQueueIsBounded(t *testing.T) {
	t.Parallel()
	h := newHasher(HashCost{Memory: 8, Passes: 1})
	var leave []func()
	for range hashers {
		f, err := h.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, f)
	}
	waiting, giveUp := context.WithCancel(t.Context())
	errs := make(chan error, hashQueue)
	for range hashQueue {
		go func() {
			_, err := h.enter(waiting)
			errs <- err
		}()
	}
	for len(h.admitted) < cap(h.admitted) {
		time.Sleep(time.Millisecond) // the queue fills
	}
	if _, err := h.enter(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("behind a full queue: %v; want ErrBusy", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.run(late); !errors.Is(err, ErrBusy) {
		t.Errorf("waited too long: %v; want ErrBusy", err)
	}
	giveUp()
	for range hashQueue {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("gave up waiting: %v; want context.Canceled", err)
		}
	}
	for _, f := range leave {
		f()
	}
	if len(h.admitted) != 0 || len(h.running) != 0 {
		t.Errorf("%d admitted, %d running; want none", len(h.admitted), len(h.running))
	}
	if _, err := h.hash(t.Context(), "password"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Hashes of other systems are understood, so that accounts can be brought
// along.
func TestMatch(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery staple"
	for name, encoded := range map[string]string{
		"argon2i":  "$argon2i$v=19$m=16,t=3,p=1$NLRmBfPvwIqab0+OXkzxNQ$7WTcPvg9IG6VqgOHEllxH3lA4YD2fGcj/fJSe2aW7OQ",
		"bcrypt":   "$2b$04$Lr.GazqLECb0bF1vANBcauMvPbNtaK8ppXm6uhAyruft7GGLxIz0q",
		"pbkdf2":   "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0c2FsdA$31ltvuXrbs8POP2F4tw9851NSNQCQpm0sCwu2eEvId8",
		"scrypt":   "$scrypt$ln=4,r=8,p=1$XXDqRhURc3bDa9X9VgWmgw$1dtr993JA03VHLH/cR6KganDr6l8PPvbnSNrVGLzU1s",
		"shacrypt": "$6$rounds=1000$4I5P0aP6MhmyMDFn$GWmNcT.6YYMvxcmJg0TcfycqNSM.ThKasLDTQNOm8H9VKv6/wncYJdrqdDSDtHSQU88410Q4gM5TfNQ/JHJ2w/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for given, want := range map[string]bool{password: true, "wrong": false, strings.Repeat("x", 1024): false} {
				if got, err := match(encoded, given); got != want || err != nil {
					t.Errorf("match(%.40q) = %v, %v; want %v", given, got, err, want)
				}
			}
		})
	}
}

func TestUnknownHashIsNotQuoted(t *testing.T) {
	t.Parallel()
	_, err := match("$unknown$v=1$c2FsdA$c2VjcmV0", "password")
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("match = %v; want an error without the hash", err)
	}
}
