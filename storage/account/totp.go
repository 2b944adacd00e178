package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 and the applications that make the codes; HMAC does not rest on collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"
)

// What authenticator applications take for granted (RFC 6238, sections 4.1 and
// 5.2; RFC 4226, section 5.3).
const (
	totpPeriod = 30 * time.Second
	totpDigits = 6
	totpModulo = 1_000_000
	totpSecret = 20 // bytes, as many as SHA-1 has
	// totpDrift is how many steps a clock may be off, either way.
	totpDrift = 1
)

// NewTOTPSecret makes a secret for an authenticator application.
func NewTOTPSecret() []byte {
	secret := make([]byte, totpSecret)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// TOTPKey writes a secret as people type it and applications read it: base32
// without padding.
func TOTPKey(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// totpStep is the time step of a moment.
func totpStep(at time.Time) int64 { return at.Unix() / int64(totpPeriod/time.Second) }

// totpCode is the code of a time step (RFC 4226, section 5.3).
func totpCode(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step)) //nolint:gosec // time does not run before 1970
	h := hmac.New(sha1.New, secret)
	_, _ = h.Write(counter[:]) // never fails
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:offset+4]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%totpModulo)
}

// matchTOTP returns the time step that the code is of: now, or as many steps
// before or after as a clock may be off.
func matchTOTP(secret []byte, code string, now time.Time) (step int64, ok bool) {
	current := totpStep(now)
	for s := current - totpDrift; s <= current+totpDrift; s++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}
