package grant

import (
	"crypto/rand"
	"strings"
)

// userAlphabet are the letters of user codes: no vowels, so that they spell
// nothing, and none that looks like another (RFC 8628, section 6.1).
const userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

// userCodeLen is how many letters a user code has: 34 bits.
const userCodeLen = 8

// NewUserCode makes a user code.
func NewUserCode() string {
	code := make([]byte, 0, userCodeLen)
	var random [1]byte
	for len(code) < userCodeLen {
		_, _ = rand.Read(random[:]) // never fails
		// Of the bytes above the last multiple of 20 some letters would have more.
		if n := int(random[0]); n < 256/len(userAlphabet)*len(userAlphabet) {
			code = append(code, userAlphabet[n%len(userAlphabet)])
		}
	}
	return string(code)
}

// ReadUserCode returns the user code that somebody typed: in lower case, with
// dashes or with spaces, as people do. It is false for what no user code is.
func ReadUserCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("-_. \t\u00a0\u2010\u2011\u2012\u2013\u2014", r):
			return -1
		case 'a' <= r && r <= 'z': // ASCII alone: other scripts have letters that look like these
			return r - 'a' + 'A'
		default:
			return r
		}
	}, typed)
	if len(code) != userCodeLen || strings.Trim(code, userAlphabet) != "" {
		return "", false
	}
	return code, true
}

// ShowUserCode writes a user code as people read it best: XXXX-XXXX.
func ShowUserCode(code string) string {
	if len(code) != userCodeLen {
		return ""
	}
	return code[:userCodeLen/2] + "-" + code[userCodeLen/2:]
}
