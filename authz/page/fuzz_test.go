package page

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/clientstore"
)

// Whatever a client and a person call themselves, a page has the elements, and
// the attributes, that it has with plain names: text stays text.
func FuzzNames(f *testing.F) {
	f.Add(`<script>alert(1)</script>`, `" onmouseover="x`, `ada`)
	f.Add("</title><img src=x>", "javascript:alert(1)", "'{{7*7}}'")
	f.Add("\u202egnp", "https://app.example/\"><b>", "<!--")
	f.Add("</textarea><svg onload=x>", "data:text/html,x", "]]>")
	p, err := New(Config{Name: "Countersign", IssuerPath: "/auth", Asset: func(name string) string { return "/assets/" + name }})
	if err != nil {
		f.Fatal(err)
	}
	outline := func(t *testing.T, name, uri, user string) string {
		t.Helper()
		a := NewApplication(&clientstore.Client{Name: name, Status: clientstore.Approved, Metadata: clientstore.Metadata{}}, uri)
		ada := Person{ID: "1", Username: user, Name: name}
		var b strings.Builder
		for _, page := range []Page{
			consent(a, ada), device(a, ada),
			SignIn{Application: &a, Interaction: "I", Username: user},
			SecondStep{Application: &a, Person: ada, Code: true},
			Waiting{Application: a, Status: Disapproved, Reason: name, ResumeURL: "/auth/resume"},
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			if err := p.Render(w, r, 200, page); err != nil {
				t.Fatal(err)
			}
			doc, err := html.Parse(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(outlineOf(doc))
		}
		return b.String()
	}
	f.Fuzz(func(t *testing.T, name, uri, user string) {
		// An application without a name is shown by its key, and one without an
		// address has none to be shown.
		name, uri, user = "n"+name, "https://app.example/"+uri, "u"+user
		if _, err := url.Parse(uri); err != nil {
			return
		}
		if got, want := outline(t, name, uri, user), outline(t, "n", "https://app.example/", "u"); got != want {
			t.Errorf("%q, %q, %q:\n%s\nwant\n%s", name, uri, user, got, want)
		}
	})
}

// outlineOf are the elements of a page with the names of their attributes, and
// where they lead.
func outlineOf(doc *html.Node) string {
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.CommentNode {
			b.WriteString("comment\n")
		}
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			fmt.Fprint(&b, " ", a.Key)
			if a.Key == "href" || a.Key == "action" || a.Key == "src" {
				scheme, _, _ := strings.Cut(a.Val, ":")
				fmt.Fprint(&b, "=", scheme)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
