//go:build ignore

// Vulndb makes a database for govulncheck -db from the files of the Go
// vulnerability database's own repository, for machines that reach a module
// proxy and not vuln.go.dev. The format is that of
// https://go.dev/doc/security/vuln/database. Usage: go run .ci/vulndb.go OSV-FOLDER OUT
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type entry struct {
	ID        string    `json:"id"`
	Modified  time.Time `json:"modified"`
	Withdrawn string    `json:"withdrawn"`
	Aliases   []string  `json:"aliases"`
	Affected  []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Events []struct {
				Fixed string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

type vuln struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Aliases  []string  `json:"aliases,omitempty"`
	Fixed    string    `json:"fixed,omitempty"`
}

type module struct {
	Path  string `json:"path"`
	Vulns []vuln `json:"vulns"`
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, ".ci/vulndb.go:", err)
		os.Exit(1)
	}
}

func run(from, out string) error {
	files, err := filepath.Glob(filepath.Join(from, "GO-*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no entries in %s: %w", from, err)
	}
	var newest time.Time
	var vulns []vuln
	modules := map[string]*module{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(content, &e); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if e.Modified.After(newest) {
			newest = e.Modified
		}
		if err := write(filepath.Join(out, "ID", e.ID+".json"), content); err != nil {
			return err
		}
		vulns = append(vulns, vuln{ID: e.ID, Modified: e.Modified, Aliases: e.Aliases})
		for _, a := range e.Affected {
			m := modules[a.Package.Name]
			if m == nil {
				m = &module{Path: a.Package.Name}
				modules[m.Path] = m
			}
			v := vuln{ID: e.ID, Modified: e.Modified}
			for _, r := range a.Ranges {
				for _, event := range r.Events {
					if event.Fixed != "" {
						v.Fixed = event.Fixed
					}
				}
			}
			m.Vulns = append(m.Vulns, v)
		}
	}
	index := make([]*module, 0, len(modules))
	for _, m := range modules {
		index = append(index, m)
	}
	slices.SortFunc(index, func(a, b *module) int { return strings.Compare(a.Path, b.Path) })
	for name, v := range map[string]any{"db": map[string]any{"modified": newest}, "vulns": vulns, "modules": index} {
		content, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(out, "index", name+".json"), content); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
