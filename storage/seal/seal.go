// Package seal is what keeps secrets secret at rest: the key-encryption key
// and what is derived from it, the format of opaque tokens, their keyed hashes,
// and sealing of the few secrets that must be read again. Every store may use
// it; it knows no records.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// KeySize is the size of the key-encryption key in bytes.
const KeySize = 32

// ErrWrongKey reports a sealed value that does not open: it was sealed with
// another key-encryption key, for another place, or was tampered with.
var ErrWrongKey = errors.New("sealed value does not open with this key-encryption key")

// Keys are derived from the key-encryption key, one for each purpose, so that
// what one of them protects says nothing of the others.
type Keys struct {
	hash      macs
	successor macs
	device    macs
	sealing   cipher.AEAD
}

// macs makes message authentication codes under one key. To begin one takes
// longer than to make it, so that they are used again.
type macs struct {
	key  []byte
	idle sync.Pool // of hash.Hash
}

func (m *macs) of(value string) []byte {
	h, ok := m.idle.Get().(hash.Hash)
	if !ok {
		h = hmac.New(sha256.New, m.key)
	}
	defer m.idle.Put(h)
	h.Reset()
	_, _ = io.WriteString(h, value) // never fails
	return h.Sum(nil)
}

// New derives the keys from the key-encryption key, which is 32 random bytes.
func New(kek []byte) (*Keys, error) {
	if err := checkKey(kek); err != nil {
		return nil, err
	}
	k := &Keys{}
	var sealing []byte
	for purpose, key := range map[string]*[]byte{
		"token hash": &k.hash.key, "refresh successor": &k.successor.key, "device cookie": &k.device.key, "sealing": &sealing,
	} {
		derived, err := hkdf.Key(sha256.New, kek, nil, "countersign/1 "+purpose, KeySize)
		if err != nil {
			return nil, fmt.Errorf("derive the %s key: %w", purpose, err)
		}
		*key = derived
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	k.sealing, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

func checkKey(kek []byte) error {
	if len(kek) != KeySize {
		return fmt.Errorf("key-encryption key has %d bytes; it needs %d random ones, as 64 hexadecimal digits", len(kek), KeySize)
	}
	seen := map[byte]bool{}
	for _, b := range kek {
		seen[b] = true
	}
	if len(seen) < KeySize/4 {
		return errors.New("key-encryption key is not random: it repeats few bytes; make one with `openssl rand -hex 32`")
	}
	return nil
}

// GenerateKey makes a key-encryption key and returns it as [ParseKey] reads it.
func GenerateKey() string {
	kek := make([]byte, KeySize)
	_, _ = rand.Read(kek) // never fails
	return hex.EncodeToString(kek)
}

// ParseKey reads a key-encryption key of 64 hexadecimal digits. The error does
// not quote it.
func ParseKey(s string) ([]byte, error) {
	kek, err := hex.DecodeString(s)
	if err != nil || len(kek) != KeySize {
		return nil, fmt.Errorf("key-encryption key must be %d hexadecimal digits; make one with `openssl rand -hex 32`", 2*KeySize)
	}
	return kek, checkKey(kek)
}

// Hash returns the keyed hash under which a secret of high entropy is kept and
// looked up: HMAC-SHA-256, 32 bytes.
func (k *Keys) Hash(secret string) []byte { return k.hash.of(secret) }

// Device authenticates a value that is kept in a browser's device cookie.
func (k *Keys) Device(value string) []byte { return k.device.of(value) }

// Successor returns the refresh token that replaces token. It is the same one
// however often it is asked for and on whichever replica, so that an answer
// that was lost can be given again though only hashes are kept.
func (k *Keys) Successor(token string) string {
	return format(RefreshToken, [tokenSize]byte(k.successor.of(token)))
}

// Seal encrypts a secret that has to be read again. The place, such as
// "signing_keys.private_key/KID", is bound to it: a sealed value moved to
// another row or column does not open.
func (k *Keys) Seal(plaintext []byte, place string) []byte {
	return k.sealing.Seal([]byte{1}, nil, plaintext, []byte(place)) //nolint:gosec // the 1 is the format; the nonce is random and the cipher's own
}

// Open returns what was sealed for the place, or [ErrWrongKey].
func (k *Keys) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != 1 {
		return nil, ErrWrongKey
	}
	plaintext, err := k.sealing.Open(nil, nil, sealed[1:], []byte(place))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plaintext, nil
}
