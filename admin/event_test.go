package admin

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every deed that is recorded has a name on the pages, in every language: one
// that has none was shown by its verb, in English.
func TestEveryDeedHasAName(t *testing.T) {
	t.Parallel()
	deed := regexp.MustCompile(`"(?:account|client|api_key|keys|initial_token|installation)\.[a-z_]+"`)
	found := 0
	for _, room := range []string{"../clientstore", "../storage"} {
		err := filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, action := range deed.FindAllString(string(source), -1) {
				found++
				if _, named := actionNames[strings.Trim(action, `"`)]; !named && action != `"installation.key_check"` { // a column
					t.Errorf("%s records %s, which has no name", path, action)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 30 {
		t.Errorf("%d deeds were found", found)
	}
}
