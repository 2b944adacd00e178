package prepared_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"countersign/authz/prepared"
)

var (
	long  = bytes.Repeat([]byte("{\"issuer\":\"https://id.example\"}\n"), 100)
	short = []byte("{}")
)

func ask(t *testing.T, c *prepared.Content, method string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// unpacked reads the body of an answer, whatever its coding.
func unpacked(t *testing.T, res *httptest.ResponseRecorder) []byte {
	t.Helper()
	if res.Header().Get("Content-Encoding") != "gzip" {
		return res.Body.Bytes()
	}
	zip, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestCodings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body   []byte
		accept string
		want   string
		varies bool
	}{
		"nothing said":         {long, "", "", true},
		"gzip":                 {long, "gzip", "gzip", true},
		"gzip among others":    {long, "br,\tgzip ,zstd", "gzip", true},
		"no gzip":              {long, "gzip;q=0, identity", "", true},
		"something like it":    {long, "gzipped", "", true},
		"a body that is small": {short, "gzip", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := ask(t, prepared.New("application/json", tt.body), http.MethodGet, "Accept-Encoding", tt.accept)
			if res.Header().Get("Content-Length") != strconv.Itoa(res.Body.Len()) {
				t.Errorf("Content-Length %s of %d bytes", res.Header().Get("Content-Length"), res.Body.Len())
			}
			if got := unpacked(t, res); !bytes.Equal(got, tt.body) {
				t.Errorf("the body is %q", got)
			}
			if got := res.Header().Get("Content-Encoding"); got != tt.want || res.Header().Get("Content-Type") != "application/json" {
				t.Errorf("coding %q of %q; want %q", got, res.Header().Get("Content-Type"), tt.want)
			}
			if varies := res.Header().Get("Vary") == "Accept-Encoding"; varies != tt.varies {
				t.Errorf("Vary: %q", res.Header().Get("Vary"))
			}
		})
	}
}

// TestWhatIsKnownIsNotSentAgain holds for each coding by itself: a cache that
// has one of them does not have the other.
func TestWhatIsKnownIsNotSentAgain(t *testing.T) {
	t.Parallel()
	c := prepared.New("text/plain", long)
	tags := map[string]string{}
	for _, coding := range []string{"", "gzip"} {
		tags[coding] = ask(t, c, http.MethodGet, "Accept-Encoding", coding).Header().Get("ETag")
	}
	if tags[""] == tags["gzip"] || !strings.HasPrefix(tags["gzip"], `"`) {
		t.Fatalf("the tags are %v", tags)
	}
	for name, tt := range map[string]struct {
		coding, known string
		want          int
	}{
		"the plain one":           {"", tags[""], http.StatusNotModified},
		"the compressed one":      {"gzip", tags["gzip"], http.StatusNotModified},
		"weakly, among others":    {"gzip", `"x", W/` + tags["gzip"], http.StatusNotModified},
		"anything":                {"", "*", http.StatusNotModified},
		"the plain one by gzip":   {"gzip", tags[""], http.StatusOK},
		"the compressed by plain": {"", tags["gzip"], http.StatusOK},
		"another":                 {"", `"x"`, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := ask(t, c, http.MethodGet, "Accept-Encoding", tt.coding, "If-None-Match", tt.known)
			if res.Code != tt.want || res.Header().Get("ETag") != tags[tt.coding] || res.Header().Get("Vary") == "" {
				t.Errorf("%d %v; want %d", res.Code, res.Header(), tt.want)
			}
			if tt.want == http.StatusNotModified && res.Body.Len() != 0 {
				t.Errorf("a body of %d bytes", res.Body.Len())
			}
		})
	}
}

func TestPlainIsNeverCompressed(t *testing.T) {
	t.Parallel()
	res := ask(t, prepared.Plain("application/rdf+xml", long), http.MethodGet, "Accept-Encoding", "gzip")
	if res.Header().Get("Content-Encoding") != "" || res.Header().Get("Vary") != "" || !bytes.Equal(res.Body.Bytes(), long) {
		t.Errorf("%v", res.Header())
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	res := ask(t, prepared.New("text/plain", long), http.MethodHead)
	if res.Body.Len() != 0 || res.Header().Get("Content-Length") != strconv.Itoa(len(long)) {
		t.Errorf("%d bytes, Content-Length %s", res.Body.Len(), res.Header().Get("Content-Length"))
	}
}

// TestAnswersDoNotReachOneAnother: answers share the lists of their headers.
func TestAnswersDoNotReachOneAnother(t *testing.T) {
	t.Parallel()
	c := prepared.New("text/plain", long)
	for _, first := range []string{"Accept", ""} {
		w := httptest.NewRecorder()
		if first != "" {
			w.Header().Add("Vary", first)
		}
		c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		w.Header().Add("Vary", "Cookie")
	}
	if got := ask(t, c, http.MethodGet).Header().Values("Vary"); len(got) != 1 || got[0] != "Accept-Encoding" {
		t.Errorf("Vary is %q", got)
	}
}
