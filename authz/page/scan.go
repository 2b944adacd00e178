package page

import (
	"countersign/authz/qr"
)

// Scan is a QR code by which somebody goes on with a device of their own.
type Scan struct {
	// Address is what the code says.
	Address string
	// Size is the edge in modules, with the light margin that readers want,
	// and Path draws the dark ones, as SVG does.
	Size int
	Path string
}

// NewScan draws the address, nil for none and for one that is too long.
func NewScan(address string) *Scan {
	code, err := qr.Encode(address)
	if address == "" || err != nil {
		return nil
	}
	size, path := code.SVG()
	return &Scan{Address: address, Size: size, Path: path}
}
