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

func ask(t *testing.T, c *prepared.Content, method string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result()
}

// unpacked reads the body of an answer, whatever its coding.
func unpacked(t *testing.T, res *http.Response) []byte {
	t.Helper()
	var body io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = zip
	}
	read, err := io.ReadAll(body)
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
			raw, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.Header.Get("Content-Length") != strconv.Itoa(len(raw)) {
				t.Errorf("Content-Length %s of %d bytes", res.Header.Get("Content-Length"), len(raw))
			}
			res.Body = io.NopCloser(bytes.NewReader(raw))
			if got := unpacked(t, res); !bytes.Equal(got, tt.body) {
				t.Errorf("the body is %q", got)
			}
			if got := res.Header.Get("Content-Encoding"); got != tt.want || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("coding %q of %q; want %q", got, res.Header.Get("Content-Type"), tt.want)
			}
			if varies := res.Header.Get("Vary") == "Accept-Encoding"; varies != tt.varies {
				t.Errorf("Vary: %q", res.Header.Get("Vary"))
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
		tags[coding] = ask(t, c, http.MethodGet, "Accept-Encoding", coding).Header.Get("ETag")
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
			if res.StatusCode != tt.want || res.Header.Get("ETag") != tags[tt.coding] || res.Header.Get("Vary") == "" {
				t.Errorf("%d %v; want %d", res.StatusCode, res.Header, tt.want)
			}
			if body := unpacked(t, &http.Response{Body: res.Body, Header: res.Header}); tt.want == http.StatusNotModified && len(body) != 0 {
				t.Errorf("a body of %d bytes", len(body))
			}
		})
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	res := ask(t, prepared.New("text/plain", long), http.MethodHead)
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) != 0 || res.Header.Get("Content-Length") != strconv.Itoa(len(long)) {
		t.Errorf("%v, %d bytes, Content-Length %s", err, len(body), res.Header.Get("Content-Length"))
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
	if got := ask(t, c, http.MethodGet).Header.Values("Vary"); len(got) != 1 || got[0] != "Accept-Encoding" {
		t.Errorf("Vary is %q", got)
	}
}
