package locale

import (
	"errors"
	"html"
	"regexp"
	"strconv"
	"strings"
)

// pattern is a message of a template: its text, and what its placeholders stand
// for.
type pattern struct {
	text  string
	parts map[string]string // by placeholder: {Name}, <a>, </a>
}

func newPattern(pieces []piece) pattern {
	m := pattern{parts: map[string]string{}}
	var b strings.Builder
	var open []string
	for _, p := range pieces {
		switch p.kind {
		case text:
			b.WriteString(html.UnescapeString(p.raw))
		case begin:
			name := m.add("<", p.name, ">", p.raw)
			open = append(open, name)
			b.WriteString("<" + name + ">")
		case end:
			name := open[len(open)-1]
			open = open[:len(open)-1]
			m.parts["</"+name+">"] = p.raw
			b.WriteString("</" + name + ">")
		default:
			b.WriteString("{" + m.add("{", p.name, "}", p.raw) + "}")
		}
	}
	m.text = strings.Join(strings.Fields(b.String()), " ")
	return m
}

// add gives a part a name of its own, the same one to the same value.
func (m pattern) add(left, name, right, raw string) string {
	for n := 1; ; n++ {
		numbered := name
		if n > 1 {
			numbered += strconv.Itoa(n)
		}
		before, taken := m.parts[left+numbered+right]
		if !taken || before == raw && left == "{" {
			m.parts[left+numbered+right] = raw
			return numbered
		}
	}
}

// placeholder finds the placeholders of a text.
var placeholder = regexp.MustCompile(`\{\w+\}|</?\w+>`)

// Errors of a translation.
var (
	errForeign  = errors.New("the translation has a placeholder that the message has not")
	errUnnested = errors.New("the translation closes elements in another order than it opens them")
)

// fill puts the parts into a translation, whose text is escaped. A part goes
// through keep.
func (m pattern) fill(translation string, keep func(string) string) (string, error) {
	var b strings.Builder
	var open []string
	for translation != "" {
		at := placeholder.FindStringIndex(translation)
		if at == nil {
			at = []int{len(translation), len(translation)}
		}
		b.WriteString(escape(translation[:at[0]]))
		name := translation[at[0]:at[1]]
		translation = translation[at[1]:]
		if name == "" {
			break
		}
		raw, known := m.parts[name]
		if !known {
			return "", errForeign
		}
		switch {
		case strings.HasPrefix(name, "</"):
			if len(open) == 0 || open[len(open)-1] != name[2:] {
				return "", errUnnested
			}
			open = open[:len(open)-1]
		case strings.HasPrefix(name, "<"):
			open = append(open, name[1:])
		}
		b.WriteString(keep(raw))
	}
	if len(open) > 0 {
		return "", errUnnested
	}
	return b.String(), nil
}

// escape makes a text one that is neither markup nor action.
func escape(text string) string {
	return strings.ReplaceAll(html.EscapeString(text), "{{", "&#123;&#123;")
}
