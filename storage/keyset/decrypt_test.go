package keyset_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/storagetest"
)

var everything = keyset.Encryption{
	Algorithms: []string{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"},
	Contents:   []string{"A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"},
}

// recipient is the published key that the algorithm encrypts to.
func recipient(t testing.TB, s *keyset.Store, alg string) jose.JSONWebKey {
	t.Helper()
	set, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, isRSA := strings.CutPrefix(alg, "RSA")
	for _, k := range set.Keys {
		kind := k.KeyID != "" && k.Use == "enc"
		if b, err := k.MarshalJSON(); err == nil && kind && strings.Contains(string(b), `"kty":"RSA"`) == isRSA {
			k.Algorithm = alg
			return k
		}
	}
	t.Fatalf("no key to encrypt to by %s", alg)
	return jose.JSONWebKey{}
}

// encrypt encrypts to the key, by its algorithm.
func encrypt(t testing.TB, to jose.JSONWebKey, enc, plaintext string, o *jose.EncrypterOptions) string {
	t.Helper()
	e, err := jose.NewEncrypter(jose.ContentEncryption(enc), jose.Recipient{Algorithm: jose.KeyAlgorithm(to.Algorithm), Key: to.Key, KeyID: to.KeyID}, o)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDecrypt(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		for _, alg := range everything.Algorithms {
			for _, enc := range everything.Contents {
				key := recipient(t, s, alg)
				for name, kid := range map[string]string{"with kid": key.KeyID, "without": ""} {
					key.KeyID = kid
					jwe := encrypt(t, key, enc, claims, (&jose.EncrypterOptions{}).WithContentType("JWT"))
					got, err := s.Decrypt(t.Context(), jwe, everything)
					if err != nil || string(got) != claims {
						t.Errorf("%s %s %s: %q, %v", alg, enc, name, got, err)
					}
					_, err = s.Decrypt(t.Context(), jwe, keyset.Encryption{Algorithms: []string{alg}, Contents: []string{"other"}})
					if !errors.Is(err, keyset.ErrNotForUs) {
						t.Errorf("%s %s: an enc that may not be used: %v", alg, enc, err)
					}
					_, err = s.Decrypt(t.Context(), jwe, keyset.Encryption{Algorithms: []string{"other"}, Contents: []string{enc}})
					if !errors.Is(err, keyset.ErrNotForUs) {
						t.Errorf("%s %s: an alg that may not be used: %v", alg, enc, err)
					}
				}
			}
		}
		jwe := encrypt(t, recipient(t, s, "ECDH-ES"), "A128GCM", claims, nil)
		unknown := encrypt(t, jose.JSONWebKey{Key: recipient(t, s, "ECDH-ES").Key, KeyID: "x", Algorithm: "ECDH-ES"}, "A128GCM", claims, nil)
		defer storagetest.FailStatements(db, func(string) bool { return true })()
		for name, text := range map[string]string{"known": jwe, "unknown": unknown} {
			cold := keyset.New(db, config(t, db))
			if _, err := cold.Decrypt(t.Context(), text, everything); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s kid, database down: %v", name, err)
			}
		}
	})
}

// An encrypted request that is on its way while the keys change is read, and
// nobody is told to encrypt to a key that is retired.
func TestDecryptAcrossRotation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock, s := storagetest.Clock(db), open(t, db)
		for _, kind := range []string{"RSA-OAEP", "ECDH-ES"} {
			before := recipient(t, s, kind)
			jwe := encrypt(t, before, "A128GCM", claims, nil)
			next, err := s.Rotate(t.Context(), operator, false, kind)
			if err != nil || len(next) != 1 {
				t.Fatalf("%v, %v", next, err)
			}
			kids := func() string {
				set, err := s.Public(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var list []string
				for _, k := range set.Keys {
					if k.KeyID == before.KeyID || k.KeyID == next[0].ID {
						list = append(list, k.KeyID)
					}
				}
				return strings.Join(list, " ")
			}
			if got := kids(); got != next[0].ID+" "+before.KeyID {
				t.Errorf("published: %s", got)
			}
			clock.Advance(publishedBefore)
			if got := kids(); got != next[0].ID {
				t.Errorf("published after the old one retired: %s", got)
			}
			for _, text := range []string{jwe, encrypt(t, recipient(t, s, kind), "A128GCM", claims, nil)} {
				if _, err := s.Decrypt(t.Context(), text, everything); err != nil {
					t.Errorf("%s after rotation: %v", kind, err)
				}
			}
			clock.Advance(keptAfter)
			if _, err := s.Decrypt(t.Context(), jwe, everything); !errors.Is(err, keyset.ErrNotForUs) {
				t.Errorf("%s: a key that is long over still opens: %v", kind, err)
			}
		}
	})
}

