package locale

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Templates are written in English. Before html/template parses one for a
// language, its texts are replaced: what stands between two block elements or
// two control actions is one message, in which an action that prints is a
// placeholder such as {Name}, and inline elements are tags without attributes.
// A translation has these and nothing else that is markup: its text is escaped,
// and html/template escapes what the actions print, as it does in English.

// Template is the source of an HTML template, in the language. Its texts are
// translated, and its actions print messages in the language. It needs the
// functions of [Language.Funcs]. The action {{languages}} stands for the buttons
// that choose a language.
func (l *Language) Template(source string) (string, error) {
	if known, ok := l.spoken.Load(source); ok {
		return known.(string), nil //nolint:forcetypeassert // nothing else is stored
	}
	t := translator{find: func(text string) string { return l.catalog().find(l, text, nil) }}
	translated := strings.ReplaceAll(t.rewrite(lex(source)), "{{languages}}", l.buttons())
	if t.err == nil {
		l.spoken.Store(source, translated) // for the next door of the process
	}
	return translated, t.err
}

// buttons choose a language, each in its own words. They are part of the
// source, since they never change.
func (l *Language) buttons() string {
	var b strings.Builder
	for _, one := range all {
		current := ""
		if one == l {
			current = ` aria-current="true"`
		}
		fmt.Fprintf(&b, `<li><button type="submit" name="language" value="%s" lang="%s" class="quiet"%s><bdi>%s</bdi></button></li>`+"\n", one.Code, one.Code, current, one.Name)
	}
	return b.String()
}

// Funcs are what the templates of [Language.Template] call.
func (l *Language) Funcs() map[string]any {
	return map[string]any{
		"say": func(v any) any {
			if m, ok := v.(Message); ok {
				return l.Say(m)
			}
			return v
		},
		"message":   func(format string, values ...any) Message { return Sprintf(Message(format), values...) },
		"time":      l.ShortTime,
		"day":       l.ShortDay,
		"moment":    l.Time,
		"language":  func() string { return l.Code },
		"direction": func() string { return l.Direction },
	}
}

// Texts are the messages of the source of an HTML template.
func Texts(source string) []string {
	var list []string
	t := translator{find: func(text string) string {
		list = append(list, text)
		return text
	}}
	t.rewrite(lex(source))
	for _, m := range called.FindAllStringSubmatch(source, -1) {
		if text, err := strconv.Unquote(m[1]); err == nil {
			list = append(list, text)
		}
	}
	return list
}

// called finds the messages that are arguments of the function message.
var called = regexp.MustCompile(`\bmessage ("(?:[^"\\]|\\.)*")`)

// translator rewrites templates.
type translator struct {
	find func(text string) string
	err  error
}

// rewrite puts a template together again.
func (t *translator) rewrite(pieces []piece) string {
	var b strings.Builder
	for len(pieces) > 0 {
		n := slices.IndexFunc(pieces, func(p piece) bool { return p.kind == wall })
		if n == 0 {
			b.WriteString(t.keep(pieces[0].raw))
			pieces = pieces[1:]
			continue
		}
		if n < 0 {
			n = len(pieces)
		}
		b.WriteString(t.run(pieces[:n]))
		pieces = pieces[n:]
	}
	return b.String()
}

// run rewrites what stands between two walls. Where nothing is said but in its
// elements, each of them says something of its own.
func (t *translator) run(pieces []piece) string {
	if torn := walled(pieces, unmatched(pieces)); torn != nil {
		return t.rewrite(torn)
	}
	outer := outermost(pieces)
	if slices.ContainsFunc(outer, func(i int) bool { return pieces[i].kind == text && hasLetter(pieces[i].raw) }) {
		from, to := bounds(pieces)
		return t.each(pieces[:from]) + t.translate(pieces[from:to]) + t.each(pieces[to:])
	}
	edges := slices.DeleteFunc(outer, func(i int) bool { return pieces[i].kind != begin && pieces[i].kind != end })
	if torn := walled(pieces, edges); torn != nil {
		return t.rewrite(torn)
	}
	return t.each(pieces)
}

// each rewrites pieces that say nothing.
func (t *translator) each(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(t.keep(p.raw))
	}
	return b.String()
}

// walled are the pieces with walls at the places, nil for no place.
func walled(pieces []piece, places []int) []piece {
	if len(places) == 0 {
		return nil
	}
	torn := slices.Clone(pieces)
	for _, i := range places {
		torn[i].kind = wall
	}
	return torn
}

