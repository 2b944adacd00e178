package main

import (
	"strings"
	"testing"

	"countersign/clientstore"
)

// The question before an approval says what a client without a scope gets.
func TestApprovalWithoutScopeIsExplained(t *testing.T) {
	t.Parallel()
	for kind, want := range map[clientstore.Type]string{clientstore.OAuth1: "act for them", clientstore.OAuth2: "tokens without a scope"} {
		got := approvalImpact(&clientstore.Client{ID: "k", Name: "Jazz", Type: kind}, clientstore.Impact{})
		if !strings.Contains(got, want) || strings.Contains(got, "for -") {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

// No table has a value as Go writes it, or a cell that is blank.
func TestCellsOfTables(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]any{
		"-": map[string]any{}, "- ": []string{}, "-  ": []any{}, "-   ": nil, "-    ": "",
		`{"locale":"de<","n":[1]}`: map[string]any{"locale": "de<", "n": []any{1}}, "a, b": []any{"a", "b"}, `{"kty":"EC"}`: []any{map[string]any{"kty": "EC"}},
	} {
		if got := cell(value); got != strings.TrimRight(want, " ") {
			t.Errorf("cell(%#v) = %q; want %q", value, got, want)
		}
	}
	m := newMachine(t)
	bob := m.ok(goodPassword, "user", "create", "--username", "bob", "--password-stdin")
	m.ok("", "client", "create", "--type", "oauth1", "--name", "Old", "--redirect-uri", "https://o.example/cb")
	if list := m.ok("", "client", "list"); strings.Contains(bob, "map[") || !strings.Contains(list, "three-legged") {
		t.Errorf("%s%s", bob, list)
	}
	if lines := strings.Split(m.ok("", "user", "list"), "\n"); strings.Join(strings.Fields(lines[1])[:5], " ") != "bob - - - enabled" {
		t.Errorf("printed %q", lines[1])
	}
}
