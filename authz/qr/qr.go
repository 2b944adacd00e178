// Package qr makes QR codes (ISO/IEC 18004) of short texts such as addresses,
// for a phone to read off a terminal or a page: bytes at error correction level L, which
// is enough for a screen, in versions 1 to 10.
package qr

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"sync"
)

// ErrTooLong reports a text of more than 271 bytes.
var ErrTooLong = errors.New("text is too long for a QR code that fits a screen")

// version is what the standard lays down for a version at level L.
type version struct {
	data  int   // codewords of data
	check int   // codewords of error correction, in each block
	split int   // blocks
	align []int // coordinates of the alignment patterns' centres
}

// versions are the versions from 1 (tables 7, 9 and E.1 of the standard).
var versions = []version{
	{19, 7, 1, nil},
	{34, 10, 1, []int{6, 18}},
	{55, 15, 1, []int{6, 22}},
	{80, 20, 1, []int{6, 26}},
	{108, 26, 1, []int{6, 30}},
	{136, 18, 2, []int{6, 34}},
	{156, 20, 2, []int{6, 22, 38}},
	{194, 24, 2, []int{6, 24, 42}},
	{232, 30, 2, []int{6, 26, 46}},
	{274, 18, 4, []int{6, 28, 50}},
}

// wideCount is the version from which the length of the text takes two bytes.
const wideCount = 10

// Code is a QR code.
type Code struct {
	size  int
	dark  []line // by row
	fixed []line // modules that hold no data
}

// Encode makes the smallest code that holds the text.
func Encode(text string) (*Code, error) {
	for i, v := range versions {
		number := i + 1
		if room := v.data - 2 - number/wideCount; len(text) <= room {
			return draw(number, v, v.interleave(v.codewords(number, text))), nil
		}
	}
	return nil, ErrTooLong
}

// codewords writes the text in byte mode and fills the rest.
func (v version) codewords(number int, text string) []byte {
	b := []byte{0b0100}
	if number >= wideCount {
		b = append(b, byte(len(text)>>8)) //nolint:gosec // at most 271
	}
	b = append(append(b, byte(len(text))), text...) //nolint:gosec // at most 271
	// The mode has four bits, so everything after it moves up by four.
	out := make([]byte, 0, v.data)
	for i, c := range b {
		next := byte(0) // the terminator
		if i+1 < len(b) {
			next = b[i+1] >> 4
		}
		out = append(out, c<<4|next)
	}
	for pad := byte(0xec); len(out) < v.data; pad ^= 0xec ^ 0x11 {
		out = append(out, pad)
	}
	return out
}

// interleave splits the data into blocks, the later ones longer by a codeword
// where that does not divide evenly, and takes a codeword of each in turn:
// first of the data, then of the error correction.
func (v version) interleave(data []byte) []byte {
	blocks, checks := make([][]byte, v.split), make([][]byte, v.split)
	short := v.data / v.split
	for i, rest := 0, data; i < v.split; i++ {
		n := short
		if i >= v.split-v.data%v.split {
			n++
		}
		blocks[i], rest = rest[:n], rest[n:]
		checks[i] = correction(blocks[i], v.check)
	}
	var out []byte
	for i := range short + 1 {
		for _, b := range blocks {
			if i < len(b) {
				out = append(out, b[i])
			}
		}
	}
	for i := range v.check {
		for _, c := range checks {
			out = append(out, c[i])
		}
	}
	return out
}

// correction returns the n Reed-Solomon codewords of a block.
func correction(block []byte, n int) []byte {
	by := generators()[n]
	rest := make([]byte, n)
	for _, b := range block {
		factor := b ^ rest[0]
		copy(rest, rest[1:])
		rest[n-1] = 0
		for j := range rest {
			rest[j] ^= multiply(by[j], factor)
		}
	}
	return rest
}

// generators are the polynomials by which the versions' blocks are divided, by
// their degree.
var generators = sync.OnceValue(func() map[int][]byte {
	all := map[int][]byte{}
	for _, v := range versions {
		all[v.check] = generator(v.check)
	}
	return all
})

// generator is the polynomial of degree n, without its leading 1.
func generator(n int) []byte {
	g := make([]byte, n)
	g[n-1] = 1
	root := byte(1)
	for range n {
		for j := range g {
			g[j] = multiply(g[j], root)
			if j+1 < n {
				g[j] ^= g[j+1]
			}
		}
		root = multiply(root, 2)
	}
	return g
}

// multiply multiplies in the field of 256 elements with the polynomial 0x11d.
func multiply(a, b byte) byte {
	if a == 0 || b == 0 {
		return 0
	}
	f := powers()
	return f.of[int(f.log[a])+int(f.log[b])]
}

// field has the powers of 2, twice over, and of which power each element is.
type field struct {
	of  [2 * 255]byte
	log [256]byte
}

var powers = sync.OnceValue(func() *field {
	f := &field{}
	for i, x := 0, byte(1); i < len(f.of); i++ {
		f.of[i] = x
		if i < 255 {
			f.log[x] = byte(i)
		}
		x = x<<1 ^ x>>7*0x1d
	}
	return f
})

// margin is the light margin of a code that is drawn on any ground, in modules.
const margin = 4

// SVG draws the code with its margin in a square of size modules: the dark
// ones as the path of a picture in Scalable Vector Graphics 1.1, which is drawn
// with a stroke as wide as a module. It goes through the middle of each row and is
// lifted over what is light.
func (c *Code) SVG() (size int, path string) {
	b := make([]byte, 0, 2*c.size*c.size)
	for i, row := range c.dark {
		b = strconv.AppendInt(append(b, 'M'), margin, 10)
		b = strconv.AppendInt(append(b, ' '), int64(i+margin), 10)
		b = append(b, ".5"...)
		for at := 0; row>>at != 0; {
			light := bits.TrailingZeros64(uint64(row >> at))
			dark := bits.TrailingZeros64(^uint64(row >> (at + light)))
			b = run(b, light, dark)
			at += light + dark
		}
	}
	return c.size + 2*margin, string(b)
}

// run goes over light modules and draws the dark ones after them.
func run(b []byte, light, dark int) []byte {
	if light > 0 {
		b = strconv.AppendInt(append(b, 'm'), int64(light), 10)
		b = append(b, " 0"...)
	}
	return strconv.AppendInt(append(b, 'h'), int64(dark), 10)
}

// quiet is the margin in modules: the standard wants 4, and on a screen with
// its own background 2 do.
const quiet = 2

// Lines draws the code with half blocks, two rows of modules a line: dark
// modules are the foreground.
func (c *Code) Lines() []string {
	dark := func(row, column int) bool { return row >= 0 && row < c.size && column >= 0 && c.dark[row].has(column) }
	var lines []string
	for row := -quiet; row < c.size+quiet; row += 2 {
		var line strings.Builder
		for column := -quiet; column < c.size+quiet; column++ {
			switch upper, lower := dark(row, column), dark(row+1, column); {
			case upper && lower:
				line.WriteRune('█')
			case upper:
				line.WriteRune('▀')
			case lower:
				line.WriteRune('▄')
			default:
				line.WriteRune(' ')
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}
