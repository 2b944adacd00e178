package token

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

// FuzzCredentials reads how clients authenticate, whatever the header and the
// form hold: by one method, for one client.
func FuzzCredentials(f *testing.F) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, s := range [][2]string{
		{basic("id:secret"), "grant_type=x"},
		{basic("a%20b:c%3Ad"), ""},
		{basic("id"), ""},
		{"Basic ????", ""},
		{"basic " + basic("a:b")[6:], ""},
		{"Bearer x", "client_id=a"},
		{"", "client_id=a&client_secret=b"},
		{basic("a:b"), "client_id=c"},
		{basic("a:b"), "client_secret=c"},
		{"", "client_assertion=a.b.c"},
		{"", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=e30.e30.e30&client_id=a"},
		{basic(":"), ""},
		{basic("%zz:%"), "client_id=%25zz"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		form, err := protocol.Parse(body)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", nil)
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		c, err := readCredentials(r, form)
		if err != nil {
			if e, ok := errors.AsType[*protocol.Error](err); !ok || e.Status < 400 || e.Status >= 500 {
				t.Fatalf("%q, %q: %v", header, body, err)
			}
			return
		}
		methods := 0
		for _, used := range []bool{c.header, form.Has("client_secret"), c.jwt != ""} {
			if used {
				methods++
			}
		}
		none := methods == 0 || c.header && c.secret == "" // an empty secret is none
		if c.id == "" || methods > 1 || none != (c.method == clientstore.AuthNone) {
			t.Fatalf("%q, %q: %d methods, read as %s of %q", header, body, methods, c.method, c.id)
		}
		if sent := form.Get("client_id"); sent != "" && sent != c.id {
			t.Fatalf("%q, %q: client_id %q is taken for %q", header, body, sent, c.id)
		}
	})
}
