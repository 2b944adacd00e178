package qr

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The matrices of testdata were made by python-qrcode 8.2, which shares nothing
// with this package, with the mask that this package picks (any may be picked),
// and read back by zxing-cpp 3.1.1.
func TestEncodeIsWhatOthersEncode(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/codes.json")
	if err != nil {
		t.Fatal(err)
	}
	var codes []struct {
		Text    string
		Version int
		Rows    []string // 1 is dark
	}
	if err := json.Unmarshal(raw, &codes); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, want := range codes {
		seen[want.Version] = true
		c, err := Encode(want.Text)
		if err != nil {
			t.Errorf("%d bytes: %v", len(want.Text), err)
			continue
		}
		if got := strings.Join(c.rows(), "\n"); got != strings.Join(want.Rows, "\n") {
			t.Errorf("version %d, %d bytes:\n%s\nwant\n%s", want.Version, len(want.Text), got, strings.Join(want.Rows, "\n"))
		}
	}
	if len(seen) != len(versions) {
		t.Errorf("versions %v; want each of %d", seen, len(versions))
	}
}

func (c *Code) rows() []string {
	var rows []string
	for _, row := range c.dark {
		var text strings.Builder
		for j := range c.size {
			text.WriteByte('0' + byte(row>>j&1))
		}
		rows = append(rows, text.String())
	}
	return rows
}

func TestEncodeBounds(t *testing.T) {
	t.Parallel()
	for n, size := range map[int]int{0: 21, 17: 21, 18: 25, 230: 53, 231: 57, 271: 57} {
		c, err := Encode(strings.Repeat("x", n))
		if err != nil || c.size != size {
			t.Errorf("%d bytes: %v; want %d modules", n, err, size)
		}
	}
	if _, err := Encode(strings.Repeat("x", 272)); !errors.Is(err, ErrTooLong) {
		t.Errorf("272 bytes: %v", err)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	c, err := Encode("https://id.example/device")
	if err != nil {
		t.Fatal(err)
	}
	lines := c.Lines()
	if len(lines) != (c.size+2*quiet+1)/2 {
		t.Errorf("%d lines for %d modules", len(lines), c.size)
	}
	for i, line := range lines {
		for j, r := range []rune(line) {
			upper, lower := r == '█' || r == '▀', r == '█' || r == '▄'
			for row, dark := range map[int]bool{2*i - quiet: upper, 2*i - quiet + 1: lower} {
				column := j - quiet
				inside := row >= 0 && column >= 0 && row < c.size && column < c.size
				if dark != (inside && c.dark[row].has(column)) {
					t.Fatalf("line %d, column %d: %q", i, j, r)
				}
			}
		}
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	c, err := Encode("https://id.example/device?user_code=BCDF-GHJK")
	if err != nil {
		t.Fatal(err)
	}
	size, path := c.SVG()
	if size != c.size+8 { // the standard's margin
		t.Errorf("%d modules wide for %d", size, c.size)
	}
	drawn := make([][]bool, size)
	for i := range drawn {
		drawn[i] = make([]bool, size)
	}
	for row := range strings.SplitSeq(path[1:], "M") {
		var x, y int
		if _, err := fmt.Sscanf(row, "%d %d.5", &x, &y); err != nil {
			t.Fatalf("%q: %v", row, err)
		}
		for _, step := range regexp.MustCompile(`m(\d+) 0|h(\d+)`).FindAllStringSubmatch(row, -1) {
			light, _ := strconv.Atoi(step[1])
			dark, _ := strconv.Atoi(step[2])
			x += light
			for ; dark > 0; dark-- {
				drawn[y][x] = true
				x++
			}
		}
	}
	for i := range size {
		for j := range size {
			inside := i >= 4 && j >= 4 && i < size-4 && j < size-4
			if drawn[i][j] != (inside && c.dark[i-4].has(j-4)) {
				t.Fatalf("row %d, column %d is wrong", i, j)
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for b.Loop() {
		c, err := Encode("https://id.example/device?user_code=BCDF-GHJK")
		if err != nil {
			b.Fatal(err)
		}
		if _, path := c.SVG(); path == "" {
			b.Fatal("no path")
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("https://id.example/device?user_code=BCDF-GHJK")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := Encode(text); err == nil && len(c.Lines()) == 0 {
			t.Fatal("no lines")
		}
	})
}
