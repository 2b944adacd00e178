package protocol

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseRefusesWhatTwoReadersMightTakeDifferently(t *testing.T) {
	t.Parallel()
	for name, encoded := range map[string]string{
		"broken escape":        "a=%zz",
		"semicolon":            "a=1;b=2",
		"NUL":                  "a=%00",
		"line break":           "a=%0d%0a",
		"delete":               "a=%7f",
		"overlong encoding":    "a=%c0%af",
		"lone continuation":    "a=%80",
		"control in name":      "a%01=1",
		"too many parameters":  strings.Repeat("a=1&", maxParameters+1),
		"value of 16 KiB + 1":  "a=" + strings.Repeat("x", maxValue+1),
		"second part is wrong": "%",
	} {
		t.Run("HT-11 "+name, func(t *testing.T) {
			t.Parallel()
			if p, err := Parse("first=1", encoded); err == nil {
				t.Errorf("Parse(%q) = %v; want an error", encoded, p.Values())
			}
		})
	}
}

func TestParseNotesRepeatedNames(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		parts []string
		want  string
	}{
		"once":                    {[]string{"a=1&b=2"}, ""},
		"twice":                   {[]string{"a=1&b=2&a=3"}, "a"},
		"twice with equal values": {[]string{"a=1&a=1"}, "a"},
		"twice and empty":         {[]string{"a=&a=1"}, "a"},
		"AZ-11 in query and body": {[]string{"a=1", "a=1"}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse(tt.parts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Repeated(); got != tt.want {
				t.Errorf("Repeated() = %q; want %q", got, tt.want)
			}
		})
	}
}

func TestParseTakesAnEmptyValueAsOmitted(t *testing.T) {
	t.Parallel()
	p, err := Parse("a=&b=x")
	if err != nil {
		t.Fatal(err)
	}
	if p.Has("a") || !p.Has("b") || len(p.Values()) != 1 {
		t.Errorf("got %v; want b alone", p.Values())
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		url, contentType, encoding, body string
		wantStatus                       int // 0: accepted
	}{
		"form":                         {"/token", form, "", "a=1", 0},
		"form with charset":            {"/token", form + "; charset=utf-8", "", "a=1", 0},
		"TK-02 JSON":                   {"/token", "application/json", "", `{"a":1}`, http.StatusUnsupportedMediaType},
		"TK-02 multipart":              {"/token", "multipart/form-data; boundary=x", "", "--x--", http.StatusUnsupportedMediaType},
		"TK-02 text":                   {"/token", "text/plain", "", "a=1", http.StatusUnsupportedMediaType},
		"TK-02 none":                   {"/token", "", "", "a=1", http.StatusUnsupportedMediaType},
		"HT-10 gzip":                   {"/token", form, "gzip", "a=1", http.StatusUnsupportedMediaType},
		"TK-03 64 KiB + 1":             {"/token", form, "", strings.Repeat("a", maxBody+1), http.StatusRequestEntityTooLarge},
		"TK-04 twice":                  {"/token", form, "", "a=1&a=2", http.StatusBadRequest},
		"parameters in the URL":        {"/token?a=1", form, "", "b=1", http.StatusBadRequest},
		"a parameter that is not text": {"/token", form, "", "a=%ff", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			r.Header.Set("Content-Encoding", tt.encoding)
			_, err := Form(r)
			var status int
			if e, ok := err.(*Error); ok { //nolint:errorlint // the function promises this very type
				status = e.Status
			}
			if status != tt.wantStatus {
				t.Errorf("Form: %v; want status %d", err, tt.wantStatus)
			}
		})
	}
}

// unfit are characters that no value of the parameter has.
func unfit(name string) string {
	if name == "claims" { // JSON, which may be indented
		return "\x00\v\x7f"
	}
	return "\x00\r\n"
}

// Whatever comes in, what Parse lets through has one clean value a name and
// survives another reading.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "a=1&a=2", "a=%00", "a=%zz", "a;b", "%c3%a9=%f0%9f%94%91", "=", "&&&", "a=b=c", "claims=%7b%0a%09%7d", "claims=%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		p, err := Parse(encoded)
		if err != nil {
			return
		}
		for name, values := range p.Values() {
			if len(values) != 1 || values[0] == "" || !utf8.ValidString(name+values[0]) || strings.ContainsAny(name+values[0], unfit(name)) {
				t.Fatalf("Parse(%q) let %q=%q through", encoded, name, values)
			}
		}
		again, err := Parse(p.Values().Encode())
		if err != nil || again.Values().Encode() != p.Values().Encode() || again.Repeated() != "" {
			t.Fatalf("Parse(%q) = %v, read again %v, %v", encoded, p.Values(), again.Values(), err)
		}
		if _, err := url.ParseQuery(encoded); err != nil {
			t.Fatalf("Parse(%q) accepts what url.ParseQuery refuses: %v", encoded, err)
		}
	})
}

func TestPrintableKeepsToTheAlphabetOfDescriptions(t *testing.T) {
	t.Parallel()
	got := Printable("a\"b\\c\r\nd é " + strings.Repeat("x", 200))
	if strings.ContainsAny(got, "\"\\\r\n") || len(got) > 100 || !strings.HasPrefix(got, "a'b'c??d ? ") {
		t.Errorf("Printable = %q", got)
	}
}
