package request

import (
	"errors"
	"strings"
	"testing"

	"countersign/authz/clientjwt"
)

// FuzzParameters reads what may be in a request object: parameters, each once,
// and never another request object.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{
		`{"iss":"c","aud":"a","client_id":"c","response_type":"code","scope":"openid","max_age":300,"claims":{"userinfo":{"name":null}}}`,
		`{"request":"x"}`, `{"request_uri":"https://a/"}`, `{"state":"a","state":"b"}`, `{"":"x"}`, `{"a":null}`, `{"a":[1,{"b":2}]}`, `{"a":1e400}`,
		`{"a":9007199254740993}`, "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", `null`, `[]`, `{}x`, `{"a":true}`, "{\"redirect_uri\":\"https://a/\\n\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := parameters(payload)
		if err != nil {
			if !errors.Is(err, clientjwt.ErrRefused) {
				t.Fatalf("%q: %v; want a refusal", payload, err)
			}
			return
		}
		for name, values := range p.All() {
			if name == "request" || name == "request_uri" || len(values) != 1 || strings.ContainsRune(values[0], 0) || strings.ContainsRune(name, 0) {
				t.Fatalf("%q: read %q = %q", payload, name, values)
			}
		}
		for _, name := range registered {
			if p.Has(name) {
				t.Fatalf("%q: the claim %s is a parameter", payload, name)
			}
		}
	})
}
