package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckers feeds each checker a history in which all is well, and those in
// testdata that break each of its invariants.
func TestCheckers(t *testing.T) {
	t.Parallel()
	for _, c := range checkers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if found := c.check(newRecord(history(t, c.name+".good"))); len(found) != 0 {
				t.Errorf("a good history: %v", found)
			}
			bad, err := filepath.Glob("testdata/" + c.name + ".bad-*.jsonl")
			if err != nil || len(bad) == 0 {
				t.Fatalf("there is no bad history: %v", err)
			}
			var shown []string
			for _, path := range bad {
				name := strings.TrimSuffix(filepath.Base(path), ".jsonl")
				_, invariant, _ := strings.Cut(name, "bad-")
				shown = append(shown, invariant)
				seen := false
				for _, v := range c.check(newRecord(history(t, name))) {
					seen = seen || v.Invariant == invariant
				}
				if !seen {
					t.Errorf("%s passes", name)
				}
			}
			for _, invariant := range strings.Fields(c.invariants) {
				if !strings.Contains(strings.Join(shown, " "), invariant) {
					t.Errorf("no bad history breaks %s", invariant)
				}
			}
		})
	}
}

// TestEveryFaultIsSeen counts what is found in histories with several faults.
func TestEveryFaultIsSeen(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"verdicts.bad-INV-08": 9, "singleuse.bad-INV-02": 2, "lifespans.bad-INV-06": 2, "audit.bad-INV-10": 4, "crosstalk.bad-INV-16": 2, "recovery.bad-INV-20": 4, "published.bad-INV-14": 2, "clocks.bad-INV-17": 1,
	} {
		for _, c := range checkers {
			if strings.HasPrefix(name, c.name+".") {
				if found := c.check(newRecord(history(t, name))); len(found) != want {
					t.Errorf("%s: %d violations; want %d: %v", name, len(found), want, found)
				}
			}
		}
	}
}

// TestCheckOfAHistory is what somebody does with what a red run left.
func TestCheckOfAHistory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := command(t.Context(), []string{"-check", "testdata/lifespans.bad-INV-05.jsonl"}, &out)
	if !errors.Is(err, errViolated) || !strings.Contains(out.String(), "INV-05: alive") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestSeed shows that what a seed yields comes again.
func TestSeed(t *testing.T) {
	t.Parallel()
	one, two := newDice(7), newDice(7)
	for range 100 {
		if one.fork().below(1000) != two.fork().below(1000) {
			t.Fatal("a seed yields something else")
		}
	}
}

// TestSearchLog shows that a secret in a log is found, and a crash.
func TestSearchLog(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"cs_rt_abc": "refresh token"}
	for log, want := range map[string]string{
		`{"msg":"request","path":"/token"}`:             "",
		`{"msg":"request","query":"token=cs_rt_abc&x"}`: "refresh token",
		`panic: runtime error`:                          "a crash: panic:",
	} {
		if got := searchLog(log, secrets); got != want {
			t.Errorf("searchLog(%q) = %q; want %q", log, got, want)
		}
	}
}

func history(t *testing.T, name string) []*Op {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	ops, err := readHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}
