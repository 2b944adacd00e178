// Package colour knows which colours can be read on the pages: it measures
// contrast as WCAG 2.2 defines it, and makes what the pages need of one accent.
package colour

import (
	"fmt"
	"math"
	"strconv"
)

// Colour is one of sRGB.
type Colour struct{ R, G, B uint8 }

// Parse reads a colour that is written like #23408f.
func Parse(s string) (Colour, error) {
	n, err := strconv.ParseUint(s[min(len(s), 1):], 16, 32)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return Colour{}, fmt.Errorf("%q is not a colour; write it like #23408f", s)
	}
	return Colour{uint8(n >> 16 & 0xff), uint8(n >> 8 & 0xff), uint8(n & 0xff)}, nil
}

// String writes the colour like #23408f.
func (c Colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// mix is the colour with so much of the other in it, from 0 to 1.
func (c Colour) mix(other Colour, share float64) Colour {
	part := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*share)) }
	return Colour{part(c.R, other.R), part(c.G, other.G), part(c.B, other.B)}
}

// luminance is the relative luminance (WCAG 2.2).
func (c Colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// Contrast is the contrast ratio of the two, from 1 to 21 (WCAG 2.2).
func Contrast(a, b Colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Readable is the least contrast of text with what is behind it (WCAG 2.2,
// success criterion 1.4.3).
const Readable = 4.5

// The colours of style.css that an accent stands on, and those it is mixed
// with. A test holds them against it.
var (
	Paper     = Colour{0xf3, 0xf1, 0xea}
	Card      = Colour{0xff, 0xfe, 0xfb}
	DarkPaper = Colour{0x10, 0x13, 0x1b}
	DarkCard  = Colour{0x18, 0x1c, 0x27}

	white = Colour{255, 255, 255}
	black = Colour{}
)

// Palette is what the pages need of an accent in one scheme.
type Palette struct{ Accent, Strong, OnAccent, Wash Colour }

// worst is the least contrast with anything that text in the accent stands on,
// or that stands on it.
func (p Palette) worst(grounds ...Colour) float64 {
	least := min(Contrast(p.Accent, p.Wash), Contrast(p.Accent, p.OnAccent))
	for _, ground := range grounds {
		least = min(least, Contrast(p.Accent, ground))
	}
	return least
}

// Light is the palette on light paper. It fails when text in the accent could
// not be read there, and names the nearest darker colour that could.
func Light(accent Colour) (Palette, error) {
	p := light(accent)
	if p.worst(Paper, Card) >= Readable {
		return p, nil
	}
	darker := accent
	for share := 0.02; light(darker).worst(Paper, Card) < Readable; share += 0.02 {
		darker = accent.mix(black, share)
	}
	return Palette{}, fmt.Errorf("%s has a contrast of %.1f to 1 with what it stands on, and text needs %.1f; %s would do",
		accent, p.worst(Paper, Card), Readable, darker)
}

func light(accent Colour) Palette {
	return Palette{Accent: accent, Strong: accent.mix(black, 0.25), OnAccent: white, Wash: white.mix(accent, 0.08)}
}

// Dark is the palette on dark paper: as much lighter as it takes.
func Dark(accent Colour) Palette {
	p := dark(accent)
	for share := 0.05; p.worst(DarkPaper, DarkCard) < Readable+1.5 && share < 1; share += 0.05 {
		p = dark(accent.mix(white, share))
	}
	return p
}

func dark(accent Colour) Palette {
	return Palette{Accent: accent, Strong: accent.mix(white, 0.3), OnAccent: DarkPaper, Wash: DarkCard.mix(accent, 0.12)}
}
