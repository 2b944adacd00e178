// Package prepared serves bytes that lie ready, plain and compressed: the
// documents and files that are the same for everybody.
package prepared

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// minSize is the size from which compressing pays, in bytes: what is smaller
// hardly shrinks.
const minSize = 200

// Content is a body as it goes out, in each coding. It is safe for concurrent
// use.
type Content struct {
	mediaType []string
	plain     *representation
	small     func() *representation // gzip, made when it is first asked for; nil where that does not pay
}

// representation is the body in one coding. Its headers are lists that answers
// share: whoever changes a header puts another list in its place.
type representation struct {
	body                   []byte
	coding, length, digest []string
}

var vary, gzipped = []string{"Accept-Encoding"}, []string{"gzip"}

// Plain is [New] for readers of whom little is to be expected: they say that they
// accept gzip, and do not. The content is never compressed.
func Plain(mediaType string, body []byte) *Content {
	c := New(mediaType, body)
	c.small = nil
	return c
}

// New returns the content of the media type. Body is not changed any more.
func New(mediaType string, body []byte) *Content {
	sum := sha256.Sum256(append([]byte(mediaType+"\n"), body...))
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	c := &Content{mediaType: []string{mediaType}, plain: represent(body, tag)}
	if len(body) >= minSize {
		c.small = sync.OnceValue(func() *representation {
			// Another coding is another representation, whose strong validator
			// is another (RFC 9110, section 8.8.3.3).
			small := represent(compress(body), tag+"-gzip")
			small.coding = gzipped
			return small
		})
	}
	return c
}

func represent(body []byte, tag string) *representation {
	return &representation{body: body, length: []string{strconv.Itoa(len(body))}, digest: []string{`"` + tag + `"`}}
}

// ServeHTTP answers a GET or HEAD with the content, or with 304 where the
// client has it (RFC 9110, section 13.1.2). Who serves looks at the method, and
// says how long caches may keep it.
func (c *Content) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chosen, header := c.plain, w.Header()
	if c.small != nil {
		varyByCoding(header)
		if acceptsGzip(r.Header["Accept-Encoding"]) {
			chosen = c.small()
		}
	}
	header["Etag"] = chosen.digest
	if isKnown(chosen.digest[0], r.Header["If-None-Match"]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header["Content-Type"], header["Content-Length"] = c.mediaType, chosen.length
	if chosen.coding != nil {
		header["Content-Encoding"] = chosen.coding
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(chosen.body) // the client may have gone
	}
}

// varyByCoding tells caches that the answer depends on Accept-Encoding as well.
func varyByCoding(header http.Header) {
	if _, set := header["Vary"]; set {
		header.Add("Vary", vary[0])
		return
	}
	header["Vary"] = vary
}

// acceptsGzip reports whether Accept-Encoding headers ask for gzip. A weight of
// its own is read as a refusal: it may be none, and plain is always right.
func acceptsGzip(headers []string) bool {
	return names(headers, func(coding string) bool { return coding == "gzip" })
}

// isKnown reports whether If-None-Match headers name the tag.
func isKnown(tag string, headers []string) bool {
	return names(headers, func(known string) bool { return known == "*" || strings.TrimPrefix(known, "W/") == tag })
}

// names reports whether one member of a list header is wanted.
func names(headers []string, wanted func(member string) bool) bool {
	for _, h := range headers {
		for member := range strings.SplitSeq(h, ",") {
			if wanted(strings.Trim(member, " \t")) {
				return true
			}
		}
	}
	return false
}

func compress(body []byte) []byte {
	var small bytes.Buffer
	w, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // it fails for levels that do not exist
	_, _ = w.Write(body)                                      // a buffer takes everything
	_ = w.Close()
	return small.Bytes()
}
