package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/message"
)

//go:embed catalogs/*.json
var catalogs embed.FS

// catalog has what each message is in a language.
type catalog map[string]translation

// translation is one text, or one for each plural form of the language.
type translation struct {
	text  string
	forms map[string]string
}

// UnmarshalJSON reads a text, or an object of texts by the plural categories of
// CLDR: zero, one, two, few, many, other.
func (t *translation) UnmarshalJSON(raw []byte) error {
	if raw[0] == '{' {
		return json.Unmarshal(raw, &t.forms)
	}
	return json.Unmarshal(raw, &t.text)
}

// embedded returns the catalogue of a language, which is read when somebody
// first speaks it.
func embedded(code string) func() catalog {
	return sync.OnceValue(func() catalog {
		c, err := read(code)
		if err != nil {
			panic(err) // a build with it does not pass its tests
		}
		return c
	})
}

func read(code string) (catalog, error) {
	raw, err := catalogs.ReadFile("catalogs/" + code + ".json")
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	var c catalog
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("decode catalogue of %s: %w", code, err)
	}
	return c, nil
}

// find returns the text in the language, and the English one where there is
// none.
func (c catalog) find(l *Language, text string, values []value) string {
	t, known := c[text]
	if !known {
		return text
	}
	if t.forms == nil {
		return t.text
	}
	return t.forms[l.category(values)]
}

// categories are the names that CLDR has for plural forms.
var categories = map[plural.Form]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

// category is the plural form for the first number.
func (l *Language) category(values []value) string {
	for _, v := range values {
		if v.kind == ofNumber {
			n, _ := strconv.ParseInt(v.text, 10, 64) // it was written by us
			return categories[plural.Cardinal.MatchPlural(l.numbers, int(n%10_000_000), 0, 0, 0, 0)]
		}
	}
	return "other"
}

// ungrouped numbers have too few digits to be hard to read.
const ungrouped = 10_000

// Number is a whole number, in groups of digits as the language writes them
// when there are many.
func (l *Language) Number(n int64) string {
	if -ungrouped < n && n < ungrouped {
		return strconv.FormatInt(n, 10)
	}
	return message.NewPrinter(l.numbers).Sprint(n)
}
