package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Whoever reads that a run is red is told the history of the lab that was, here
// the one on SQLite, chosen alone, whose program is none.
func TestRedRunNamesItsHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out bytes.Buffer
	err := command(t.Context(), []string{"-nemeses", "NM-21", "-bin", filepath.Join(dir, "no program"), "-keep", dir}, &out)
	if err == nil {
		t.Fatal("a program that is none runs")
	}
	told := regexp.MustCompile("`-check (.*)`").FindStringSubmatch(err.Error())
	if told == nil {
		t.Fatalf("no history is named: %v", err)
	}
	histories, globErr := filepath.Glob(filepath.Join(dir, "*", "sqlite", "history.jsonl"))
	if globErr != nil || len(histories) != 1 || told[1] != histories[0] {
		t.Errorf("told to check %s; the histories are %v: %v", told[1], histories, globErr)
	}
	note, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(told[1])), "red"))
	if err != nil || !strings.Contains(string(note), told[1]) {
		t.Errorf("the note says %q: %v", note, err)
	}
}

// What is named strikes, and no lab is opened for nothing.
func TestChosen(t *testing.T) {
	t.Parallel()
	for names, want := range map[string][]string{
		"NM-01,NM-05": {"NM-01", "NM-05"}, "NM-21,NM-20": {"NM-20"}, "NM-21": nil, "-": nil,
	} {
		list, err := chosen(names)
		var got []string
		for _, n := range list {
			got = append(got, n.id)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("chosen(%q) = %v, %v; want %v", names, got, err, want)
		}
	}
	for _, names := range []string{"NM-99", "NM-01,", "NM-01,-"} {
		if list, err := chosen(names); err == nil {
			t.Errorf("chosen(%q) = %v; want an error", names, list)
		}
	}
}

// Each lab of a run writes a history of its own.
func TestParts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  config
		want []string
	}{
		"both":            {config{dir: "run", sqlite: 2}, []string{"run/history.jsonl", "run/sqlite/history.jsonl"}},
		"no SQLite":       {config{dir: "run"}, []string{"run/history.jsonl"}},
		"SQLite alone":    {config{dir: "run", sqlite: 2, onlySQLite: true}, []string{"run/sqlite/history.jsonl"}},
		"no kills either": {config{dir: "run", onlySQLite: true}, []string{"run/sqlite/history.jsonl"}},
	} {
		var got []string
		for _, part := range parts(tt.cfg) {
			got = append(got, part.history())
			if part.onSQLite != strings.Contains(part.dir, "sqlite") {
				t.Errorf("%s: %s is on SQLite: %t", name, part.dir, part.onSQLite)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v; want %v", name, got, tt.want)
		}
	}
}
