package arrival_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/admin/arrival"
)

func request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://id.example/", body)
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestAwait(t *testing.T) {
	t.Parallel()
	body := &counted{Reader: iotest.OneByteReader(strings.NewReader("a=b&c=d"))}
	r := request(t, body)
	arrival.Await(r)
	if body.n != len("a=b&c=d") {
		t.Errorf("%d bytes were waited for", body.n)
	}
	content, err := io.ReadAll(r.Body)
	if string(content) != "a=b&c=d" || err != nil {
		t.Errorf("it is %q, %v", content, err)
	}
}

// A body without an end costs no more than the bound, and one that says that it
// is longer costs nothing.
func TestAwaitIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		length int64
		most   int
	}{"in chunks": {-1, arrival.Most + 1}, "with its length": {arrival.Most + 1, 0}} {
		body := &counted{Reader: strings.NewReader(strings.Repeat("x", 4*arrival.Most))}
		r := request(t, body)
		r.ContentLength = tt.length
		arrival.Await(r)
		content, err := io.ReadAll(r.Body)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); !tooLarge || len(content) > 0 || body.n > tt.most {
			t.Errorf("%s: %d bytes are read, %d are there, %v", name, body.n, len(content), err)
		}
	}
}

// A body that breaks off is none, however much of it came.
func TestAwaitABrokenBody(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	r := request(t, io.MultiReader(strings.NewReader("decision=allow"), iotest.ErrReader(lost)))
	arrival.Await(r)
	if content, err := io.ReadAll(r.Body); len(content) > 0 || !errors.Is(err, lost) {
		t.Errorf("it is %q, %v", content, err)
	}
}
