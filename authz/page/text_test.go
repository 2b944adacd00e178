package page

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/clientstore"
)

// CN-08.
func TestPlain(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain words", "Modeler 2", "Modeler 2"},
		{"another script", "Модель 模型", "Модель 模型"},
		{"line breaks and tabs", " a\r\n\tb ", "a b"},
		{"bidirectional controls", "a\u202Eb\u2066c\u2069\u200F", "abc"},
		{"zero-width characters", "a\u200Bb\uFEFF", "ab"},
		{"NUL and escape", "a\x00b\x1b[31m", "a b [31m"},
		{"bytes that are no text", "a\xffb", "ab"},
		{"markup is left to the templates", "<b>", "<b>"},
		{"10 KiB", strings.Repeat("é", 10<<10), strings.Repeat("é", 100) + "…"},
		{"a space where the last rune would be", strings.Repeat("é", 99) + " " + strings.Repeat("é", 10<<10), strings.Repeat("é", 99) + "…"},
		{"just fitting", strings.Repeat("é", 100), strings.Repeat("é", 100)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Plain(tt.in); got != tt.want {
				t.Errorf("Plain(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\u202Eb")
	f.Fuzz(func(t *testing.T, s string) {
		got := Plain(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > MaxText+1 {
			t.Errorf("Plain(%q) = %q", s, got)
		}
		if strings.ContainsAny(got, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\n\r\x00") {
			t.Errorf("Plain(%q) = %q", s, got)
		}
	})
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                       "1 second",
		500 * time.Millisecond:  "1 second",
		32 * time.Second:        "32 seconds",
		61 * time.Second:        "2 minutes",
		10 * time.Minute:        "10 minutes",
		12 * time.Hour:          "12 hours",
		30 * 24 * time.Hour:     "30 days",
		time.Hour + time.Second: "61 minutes",
	} {
		if got := Duration(d); got.String() != want {
			t.Errorf("Duration(%v) = %q; want %q", d, got, want)
		}
	}
}

func TestNewApplication(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, redirectURI string
		metadata          clientstore.Metadata
		want              Application
	}{
		{
			"web", "https://app.example/cb",
			clientstore.Metadata{},
			Application{Kind: Web, Destination: "app.example", Home: "https://app.example/", sources: "https://app.example"},
		},
		{
			"web with a page of its own", "https://app.example:444/cb",
			clientstore.Metadata{ClientURI: "https://about.example/"},
			Application{Kind: Web, Destination: "app.example:444", Home: "https://about.example/", sources: "https://app.example:444 https://about.example"},
		},
		{
			"host with letters that look like others", "https://аpp.example/cb",
			clientstore.Metadata{},
			Application{Kind: Web, Destination: "xn--pp-6kc.example", Home: "https://xn--pp-6kc.example/", sources: "https://xn--pp-6kc.example"},
		},
		{
			"loopback", "http://localhost:1/cb",
			clientstore.Metadata{},
			Application{Kind: Loopback, sources: "http://localhost:1"},
		},
		{
			"own scheme", "com.example.app:/cb",
			clientstore.Metadata{},
			Application{Kind: OwnScheme, Destination: "com.example.app", sources: "com.example.app:"},
		},
		{
			"links that lead to harm", "",
			clientstore.Metadata{ClientURI: "javascript:alert(1)", PolicyURI: "https://a:b@c.example/", TosURI: "http://c.example/"},
			Application{Kind: Web},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Name = "App"
			got := NewApplication(&clientstore.Client{Name: "App\u202E", Metadata: tt.metadata}, tt.redirectURI)
			if got != tt.want {
				t.Errorf("NewApplication() = %+v; want %+v", got, tt.want)
			}
		})
	}
}

func TestInitial(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		person Person
		want   string
	}{
		{Person{Username: "ada"}, "a"},
		{Person{Username: "ada", Name: "\u202EÉva"}, "É"},
		{Person{}, ""},
	} {
		if got := tt.person.Initial(); got != tt.want {
			t.Errorf("Initial(%+v) = %q; want %q", tt.person, got, tt.want)
		}
	}
}
