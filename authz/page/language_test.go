package page

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"countersign/storage/locale"
)

// renderIn renders the page for a browser that wants the language.
func renderIn(t *testing.T, p *Pages, page Page, language string) (http.Header, *html.Node) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/login?interaction=I&ui_locales=de", http.NoBody)
	r.Header.Set("Accept-Language", language)
	if err := p.Render(w, r, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Header(), doc
}

// TestEveryPageInEveryLanguage: a page is the same page in each language, and
// says which it is in.
func TestEveryPageInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for name, page := range samples() {
		_, english := renderIn(t, p, page, "en")
		for _, l := range locale.Languages() {
			header, doc := renderIn(t, p, page, l.Code)
			lang, _ := attr(elements(doc, "html")[0], "lang")
			direction, _ := attr(elements(doc, "html")[0], "dir")
			if lang != l.Code || direction != l.Direction || header.Get("Content-Language") != l.Code {
				t.Errorf("%s in %s: lang %q, dir %q, Content-Language %q", name, l.Code, lang, direction, header.Get("Content-Language"))
			}
			if got, want := inventory(doc), inventory(english); got != want {
				t.Errorf("%s in %s has other elements:\n%s\nthan in English:\n%s", name, l.Code, got, want)
			}
			checkReferences(t, doc)
			checkPolicyHolds(t, doc)
		}
	}
}

// inventory is the elements of a page, in whatever order: a sentence may have
// its parts in another one.
func inventory(doc *html.Node) string {
	lines := strings.Split(shape(doc), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// untranslated are the texts of the samples: names, and stand-ins for messages.
var untranslated = []string{
	"Countersign", "Modeler", "ada", "a", "A", "Ada Lovelace", "Ada", "OpenID Connect", "Laptop", "req-1", "No.", "Form", "x", "y", "Wrong address",
	"app.example", "help@id.example", "192.0.2.7", "redirect_uri", "It asks for too much.", "GEZD", "Read your email address.", "BCDFG-HJKLM",
	"You signed in by password.", "A wrong password was tried before.", "Firefox on Linux, from 192.0.2.7", "Firefox on Linux", "Safari on iPhone", "Use", "It is taken.",
	"Form · Countersign", "Wrong address · Countersign",
}

// TestNothingIsLeftInEnglish reads every page in Arabic: what has no Arabic
// letter is a name, a code, or something that somebody wrote.
func TestNothingIsLeftInEnglish(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for name, page := range samples() {
		_, doc := renderIn(t, p, page, "ar")
		for n := range doc.Descendants() {
			for _, said := range saidBy(n) {
				if latin(said) && !slices.Contains(untranslated, said) {
					t.Errorf("%s: %q is not Arabic", name, said)
				}
			}
		}
	}
}

// saidBy is what a node says itself: its text, and what its attributes say.
func saidBy(n *html.Node) []string {
	var said []string
	if n.Type == html.TextNode && !isCode(n.Parent) {
		said = append(said, strings.Join(strings.Fields(n.Data), " "))
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "data-say-") || slices.Contains([]string{"aria-label", "title", "alt", "placeholder"}, a.Key) {
			said = append(said, a.Val)
		}
	}
	return said
}

func isCode(n *html.Node) bool {
	class, _ := attr(n, "class")
	_, foreign := attr(n, "lang")
	return n.Data == "code" || strings.Contains(class, "code") || strings.Contains(class, "key") || n.Data == "bdi" && n.Parent.Data == "button" || foreign && n.Data != "html" || n.Data == "script" || n.Data == "noscript" && strings.HasPrefix(n.FirstChild.Data, "<meta")
}

func latin(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Latin, r) }) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Arabic, r) })
}

// The switch leads back to the page, without what would win over it, and is
// missing where the address does not lead to the page again.
func TestSwitchOfLanguages(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	_, doc := renderIn(t, p, SignIn{Interaction: "I"}, "de")
	back := ""
	for _, input := range elements(doc, "input") {
		if name, _ := attr(input, "name"); name == "back" {
			back, _ = attr(input, "value")
		}
	}
	if back != "/auth/login?interaction=I" {
		t.Errorf("back to %q", back)
	}
	for _, page := range []Page{FormPost{Action: "https://app.example/cb"}, Verifier{Application: app(), Allowed: true, Verifier: "v"}} {
		if _, doc := renderIn(t, p, page, "de"); len(elements(doc, "footer")) != 1 || strings.Contains(inventory(doc), "aria-current") {
			t.Errorf("%T offers languages", page)
		}
	}
}

// What is written into the templates once is what html/template would have
// written, which it still does where that is not text as it is.
func TestSettledActionsAreEscaped(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"": "", "/id": "/id", `/a"b`: "/a%22b", "/a b&c": "/a%20b&amp;c", "/<x>": "/%3cx%3e"} {
		pages, err := New(Config{Name: "N", IssuerPath: base, Asset: func(name string) string { return "/assets/" + name }})
		if err != nil {
			t.Fatal(err)
		}
		res := httptest.NewRecorder()
		if err := pages.Render(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/device", http.NoBody), http.StatusOK, DeviceCode{}); err != nil {
			t.Fatal(err)
		}
		for _, link := range []string{`<a href="` + want + `/"`, `action="` + want + `/language"`, `href="` + want + `/assets/style.css"`, `<html lang="en" dir="ltr"`} {
			if !strings.Contains(res.Body.String(), link) {
				t.Errorf("%q: no %s in %s", base, link, res.Body)
			}
		}
	}
}
