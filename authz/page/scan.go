package page

import (
	"fmt"
	"html/template"

	"countersign/authz/qr"
)

// Scan is a QR code by which somebody goes on with a device of their own.
type Scan struct {
	// Address is what the code says.
	Address string
	// Box is what the picture shows, in modules, as the viewBox of SVG has it, and
	// Drawing draws them, with the light margin that readers want.
	Box     string
	Drawing template.HTML
}

// NewScan draws the address, nil for none and for one that is too long.
func NewScan(address string) *Scan {
	code, err := qr.Encode(address)
	if address == "" || err != nil {
		return nil
	}
	size, path := code.SVG()
	return &Scan{
		Address: address, Box: fmt.Sprintf("0 0 %d %d", size, size),
		Drawing: template.HTML(fmt.Sprintf(`<rect class="light" width="%d" height="%d"/><path class="dark" d="%s"/>`, size, size, path)), //nolint:gosec // it is made of numbers
	}
}
