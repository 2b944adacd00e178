// Package arrival waits for what a request sends before anybody asks who sends
// it. Whoever holds a body back would otherwise choose the moment between the
// check and the deed, and do what was forbidden them meanwhile.
package arrival

import (
	"bytes"
	"io"
	"net/http"
)

// Most is how much of a body is waited for, in bytes. No form and no document
// of the administration comes near it.
const Most = 256 << 10

// Await reads the body of the request to its end, or to [Most]. What reads the
// body after it is not kept waiting: it gets the whole, or the error by which
// the body ended, which is a [*http.MaxBytesError] where there is more.
//
// It judges nothing, so that who may not ask is told that first.
func Await(r *http.Request) {
	content, err := read(r)
	if err != nil {
		r.Body = io.NopCloser(broken{err})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
}

func read(r *http.Request) ([]byte, error) {
	if r.ContentLength > Most {
		return nil, &http.MaxBytesError{Limit: Most}
	}
	return io.ReadAll(http.MaxBytesReader(nil, r.Body, Most))
}

// broken is a body that did not arrive.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
