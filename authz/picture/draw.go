package picture

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	xdraw "golang.org/x/image/draw"
)

const (
	// maxSide and maxPixels bound a picture before it is decoded: a file of a
	// kilobyte can claim to be gigabytes wide.
	maxSide   = 4096
	maxPixels = 4 << 20
	// side is how wide and high the picture that is kept may be, in pixels. Pages
	// show it at half of that.
	side = 256
	// drawingTime bounds decoding: a JPEG file can have its pixels gone through
	// many thousand times.
	drawingTime = 2 * time.Second
)

var encoder = png.Encoder{CompressionLevel: png.BestCompression}

var (
	errFormat   = errors.New("neither PNG, JPEG nor GIF")
	errTooLarge = errors.New("too many pixels")
	errSlow     = errors.New("it takes too long to decode")
)

// format is a format that is read.
type format struct {
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// formats are recognised by how a file begins, whatever its name or type say.
// Of a GIF file the first picture is read.
var formats = []format{
	{"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"GIF87a", gif.DecodeConfig, gif.Decode},
	{"GIF89a", gif.DecodeConfig, gif.Decode},
}

// draw makes of the file a PNG file of our own, which has the file's pixels and
// nothing else that was in it.
func draw(file []byte) ([]byte, error) {
	f, err := formatOf(file)
	if err != nil {
		return nil, err
	}
	size, err := f.config(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if err := fits(size.Width, size.Height); err != nil {
		return nil, err
	}
	until := time.Now().Add(drawingTime) //nolint:forbidigo // bounds work; a stopped clock would not
	decoded, err := f.decode(hurried{bytes.NewReader(file), until})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = encoder.Encode(&b, scaled(decoded))
	return b.Bytes(), err
}

func formatOf(file []byte) (format, error) {
	for _, f := range formats {
		if bytes.HasPrefix(file, []byte(f.magic)) {
			return f, nil
		}
	}
	return format{}, errFormat
}

func fits(width, height int) error {
	switch {
	case width < 1, height < 1:
		return errors.New("the picture is empty")
	case width > maxSide, height > maxSide, width*height > maxPixels:
		return errTooLarge
	}
	return nil
}

// scaled draws the picture anew, smaller if it is larger than is kept.
func scaled(from image.Image) image.Image {
	width, height := from.Bounds().Dx(), from.Bounds().Dy()
	if longest := max(width, height); longest > side {
		width, height = max(1, width*side/longest), max(1, height*side/longest)
	}
	to := image.NewNRGBA(image.Rect(0, 0, width, height))
	xdraw.CatmullRom.Scale(to, to.Bounds(), from, from.Bounds(), xdraw.Src, nil)
	return to
}

// hurried is a file that cannot be read on after a time: a decoder has no other
// way to be stopped.
type hurried struct {
	file  io.Reader
	until time.Time
}

// Read reads from the file.
func (h hurried) Read(p []byte) (int, error) {
	if !time.Now().Before(h.until) { //nolint:forbidigo // as above
		return 0, errSlow
	}
	return h.file.Read(p)
}
