package guess

import (
	"math"
	"strings"
)

// keyboard is where keys lie, row by row, unshifted and shifted. A space holds
// the place of no key.
type keyboard struct {
	rows, shifted []string
	ways          [][2]int // to the keys beside one
	keys          float64  // that one can begin at
	degree        float64  // keys beside one, on average
}

// keyboards are those on which people draw. Each row of the large one is half a
// key to the right of the row above, so that a key has six beside it.
var keyboards = []keyboard{
	{
		rows:    []string{"`1234567890-=", " qwertyuiop[]\\", " asdfghjkl;'", " zxcvbnm,./"},
		shifted: []string{"~!@#$%^&*()_+", " QWERTYUIOP{}|", " ASDFGHJKL:\"", " ZXCVBNM<>?"},
		ways:    [][2]int{{-1, 0}, {0, -1}, {1, -1}, {1, 0}, {0, 1}, {-1, 1}},
		keys:    94, degree: 4.6,
	},
	{
		rows: []string{" /*-", "789+", "456", "123", " 0."},
		ways: [][2]int{{-1, 0}, {-1, -1}, {0, -1}, {1, -1}, {1, 0}, {1, 1}, {0, 1}, {-1, 1}},
		keys: 15, degree: 5.1,
	},
}

// key returns where the character lies.
func (k *keyboard) key(r rune) (x, y int, shifted, ok bool) {
	if r == ' ' {
		return 0, 0, false, false
	}
	for y, row := range k.rows {
		if x := strings.IndexRune(row, r); x >= 0 {
			return x, y, false, true
		}
	}
	for y, row := range k.shifted {
		if x := strings.IndexRune(row, r); x >= 0 {
			return x, y, true, true
		}
	}
	return 0, 0, false, false
}

// way is in which of the ways the second key lies beside the first, -1 for
// none.
func (k *keyboard) way(a, b rune) int {
	ax, ay, _, known := k.key(a)
	bx, by, _, also := k.key(b)
	if !known || !also {
		return -1
	}
	for i, w := range k.ways {
		if bx-ax == w[0] && by-ay == w[1] {
			return i
		}
	}
	return -1
}

// walks are keys one beside the other, such as qwerty and 1qaz.
func (p typed) walks() []pattern {
	var found []pattern
	for i := range keyboards {
		k := &keyboards[i]
		for from := 0; from < len(p.as); {
			length, turns := k.walk(p.as[from:])
			if length >= minPattern {
				found = append(found, pattern{from, from + length, k.bits(p.as[from:from+length], turns)})
			}
			from += length
		}
	}
	return found
}

// walk returns of how many keys the walk is that the text, which is not empty,
// begins with, and how often it turns; its first step is a turn.
func (k *keyboard) walk(text []rune) (length, turns int) {
	last := -1
	for length = 1; length < len(text); length++ {
		way := k.way(text[length-1], text[length])
		if way < 0 {
			break
		}
		if way != last {
			turns, last = turns+1, way
		}
	}
	return length, turns
}

// bits is the bits of a walk: all that are no longer and turn no oftener.
func (k *keyboard) bits(walk []rune, turns int) float64 {
	ways, shifts := 0.0, 0
	for length := 2; length <= len(walk); length++ {
		for turn := 1; turn <= min(turns, length-1); turn++ {
			ways += choose(length-1, turn-1) * k.keys * math.Pow(k.degree, float64(turn))
		}
	}
	for _, r := range walk {
		if _, _, shifted, _ := k.key(r); shifted {
			shifts++
		}
	}
	switch {
	case shifts == 0:
		return math.Log2(ways)
	case shifts == len(walk):
		return math.Log2(ways) + 1
	default:
		return math.Log2(ways) + mixed(shifts, len(walk)-shifts)
	}
}
