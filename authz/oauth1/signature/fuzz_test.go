package signature

import (
	"strings"
	"testing"
)

// Whatever is read can be written again: the base string has three parts, and
// no parameter of the protocol comes from two places.
func FuzzParse(f *testing.F) {
	f.Add("POST", "https://as.example/oauth1/request_token?x=1", signed, "a=b&a=c")
	f.Add("GET", "http://[::1]:8080/%2f?oauth_signature_method=PLAINTEXT&oauth_consumer_key=k&oauth_signature=s%26", "", "")
	f.Add("GET", "HTTP://EXAMPLE.com:80", "Basic eA==", "oauth_nonce=1")
	f.Fuzz(func(t *testing.T, method, url, header, form string) {
		m := Message{Method: method, URL: url, Authorization: []string{header}, Form: form}
		r, err := Parse(m)
		if err != nil {
			return
		}
		if !strings.Contains(method, "&") && strings.Count(r.BaseString, "&") != 2 {
			t.Errorf("base string %q does not have three parts", r.BaseString)
		}
		if r.Place == "" || r.Get("oauth_consumer_key") == "" || r.Get("oauth_signature") == "" {
			t.Errorf("%+v lacks what every request has", r)
		}
		if r.Verify(Secrets{}) == nil {
			t.Errorf("%+v was signed with no secret", r)
		}
		again, err := Parse(m)
		if err != nil || again.BaseString != r.BaseString {
			t.Errorf("read again: %v, %v", again, err)
		}
	})
}

// What Escape wrote, unescape reads, in the header's encoding and the form's.
func FuzzEscape(f *testing.F) {
	f.Add("a b+c%20~*é\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		escaped := Escape(s)
		if back, err := unescape(escaped); err != nil || back != s {
			t.Errorf("unescape(Escape(%q)) = %q, %v", s, back, err)
		}
		if back, err := unescapeForm(escaped); err != nil || back != s {
			t.Errorf("unescapeForm(Escape(%q)) = %q, %v", s, back, err)
		}
		if strings.ContainsAny(escaped, "&=+ \"") {
			t.Errorf("Escape(%q) = %q", s, escaped)
		}
	})
}
