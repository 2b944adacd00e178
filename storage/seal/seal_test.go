package seal

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"
)

var kinds = []Kind{AccessToken, RefreshToken, AuthorizationCode, ClientSecret, SessionCookie, BrowserCookie, SetupToken}

func testKeys(tb testing.TB) *Keys {
	tb.Helper()
	kek, err := ParseKey(GenerateKey())
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := New(kek)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func TestTokenFormat(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		token := NewToken(kind)
		if !WellFormed(kind, token) {
			t.Errorf("NewToken(%s) = %s, which is not well-formed", kind, token)
		}
		if want := "cs_" + string(kind) + "_"; !strings.HasPrefix(token, want) || len(token) != len(want)+49 {
			t.Errorf("NewToken(%s) = %s; want %s and 49 digits", kind, token, want)
		}
		if token == NewToken(kind) {
			t.Errorf("NewToken(%s) repeats itself", kind)
		}
		for _, other := range kinds {
			if other != kind && WellFormed(other, token) {
				t.Errorf("%s passes for a token of kind %s", token, other)
			}
		}
	}
}

// TestTokenBody holds the arithmetic against another one.
func TestTokenBody(t *testing.T) {
	t.Parallel()
	numbers := [][tokenSize]byte{{}, {31: 1}, {31: 61}, {31: 62}, [tokenSize]byte(bytes.Repeat([]byte{0xff}, tokenSize))}
	for range 100 {
		numbers = append(numbers, [tokenSize]byte([]byte(NewToken(AccessToken))[:tokenSize]))
	}
	for _, n := range numbers {
		want := new(big.Int).SetBytes(n[:]).Text(62)
		want = strings.Repeat("0", bodyLen-len(want)) + want
		token := format(AccessToken, n)
		if got := token[6 : 6+bodyLen]; got != want {
			t.Errorf("body of %x = %s; want %s", n, got, want)
		}
		sum := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(token[:6+bodyLen])))).Text(62)
		if got := token[6+bodyLen:]; got != strings.Repeat("0", sumLen-len(sum))+sum {
			t.Errorf("checksum of %s = %s; want %s", token, got, sum)
		}
	}
}

