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

// kind is what a piece of a template is.
type kind int

const (
	text  kind = iota
	begin      // of an inline element
	end        // of an inline element
	print      // an action that prints, or an element that is not looked into
	quiet      // a picture: it may stand in a message, and does not begin or end one
	wall       // what no message reaches over
)

// piece is a piece of a template. Its name is that of the element or of what is
// printed.
type piece struct {
	kind      kind
	raw, name string
}

// inline are the elements that a message may have parts of.
var inline = map[string]bool{"a": true, "abbr": true, "b": true, "em": true, "kbd": true, "small": true, "span": true, "strong": true}

// closed are the elements that a message has as a whole.
var closed = map[string]kind{"bdi": print, "code": print, "time": print, "svg": quiet, "pre": wall, "script": wall, "style": wall, "textarea": wall}

// lex takes a template apart.
func lex(source string) []piece {
	var list []piece
	for source != "" {
		p := next(source)
		list = append(list, p)
		source = source[len(p.raw):]
	}
	return list
}

func next(source string) piece {
	switch {
	case strings.HasPrefix(source, "{{"):
		if fragment.MatchString(source) {
			return piece{kind: wall, raw: definition(source)}
		}
		return action(upTo(source, "}}"))
	case strings.HasPrefix(source, "<!--"):
		return piece{kind: wall, raw: upTo(source, "-->")}
	case strings.HasPrefix(source, "<"):
		return element(source)
	}
	n := strings.IndexAny(source[1:], "<{")
	for n >= 0 && source[n+1] == '{' && !strings.HasPrefix(source[n+1:], "{{") {
		further := strings.IndexAny(source[n+2:], "<{")
		if further < 0 {
			n = -1
			break
		}
		n += 1 + further
	}
	if n < 0 {
		return piece{kind: text, raw: source}
	}
	return piece{kind: text, raw: source[:n+1]}
}

// fragment finds the definitions of what stands in a tag: attributes, or one of
// the classes.
var fragment = regexp.MustCompile(`^\{\{define "(look|marked|described|hinted|passkey-words)"\}\}`)

// nesting finds what opens a part of a template, and what ends it.
var nesting = regexp.MustCompile(`\{\{-?\s*(if|range|with|define|block|end)\b`)

// definition is the source up to the end of the definition that it begins with.
func definition(source string) string {
	depth := 0
	for _, at := range nesting.FindAllStringSubmatchIndex(source, -1) {
		if source[at[2]:at[3]] != "end" {
			depth++
			continue
		}
		if depth--; depth == 0 {
			return source[:at[0]] + upTo(source[at[0]:], "}}")
		}
	}
	return source
}

// upTo is the source up to the end of what ends so.
func upTo(source, ending string) string {
	if n := strings.Index(source, ending); n >= 0 {
		return source[:n+len(ending)]
	}
	return source
}

var (
	control   = regexp.MustCompile(`^\{\{-?\s*(/\*|if\b|else\b|end\b|range\b|with\b|define\b|block\b|break\b|continue\b|\$\w+\s*:?=)`)
	inclusion = regexp.MustCompile(`^\{\{-?\s*template\s+"([^"]+)"(\s*-?\}\})?`)
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	word      = regexp.MustCompile(`\w+`)
)

func action(raw string) piece {
	if control.MatchString(raw) {
		return piece{kind: wall, raw: raw}
	}
	if m := inclusion.FindStringSubmatch(raw); m != nil {
		if m[2] != "" { // of nothing: a picture
			return piece{quiet, raw, m[1]}
		}
		return piece{print, raw, m[1]}
	}
	return piece{print, raw, nameOf(raw)}
}

// nameOf is what an action prints: the last word that is no text of its own.
func nameOf(raw string) string {
	words := word.FindAllString(quoted.ReplaceAllString(raw, ""), -1)
	if len(words) == 0 {
		return "value"
	}
	return words[len(words)-1]
}

// element reads a tag, or a whole element that is not looked into.
func element(source string) piece {
	tag := source[:tagLength(source)]
	name := strings.ToLower(word.FindString(tag))
	ending := strings.HasPrefix(tag, "</")
	if k, ok := closed[name]; ok && !ending {
		whole := upTo(source, "</"+name+">")
		p := piece{k, whole, name}
		if inner := strings.TrimSuffix(whole[len(tag):], "</"+name+">"); k == print && strings.HasPrefix(inner, "{{") && inner == upTo(inner, "}}") {
			p.name = nameOf(inner)
		}
		return p
	}
	switch {
	case !inline[name]:
		return piece{kind: wall, raw: tag}
	case ending:
		return piece{end, tag, name}
	default:
		return piece{begin, tag, name}
	}
}

// tagLength is the length of the tag that the source begins with. Attributes
// and actions in it may have a > of their own.
func tagLength(source string) int {
	inQuotes := false
	for i := 0; i < len(source); i++ {
		switch {
		case strings.HasPrefix(source[i:], "{{"):
			i += len(upTo(source[i:], "}}")) - 1
		case source[i] == '"':
			inQuotes = !inQuotes
		case source[i] == '>' && !inQuotes:
			return i + 1
		}
	}
	return len(source)
}

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
