package page

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MaxText is how much of a text that a stranger wrote a page shows.
const MaxText = 100

// Plain makes a text that a stranger wrote fit to be shown: one line, without
// the characters that reorder or hide others, not longer than [MaxText]. The
// templates escape it besides.
func Plain(s string) string {
	var b strings.Builder
	count, gap := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			gap = b.Len() > 0
			continue
		case !unicode.IsGraphic(r) || r == unicode.ReplacementChar:
			continue // bidirectional controls, zero-width characters, bytes that are no text
		case count == MaxText:
			return b.String() + "…"
		case gap:
			b.WriteByte(' ')
			gap = false
			count++
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// Duration says a duration in words, rounded up to what people count in.
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= time.Minute:
		return count(d, time.Second, "second")
	case d < 2*time.Hour:
		return count(d, time.Minute, "minute")
	case d < 2*day:
		return count(d, time.Hour, "hour")
	default:
		return count(d, day, "day")
	}
}

func count(d, unit time.Duration, name string) string {
	n := max(1, int64((d+unit-1)/unit))
	if n == 1 {
		return "1 " + name
	}
	return strconv.FormatInt(n, 10) + " " + name + "s"
}
