package page

import (
	"strings"
	"time"
	"unicode"

	"countersign/storage/locale"
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
		case gap:
			b.WriteByte(' ')
			gap = false
			count++
		}
		if count >= MaxText {
			return strings.TrimSuffix(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// Duration says a duration in words, rounded up to what people count in.
func Duration(d time.Duration) locale.Message {
	const day = 24 * time.Hour
	switch {
	case d <= time.Minute:
		return locale.Sprintf("%d seconds", up(d, time.Second))
	case d < 2*time.Hour:
		return locale.Sprintf("%d minutes", up(d, time.Minute))
	case d < 2*day:
		return locale.Sprintf("%d hours", up(d, time.Hour))
	default:
		return locale.Sprintf("%d days", up(d, day))
	}
}

// up is how many units a duration takes, rounded up, at least one.
func up(d, unit time.Duration) int64 { return max(1, int64((d+unit-1)/unit)) }
