package protocol

import "net/http"

// The lists are shared between all answers: whoever sets one of these headers puts
// another list in its place.
var (
	noStore = []string{"no-store"}
	noCache = []string{"no-cache"}
)

// NoStore forbids every cache to keep an answer, those of HTTP/1.0 too (RFC 6749,
// section 5.1).
func NoStore(h http.Header) { h["Cache-Control"], h["Pragma"] = noStore, noCache }
