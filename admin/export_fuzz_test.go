package admin

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"countersign/storage/audit"
)

// Whatever names are in the audit record, its files have one record a line, no
// control characters, and no cell that is a formula (AD-17); a line of JSON reads
// as what was written, and so does a cell, but for what it must not have.
func FuzzAuditFile(f *testing.F) {
	f.Add("name", "Client", "{}")
	f.Add("=cmd|' /C calc'!A0", "a\r\nb\x1b[31m", `{"x":"\u202e"}`)
	f.Add("\t=1+1", "\"quoted\",", "\xff")
	f.Add("@SUM(A1)", "-2+3", "\ufeff=1")
	f.Fuzz(func(t *testing.T, actor, target, before string) {
		e := audit.Event{ID: "e1", At: time.Unix(1e9, 123456789).UTC(), ActorName: actor, TargetName: target, RequestID: before}
		if json.Valid([]byte(before)) {
			e.Before = audit.JSON(before)
		}
		for _, format := range []string{"csv", "jsonl"} {
			w := httptest.NewRecorder()
			if err := auditLines(w, format)([]audit.Event{e, e}); err != nil {
				t.Fatal(err)
			}
			if format == "csv" {
				wantSheet(t, w.Body.String(), &e)
			} else {
				wantLines(t, w.Body.String(), &e)
			}
		}
	})
}

func wantSheet(t *testing.T, file string, e *audit.Event) {
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
	for i, text := range map[int]string{3: e.ActorName, 8: e.TargetName, 9: string(e.Before), 12: e.RequestID} {
		if want := harmless(text); rows[1][i] != want || rows[2][i] != want {
			t.Fatalf("%q reads as %q and %q; want %q", text, rows[1][i], rows[2][i], want)
		}
	}
}

func wantLines(t *testing.T, file string, e *audit.Event) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q has %d lines", file, len(lines))
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, unicode.IsControl) || !json.Valid([]byte(line)) {
			t.Fatalf("line %q", line)
		}
		wantRecord(t, line, e)
	}
}

// wantRecord checks that a line reads as the record that it was written from, with
// what JSON has for bytes that are no text.
func wantRecord(t *testing.T, line string, e *audit.Event) {
	t.Helper()
	var got struct {
		audit.Event
		Before json.RawMessage `json:"before"` // which has no reader of its own
	}
	d := json.NewDecoder(strings.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	want := *e
	for _, text := range []*string{&want.ActorName, &want.TargetName, &want.RequestID} {
		*text = string([]rune(*text))
	}
	want.Before = ""
	if !reflect.DeepEqual(got.Event, want) {
		t.Fatalf("%q reads as %+v; want %+v", line, got.Event, want)
	}
	if read, document := cmp.Or(string(got.Before), "null"), cmp.Or(string(e.Before), "null"); !reflect.DeepEqual(value(t, read), value(t, document)) {
		t.Fatalf("%q reads as %s; want %s", line, read, document)
	}
}

// value reads any JSON, numbers by their digits.
func value(t *testing.T, document string) any { //nolint:ireturn // a document holds anything
	t.Helper()
	d := json.NewDecoder(strings.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", document, err)
	}
	return v
}
