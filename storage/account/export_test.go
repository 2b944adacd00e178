package account

import "time"

// OnHash has f called with each hash that a password is about to be compared
// with. Set it before the store is used.
func (s *Store) OnHash(f func(encoded string)) {
	s.hasher.match = func(encoded, password string) (bool, error) {
		f(encoded)
		return match(encoded, password)
	}
}

// OnNewHash has f called before each hash that is made. Set it before the store
// is used.
func (s *Store) OnNewHash(f func()) {
	s.hasher.encode = func(c HashCost, password string) (string, error) {
		f()
		return c.hash(password)
	}
}

// Waiting is how many wait for a processor to hash on.
func (s *Store) Waiting() int { return int(s.hasher.waiting.Load()) }

// Places is how many have a place among those who run or wait for a hash.
func (s *Store) Places() int { return len(s.hasher.admitted) }

// What the tests hold the store against.
const (
	AccountFree = accountFree
	AddressFree = addressFree
	HashQueue   = hashQueue
	MaxDelay    = maxDelay
	SignUpFree  = signUpFree
)

// Hashers is how many passwords are hashed at once.
func Hashers() int { return hashers }

// TOTPCode is the code of a moment.
func TOTPCode(secret []byte, at time.Time) string { return totpCode(secret, totpStep(at)) }
