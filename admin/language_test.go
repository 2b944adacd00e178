package admin

import (
	"maps"
	"slices"
	"testing"

	"countersign/storage/locale"
)

// Every page parses in every language.
func TestPagesInEveryLanguage(t *testing.T) {
	t.Parallel()
	p, err := newPages(Config{Name: "Countersign", Asset: func(name string) string { return "/assets/" + name }}, "")
	if err != nil {
		t.Fatal(err)
	}
	english, err := p.parsed[locale.English]()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range locale.Languages() {
		all, err := p.parsed[l]()
		if err != nil {
			t.Errorf("%s: %v", l.Code, err)
		}
		if got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(english)); !slices.Equal(got, want) {
			t.Errorf("%s has the pages %q; want %q", l.Code, got, want)
		}
		for name, page := range all {
			if _, err := page(); err != nil {
				t.Errorf("%s, %s: %v", l.Code, name, err)
			}
		}
	}
}
