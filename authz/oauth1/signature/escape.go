package signature

import (
	"errors"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// Escape encodes as signatures want it: every byte but the unreserved ones
// (RFC 5849, section 3.6). No escaping of net/url does the same.
func Escape(s string) string {
	clean := 0
	for clean < len(s) && isUnreserved(s[clean]) {
		clean++
	}
	if clean == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:clean])
	for i := clean; i < len(s); i++ {
		if c := s[i]; isUnreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

var errEscape = errors.New("a % is not followed by two hexadecimal digits")

// unescape decodes the header's encoding, in which a plus is a plus.
func unescape(s string) (string, error) {
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for i := first; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errEscape
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", errEscape
		}
		b.WriteByte(byte(high<<4 | low)) //nolint:gosec // both are below 16
		i += 2
	}
	return b.String(), nil
}

// unescapeForm decodes the encoding of queries and forms, in which a plus is a
// space.
func unescapeForm(s string) (string, error) {
	return unescape(strings.ReplaceAll(s, "+", " "))
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
