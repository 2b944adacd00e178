package api

import (
	"bytes"
	stdjson "encoding/json"
	"net/http/httptest"
	"testing"
)

// What is read of a body is what the standard library reads of it, and no
// member was there twice for another reader to take the other one.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"name":"a"}`, `{"name":"a","name":"b"}`, `{"name":"a","NAME":"b"}`, `{"a":{"b":1,"b":2}}`, `{"a":[{}]}`, `null`, `[]`, `{} {}`, `{"a":1e400}`,
		"\xef\xbb\xbf{}", `{"\u0061":1,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(content))
		r.Header.Set("Content-Type", "application/json")
		got, _, err := (&request{Request: r}).body()
		if err != nil {
			return
		}
		want := map[string]stdjson.RawMessage{}
		if err := stdjson.Unmarshal(content, &want); err != nil || len(want) != len(got) {
			t.Fatalf("%q: %d members; the standard library reads %d: %v", content, len(got), len(want), err)
		}
		for name, raw := range want {
			if !bytes.Equal(raw, got[name]) {
				t.Fatalf("%q: %q is %s; the standard library reads %s", content, name, got[name], raw)
			}
		}
		if n := membersOf(content); n != len(got) {
			t.Fatalf("%q has %d members, of which %d were read", content, n, len(got))
		}
	})
}

// membersOf counts the members of the outermost object.
func membersOf(content []byte) (n int) {
	dec := stdjson.NewDecoder(bytes.NewReader(content))
	_, _ = dec.Token()
	for dec.More() {
		_, _ = dec.Token()
		var skipped stdjson.RawMessage
		if dec.Decode(&skipped) != nil {
			return -1
		}
		n++
	}
	return n
}
