package clientstore

import (
	"strings"
	"testing"
)

// An origin is a scheme and a host, whatever it was made from, and its own
// origin.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://rp.example/cb", "https://RP.example:443", "http://[::1]:8080/x?y", "com.example.app:/cb", "null", "https://a@b", "https:///x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		origin := Origin(uri)
		if origin == "" {
			return
		}
		if Origin(origin) != origin {
			t.Errorf("the origin of %q is %q, and its own is %q", uri, origin, Origin(origin))
		}
		_, rest, ok := strings.Cut(origin, "://")
		// Names of machines may have an underscore, which escapeLike keeps from
		// standing for another.
		if !ok || rest == "" || strings.ContainsAny(rest, "/?#@ %\\") {
			t.Errorf("the origin of %q is %q", uri, origin)
		}
	})
}