// jwe puts a JWE together.
func jwe(header string, parts ...string) string {
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(header))
	for _, p := range parts {
		text += "." + b64.EncodeToString([]byte(p))
	}
	return text
}

// JW-10: what would take work, memory or a panic is refused by its header or
// its sizes; what is forged is refused like it.
func TestDecryptRefuses(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	rsaKey, ecKey, wrapping := recipient(t, s, "RSA-OAEP-256"), recipient(t, s, "ECDH-ES"), recipient(t, s, "ECDH-ES+A128KW")
	rs, ec := rsaKey.KeyID, ecKey.KeyID
	good := encrypt(t, wrapping, "A128GCM", claims, nil)
	goodRSA := encrypt(t, rsaKey, "A128CBC-HS256", claims, nil)
	part := func(text string, n int, with string) string {
		parts := strings.Split(text, ".")
		parts[n] = with
		return strings.Join(parts, ".")
	}
	header := func(text string) string {
		b, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	with := func(text, members string) string {
		return part(text, 0, base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(header(text), "{", "{"+members+",", 1))))
	}
	key256, nonce, tag := strings.Repeat("k", 256), strings.Repeat("n", 12), strings.Repeat("t", 16)
	signing := sign(t, s, "RS256", "")
	for name, text := range map[string]string{
		"PBES2 p2c=2^31":         jwe(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAAAAAAAAA"}`, strings.Repeat("k", 24), nonce, "c", tag),
		"p2c in a good one":      with(goodRSA, `"p2c":2147483648`),
		"zip:DEF":                encrypt(t, ecKey, "A128GCM", strings.Repeat("a", 1<<20), &jose.EncrypterOptions{Compression: jose.DEFLATE}),
		"zip in a good one":      with(goodRSA, `"zip":"DEF"`),
		"crit":                   with(goodRSA, `"crit":["x"],"x":1`),
		"jwk":                    with(goodRSA, `"jwk":{}`),
		"jku":                    with(goodRSA, `"jku":"https://attacker.example"`),
		"kid twice":              with(goodRSA, `"kid":"x"`),
		"RSA1_5":                 jwe(`{"alg":"RSA1_5","enc":"A128GCM","kid":"`+rs+`"}`, key256, nonce, "c", tag),
		"dir":                    jwe(`{"alg":"dir","enc":"A128GCM"}`, "", nonce, "c", tag),
		"A128KW":                 jwe(`{"alg":"A128KW","enc":"A128GCM"}`, strings.Repeat("k", 24), nonce, "c", tag),
		"empty encrypted_key":    part(goodRSA, 1, ""),
		"empty wrapped key":      part(good, 1, ""),
		"AES-KW wrong length":    part(good, 1, base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("k", 23)))),
		"short RSA key":          part(goodRSA, 1, base64.RawURLEncoding.EncodeToString([]byte(key256[1:]))),
		"encrypted_key too many": part(encrypt(t, ecKey, "A128GCM", claims, nil), 1, "AAAA"),
		"short nonce":            part(good, 2, "AAAA"),
		"short tag":              part(good, 4, "AAAA"),
		"no ciphertext":          part(good, 3, ""),
		"half a block":           part(goodRSA, 3, "AAAA"),
		"forged tag":             part(good, 4, base64.RawURLEncoding.EncodeToString([]byte(tag))),
		"forged key":             part(goodRSA, 1, base64.RawURLEncoding.EncodeToString([]byte(key256))),
		"key of another kind":    jwe(`{"alg":"RSA-OAEP","enc":"A128GCM","kid":"`+ec+`"}`, key256, nonce, "c", tag),
		"signing key":            encrypt(t, jose.JSONWebKey{Key: published(t, s, "RS256").Key, KeyID: published(t, s, "RS256").KeyID, Algorithm: "RSA-OAEP"}, "A128GCM", claims, nil),
		"signing key, no kid":    encrypt(t, jose.JSONWebKey{Key: published(t, s, "RS256").Key, Algorithm: "RSA-OAEP"}, "A128GCM", claims, nil),
		"kid of nobody":          jwe(`{"alg":"RSA-OAEP","enc":"A128GCM","kid":"x"}`, key256, nonce, "c", tag),
		"kid a number":           jwe(`{"alg":"RSA-OAEP","enc":"A128GCM","kid":1}`, key256, nonce, "c", tag),
		"kid empty":              jwe(`{"alg":"RSA-OAEP","enc":"A128GCM","kid":""}`, key256, nonce, "c", tag),
		"no epk":                 jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`"}`, "", nonce, "c", tag),
		"epk off its curve": jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`","epk":{"kty":"EC","crv":"P-256",`+
			`"x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}}`, "", nonce, "c", tag),
		"epk of RSA":      jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`","epk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`, "", nonce, "c", tag),
		"epk symmetric":   jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`","epk":{"kty":"oct","k":"AAAA"}}`, "", nonce, "c", tag),
		"epk a list":      jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`","epk":[]}`, "", nonce, "c", tag),
		"epk null":        jwe(`{"alg":"ECDH-ES","enc":"A128GCM","kid":"`+ec+`","epk":null}`, "", nonce, "c", tag),
		"a JWS":           signing,
		"JSON":            `{"protected":"","recipients":[]}`,
		"dots":            strings.Repeat(".", 1<<20),
		"long":            part(goodRSA, 3, strings.Repeat("A", 30<<10)),
		"line break":      part(goodRSA, 4, "AAAA\n"),
		"header no JSON":  jwe(`x`, key256, nonce, "c", tag),
		"header a list":   jwe(`[]`, key256, nonce, "c", tag),
		"header null":     jwe(`null`, key256, nonce, "c", tag),
		"header nested":   jwe(strings.Repeat("[", 5000), key256, nonce, "c", tag),
		"nothing":         "",
		"enc of no known": jwe(`{"alg":"RSA-OAEP","enc":"A192GCM","kid":"`+rs+`"}`, key256, nonce, "c", tag),
	} {
		if got, err := s.Decrypt(t.Context(), text, everything); !errors.Is(err, keyset.ErrNotForUs) || got != nil {
			t.Errorf("%s: %.40q, %v", name, got, err)
		}
	}
	if _, err := s.Decrypt(t.Context(), jwe(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM"}`, "k", nonce, "c", tag),
		keyset.Encryption{Algorithms: []string{"PBES2-HS256+A128KW"}, Contents: []string{"A128GCM"}}); !errors.Is(err, keyset.ErrNotForUs) {
		t.Errorf("an algorithm that there is no key for: %v", err)
	}
}

// FuzzDecrypt holds every text against the keys: it never panics, and opens
// nothing but what was encrypted.
func FuzzDecrypt(f *testing.F) {
	db := storagetest.Open(f)
	keysettest.Seed(f, db)
	s := open(f, db)
	for _, alg := range everything.Algorithms {
		f.Add(encrypt(f, recipient(f, s, alg), "A128CBC-HS256", claims, nil))
	}
	f.Add("....")
	f.Add(jwe(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{}}`, "", "n", "c", "t"))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Decrypt(t.Context(), text, everything)
		if err == nil && string(got) != claims {
			t.Errorf("opened %q to %q", text, got)
		}
		if err != nil && !errors.Is(err, keyset.ErrNotForUs) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
