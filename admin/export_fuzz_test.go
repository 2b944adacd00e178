package admin

import (
	"encoding/csv"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"countersign/storage/audit"
)

// Whatever names are in the audit record, its files have one record a line,
// no control characters, and no cell that is a formula (AD-17).
func FuzzAuditFile(f *testing.F) {
	f.Add("name", "Client", "{}")
	f.Add("=cmd|' /C calc'!A0", "a\r\nb\x1b[31m", `{"x":"\u202e"}`)
	f.Add("\t=1+1", "\"quoted\",", "\xff")
	f.Add("@SUM(A1)", "-2+3", "\ufeff=1")
	f.Fuzz(func(t *testing.T, actor, target, before string) {
		e := audit.Event{ID: "e1", ActorName: actor, TargetName: target, RequestID: before}
		for _, format := range []string{"csv", "jsonl"} {
			w := httptest.NewRecorder()
			if err := auditLines(w, format)([]audit.Event{e, e}); err != nil {
				t.Fatal(err)
			}
			if format == "csv" {
				wantSheet(t, w.Body.String())
			} else {
				wantLines(t, w.Body.String())
			}
		}
	})
}

func wantSheet(t *testing.T, file string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%q has %d rows: %v", file, len(rows), err)
	}
	for _, cell := range rows[1] {
		if strings.ContainsFunc(cell, unicode.IsControl) || cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
			t.Fatalf("cell %q", cell)
		}
	}
}

func wantLines(t *testing.T, file string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q has %d lines", file, len(lines))
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, unicode.IsControl) || !json.Valid([]byte(line)) {
			t.Fatalf("line %q", line)
		}
	}
}
