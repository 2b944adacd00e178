package clientstore

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"countersign/storage"
)

func keptTyped(t *testing.T, typed *typedSecrets, secret string) Secret {
	t.Helper()
	value, err := typed.hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return Secret{ID: "one", Algorithm: Argon2id, Value: value}
}

// The memo spares what was verified the slow hash, and nothing else.
func TestVerifiedSecretsAreRemembered(t *testing.T) {
	t.Parallel()
	typed := newTypedSecrets()
	kept := keptTyped(t, typed, "right secret")
	for range 3 {
		if ok, err := typed.verify(t.Context(), kept, "wrong secret"); ok || err != nil {
			t.Fatalf("wrong secret: %v, %v", ok, err)
		}
	}
	if len(typed.memo) != 0 {
		t.Fatalf("%d failures are remembered", len(typed.memo))
	}
	if ok, err := typed.verify(t.Context(), kept, "right secret"); !ok || err != nil || len(typed.memo) != 1 {
		t.Fatalf("right secret: %v, %v, %d remembered", ok, err, len(typed.memo))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range cap(typed.slots) { // nobody else gets in: only the memo can answer
		typed.slots <- struct{}{}
	}
	if ok, err := typed.verify(ended, kept, "right secret"); !ok || err != nil {
		t.Errorf("remembered secret: %v, %v", ok, err)
	}
	for name, other := range map[string]Secret{
		"another secret of the client": {ID: "two", Algorithm: Argon2id, Value: kept.Value},
		"another value":                {ID: "one", Algorithm: Argon2id, Value: append([]byte(nil), kept.Value[:len(kept.Value)-1]...)},
	} {
		if ok, _ := typed.verify(ended, other, "right secret"); ok {
			t.Errorf("%s is taken for the remembered one", name)
		}
	}
	if ok, err := typed.verify(ended, kept, "wrong secret"); ok || !errors.Is(err, ErrBusy) {
		t.Errorf("wrong secret without a free place: %v, %v; want busy", ok, err)
	}
}

func TestMemoIsBounded(t *testing.T) {
	t.Parallel()
	typed := newTypedSecrets()
	var last [32]byte
	for i := range uint64(maxMemo + 100) {
		binary.BigEndian.PutUint64(last[:], i)
		typed.remember(last)
	}
	if len(typed.memo) != maxMemo || !typed.remembers(last) {
		t.Errorf("%d remembered, the last one: %v; want %d, true", len(typed.memo), typed.remembers(last), maxMemo)
	}
}

// CA-11: a storm of guesses waits or is sent away, and leaves nothing behind.
func TestGuessesWaitTheirTurn(t *testing.T) {
	t.Parallel()
	typed := newTypedSecrets()
	kept := keptTyped(t, typed, "right secret")
	for range cap(typed.slots) {
		if err := typed.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 * maxWaiting {
		wg.Go(func() {
			if _, err := typed.verify(ctx, kept, "wrong secret"); !errors.Is(err, ErrBusy) || !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("got %v; want busy, which is unavailable", err)
			}
		})
	}
	cancel()
	wg.Wait()
	for range cap(typed.slots) {
		typed.leave()
	}
	if n := typed.waiting.Load(); n != 0 {
		t.Errorf("%d are still counted", n)
	}
	if ok, err := typed.verify(t.Context(), kept, "right secret"); !ok || err != nil {
		t.Errorf("after the storm: %v, %v", ok, err)
	}
}
