package locale

import (
	"regexp"
	"strings"
)

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