// unmatched are the tags whose other half is behind a wall.
func unmatched(pieces []piece) []int {
	var open, lone []int
	for i, p := range pieces {
		switch {
		case p.kind == begin:
			open = append(open, i)
		case p.kind == end && len(open) > 0:
			open = open[:len(open)-1]
		case p.kind == end:
			lone = append(lone, i)
		}
	}
	return append(lone, open...)
}

// outermost are the pieces that are in no element.
func outermost(pieces []piece) []int {
	var list []int
	depth := 0
	for i, p := range pieces {
		if p.kind == end {
			depth--
		}
		if depth == 0 {
			list = append(list, i)
		}
		if p.kind == begin {
			depth++
		}
	}
	return list
}

func hasLetter(s string) bool { return strings.ContainsFunc(html.UnescapeString(s), unicode.IsLetter) }

// bounds are where a message begins and ends: from the first to the last thing
// that is said, with whole elements and the punctuation that follows.
func bounds(pieces []piece) (from, to int) { //nolint:cyclop // one case for each kind of piece
	from = len(pieces)
	depth := 0
	for i, p := range pieces {
		switch p.kind {
		case begin:
			if depth == 0 && saysAnything(pieces[i:]) {
				from = min(from, i)
			}
			depth++
		case end:
			if depth--; depth == 0 && saysAnything(pieces[:i]) {
				to = i + 1
			}
		case print:
			from, to = min(from, i), i+1
		case text:
			switch {
			case hasLetter(p.raw):
				from, to = min(from, i), i+1
			case to == i && endsSentence(p.raw):
				to = i + 1
			}
		case quiet, wall:
		}
	}
	return from, to
}

// endsSentence reports whether a text goes on with punctuation.
func endsSentence(text string) bool {
	return text != "" && strings.ContainsRune(".?!:;,)", rune(text[0]))
}

// saysAnything reports whether the element at the edge of the pieces has
// anything but a picture.
func saysAnything(pieces []piece) bool {
	return slices.ContainsFunc(pieces, func(p piece) bool { return p.kind == print || p.kind == text && hasLetter(p.raw) })
}

// translate rewrites a message. What is white around it stays as it is.
func (t *translator) translate(pieces []piece) string {
	m := newPattern(pieces)
	said, err := m.fill(t.find(m.text), t.keep)
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("translate %q: %w", m.text, err)
	}
	first, last := pieces[0], pieces[len(pieces)-1]
	before, after := "", ""
	if first.kind == text {
		before = first.raw[:len(first.raw)-len(strings.TrimLeft(first.raw, " \n"))]
	}
	if last.kind == text {
		after = last.raw[len(strings.TrimRight(last.raw, " \n")):]
	}
	return before + said + after
}

// keep rewrites what is not part of a message: its attributes that people read
// are messages, and its actions print messages.
func (t *translator) keep(raw string) string {
	return spoken(t.attributes(raw))
}

// shownTo finds the attributes that people read.
var shownTo = regexp.MustCompile(`\s(?:aria-label|title|alt|placeholder|data-label|data-say-[a-z-]+)="`)

// attributes rewrites those of the tags in a piece.
func (t *translator) attributes(raw string) string {
	var b strings.Builder
	for {
		at := shownTo.FindStringIndex(raw)
		if at == nil {
			b.WriteString(raw)
			return b.String()
		}
		value := raw[at[1]:]
		value = value[:valueLength(value)]
		b.WriteString(raw[:at[1]])
		b.WriteString(t.rewrite(lex(value)))
		raw = raw[at[1]+len(value):]
	}
}

// valueLength is the length of the value of an attribute, whose actions may
// have quotation marks of their own.
func valueLength(s string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "{{"):
			i += len(upTo(s[i:], "}}")) - 1
		case s[i] == '"':
			return i
		}
	}
	return len(s)
}

// printing finds actions, with what trims the white around them.
var printing = regexp.MustCompile(`(?s)\{\{(-?)(.*?)(-?)\}\}`)

// plain finds the actions that never print a message: addresses, and what is
// known of the language.
var plain = regexp.MustCompile(`^\{\{-?\s*(path|asset|client|languages?|direction|time|day|moment|\.Code|\.Back)\b`)

// spoken makes the actions print messages in the language.
func spoken(raw string) string {
	return printing.ReplaceAllStringFunc(raw, func(action string) string {
		if control.MatchString(action) || inclusion.MatchString(action) || plain.MatchString(action) {
			return action
		}
		m := printing.FindStringSubmatch(action)
		return "{{" + m[1] + m[2] + " | say" + spaced(m[3]) + "}}"
	})
}

// spaced puts a space before a sign that trims.
func spaced(trim string) string {
	if trim == "" {
		return ""
	}
	return " " + trim
}
