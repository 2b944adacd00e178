// Package guess estimates how much guessing a password withstands. It follows
// the first zxcvbn (Wheeler, 2012): what is in a list of words, is drawn on a
// keyboard, counts, repeats or is a date is worth what it takes to try all of
// its kind, and anything else what it takes to try each character.
//
// It keeps nothing in memory and costs a start nothing: the words are read where
// they lie in the program's file.
package guess

import (
	"math"
	"strings"
	"unicode"
)

// Bits returns how many bits of guessing the password withstands by who tries
// the words first, in their order, and then all others. It takes time in the
// square of the password's length.
func Bits(password string, words []string) float64 {
	p := newTyped(password)
	var found []pattern
	found = append(found, p.dictionary(words)...)
	found = append(found, p.sequences()...)
	found = append(found, p.repeats()...)
	found = append(found, p.walks()...)
	found = append(found, p.dates()...)
	return p.least(found)
}

// typed is a password as its characters.
type typed struct {
	as    []rune // as typed
	lower []rune
}

func newTyped(password string) typed {
	p := typed{as: []rune(password)}
	p.lower = make([]rune, len(p.as))
	for i, r := range p.as {
		p.lower[i] = unicode.ToLower(r)
	}
	return p
}

// pattern is a part of a password, from a character to before another, and the
// bits that it is worth.
type pattern struct {
	from, to int
	bits     float64
}

// least returns the bits of the cheapest way to put the password together of
// patterns and single characters.
func (p typed) least(found []pattern) float64 {
	single := math.Log2(alphabet(p.as))
	best := make([]float64, len(p.as)+1) // of what is before each character
	for end := 1; end <= len(p.as); end++ {
		best[end] = best[end-1] + single
		for _, f := range found {
			if f.to == end {
				best[end] = min(best[end], best[f.from]+f.bits)
			}
		}
	}
	return best[len(p.as)]
}

// alphabet is how many characters have to be tried for each of the text.
func alphabet(text []rune) float64 {
	var lower, upper, digits, others float64
	for _, r := range text {
		switch {
		case unicode.IsLower(r):
			lower = 26
		case unicode.IsUpper(r):
			upper = 26
		case unicode.IsDigit(r):
			digits = 10
		default:
			others = 33
		}
	}
	return lower + upper + digits + others
}

// minPattern is from how many characters on something is a pattern.
const minPattern = 3

// sequences are runs such as abcd and 9876.
func (p typed) sequences() []pattern {
	var found []pattern
	for from := 0; from+minPattern <= len(p.as); {
		step := p.as[from+1] - p.as[from]
		to := from + 1
		for to < len(p.as) && p.as[to]-p.as[to-1] == step && kind(p.as[to]) == kind(p.as[from]) {
			to++
		}
		if (step == 1 || step == -1) && kind(p.as[from]) != 0 && to-from >= minPattern {
			found = append(found, pattern{from, to, p.sequenceBits(from, to, step)})
		}
		from = max(to-1, from+1)
	}
	return found
}

// kind is what an ASCII character counts among, by the size of that, and 0 for
// what has no order.
func kind(r rune) int {
	switch {
	case r >= 'a' && r <= 'z':
		return 26
	case r >= 'A' && r <= 'Z':
		return -26
	case r >= '0' && r <= '9':
		return 10
	default:
		return 0
	}
}

func (p typed) sequenceBits(from, to int, step rune) float64 {
	bits := math.Log2(float64(to - from))
	if first := p.as[from]; first != 'a' && first != '1' { // where everybody begins
		bits += math.Log2(math.Abs(float64(kind(first))))
		if unicode.IsUpper(first) {
			bits++
		}
	}
	if step < 0 {
		bits++
	}
	return bits
}

// repeats are one character again and again, in either case.
func (p typed) repeats() []pattern {
	var found []pattern
	for from := 0; from < len(p.as); {
		to := from + 1
		for to < len(p.as) && p.lower[to] == p.lower[from] {
			to++
		}
		if to-from >= minPattern {
			found = append(found, pattern{from, to, math.Log2(alphabet(p.as[from:to]) * float64(to-from))})
		}
		from = to
	}
	return found
}

// choose is in how many ways k can be chosen of n.
func choose(n, k int) float64 {
	ways := 1.0
	for i := range min(k, n-k) {
		ways = ways * float64(n-i) / float64(i+1)
	}
	return ways
}

// mixed is the bits of which some of so many characters are in the rarer of two
// forms.
func mixed(some, others int) float64 {
	ways := 0.0
	for i := range min(some, others) + 1 {
		ways += choose(some+others, i)
	}
	return math.Log2(max(ways, 2))
}

// capitals is the bits of which letters of a word are capitals.
func capitals(word []rune) float64 {
	upper, lower := 0, 0
	for _, r := range word {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		}
	}
	first, last := unicode.IsUpper(word[0]), unicode.IsUpper(word[len(word)-1])
	switch {
	case upper == 0:
		return 0
	case lower == 0, upper == 1 && (first || last): // as most people do
		return 1
	default:
		return mixed(upper, lower)
	}
}

// separators stand between the parts of a date.
const separators = "/-._ \\"

const (
	days          = 31 * 12
	firstYear     = 1900
	years         = 140
	shortYears    = 100
	separatorBits = 2
)

func isYear(n int) bool { return n >= firstYear && n < firstYear+years }

// dates are years, and days with their year, as digits alone or with separators.
func (p typed) dates() []pattern {
	var found []pattern
	for from := range p.as {
		for to := from + 4; to <= min(from+10, len(p.as)); to++ {
			if bits := dateBits(string(p.as[from:to])); bits > 0 {
				found = append(found, pattern{from, to, bits})
			}
		}
	}
	return found
}

// dateBits is the bits of a text that is a date or a year, 0 for any other.
func dateBits(text string) float64 {
	if isYear(number(text, 4)) {
		return math.Log2(years)
	}
	at := strings.IndexAny(text, separators)
	if at < 0 {
		return max(joinedBits(text, 4), joinedBits(text, 2))
	}
	parts := strings.Split(text, text[at:at+1])
	if len(parts) != 3 {
		return 0
	}
	bits := max(yearLast(parts[0], parts[1], parts[2]), yearLast(parts[1], parts[2], parts[0]))
	if bits > 0 {
		bits += separatorBits
	}
	return bits
}

// joinedBits is dateBits for digits alone, of which so many are the year.
func joinedBits(text string, year int) float64 {
	bits, rest := 0.0, len(text)-year // of day and month
	for first := max(1, rest-2); first <= min(2, rest-1); first++ {
		bits = max(bits, yearLast(text[:first], text[first:rest], text[rest:]), yearLast(text[year:year+first], text[year+first:], text[:year]))
	}
	return bits
}

// yearLast is the bits of a day and a month, in either order, and a year.
func yearLast(one, other, year string) float64 {
	a, b, y := number(one, 2), number(other, 2), number(year, 4)
	if a < 1 || b < 1 || min(a, b) > 12 || max(a, b) > 31 {
		return 0
	}
	switch {
	case len(year) == 4 && isYear(y):
		return math.Log2(days * years)
	case len(year) == 2 && y >= 0:
		return math.Log2(days * shortYears)
	default:
		return 0
	}
}

// number is a number of at most so many digits, -1 for anything else.
func number(text string, digits int) int {
	if text == "" || len(text) > digits {
		return -1
	}
	n := 0
	for _, r := range text {
		if r < '0' || r > '9' {
			return -1
		}
		n = n*10 + int(r-'0')
	}
	return n
}
