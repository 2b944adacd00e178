package guess

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// The search needs the words sorted, each with a rank, and none longer than what
// is looked for.
func TestWordsAreSorted(t *testing.T) {
	t.Parallel()
	if !strings.HasSuffix(common, "\n") {
		t.Error("the last word has no end")
	}
	before := ""
	for line := range strings.Lines(common) {
		word, at, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.Atoi(at)
		if err != nil || n < 1 || cmp.Compare(before, word) >= 0 || utf8.RuneCountInString(word) > maxWord || strings.ToLower(word) != word {
			t.Fatalf("%q after %q, %v", line, before, err)
		}
		if got := rank(word); got != n {
			t.Fatalf("%q has rank %d; want %d", word, got, n)
		}
		before = word
	}
	for _, word := range []string{"", "\x00", "correcthorse", "zzzzzzzzz", "\U0010ffff"} {
		if got := rank(word); got != 0 {
			t.Errorf("%q has rank %d", word, got)
		}
	}
}

func TestBits(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]float64{
		"":             0,
		"password":     0, // the first that everybody tries
		"PASSWORD":     1,
		"Password":     1,
		"passworD":     1,
		"p@ssw0rd":     0,
		"adalovelace":  1 + 2, // the second and the fourth of who it belongs to
		"zzzzzzzz":     math.Log2(26 * 8),
		"abcdefgh":     3,
		"ghijklmn":     3 + math.Log2(26),
		"GHIJKLMN":     4 + math.Log2(26),
		"87654321":     3 + math.Log2(10) + 1,
		"31071963":     math.Log2(31 * 12 * 140),
		"1985/08/27":   math.Log2(31*12*140) + 2,
		"password2024": math.Log2(140), // and the first word
		"1900":         math.Log2(140),
		"27-8-85":      math.Log2(31*12*100) + 2,
		"ЖЩЫЭЮ":        5 * math.Log2(26),
	} {
		if got := Bits(password, []string{"countersign", "Ada", "x", "Lovelace"}); math.Abs(got-want) > 1e-9 {
			t.Errorf("%q: %.2f bits; want %.2f", password, got, want)
		}
	}
	for _, password := range []string{"qqxjvwkz", "Jq)8wV$k", "correct horse battery staple"} {
		if got := Bits(password, nil); got < 30 {
			t.Errorf("%q: %.2f bits", password, got)
		}
	}
}

// A walk on the keyboard is worth more the longer it is, the oftener it turns and
// with some keys shifted, and much less than its characters.
func TestWalks(t *testing.T) {
	t.Parallel()
	order := []string{"sdfghj", "sdfghjk", "zaqwsxcde", "ZaqwsxcDe"}
	bits := make([]float64, len(order))
	for i, walk := range order {
		bits[i] = newTyped(walk).least(newTyped(walk).walks())
		if plain := newTyped(walk).least(nil); bits[i] > plain*3/4 {
			t.Errorf("%q: %.1f bits of %.1f", walk, bits[i], plain)
		}
	}
	if !slices.IsSorted(bits) {
		t.Errorf("%q: %.1f bits", order, bits)
	}
	if got := newTyped("789632147").walks(); !slices.ContainsFunc(got, func(f pattern) bool { return f.from == 0 && f.to == 9 }) {
		t.Errorf("the keypad: %+v", got)
	}
}

// Whatever is typed, it is worth something, and never more than its characters.
func FuzzBits(f *testing.F) {
	for _, seed := range []string{"P@ssw0rd!", "1985/08/27", "\xff\x00", "1|7!", "qwertyuiop", "İstanbul"} {
		f.Add(seed, "ada")
	}
	f.Fuzz(func(t *testing.T, password, word string) {
		if len(password) > 64 {
			return
		}
		got, most := Bits(password, []string{word}), newTyped(password).least(nil)
		if math.IsNaN(got) || got < 0 || got > most+1e-9 {
			t.Errorf("%q: %f bits of %f", password, got, most)
		}
	})
}
