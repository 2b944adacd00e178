package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
)

// flag is a picture whose left half is red and whose right half is blue.
func flag(width, height int) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.RGBA{R: 255, A: 255}, color.RGBA{B: 255, A: 255}})
	for y := range height {
		for x := range width {
			if x >= width/2 {
				m.SetColorIndex(x, y, 1)
			}
		}
	}
	return m
}

func encoded(t *testing.T, encode func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// files are a picture in each format that is read.
func files(t *testing.T, width, height int) map[string][]byte {
	t.Helper()
	m := flag(width, height)
	second := image.NewPaletted(m.Bounds(), color.Palette{color.RGBA{G: 255, A: 255}})
	return map[string][]byte{
		"PNG":  encoded(t, func(w io.Writer) error { return png.Encode(w, m) }),
		"JPEG": encoded(t, func(w io.Writer) error { return jpeg.Encode(w, m, nil) }),
		"GIF": encoded(t, func(w io.Writer) error {
			return gif.EncodeAll(w, &gif.GIF{Image: []*image.Paletted{m, second}, Delay: []int{1, 1}})
		}),
	}
}

// Every format becomes PNG, of which no side is longer than what is kept.
func TestDraw(t *testing.T) {
	t.Parallel()
	for size, want := range map[image.Point]image.Point{
		{64, 32}: {64, 32}, {1000, 500}: {256, 128}, {100, 2000}: {12, 256}, {1, 1}: {1, 1}, {2048, 2}: {256, 1},
	} {
		for name, file := range files(t, size.X, size.Y) {
			got, err := draw(file)
			if err != nil {
				t.Errorf("%s of %v: %v", name, size, err)
				continue
			}
			m, err := png.Decode(bytes.NewReader(got))
			if err != nil || m.Bounds().Size() != want {
				t.Errorf("%s of %v: %v, %v; want %v", name, size, m, err, want)
				continue
			}
			if r, _, b, _ := m.At(m.Bounds().Dx()-1, 0).RGBA(); want.X > 1 && (b < 0xd000 || r > 0x3000) {
				t.Errorf("%s of %v: the right is %v", name, size, m.At(m.Bounds().Dx()-1, 0))
			}
		}
	}
}

// A picture that one can see through stays so.
func TestTransparency(t *testing.T) {
	t.Parallel()
	m := image.NewNRGBA(image.Rect(0, 0, 600, 600))
	m.SetNRGBA(300, 300, color.NRGBA{R: 255, A: 255})
	got, err := draw(encoded(t, func(w io.Writer) error { return png.Encode(w, m) }))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, a := drawn.At(0, 0).RGBA(); a != 0 {
		t.Errorf("a corner has the alpha %d", a)
	}
}

// header is a PNG file that claims a size.
func header(width, height uint32) []byte {
	ihdr := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	ihdr = append(binary.BigEndian.AppendUint32(ihdr, height), 8, 6, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(ihdr))
}

// SS-13, SS-14: what is no picture, or too large a one, is refused before it is
// decoded.
func TestDrawRefuses(t *testing.T) {
	t.Parallel()
	whole := files(t, 64, 64)["PNG"]
	for name, tt := range map[string]struct {
		file []byte
		want error
	}{
		"SVG with a script":  {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), errFormat},
		"SVG after a prolog": {[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), errFormat},
		"HTML":               {[]byte(`<!doctype html><script>alert(1)</script>`), errFormat},
		"WebP":               {[]byte("RIFF\x00\x00\x00\x00WEBPVP8 "), errFormat},
		"PNG behind HTML":    {append([]byte("<b>"), whole...), errFormat},
		"nothing":            {nil, errFormat},
		"a bomb":             {header(1<<16, 1<<16), errTooLarge},
		"a wide one":         {header(1<<30, 1), errTooLarge},
		"a high one":         {header(1, 4097), errTooLarge},
		"one of 16 million":  {header(4096, 4096), errTooLarge},
		"one without a body": {header(16, 16), io.ErrUnexpectedEOF},
		"a torn one":         {whole[:len(whole)/2], nil},
		"JPEG's first bytes": {[]byte("\xff\xd8\xff"), nil},
		"GIF's first bytes":  {[]byte("GIF89a"), nil},
	} {
		got, err := draw(tt.file)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(got), err, tt.want)
		}
	}
}

// SS-15: of a file that is a picture and something else as well, nothing but the
// pixels is left.
func TestPolyglot(t *testing.T) {
	t.Parallel()
	const hidden = `<script>alert(1)</script>`
	for name, file := range files(t, 32, 32) {
		if name == "JPEG" { // a comment, where a reader of pictures looks for none
			file = append([]byte("\xff\xd8\xff\xfe\x00\x1b"+hidden), file[2:]...)
		}
		got, err := draw(append(file, hidden...))
		if err != nil || bytes.Contains(got, []byte("script")) || !bytes.HasPrefix(got, []byte(formats[0].magic)) {
			t.Errorf("%s: %v: %q", name, err, got)
		}
	}
}

// bomb is a JPEG file of a megabyte whose pixels are gone through many thousand
// times.
func bomb(t *testing.T) []byte {
	t.Helper()
	file := encoded(t, func(w io.Writer) error { return jpeg.Encode(w, flag(2048, 2048), nil) })
	scan := bytes.Index(file, []byte("\xff\xda"))
	frame := bytes.Index(file, []byte("\xff\xc0"))
	file[frame+1] = 0xc2 // progressive
	file = file[:scan]
	// The only code stands for the end of 16,384 blocks: four of them are a scan.
	file = append(file, "\xff\xc4\x00\x14\x10\x01"+strings.Repeat("\x00", 15)+"\xe0"...)
	again := "\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x01" + strings.Repeat("\x00", 8)
	for len(file) < MaxFile-64 {
		file = append(file, again...)
	}
	return append(file, "\xff\xd9"...)
}

// SS-14: a file that takes long to decode is given up.
func TestSlowToDecode(t *testing.T) {
	t.Parallel()
	if _, err := draw(bomb(t)); !errors.Is(err, errSlow) {
		t.Errorf("got %v", err)
	}
}

func FuzzDraw(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add(header(1<<16, 1))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Fuzz(func(t *testing.T, file []byte) {
		picture, err := draw(file)
		if err != nil {
			return
		}
		size, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil || size.Width > side || size.Height > side {
			t.Fatalf("%+v, %v", size, err)
		}
	})
}
