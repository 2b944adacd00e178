package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

var (
	// ErrStatus reports another answer than 200.
	ErrStatus = errors.New("answered otherwise than with status 200")
	// ErrTooLong reports a document that has too many bytes.
	ErrTooLong = errors.New("too long")
)

// Fetch gets a document of at most limit bytes. Nothing but 200 is an answer:
// anything else is [ErrStatus], more bytes are [ErrTooLong].
func Fetch(ctx context.Context, c *http.Client, url, accept string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "countersign")
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // what was read is all there is
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %d", ErrStatus, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit)
	}
	return body, err
}
