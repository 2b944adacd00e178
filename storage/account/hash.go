package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-crypt/crypt"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// HashCost is the cost of argon2id. The zero value asks for calibration at the
// first hash: about 100 ms a hash on this machine, never under 19 MiB and two
// passes (OWASP Password Storage Cheat Sheet).
type HashCost struct {
	Memory uint32 // KiB
	Passes uint32
}

const (
	floorMemory  = 19456 // KiB
	floorPasses  = 2
	leastMemory  = 8  // KiB; argon2 has no less for one lane
	mostPasses   = 16 // where calibration stops
	hashDuration = 100 * time.Millisecond

	saltSize, hashSize = 16, 32

	// hashQueue is how many may wait for a hash. Whoever comes after that is
	// sent away at once, so that a flood of sign-ins costs bounded memory and
	// leaves the other endpoints their time.
	hashQueue = 50
)

// hashers is how many passwords are hashed at once: on half the processors, so
// that a flood of sign-ins leaves the other half to who is signed in already.
var hashers = max(1, runtime.GOMAXPROCS(0)/2)

// hasher hashes passwords, as many at once as [hashers] says.
type hasher struct {
	admitted chan struct{} // a sign-in from its beginning, or whoever else hashes
	running  chan struct{}
	waiting  atomic.Int64 // for a processor
	cost     func() HashCost
	match    func(encoded, password string) (bool, error) // tests watch both
	encode   func(c HashCost, password string) (encoded string, err error)
}

func newHasher(cost HashCost) *hasher {
	h := &hasher{
		admitted: make(chan struct{}, hashers+hashQueue),
		running:  make(chan struct{}, hashers),
		cost:     sync.OnceValue(calibrate),
		match:    match,
		encode:   HashCost.hash,
	}
	if cost != (HashCost{}) {
		h.cost = func() HashCost { return cost.complete() }
	}
	return h
}

// complete fills in what was left open and what argon2 cannot go below.
func (c HashCost) complete() HashCost {
	if c.Memory == 0 {
		c.Memory = floorMemory
	}
	if c.Passes == 0 {
		c.Passes = floorPasses
	}
	c.Memory = max(c.Memory, leastMemory)
	return c
}

// calibrate finds the passes that take [hashDuration] on this machine. The
// fastest of three tries is what counts: the others were disturbed.
func calibrate() HashCost {
	best := time.Hour
	for range 3 {
		begin := time.Now() //nolint:forbidigo // measures this machine; a stopped clock would not
		if _, err := (HashCost{floorMemory, floorPasses}).hash("calibration"); err != nil {
			break // the floor it is; the caller's own hash reports the error
		}
		best = min(best, time.Since(begin))
	}
	passes := floorPasses * hashDuration / max(best, time.Millisecond)
	return HashCost{Memory: floorMemory, Passes: uint32(min(max(passes, floorPasses), mostPasses))}
}

func (c HashCost) hash(password string) (string, error) {
	h, err := argon2.New(argon2.WithVariantID(), argon2.WithM(c.Memory), argon2.WithT(int(c.Passes)), argon2.WithP(1),
		argon2.WithS(saltSize), argon2.WithK(hashSize))
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	digest, err := h.Hash(password)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return digest.Encode(), nil
}

// decoy returns what looks like a hash, costs what one costs to check, and
// belongs to no password.
func (c HashCost) decoy() string {
	random := make([]byte, saltSize+hashSize)
	_, _ = rand.Read(random) // never fails
	return fmt.Sprintf(argon2.EncodingFmt, argon2.AlgIdentifierVariantID, 19, c.Memory, c.Passes, 1,
		base64.RawStdEncoding.EncodeToString(random[:saltSize]), base64.RawStdEncoding.EncodeToString(random[saltSize:]))
}

// exceeds reports whether the hash was made with less than c, or by another
// algorithm, and should be made anew when the password is at hand.
func (c HashCost) exceeds(encoded string) bool {
	var was HashCost
	var version, lanes uint32
	_, err := fmt.Sscanf(encoded, "$argon2id$v=%d$m=%d,t=%d,p=%d$", &version, &was.Memory, &was.Passes, &lanes)
	return err != nil || was.Memory < c.Memory || was.Passes < c.Passes
}

// hash hashes a password. [ErrBusy] says that too many others are waiting.
func (h *hasher) hash(ctx context.Context, password string) (encoded string, err error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return h.encode(h.cost(), password)
}

// verify reports whether encoded is the hash of the password, for who has a
// place.
func (h *hasher) verify(ctx context.Context, encoded, password string) (bool, error) {
	leave, err := h.run(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return h.match(encoded, password)
}

// admit takes a place among those who run or wait, or fails with [ErrBusy]. A
// sign-in takes it before it asks the database anything: else those that are
// sent away would take the database from everybody.
func (h *hasher) admit() (leave func(), err error) {
	select {
	case h.admitted <- struct{}{}:
		return func() { <-h.admitted }, nil
	default:
		return nil, ErrBusy
	}
}

// run waits for a processor. Who waits as long as a request may take is sent
// away as one who finds no place is.
func (h *hasher) run(ctx context.Context) (leave func(), err error) {
	h.waiting.Add(1)
	defer h.waiting.Add(-1)
	select {
	case h.running <- struct{}{}:
		goProcessors.lend(hashers)
		return func() { goProcessors.giveBack(); <-h.running }, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("wait for a password to be hashed: %w", context.Cause(ctx))
	}
}

// enter takes a place and waits for a processor.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	depart, err := h.admit()
	if err != nil {
		return nil, err
	}
	stop, err := h.run(ctx)
	if err != nil {
		depart()
		return nil, err
	}
	return func() { stop(); depart() }, nil
}

// Hashing tells how many passwords are being hashed, how many wait for it, and
// how many may be hashed at once.
func (s *Store) Hashing() (running, waiting, capacity int) {
	return len(s.hasher.running), int(s.hasher.waiting.Load()), cap(s.hasher.running)
}

// decoder reads hashes of our own and those that other systems made.
var decoder = sync.OnceValues(func() (*crypt.Decoder, error) {
	d := crypt.NewDecoder()
	for _, register := range []func(*crypt.Decoder) error{
		func(d *crypt.Decoder) error { return argon2.RegisterDecoder(d) },
		func(d *crypt.Decoder) error { return bcrypt.RegisterDecoder(d) },
		func(d *crypt.Decoder) error { return pbkdf2.RegisterDecoder(d) },
		func(d *crypt.Decoder) error { return scrypt.RegisterDecoder(d) },
		func(d *crypt.Decoder) error { return shacrypt.RegisterDecoder(d) },
	} {
		if err := register(d); err != nil {
			return nil, err
		}
	}
	return d, nil
})

// match compares in constant time. The error does not quote the hash.
func match(encoded, password string) (bool, error) {
	d, err := decoder()
	if err != nil {
		return false, fmt.Errorf("read password hash: %w", err)
	}
	digest, err := d.Decode(encoded)
	if err != nil {
		algorithm, _, _ := strings.Cut(strings.TrimPrefix(encoded, "$"), "$")
		return false, fmt.Errorf("password hash of an unknown form (%.16q)", algorithm)
	}
	ok, err := digest.MatchAdvanced(password)
	// What an algorithm cannot take, such as more than 72 bytes for bcrypt,
	// is not the password.
	return ok && err == nil, nil
}
