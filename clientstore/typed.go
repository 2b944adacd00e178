package clientstore

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"countersign/storage"
)

// ErrBusy reports that too many typed secrets are being checked at once. It is
// a [storage.ErrUnavailable] to who asks: doors answer both alike.
var ErrBusy error = busyError{}

type busyError struct{}

func (busyError) Error() string { return "too many client secrets are being checked at once" }

func (busyError) Is(target error) bool { return target == storage.ErrUnavailable }

// The cost of argon2id: the floor of the OWASP Password Storage Cheat Sheet,
// because a client's secret is checked far more often than a password.
const (
	argonMemory  = 19 * 1024 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonHash    = 32 // bytes
	// argonMaxMemory and argonMaxPasses bound what a kept secret may ask for.
	argonMaxMemory = 256 * 1024
	argonMaxPasses = 16
)

const (
	maxMemo    = 10_000
	maxWaiting = 50
)

// typedSecrets checks secrets that people typed. A client presents its secret
// with every request and argon2id is slow on purpose, so that what was
// verified is remembered until the process ends: as a keyed hash of secret and
// record, under a key that nobody else has, and never for what was wrong.
type typedSecrets struct {
	key     []byte
	slots   chan struct{}
	waiting atomic.Int64

	mu   sync.Mutex
	memo map[[sha256.Size]byte]struct{}
}

func newTypedSecrets() *typedSecrets {
	t := &typedSecrets{
		key:   make([]byte, sha256.Size),
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		memo:  map[[sha256.Size]byte]struct{}{},
	}
	_, _ = rand.Read(t.key) // never fails
	return t
}

// hash returns the secret as it is kept, in the PHC string format.
func (t *typedSecrets) hash(ctx context.Context, secret string) ([]byte, error) {
	if err := t.enter(ctx); err != nil {
		return nil, err
	}
	defer t.leave()
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(secret), salt, argonPasses, argonMemory, argonThreads, argonHash)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Appendf(nil, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemory, argonPasses, argonThreads, encode(salt), encode(sum)), nil
}

// verify reports whether the presented secret is the kept one.
func (t *typedSecrets) verify(ctx context.Context, kept Secret, presented string) (bool, error) {
	entry := t.entry(kept, presented)
	if t.remembers(entry) {
		return true, nil
	}
	parsed, err := parsePHC(string(kept.Value))
	if err != nil {
		return false, fmt.Errorf("%s: %w", kept, err)
	}
	if err := t.enter(ctx); err != nil {
		return false, err
	}
	defer t.leave()
	if t.remembers(entry) { // one who came in first did the work
		return true, nil
	}
	sum := argon2.IDKey([]byte(presented), parsed.salt, parsed.passes, parsed.memory, parsed.threads, uint32(len(parsed.sum))) //nolint:gosec // a few dozen bytes
	if subtle.ConstantTimeCompare(sum, parsed.sum) != 1 {
		return false, nil
	}
	t.remember(entry)
	return true, nil
}

// entry is what is remembered of a verified secret. It depends on the kept
// value too, so that a replaced record is verified anew.
func (t *typedSecrets) entry(kept Secret, presented string) [sha256.Size]byte {
	h := hmac.New(sha256.New, t.key)
	for _, part := range [][]byte{[]byte(kept.ID), kept.Value, []byte(presented)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		_, _ = h.Write(size[:]) // never fails
		_, _ = h.Write(part)    // never fails
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (t *typedSecrets) remembers(entry [sha256.Size]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.memo[entry]
	return ok
}

// remember keeps the entry, in the place of any other when there are many.
func (t *typedSecrets) remember(entry [sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for old := range t.memo {
		if len(t.memo) < maxMemo {
			break
		}
		delete(t.memo, old)
	}
	t.memo[entry] = struct{}{}
}

// enter waits for one of few places, so that a storm of guesses takes neither
// all processors nor all memory. Who finds a long queue is sent away.
func (t *typedSecrets) enter(ctx context.Context) error {
	if t.waiting.Add(1) > maxWaiting+int64(cap(t.slots)) {
		t.waiting.Add(-1)
		return ErrBusy
	}
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.waiting.Add(-1)
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
}

func (t *typedSecrets) leave() {
	<-t.slots
	t.waiting.Add(-1)
}

// phc is a hash in the PHC string format.
type phc struct {
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

var errPHC = errors.New("is not kept in a form that this program knows")

func parsePHC(s string) (phc, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != string(Argon2id) {
		return phc{}, errPHC
	}
	var p phc
	var version int
	_, err := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &p.memory, &p.passes, &p.threads)
	if err != nil || version != argon2.Version {
		return phc{}, errPHC
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(fields[4]); err != nil {
		return phc{}, errPHC
	}
	if p.sum, err = base64.RawStdEncoding.DecodeString(fields[5]); err != nil || !p.sane() {
		return phc{}, errPHC
	}
	return p, nil
}

func (p phc) sane() bool {
	return p.memory > 0 && p.memory <= argonMaxMemory && p.passes > 0 && p.passes <= argonMaxPasses && p.threads > 0 &&
		len(p.salt) >= argonSalt && len(p.sum) == argonHash
}
