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

// What is read of a header can be written and read again.
func FuzzHeader(f *testing.F) {
	f.Add(signed)
	f.Add(`oauth realm="50%, maybe",oauth_token="a%20b" , x = ""`)
	f.Fuzz(func(t *testing.T, header string) {
		all, err := headerParameters([]string{header})
		if err != nil || len(all) == 0 {
			return
		}
		var pairs []string
		for _, p := range all {
			pairs = append(pairs, Escape(p.name)+`="`+Escape(p.value)+`"`)
		}
		again, err := headerParameters([]string{"OAuth " + strings.Join(pairs, ",")})
		if err != nil || normalize(again) != normalize(all) {
			t.Errorf("%q was read as %q, and again as %q, %v", header, all, again, err)
		}
	})
}

// What is read of a query or a form is normalized once: the normal form is read
// as the same parameters.
func FuzzForm(f *testing.F) {
	f.Add("a=b&a=c&x!y=%20+&c2&=&&oauth_token=")
	f.Fuzz(func(t *testing.T, form string) {
		all, err := formParameters(form, InForm)
		if err != nil {
			return
		}
		normal := normalize(all)
		again, err := formParameters(normal, InQuery)
		if err != nil || normalize(again) != normal {
			t.Errorf("%q became %q, and that %q, %v", form, normal, normalize(again), err)
		}
	})
}

// The URI of a base string is its own.
func FuzzBaseURI(f *testing.F) {
	f.Add("HTTP://EXAMPLE.com:80/A%2f/../b c?x#y")
	f.Add("https://[2001:DB8::1]:0443")
	f.Fuzz(func(t *testing.T, url string) {
		uri, _, err := baseURI(url)
		if err != nil {
			return
		}
		if again, query, err := baseURI(uri); err != nil || again != uri || query != "" {
			t.Errorf("%q became %q, and that %q with %q, %v", url, uri, again, query, err)
		}
	})
}

// A verifier is in no base string that is shown.
func FuzzWithout(f *testing.F) {
	f.Add("https://as.example/?x=1", "sesame", "note=private")
	f.Fuzz(func(t *testing.T, url, verifier, form string) {
		header := []string{signed + `, oauth_verifier="` + Escape("<"+verifier+">") + `"`}
		r, err := Parse(Message{Method: "POST", URL: url, Authorization: header, Form: form})
		if err != nil {
			return
		}
		secret := Escape(Escape("<" + verifier + ">")) // an application may send the same by chance
		for _, shown := range []string{r.Outline(), r.Disclosed()} {
			if strings.Count(shown, secret) >= strings.Count(r.BaseString, secret) || len(shown) > maxDisclosed {
				t.Errorf("%q shows the verifier, or is too long", shown)
			}
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
