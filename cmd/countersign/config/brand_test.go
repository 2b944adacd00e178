package config

import (
	"strings"
	"testing"
)

func TestBrand(t *testing.T) {
	t.Parallel()
	load := func(flags map[string]string) (*Config, error) { return Load(Source{Flags: flags}) }
	c, err := load(map[string]string{"accent": "#0b5d3b", "links": "Imprint=https://example.org/imprint?a=b, Data protection = https://example.org/privacy"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.FooterLinks(); len(got) != 2 || got[0] != [2]string{"Imprint", "https://example.org/imprint?a=b"} || got[1] != [2]string{"Data protection", "https://example.org/privacy"} {
		t.Errorf("links %q", got)
	}
	for _, tt := range []struct{ key, value, says string }{
		{"accent", "green", "write it like #23408f"},
		{"accent", "#ffd200", "would do"},
		{"links", "https://example.org", "each like Imprint="},
		{"links", "Imprint=javascript:alert(1)", "is no link"},
		{"links", "Imprint=http://example.org", "is no link"},
		{"links", "=https://example.org", "is no link"},
		{"links", strings.Repeat("a=https://example.org,", 6) + "a=https://example.org", "up to 6"},
	} {
		if _, err := load(map[string]string{tt.key: tt.value}); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s %q: %v; want %q", tt.key, tt.value, err, tt.says)
		}
	}
}
