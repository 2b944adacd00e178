package colour

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	if c, err := Parse("#23408f"); err != nil || c != (Colour{0x23, 0x40, 0x8f}) || c.String() != "#23408f" {
		t.Errorf("%v, %v", c, err)
	}
	for _, wrong := range []string{"", "#", "23408f", "#23408", "#23408ff", "#23408g", "blue", "#+3408f"} {
		if c, err := Parse(wrong); err == nil {
			t.Errorf("%q is read as %v", wrong, c)
		}
	}
}

func TestContrast(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]float64{
		{"#000000", "#ffffff"}: 21, {"#ffffff", "#ffffff"}: 1, {"#767676", "#ffffff"}: 4.54, {"#ff0000", "#ffffff"}: 4.0,
	} {
		a, _ := Parse(pair[0])
		b, _ := Parse(pair[1])
		if got := Contrast(a, b); math.Abs(got-want) > 0.01 {
			t.Errorf("%v: %.2f; want %.2f", pair, got, want)
		}
	}
}

// Whatever accent is taken, text in it can be read in both schemes; and what is
// refused comes with one that would be taken.
func TestPalettes(t *testing.T) {
	t.Parallel()
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				c := Colour{uint8(r), uint8(g), uint8(b)}
				if p := Dark(c); p.worst(DarkPaper, DarkCard) < Readable {
					t.Errorf("%v on dark: %.2f", c, p.worst(DarkPaper, DarkCard))
				}
				p, err := Light(c)
				if err == nil && p.worst(Paper, Card) < Readable {
					t.Errorf("%v on light: %.2f", c, p.worst(Paper, Card))
				}
				if err == nil {
					continue
				}
				before, _, _ := strings.Cut(err.Error(), " would do")
				other, _ := Parse(before[len(before)-7:])
				if _, err := Light(other); err != nil {
					t.Errorf("%v is named in place of %v, and not taken: %v", other, c, err)
				}
			}
		}
	}
}

// The grounds are those of the style sheet.
func TestGrounds(t *testing.T) {
	t.Parallel()
	sheet, err := os.ReadFile("../assets/files/style.css")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]Colour{"--paper": {Paper, DarkPaper}, "--card": {Card, DarkCard}} {
		if want := fmt.Sprintf("%s: light-dark(%s, %s);", name, c[0], c[1]); !strings.Contains(string(sheet), want) {
			t.Errorf("style.css has no %s", want)
		}
	}
}
