package storage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/apikey"
)

func TestColumns(t *testing.T) {
	t.Parallel()
	for range 2 {
		if got := storage.Columns("k", apikey.Key{}); !strings.HasPrefix(got, "k.id, k.hash, k.prefix, ") {
			t.Errorf("Columns() = %s", got)
		}
	}
}

var star = regexp.MustCompile(`(?i)(SELECT|RETURNING)\s+(\w+\.)?\*|Select\("\w+\.\*"\)`)

// TestNoStatementReadsAllColumns keeps * out of statements on tables: a newer
// release that adds a column would make PostgreSQL refuse what this one has
// prepared. A subquery that names its columns may be read whole.
func TestNoStatementReadsAllColumns(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, room := range []string{".", "../clientstore", "../admin", "../authz"} {
		err := filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			seen++
			for _, found := range star.FindAllString(strings.ReplaceAll(string(text), "SELECT * FROM (`", ""), -1) {
				if found != "SELECT x.*" { // of a subquery
					t.Errorf("%s: %s: name the columns, as storage.Columns does", path, found)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("%d files were read", seen)
	}
}
