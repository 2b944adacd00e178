// Package locale speaks the languages of the pages: it knows which there are,
// which one somebody is answered in, and what each message is in each of them.
// Both doors stand on it. It knows no HTTP and no pages.
package locale

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

// Language is one that the pages are written in.
type Language struct {
	// Code is its tag (BCP 47), such as de.
	Code string
	// Name is what its speakers call it.
	Name string
	// Direction is that of its script: ltr or rtl.
	Direction string

	numbers language.Tag
	catalog func() catalog
	spoken  sync.Map // the source of a template to what it is in the language
}

// English is the language that messages are written in. It is spoken to
// whoever asks for none that there is.
var English = &Language{Code: "en", Name: "English", Direction: "ltr", numbers: language.English, catalog: embedded("en")}

// all are the languages, the one for everybody else first. Arabic numbers are
// written with the digits that keys, addresses and times are written with.
var all = []*Language{
	English,
	{Code: "de", Name: "Deutsch", Direction: "ltr", numbers: language.German, catalog: embedded("de")},
	{Code: "fr", Name: "Français", Direction: "ltr", numbers: language.French, catalog: embedded("fr")},
	{Code: "ar", Name: "العربية", Direction: "rtl", numbers: language.MustParse("ar-u-nu-latn"), catalog: embedded("ar")},
}

// Languages are the languages that there are.
func Languages() []*Language { return append([]*Language{}, all...) }

// Codes are the tags of the languages, for ui_locales_supported (OpenID
// Connect Discovery 1.0, section 3).
func Codes() []string {
	codes := make([]string, len(all))
	for i, l := range all {
		codes[i] = l.Code
	}
	return codes
}

// Find returns the language of this tag, nil when there is none.
func Find(code string) *Language {
	for _, l := range all {
		if l.Code == code {
			return l
		}
	}
	return nil
}

// Cookie is what the name of the cookie that keeps a choice ends with.
const Cookie = "language"

// Choice is the value of the cookie of somebody who chose the language at the
// time.
func (l *Language) Choice(at time.Time) string {
	return l.Code + "." + strconv.FormatInt(at.UnixMicro(), 10)
}

// Wish is what is known of the language that somebody wants to be answered in.
type Wish struct {
	// UILocales is the parameter ui_locales of the application, tags with
	// spaces between, most wanted first (OpenID Connect Core 1.0, section
	// 3.1.2.1), and At when it asked: zero for this very moment.
	UILocales string
	At        time.Time
	// Choice is the value of the cookie that keeps what the person chose.
	Choice string
	// Accept is the header Accept-Language of the browser (RFC 9110, section
	// 12.5.4).
	Accept string
}

// Language is the one that fits best: what the application asks for or the
// person chose, whichever was later, because who changes the language on a page
// means that page; then what the browser asks for; then English.
func (w Wish) Language() *Language {
	chosen, at := readChoice(w.Choice)
	asked := match(tags(w.UILocales))
	switch {
	case asked != nil && (chosen == nil || w.At.IsZero() || at.Before(w.At)):
		return asked
	case chosen != nil:
		return chosen
	}
	return accepted.find(short(w.Accept))
}

// accepting remembers which language fits a header: there are as many as there
// are settings of browsers, and reading one takes longer than the rest of a
// choice.
type accepting struct {
	mu    sync.RWMutex
	known map[string]*Language
}

// manyHeaders is how many headers are remembered; strangers can send others.
const manyHeaders = 500

var accepted = accepting{known: map[string]*Language{}}

func (a *accepting) find(header string) *Language {
	a.mu.RLock()
	l := a.known[header]
	a.mu.RUnlock()
	if l != nil {
		return l
	}
	l = English
	if tags, _, err := language.ParseAcceptLanguage(header); err == nil {
		if fits := match(tags); fits != nil {
			l = fits
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= manyHeaders {
		clear(a.known)
	}
	a.known[header] = l
	return l
}

// maxWish is longer than any wish of a person: parsing what is longer is work
// for nobody.
const maxWish = 512

func short(s string) string {
	if len(s) > maxWish {
		return ""
	}
	return s
}

func tags(locales string) []language.Tag {
	var list []language.Tag
	for one := range strings.FieldsSeq(short(locales)) {
		if tag, err := language.Parse(one); err == nil {
			list = append(list, tag)
		}
	}
	return list
}

var matcher = language.NewMatcher(supported())

func supported() []language.Tag {
	var list []language.Tag
	for _, l := range all {
		list = append(list, language.MustParse(l.Code))
	}
	return list
}

// match returns the language that fits the tags, nil when none does.
func match(wanted []language.Tag) *Language {
	if len(wanted) == 0 {
		return nil
	}
	_, i, confidence := matcher.Match(wanted...)
	if confidence == language.No {
		return nil
	}
	return all[i]
}

func readChoice(value string) (*Language, time.Time) {
	code, at, _ := strings.Cut(value, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, time.Time{}
	}
	return Find(code), time.UnixMicro(micros)
}
