package claims_test

import (
	"encoding/json"
	"testing"
	"time"

	"countersign/authz/claims"
)

// FuzzEncode holds Encode to the library.
func FuzzEncode(f *testing.F) {
	for _, text := range []string{"", "Ada", `a"b\c`, "<a&b>", "Müller", "\x7f\x00\u2028", "\xff", "😀"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		found := claims.Select(claims.NewSet(claims.Supported()), full, text, time.Unix(int64(len(text)), 0))
		object := found.Map()
		for _, one := range []claims.Member{
			{"sub", text},
			{name, text},
			{text, map[string]string{name: text}},
			{"none", []string(nil)},
			{"empty", []string{}},
			{"amr", []string{name, text}},
		} {
			found.Set(one.Name, one.Value)
			object[one.Name] = one.Value
		}
		got, err := found.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestEncodeFails(t *testing.T) {
	t.Parallel()
	members := claims.Members{{"a", func() {}}}
	if got, err := members.Encode(); err == nil {
		t.Errorf("%s; want an error", got)
	}
}

func BenchmarkEncode(b *testing.B) {
	found := claims.Select(claims.ForScope([]string{"profile", "email"}), full, "jane", time.Unix(1, 0))
	for b.Loop() {
		if _, err := found.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeByLibrary(b *testing.B) {
	found := claims.Select(claims.ForScope([]string{"profile", "email"}), full, "jane", time.Unix(1, 0))
	object := found.Map()
	for b.Loop() {
		if _, err := json.Marshal(object); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	for b.Loop() {
		claims.Select(claims.ForScope([]string{"profile", "email"}), full, "jane", time.Unix(1, 0))
	}
}
