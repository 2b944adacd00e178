package clientstore

import (
	"context"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"countersign/storage"
)

const (
	// manyNames bounds the names that one is held against.
	manyNames = 20_000
	// manySimilar is more than an administrator looks at.
	manySimilar = 5
	// letters for which one may be another before names are taken for the same.
	lettersAlike = 6
)

// Similar returns clients whose names people could take for the client's:
// differently spelt, or in letters that look alike. Those that are approved come
// first, then those that wait, which may be approved along with it.
func (s *Store) Similar(ctx context.Context, c *Client) ([]Client, error) {
	var all []Client
	err := s.db.With(ctx).Select("id", "name", "type", "status").Where("status IN ? AND id <> ?", []Status{Approved, Pending}, c.ID).
		Order("status, " + byName(s.db.Dialect(), "name") + ", id").Limit(manyNames).Find(&all).Error
	if err != nil {
		return nil, storage.Err("list names", err)
	}
	var list []Client
	name := skeleton(c.Name)
	for _, other := range all {
		if alike(name, skeleton(other.Name)) {
			list = append(list, other)
		}
		if len(list) == manySimilar {
			break
		}
	}
	return list, nil
}

func alike(a, b string) bool {
	switch {
	case a == "" || b == "":
		return false
	case a == b:
		return true
	case len(a)-len(b) > len(a)/lettersAlike || len(b)-len(a) > len(b)/lettersAlike:
		return false
	default:
		return distance(a, b) <= min(len(a), len(b))/lettersAlike
	}
}

// lookalikes are letters and digits that people read as others, after folding.
var lookalikes = strings.NewReplacer(
	"0", "o", "1", "l", "i", "l", "|", "l", "5", "s", "rn", "m", "vv", "w",
	"а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "у", "y", "х", "x", "і", "l", "ѕ", "s", "ј", "j", "к", "k", "м", "m", "т", "t", "в", "b", "н", "h",
	"α", "a", "ο", "o", "ρ", "p", "ν", "v", "τ", "t", "κ", "k", "ι", "l", "ε", "e",
)

// skeleton is what is left of a name for the eye: letters and digits without
// marks, those that look alike as one.
func skeleton(name string) string {
	decomposed := norm.NFKD.String(cases.Fold().String(norm.NFKC.String(name)))
	kept := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, decomposed)
	return lookalikes.Replace(kept)
}
