package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every code that a page shows has a place in docs/errors.md, and nothing else
// has one.
func TestErrorReference(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	code := regexp.MustCompile(`\bE-[A-Z0-9]+(-[A-Z0-9]+)*\b`)
	for _, door := range []string{"authz", "admin"} {
		err := filepath.WalkDir(filepath.Join(repository, door), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".html") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, one := range code.FindAllString(string(source), -1) {
				shown[one] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reference, err := os.ReadFile(filepath.Join(repository, "docs/errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(string(reference), -1) {
		described[heading[1]] = true
	}
	if got, want := slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(shown)); !slices.Equal(got, want) {
		t.Errorf("docs/errors.md describes\n%q; the pages show\n%q", got, want)
	}
}