func TestWellFormedRefusesEveryDamage(t *testing.T) {
	t.Parallel()
	token := NewToken(RefreshToken)
	for i := range len(token) {
		for bit := range 8 {
			damaged := []byte(token)
			damaged[i] ^= 1 << bit
			if WellFormed(RefreshToken, string(damaged)) {
				t.Errorf("with bit %d of byte %d flipped, %q is well-formed", bit, i, damaged)
			}
		}
		for _, c := range digits {
			damaged := token[:i] + string(c) + token[i+1:]
			if damaged != token && WellFormed(RefreshToken, damaged) {
				t.Errorf("with %q at %d, %q is well-formed", c, i, damaged)
			}
		}
	}
	for name, s := range map[string]string{
		"empty": "", "cut": token[:len(token)-1], "longer": token + "0", "space before": " " + token[:len(token)-1],
		"newline after": token[:len(token)-1] + "\n", "other case": strings.ToUpper(token), "a megabyte": strings.Repeat("a", 1<<20),
	} {
		if WellFormed(RefreshToken, s) {
			t.Errorf("%s: well-formed", name)
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	for _, kind := range kinds {
		f.Add(string(kind), NewToken(kind))
	}
	f.Add("at", "cs_at_")
	f.Add("", "cs__")
	f.Fuzz(func(t *testing.T, kind, s string) {
		if !WellFormed(Kind(kind), s) {
			return
		}
		if len(s) != len(prefix)+len(kind)+1+bodyLen+sumLen {
			t.Errorf("%q of kind %q is well-formed with %d bytes", s, kind, len(s))
		}
		body, sum := s[:len(s)-sumLen], s[len(s)-sumLen:]
		if want := checksum(body); string(want[:]) != sum {
			t.Errorf("%q is well-formed with a wrong checksum", s)
		}
	})
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	keys, others := testKeys(t), testKeys(t)
	token := NewToken(RefreshToken)
	next := keys.Successor(token)
	if !WellFormed(RefreshToken, next) {
		t.Errorf("Successor() = %s, which is not well-formed", next)
	}
	if next != keys.Successor(token) {
		t.Error("Successor() differs from one call to the next")
	}
	for name, other := range map[string]string{
		"the token itself": token, "that of another token": keys.Successor(NewToken(RefreshToken)),
		"that under another key": others.Successor(token), "its own successor": keys.Successor(next),
	} {
		if next == other {
			t.Errorf("Successor() is %s", name)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	keys, others := testKeys(t), testKeys(t)
	token := NewToken(AccessToken)
	hash := keys.Hash(token)
	if len(hash) != 32 || !bytes.Equal(hash, keys.Hash(token)) {
		t.Errorf("Hash() = %x; want the same 32 bytes each time", hash)
	}
	for name, other := range map[string][]byte{
		"under another key": others.Hash(token), "of another token": keys.Hash(NewToken(AccessToken)), "of a device": keys.Device(token),
	} {
		if bytes.Equal(hash, other) {
			t.Errorf("Hash() equals that %s", name)
		}
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	keys, others := testKeys(t), testKeys(t)
	secret, place := []byte("a private key"), "signing_keys.private_key/k1"
	sealed := keys.Seal(secret, place)
	if opened, err := keys.Open(sealed, place); err != nil || !bytes.Equal(opened, secret) {
		t.Fatalf("Open() = %q, %v; want what was sealed", opened, err)
	}
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, keys.Seal(secret, place)) {
		t.Error("Seal() shows what it seals")
	}
	if _, err := others.Open(sealed, place); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Open() under another key = %v; want ErrWrongKey", err)
	}
	if _, err := keys.Open(sealed, "signing_keys.private_key/k2"); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Open() for another place = %v; want ErrWrongKey", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 0x80
		if _, err := keys.Open(damaged, place); !errors.Is(err, ErrWrongKey) {
			t.Errorf("Open() with byte %d damaged = %v; want ErrWrongKey", i, err)
		}
	}
	for n := range sealed {
		if _, err := keys.Open(sealed[:n], place); !errors.Is(err, ErrWrongKey) {
			t.Errorf("Open() of %d bytes = %v; want ErrWrongKey", n, err)
		}
	}
}

func TestKeyErrorsDoNotEchoTheKey(t *testing.T) {
	t.Parallel()
	good := GenerateKey()
	for name, s := range map[string]string{
		"empty": "", "short": good[:62], "long": good + "00", "no hexadecimal": "z" + good[1:], "with a newline": good + "\n",
		"zeros": strings.Repeat("0", 64), "one byte repeated": strings.Repeat("a7", 32), "few bytes repeated": strings.Repeat("deadbeef", 8),
	} {
		_, err := ParseKey(s)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if len(s) > 8 && strings.Contains(err.Error(), s[:8]) {
			t.Errorf("%s: %q quotes the key", name, err)
		}
		if !strings.Contains(err.Error(), "openssl rand -hex 32") {
			t.Errorf("%s: %q has no remedy", name, err)
		}
	}
	if _, err := ParseKey(good); err != nil {
		t.Errorf("ParseKey(GenerateKey()) = %v", err)
	}
	if _, err := New(make([]byte, KeySize)); err == nil {
		t.Error("New() takes a key of zeros")
	}
	if _, err := New(nil); err == nil {
		t.Error("New() takes no key")
	}
}

func BenchmarkNewToken(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewToken(AccessToken)
	}
}

func BenchmarkWellFormed(b *testing.B) {
	token := NewToken(AccessToken)
	b.ReportAllocs()
	for b.Loop() {
		WellFormed(AccessToken, token)
	}
}

func BenchmarkHash(b *testing.B) {
	keys, token := testKeys(b), NewToken(AccessToken)
	b.ReportAllocs()
	for b.Loop() {
		keys.Hash(token)
	}
}
