package seal

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Kind says what an opaque token is for. It is part of the token, so that one
// kind can never be taken for another and a leaked one is found by scanners.
type Kind string

// The kinds of opaque token.
const (
	AccessToken       Kind = "at"
	RefreshToken      Kind = "rt"
	AuthorizationCode Kind = "ac"
	DeviceCode        Kind = "dc"
	ClientSecret      Kind = "cs"
	SessionCookie     Kind = "sid"
	BrowserCookie     Kind = "bid"
	SetupToken        Kind = "otp"
	RegistrationToken Kind = "rat" // of a client that registered itself
	InitialToken      Kind = "iat" // lets clients register
	APIKey            Kind = "ak"  // of an administrator's program
	TemporaryToken    Kind = "o1r" // of OAuth 1.0a: a request that waits
	TokenCredential   Kind = "o1a" // of OAuth 1.0a: access
	CredentialSecret  Kind = "o1s" // of OAuth 1.0a: the secret of either
	Verifier          Kind = "o1v" // of OAuth 1.0a: shows that the resource owner allowed it
	FormToken         Kind = "frm" // of a form that does what it does once
	ApprovalLink      Kind = "apl" // leads an administrator to what waits
)

const (
	prefix    = "cs_"
	tokenSize = 32 // bytes of entropy
	bodyLen   = 43 // base62 digits of 32 bytes
	sumLen    = 6  // base62 digits of a CRC-32
)

// digits are those of base62, in the order of their values.
const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// NewToken returns a new token: cs_KIND_ and 256 random bits and a checksum,
// both in base62.
func NewToken(kind Kind) string {
	var random [tokenSize]byte
	_, _ = rand.Read(random[:]) // never fails
	return format(kind, random)
}

func format(kind Kind, random [tokenSize]byte) string {
	token := make([]byte, 0, len(prefix)+len(kind)+1+bodyLen+sumLen)
	token = append(token, prefix...)
	token = append(token, kind...)
	token = append(token, '_')
	token = appendBody(token, random)
	sum := checksum(string(token))
	return string(append(token, sum[:]...))
}

// WellFormed reports whether s has the shape and checksum of a token of this
// kind. It needs no database: what it refuses was never issued.
func WellFormed(kind Kind, s string) bool {
	head := len(prefix) + len(kind) + 1
	if len(s) != head+bodyLen+sumLen ||
		s[:len(prefix)] != prefix || s[len(prefix):head-1] != string(kind) || s[head-1] != '_' {
		return false
	}
	for _, c := range []byte(s[head:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	sum := checksum(s[:head+bodyLen])
	return string(sum[:]) == s[head+bodyLen:]
}

// chunk is how many digits one division of the number yields: 62 to this power
// is the greatest that fits a word.
const chunk = 10

const chunkValue = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62

// appendBody appends the number in base62, padded to its full width.
func appendBody(b []byte, number [tokenSize]byte) []byte {
	var words [tokenSize / 8]uint64
	for i := range words {
		words[i] = binary.BigEndian.Uint64(number[8*i:])
	}
	var out [bodyLen]byte
	for end := bodyLen; end > 0; end -= chunk {
		var rest uint64
		for i := range words {
			words[i], rest = bits.Div64(rest, words[i], chunkValue)
		}
		write(out[max(0, end-chunk):end], rest)
	}
	return append(b, out[:]...)
}

// write fills out with the last digits of n.
func write(out []byte, n uint64) {
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[n%62]
		n /= 62
	}
}

var table = crc32.MakeTable(crc32.IEEE)

// checksum returns the CRC-32 of s. It is computed byte by byte because a
// token is too short for the library's ways to pay.
func checksum(s string) (sum [sumLen]byte) {
	crc := ^uint32(0)
	for i := range len(s) {
		crc = table[byte(crc&0xff)^s[i]] ^ crc>>8
	}
	write(sum[:], uint64(^crc))
	return sum
}
