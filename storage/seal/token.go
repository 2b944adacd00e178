package seal

import (
	"crypto/rand"
	"hash/crc32"
	"math/big"
	"strings"
)

// Kind says what an opaque token is for. It is part of the token, so that one
// kind can never be taken for another and a leaked one is found by scanners.
type Kind string

// The kinds of opaque token.
const (
	AccessToken       Kind = "at"
	RefreshToken      Kind = "rt"
	AuthorizationCode Kind = "ac"
	ClientSecret      Kind = "cs"
	SessionCookie     Kind = "sid"
	BrowserCookie     Kind = "bid"
	SetupToken        Kind = "otp"
)

const (
	prefix    = "cs_"
	tokenSize = 32 // bytes of entropy
	bodyLen   = 43 // base62 digits of 32 bytes
	sumLen    = 6  // base62 digits of a CRC-32
)

// NewToken returns a new token: cs_KIND_ and 256 random bits and a checksum,
// both in base62.
func NewToken(kind Kind) string {
	var random [tokenSize]byte
	_, _ = rand.Read(random[:]) // never fails
	return format(kind, random)
}

func format(kind Kind, random [tokenSize]byte) string {
	token := prefix + string(kind) + "_" + base62(new(big.Int).SetBytes(random[:]), bodyLen)
	return token + checksum(token)
}

// WellFormed reports whether s has the shape and checksum of a token of this
// kind. It needs no database: what it refuses was never issued.
func WellFormed(kind Kind, s string) bool {
	if len(s) != len(prefix)+len(kind)+1+bodyLen+sumLen || !strings.HasPrefix(s, prefix+string(kind)+"_") {
		return false
	}
	body, sum := s[:len(s)-sumLen], s[len(s)-sumLen:]
	return checksum(body) == sum
}

func checksum(s string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), sumLen)
}

func base62(n *big.Int, width int) string {
	b := []byte(n.Text(62)) // 0-9a-zA-Z
	out := make([]byte, width)
	for i := range out {
		out[i] = '0'
	}
	copy(out[width-len(b):], b)
	return string(out)
}
