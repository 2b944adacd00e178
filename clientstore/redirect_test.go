package clientstore

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lines returns the cases of a data file, comments and blank lines left out.
func lines(tb testing.TB, name string) []string {
	tb.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

func unquote(tb testing.TB, s string) string {
	tb.Helper()
	u, err := strconv.Unquote(s)
	if err != nil {
		tb.Fatalf("%s: %v", s, err)
	}
	return u
}

var registrationLine = regexp.MustCompile(`^(\S+)\s+(any|default|strict)\s+(ok|refused)\s+("(?:[^"\\]|\\.)*")\s*(.*)$`)

func TestRedirectURIRegistration(t *testing.T) {
	t.Parallel()
	for _, line := range lines(t, "testdata/redirect_uris.txt") {
		f := registrationLine.FindStringSubmatch(line)
		if f == nil {
			t.Fatalf("not a case: %s", line)
		}
		policies := map[string][]Policy{"any": {Default, Strict}, "default": {Default}, "strict": {Strict}}[f[2]]
		uri, want := unquote(t, f[4]), f[5]
		t.Run(f[1]+" "+f[4], func(t *testing.T) {
			t.Parallel()
			for _, p := range policies {
				checkRegistration(t, uri, p, want)
			}
		})
	}
}

// checkRegistration registers a client with the URI and wants the refusal to
// contain want, or no refusal when that is empty.
func checkRegistration(t *testing.T, uri string, p Policy, want string) {
	t.Helper()
	c := &Client{Type: OIDC, Name: "App", Metadata: Metadata{RedirectURIs: []string{uri}}}
	err := c.complete(p)
	if want == "" {
		if err != nil {
			t.Errorf("policy %s: %v; want no refusal", p, err)
		}
		return
	}
	fault, ok := errors.AsType[*MetadataError](err)
	if !ok || fault.Field != "redirect_uris" || !strings.Contains(fault.Reason.String(), want) {
		t.Fatalf("policy %s: %v; want a refusal of redirect_uris that says %q", p, err, want)
	}
	if !isPrintableASCII(strings.ReplaceAll(fault.Reason.String(), "…", "")) {
		t.Errorf("policy %s: the refusal repeats the value unsafely: %q", p, fault.Reason.String())
	}
}

func isPrintableASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// RU-17.
func TestRedirectURIsAreBounded(t *testing.T) {
	t.Parallel()
	many := make([]string, 10_000)
	for i := range many {
		many[i] = "https://rp.example/" + strconv.Itoa(i)
	}
	for name, uris := range map[string][]string{
		"a URI of 10 KiB": {"https://rp.example/" + strings.Repeat("a", 10<<10)},
		"10,000 URIs":     many,
	} {
		c := &Client{Type: OIDC, Name: "App", Metadata: Metadata{RedirectURIs: uris}}
		fault, ok := errors.AsType[*MetadataError](c.complete(Default))
		if !ok || fault.Field != "redirect_uris" || len(fault.Reason.String()) > 300 {
			t.Errorf("%s: %v; want a short refusal of redirect_uris", name, fault)
		}
	}
}

var matchLine = regexp.MustCompile(`^(\S+)\s+(web|native)\s+(yes|no)\s+("(?:[^"\\]|\\.)*")\s+("(?:[^"\\]|\\.)*")$`)

func TestMatchRedirectURI(t *testing.T) {
	t.Parallel()
	for _, line := range lines(t, "testdata/redirect_matches.txt") {
		f := matchLine.FindStringSubmatch(line)
		if f == nil {
			t.Fatalf("not a case: %s", line)
		}
		c := &Client{Metadata: Metadata{ApplicationType: f[2], RedirectURIs: []string{"https://other.example/", unquote(t, f[4])}}}
		if got := c.MatchRedirectURI(unquote(t, f[5])); got != (f[3] == "yes") {
			t.Errorf("%s: a %s client with %s asking for %s: %v", f[1], f[2], f[4], f[5], got)
		}
	}
}

// RU-24: redirect URIs are each client's own.
func TestMatchRedirectURINeedsOne(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{Web, Native} {
		c := &Client{Metadata: Metadata{ApplicationType: typ}}
		for _, uri := range []string{"", "https://rp.example/cb", "http://127.0.0.1/cb"} {
			if c.MatchRedirectURI(uri) {
				t.Errorf("a %s client without redirect URIs accepts %q", typ, uri)
			}
		}
	}
}

var loopbackPort = regexp.MustCompile(`^http://(127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})($|[/?])`)

// FuzzMatchRedirectURI holds the matcher to its rule, stated a second time: a
// requested URI is a registered one byte by byte, or the client is native and
// the two are the same http loopback address apart from the port.
func FuzzMatchRedirectURI(f *testing.F) {
	for _, line := range lines(f, "testdata/redirect_matches.txt") {
		m := matchLine.FindStringSubmatch(line)
		f.Add(unquote(f, m[4]), unquote(f, m[5]), m[2] == Native)
	}
	browser := newBrowser(f)
	f.Fuzz(func(t *testing.T, registered, requested string, native bool) {
		c := &Client{Metadata: Metadata{ApplicationType: Web, RedirectURIs: []string{registered}}}
		if native {
			c.Metadata.ApplicationType = Native
		}
		if !c.MatchRedirectURI(requested) || registered == requested {
			return
		}
		if !native {
			t.Fatalf("a web client with %q accepts %q", registered, requested)
		}
		without := func(uri string) string { return loopbackPort.ReplaceAllString(uri, "http://$1$3") }
		if without(registered) != without(requested) || !strings.HasPrefix(requested, "http://") {
			t.Fatalf("a native client with %q accepts %q", registered, requested)
		}
		if redirectURIFault(registered, Strict) != "" {
			return // never registered
		}
		u, err := url.Parse(requested)
		if err != nil || u.User != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
			t.Fatalf("a native client with %q accepts %q, which Go reads as %v (%v)", registered, requested, u, err)
		}
		browser.wantSame(t, requested, u)
	})
}

// FuzzRedirectURI checks that what registration accepts reads the same to Go, and
// to browsers, as it is written.
func FuzzRedirectURI(f *testing.F) {
	for _, line := range lines(f, "testdata/redirect_uris.txt") {
		f.Add(unquote(f, registrationLine.FindStringSubmatch(line)[4]))
	}
	browser := newBrowser(f)
	f.Fuzz(func(t *testing.T, uri string) {
		if redirectURIFault(uri, Default) != "" {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.String() != uri || u.User != nil || u.Fragment != "" || !u.IsAbs() {
			t.Fatalf("%q was accepted and Go reads %v (%v)", uri, u, err)
		}
		browser.wantSame(t, uri, u)
		if web := u.Scheme == "https" || u.Scheme == "http"; web && (u.Hostname() == "" || u.JoinPath().Path != u.Path && u.Path != "" && !strings.Contains(u.Path, "//")) {
			t.Fatalf("%q was accepted and is another address when cleaned: %v", uri, u.JoinPath())
		}
	})
}
