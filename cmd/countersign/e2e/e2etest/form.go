package e2etest

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Form is a form as a page shows it.
type Form struct {
	Action, Method string // as they are written, empty when they are not
	Values         url.Values
	Buttons        []Button
}

// Button is what sends a form, with what it adds to it.
type Button struct{ Name, Value, Text string }

// Forms returns the forms of a page.
func Forms(doc *html.Node) []Form {
	var all []Form
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		f := Form{Action: Attr(n, "action"), Method: Attr(n, "method"), Values: url.Values{}}
		for field := range n.Descendants() {
			f.take(field)
		}
		all = append(all, f)
	}
	return all
}

func (f *Form) take(n *html.Node) {
	if n.Type != html.ElementNode {
		return
	}
	kind := Attr(n, "type")
	switch {
	case sends(n):
		f.Buttons = append(f.Buttons, Button{Attr(n, "name"), Attr(n, "value"), strings.TrimSpace(Text(n))})
	case n.Data == "input" && (kind == "checkbox" || kind == "radio"):
		if hasAttr(n, "checked") {
			f.Values.Add(Attr(n, "name"), Attr(n, "value"))
		}
	case n.Data == "input" && Attr(n, "name") != "":
		f.Values.Set(Attr(n, "name"), Attr(n, "value"))
	case n.Data == "textarea":
		f.Values.Set(Attr(n, "name"), strings.TrimSpace(Text(n)))
	case n.Data == "select":
		f.Values.Set(Attr(n, "name"), chosen(n))
	}
}

// sends reports whether an element is a button that sends its form.
func sends(n *html.Node) bool {
	kind := Attr(n, "type")
	return n.Data == "button" && kind != "button" || n.Data == "input" && kind == "submit"
}

// chosen is the value of the option that is selected, of the first one when
// none is.
func chosen(list *html.Node) string {
	options := Elements(list, "option")
	for _, o := range options {
		if hasAttr(o, "selected") {
			return Attr(o, "value")
		}
	}
	if len(options) == 0 {
		return ""
	}
	return Attr(options[0], "value")
}

// Elements returns the elements of a page with this tag.
func Elements(doc *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

// Attr returns an attribute, empty when the element has none.
func Attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Text returns what a person reads in an element, its words apart.
func Text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && (d.Parent == nil || d.Parent.Data != "style" && d.Parent.Data != "script") {
			b.WriteString(d.Data)
			b.WriteString(" ")
		}
	}
	return b.String()
}
