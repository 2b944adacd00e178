package assets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"countersign/authz/prepared"
	"countersign/cmd/countersign/colour"
)

// Brand is what an operator gives the pages of their own: an accent and a logo.
type Brand struct {
	sheet, logo string
	served      map[string]*prepared.Content
}

// MaxLogo is how large the file of a logo may be, in bytes: every page loads it.
const MaxLogo = 24 << 10

// NewBrand makes the brand of an accent, like #23408f, and a logo; either may be
// empty.
func NewBrand(accent string, logo []byte) (*Brand, error) {
	b := &Brand{served: map[string]*prepared.Content{}}
	if accent != "" {
		c, err := colour.Parse(accent)
		if err != nil {
			return nil, err
		}
		light, err := colour.Light(c)
		if err != nil {
			return nil, err
		}
		b.sheet = b.add("brand", ".css", []byte(sheetOf(light, colour.Dark(c))))
	}
	if len(logo) > 0 {
		ext, err := picture(logo)
		if err != nil {
			return nil, err
		}
		b.logo = b.add("logo", ext, logo)
	}
	return b, nil
}

// sheetOf overrides the colours of style.css, each in both schemes.
func sheetOf(light, dark colour.Palette) string {
	return fmt.Sprintf(":root { --accent: %s; --accent-strong: %s; --on-accent: %s; --wash: %s; --rosette: %s; }\n",
		either(light.Accent, dark.Accent), either(light.Strong, dark.Strong), either(light.OnAccent, dark.OnAccent), either(light.Wash, dark.Wash),
		either(tint(light.Accent, 15), tint(dark.Accent, 13)))
}

// either is the colour of whichever scheme holds (CSS Color Module Level 5,
// section 11).
func either(light, dark any) string { return fmt.Sprintf("light-dark(%v, %v)", light, dark) }

// tint is the colour as one can see through it.
func tint(c colour.Colour, percent int) string {
	return fmt.Sprintf("rgb(%d %d %d / %d%%)", c.R, c.G, c.B, percent)
}

// picture recognises the format by its content.
func picture(file []byte) (ext string, err error) {
	if len(file) > MaxLogo {
		return "", fmt.Errorf("the logo has %d bytes; %d are the most, because every page loads it", len(file), MaxLogo)
	}
	switch http.DetectContentType(file) {
	case "image/png":
		return ".png", nil
	case "image/webp":
		return ".webp", nil
	case "image/jpeg":
		return ".jpg", nil
	}
	if bytes.Contains(file[:min(len(file), 1024)], []byte("<svg")) {
		return ".svg", nil
	}
	return "", errors.New("the logo is neither SVG, PNG, WebP nor JPEG")
}

func (b *Brand) add(stem, ext string, body []byte) string {
	sum := sha256.Sum256(body)
	name := stem + "." + hex.EncodeToString(sum[:6]) + ext
	b.served[name] = prepared.New(mediaType(ext), body)
	return Prefix + name
}

// Sheet is the path of the style sheet, under the issuer's; empty without an
// accent.
func (b *Brand) Sheet() string { return b.sheet }

// Logo is the path of the picture, under the issuer's; empty without one.
func (b *Brand) Logo() string { return b.logo }

// Handler serves the brand and all other assets. A logo that is opened by
// itself runs nothing.
func (b *Brand) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asset, ours := b.served[strings.TrimPrefix(r.URL.Path, Prefix)]
		if !ours {
			serve(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		answer(asset, w, r)
	})
}
