package account_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"countersign/storage/account"
)

var keptClaims = []string{
	`{}`, `{"name":"Ada Lovelace"}`, `{"name":"Jürgen Müller","email":"j@example.com","email_verified":true,"phone_number_verified":true}`,
	`{"name":"a","name":"b"}`, `{"Name":"a"}`, `{"name":"a\u0062"}`, `{"name":"a"},`, `{"name":"a",}`, `{,}`, `{"name":"a"}}`, `{"name":"a"} `,
	`{"email_verified":false}`, `{"email_verified":trues}`, `{"email_verified":true`, `{"name":null}`, `{"name":7}`, `{"unknown":"x"}`, `{"name":"`, `{"name"`,
	`{"address":{"locality":"Berlin","country":"DE"},"name":"Ada"}`, "{\"name\":\"\xff\"}", "{\"name\":\"a\nb\"}", ` {"name":"a"}`, ``, `null`, `[]`, `"{}"`,
}

// FuzzReadClaims holds ReadClaims to the library.
func FuzzReadClaims(f *testing.F) {
	for _, kept := range keptClaims {
		f.Add(kept)
	}
	f.Fuzz(func(t *testing.T, kept string) {
		got, err := account.ReadClaims(kept)
		var want account.Claims
		wantErr := json.Unmarshal([]byte(kept), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v; the library says %v", kept, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got  %+v\nwant %+v", kept, got, want)
		}
	})
}

const usualClaims = `{"name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace","locale":"en-GB","email":"ada@example.com","email_verified":true}`

func BenchmarkReadClaims(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := account.ReadClaims(usualClaims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadClaimsByLibrary(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var c account.Claims
		if err := json.Unmarshal([]byte(usualClaims), &c); err != nil {
			b.Fatal(err)
		}
	}
}
