package seal

import (
	"bytes"
	"testing"
)

// What was sealed opens at its own place and nowhere else, under its own key,
// and not at all once any of it was changed.
func FuzzOpen(f *testing.F) {
	keys, others := testKeys(f), testKeys(f)
	f.Add([]byte("secret"), "clients.secret/c1", uint(0), byte(1), "clients.secret/c2")
	f.Add([]byte{}, "", uint(1<<20), byte(0), "")
	f.Fuzz(func(t *testing.T, plaintext []byte, place string, at uint, flip byte, elsewhere string) {
		sealed := keys.Seal(plaintext, place)
		if opened, err := keys.Open(sealed, place); err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("Open() = %q, %v; want %q", opened, err, plaintext)
		}
		if _, err := others.Open(sealed, place); err == nil {
			t.Fatal("another key opens it")
		}
		if _, err := keys.Open(sealed, elsewhere); err == nil && elsewhere != place {
			t.Fatalf("what was sealed for %q opens at %q", place, elsewhere)
		}
		if _, err := keys.Open(sealed[:at%uint(len(sealed))], place); err == nil {
			t.Fatal("a part of it opens")
		}
		sealed[at%uint(len(sealed))] ^= flip
		if _, err := keys.Open(sealed, place); err == nil && flip != 0 {
			t.Fatalf("it opens with byte %d changed", at%uint(len(sealed)))
		}
	})
}

// Nothing that we did not seal opens.
func FuzzOpenAnything(f *testing.F) {
	keys := testKeys(f)
	f.Add([]byte{}, "")
	f.Add(make([]byte, 40), "x")
	f.Fuzz(func(t *testing.T, sealed []byte, place string) {
		if opened, err := keys.Open(sealed, place); err == nil {
			t.Fatalf("Open(%x) = %q", sealed, opened)
		}
	})
}
