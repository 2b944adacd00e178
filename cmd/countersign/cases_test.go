package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// chapters are the parts of the catalogue of security cases.
var chapters = map[string]string{
	"1.1": "Authorization endpoint", "1.2": "Redirect URIs", "1.3": "Proof keys", "1.4": "Authorization codes",
	"1.5": "Token endpoint and client authentication", "1.6": "Refresh tokens", "1.7": "Revocation, introspection, userinfo",
	"1.8": "JWT and keys", "1.9": "Request objects and pushed requests", "1.10": "Sender constraint", "1.11": "Device grant",
	"1.12": "Registration of clients", "1.13": "Life cycle of clients", "1.14": "Sign-in, session, consent, logout",
	"1.15": "Browsers", "1.16": "HTTP, proxies, exhaustion", "1.17": "What the server fetches", "1.18": "Administrators", "1.19": "OAuth 1.0a", "1.20": "Metadata, mix-up, leaks",
	"1.21": "Forward-auth", "1.22": "Token exchange", "1.23": "Approvals, four eyes, going back in time", "1.24": "JWT bearer",
}

var (
	caseID   = regexp.MustCompile(`\b[A-Z][A-Z0-9]-\d\d\b|Test[A-Za-z]*?([A-Z][A-Z0-9])(\d\d)`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
)

// answers is what the tests of the repository say of the cases.
type answers struct {
	cases map[string][]string // tests that name a case
	names map[string]bool     // of all tests
}

// Every case of the catalogue has a test that names it, or a sentence why not,
// or both, where the test does less than the case asks for; docs/security.md
// lists which.
func TestEverySecurityCaseIsAnswered(t *testing.T) {
	t.Parallel()
	tests := readTests(t)
	catalogue, err := os.ReadFile(filepath.Join(repository, "docs/security-cases.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Security cases\n\nWhat has been tried on the endpoints, and which test tries it again. " +
		"The cases are in `security-cases.tsv`; this page is made from it and from the tests that name them.\n")
	chapter := ""
	for line := range strings.Lines(string(catalogue)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if column[0] != chapter {
			chapter = column[0]
			fmt.Fprintf(&b, "\n## %s\n\n| case | what | test, or why not |\n|---|---|---|\n", chapters[chapter])
		}
		for _, name := range testName.FindAllString(column[3], -1) {
			if !tests.names[name] {
				t.Errorf("%s cites %s, which is no test", column[1], name)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", column[1], column[2], tests.proof(t, column[1], column[2], column[3]))
	}
	golden(t, filepath.Join(repository, "docs/security.md"), b.String())
}

// proof is what answers a case: its tests, and what they leave out or why there
// is none.
func (a *answers) proof(t *testing.T, id, what, reason string) string {
	t.Helper()
	tests := strings.Join(a.cases[id], ", ")
	switch {
	case tests == "" && reason == "":
		t.Errorf("%s (%s) has neither a test nor a reason", id, what)
	case tests != "" && reason != "":
		return tests + ". " + reason
	}
	return tests + reason
}

// golden compares with a file that UPDATE_GOLDEN=1 rewrites.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date; run UPDATE_GOLDEN=1 go test ./cmd/countersign", filepath.Base(file))
	}
}

// readTests finds the tests, and those that name a case: in their own name, or
// somewhere in their body; a data file's cases are its package's.
func readTests(t *testing.T) *answers {
	t.Helper()
	all := &answers{cases: map[string][]string{}, names: map[string]bool{}}
	found := map[string]map[string]bool{}
	note := func(id, where string) {
		if found[id] == nil {
			found[id] = map[string]bool{}
		}
		found[id][where] = true
	}
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "docs") {
				return filepath.SkipDir
			}
			return err
		}
		data := strings.HasSuffix(path, ".txt") && strings.Contains(path, "testdata")
		if !data && !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "cases_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, _ := filepath.Rel(repository, filepath.Dir(path))
		if data {
			for _, id := range caseID.FindAllString(string(content), -1) {
				note(id, "`"+folder+"`")
			}
			return nil
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(content), -1) {
			all.names[m[1]] = true
		}
		casesOf(string(content), func(id, test string) { note(id, "`"+test+"` in "+folder) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, where := range found {
		list := slices.Sorted(maps.Keys(where))
		all.cases[id] = list[:min(len(list), 3)]
	}
	return all
}

// casesOf tells which test of a file names which case. What stands between two
// tests belongs to the one before, and a comment right above a test to it.
func casesOf(content string, note func(id, test string)) {
	starts := testFunc.FindAllStringSubmatchIndex(content, -1)
	for i, start := range starts {
		from, to := start[0], len(content)
		if i+1 < len(starts) {
			to = commentAbove(content, starts[i+1][0])
		}
		from = commentAbove(content, from)
		for _, m := range caseID.FindAllStringSubmatch(content[from:to], -1) {
			id := m[0]
			if m[1] != "" {
				id = m[1] + "-" + m[2]
			}
			note(id, content[start[2]:start[3]])
		}
	}
}

// commentAbove returns where the comment right above a position begins.
func commentAbove(content string, at int) int {
	for at > 0 {
		line := strings.LastIndexByte(content[:at-1], '\n') + 1
		if !strings.HasPrefix(content[line:at], "//") {
			break
		}
		at = line
	}
	return at
}
