package assets

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func body(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAssets(t *testing.T) {
	t.Parallel()
	for name, mediaType := range map[string]string{
		"style.css":   "text/css; charset=utf-8",
		"session.js":  "text/javascript; charset=utf-8",
		"page.js":     "text/javascript; charset=utf-8",
		"icon.svg":    "image/svg+xml",
		"rosette.svg": "image/svg+xml",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := Path(name)
			stem, ext, _ := strings.Cut(name, ".")
			if !regexp.MustCompile(`^/assets/` + stem + `\.[0-9a-f]{12}\.` + ext + `$`).MatchString(path) {
				t.Errorf("Path() = %q", path)
			}
			plain := get(t, http.MethodGet, path, "")
			if plain.Code != http.StatusOK || plain.Header().Get("Content-Type") != mediaType ||
				plain.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("GET: %d %v", plain.Code, plain.Header())
			}
			want := body(t, plain.Body)
			small := get(t, http.MethodGet, path, "br, gzip")
			unpacked, err := gzip.NewReader(small.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, unpacked); !bytes.Equal(got, want) || len(want) == 0 {
				t.Error("gzip holds something else")
			}
			if head := get(t, http.MethodHead, path, ""); head.Code != http.StatusOK || len(body(t, head.Body)) != 0 {
				t.Error("HEAD has a body")
			}
		})
	}
}

func TestAssetsRefuse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, path string
		want         int
	}{
		"a name without its hash": {http.MethodGet, "/assets/style.css", http.StatusNotFound},
		"the folder":              {http.MethodGet, "/assets/", http.StatusNotFound},
		"a way out":               {http.MethodGet, "/assets/../assets.go", http.StatusNotFound},
		"another method":          {http.MethodPost, Path("style.css"), http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := get(t, tt.method, tt.path, "").Code; got != tt.want {
				t.Errorf("status %d; want %d", got, tt.want)
			}
		})
	}
}

func TestStyleSheetNamesWhatIsServed(t *testing.T) {
	t.Parallel()
	sheet := string(body(t, get(t, http.MethodGet, Path("style.css"), "").Body))
	for _, match := range regexp.MustCompile(`url\("([^"]*)"\)`).FindAllStringSubmatch(sheet, -1) {
		if res := get(t, http.MethodGet, Prefix+match[1], ""); res.Code != http.StatusOK {
			t.Errorf("%s: %d", match[1], res.Code)
		}
	}
	if strings.Contains(sheet, "//") || strings.Contains(sheet, "@import") {
		t.Error("the style sheet loads from elsewhere")
	}
}

// Every colour is said once, for both schemes. Those of a code that a phone
// reads, of what stands on white in every scheme, and of paper are the same in
// both.
func TestColoursAreSaidForBothSchemes(t *testing.T) {
	t.Parallel()
	sheet := string(read("style.css"))
	if strings.Contains(sheet, "prefers-color-scheme") {
		t.Error("a scheme has rules of its own")
	}
	begin := strings.Index(sheet, ":root {")
	properties, _, _ := strings.Cut(sheet[begin:], "}")
	for line := range strings.SplitSeq(properties, "\n") {
		if hasColour := strings.Contains(line, "#") || strings.Contains(line, "rgb("); hasColour != strings.Contains(line, "light-dark(") {
			t.Errorf("not for both schemes: %s", line)
		}
	}
	for scheme, want := range map[string]int{"dark": 1, "light": 1} {
		if got := strings.Count(sheet, `:root[data-scheme="`+scheme+`"] { color-scheme: `+scheme+`; }`); got != want {
			t.Errorf("who chose %s has it in %d rules", scheme, got)
		}
	}
}

// What a browser loads once, of all pages together.
func TestFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	total := 0
	for name := range all.hashed {
		total += len(body(t, get(t, http.MethodGet, Path(name), "gzip").Body))
	}
	if total > 16_500 {
		t.Errorf("all assets together are %d bytes", total)
	}
}

func TestBrand(t *testing.T) {
	t.Parallel()
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>alert(1)</script></svg>`)
	b, err := NewBrand("#0b5d3b", svg)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	sheet, logo := ask(b.Sheet()), ask(b.Logo())
	if text := sheet.Body.String(); sheet.Code != http.StatusOK || !strings.Contains(text, "--accent: light-dark(#0b5d3b, #") || strings.Count(text, "--accent:") != 1 {
		t.Errorf("%d:\n%s", sheet.Code, text)
	}
	if logo.Code != http.StatusOK || logo.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(logo.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", logo.Code, logo.Header())
	}
	if got := ask(Path("style.css")); got.Code != http.StatusOK || got.Header().Get("Content-Security-Policy") != "" {
		t.Errorf("style.css: %d %v", got.Code, got.Header())
	}
	if none, err := NewBrand("", nil); err != nil || none.Sheet() != "" || none.Logo() != "" {
		t.Errorf("no brand: %v, %v", none, err)
	}
	for name, logo := range map[string][]byte{"HTML": []byte("<html>"), "a large one": append(svg, make([]byte, MaxLogo)...)} {
		if _, err := NewBrand("", logo); err == nil {
			t.Errorf("%s is taken for a logo", name)
		}
	}
	if _, err := NewBrand("#ffff00", nil); err == nil {
		t.Error("an accent that nobody can read is taken")
	}
}
