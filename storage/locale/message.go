package locale

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Message is something to say to people: a text in English, which is the key
// of its translations as well. Constants are messages as they are; what
// [Sprintf] makes has values packed behind the text. Templates say a message in
// the language of the page, wherever they print one.
type Message string

// Values are packed behind the text, each behind a mark and a letter for its
// kind. No text has the mark: it is a control character, and values are quoted.
const (
	mark = "\x00"

	ofText    = 's'
	ofMessage = 'm'
	ofNumber  = 'd'
	ofTime    = 't'
	ofDay     = 'D'
	ofLatin   = 'l'
)

// Day is a time of which the date is said.
type Day time.Time

// Latin is a text that is the same in every language and has Latin letters,
// such as the name of a product.
type Latin string

// sentence is the text of a message that is made a sentence of.
const sentence = "\x01"

// list is the text of a message that is a list of its values.
const list = "\x02"

// Sprintf is a message with values: texts, messages, whole numbers and times.
// The format has the verbs of package fmt; a translation may say which value
// each takes, as in %[2]s. The first whole number decides on the plural.
func Sprintf(format Message, values ...any) Message {
	var b strings.Builder
	b.WriteString(string(format))
	for _, v := range values {
		kind, text := pack(v)
		b.WriteString(mark)
		b.WriteRune(kind)
		b.WriteString(strconv.Quote(text))
	}
	return Message(b.String())
}

func pack(v any) (kind rune, text string) {
	switch v := v.(type) {
	case Message:
		return ofMessage, string(v)
	case int:
		return ofNumber, strconv.Itoa(v)
	case int64:
		return ofNumber, strconv.FormatInt(v, 10)
	case time.Time:
		return ofTime, v.UTC().Format(time.RFC3339)
	case Day:
		return ofDay, time.Time(v).UTC().Format(time.RFC3339)
	case Latin:
		return ofLatin, string(v)
	default:
		return ofText, fmt.Sprint(v)
	}
}

// Sentence makes a sentence of a message that is one but for its first letter
// and its full stop.
func Sentence(m Message) Message { return Sprintf(sentence, m) }

// only is the text of a message that is nothing but its value.
const only = "%s"

// Foreign is a text that is nobody's to translate, such as a name. None is
// nothing to say.
func Foreign(text string) Message {
	if text == "" {
		return ""
	}
	return Sprintf(only, Latin(text))
}

// String is the message in English, which logs and machines are told.
func (m Message) String() string { return English.Say(m) }

// MarshalText writes the message in English: what is encoded is for machines.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// value is one that is packed behind a text.
type value struct {
	kind byte
	text string
}

func (m Message) unpack() (text string, values []value) {
	text, rest, more := strings.Cut(string(m), mark)
	for more {
		var one string
		one, rest, more = strings.Cut(rest, mark)
		if unquoted, err := strconv.Unquote(one[1:]); err == nil {
			values = append(values, value{one[0], unquoted})
		}
	}
	return text, values
}

// Say is the message in the language.
func (l *Language) Say(m Message) string {
	text, values := m.unpack()
	switch {
	case text == sentence:
		return l.sentence(values)
	case text == list:
		return l.list(values)
	case text == only && len(values) > 0:
		return l.show(values[0])
	}
	said := l.catalog().find(l, text, values)
	if len(values) == 0 {
		return said
	}
	return l.fill(said, values)
}

// verb finds the verbs of a format.
var verb = regexp.MustCompile(`%(?:\[(\d+)\])?([sdq%])`)

// fill puts the values into a text. One of the forms of a plural may leave out
// the number.
func (l *Language) fill(text string, values []value) string {
	n := 0
	return verb.ReplaceAllStringFunc(text, func(one string) string {
		m := verb.FindStringSubmatch(one)
		if m[2] == "%" {
			return "%"
		}
		if n++; m[1] != "" {
			n, _ = strconv.Atoi(m[1]) // of digits
		}
		if n < 1 || n > len(values) {
			return one
		}
		if shown := l.show(values[n-1]); m[2] != "q" {
			return shown
		}
		return strconv.Quote(values[n-1].text)
	})
}

func (l *Language) show(v value) string {
	switch v.kind {
	case ofMessage:
		return l.Say(Message(v.text))
	case ofNumber:
		n, _ := strconv.ParseInt(v.text, 10, 64) // it was written by us
		return l.Number(n)
	case ofTime, ofDay:
		at, _ := time.Parse(time.RFC3339, v.text) // it was written by us
		if v.kind == ofDay {
			return l.Day(at)
		}
		return l.Time(at)
	case ofLatin:
		return v.text
	default:
		return l.isolate(v.text)
	}
}

// isolate keeps a text of unknown direction from reordering what is around it
// (Unicode Standard Annex 9, section 2.4): a translation cannot put an element
// around it.
func (l *Language) isolate(text string) string {
	if l.Direction == "ltr" || !strings.ContainsFunc(text, unicode.IsLetter) {
		return text
	}
	return "\u2068" + text + "\u2069"
}

func (l *Language) sentence(values []value) string {
	if len(values) == 0 {
		return ""
	}
	text := l.show(values[0])
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// List is several messages, one after the other.
func List(messages []Message) Message {
	values := make([]any, len(messages))
	for i, m := range messages {
		values[i] = m
	}
	return Sprintf(list, values...)
}

// separator stands between the parts of a list.
const separator Message = ", "

func (l *Language) list(values []value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = l.show(v)
	}
	return strings.Join(parts, l.Say(separator))
}
