package claims

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Members are the members of a JSON object, each name once: the claims of a token,
// or of an answer. They are few, and a list of them is made and written in less time
// than a map.
type Members []Member

// Member is one of them.
type Member struct {
	Name  string
	Value any
}

// Set gives a member its value, in the place of the one that it had.
func (m *Members) Set(name string, value any) {
	if i := m.find(name); i >= 0 {
		(*m)[i].Value = value
		return
	}
	*m = append(*m, Member{name, value})
}

// Delete takes a member away.
func (m *Members) Delete(name string) {
	if i := m.find(name); i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
}

// Map returns the members as a map.
func (m *Members) Map() map[string]any {
	object := make(map[string]any, len(*m))
	for _, one := range *m {
		object[one.Name] = one.Value
	}
	return object
}

func (m *Members) find(name string) int {
	return slices.IndexFunc(*m, func(one Member) bool { return one.Name == name })
}

// Encode writes the members as [json.Marshal] writes a map, sorted by their names,
// and in a quarter of its time: nearly every value is plain text, and every ID token
// and every answer of the UserInfo endpoint is written so.
func (m *Members) Encode() ([]byte, error) {
	slices.SortFunc(*m, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	body := append(make([]byte, 0, 512), '{')
	for i, one := range *m {
		if i > 0 {
			body = append(body, ',')
		}
		var err error
		if body, err = appendText(body, one.Name); err != nil {
			return nil, err
		}
		if body, err = appendValue(append(body, ':'), one.Value); err != nil {
			return nil, err
		}
	}
	return append(body, '}'), nil
}

func appendValue(body []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return appendText(body, v)
	case bool:
		return strconv.AppendBool(body, v), nil
	case int64:
		return strconv.AppendInt(body, v, 10), nil
	case []string:
		return appendList(body, v)
	}
	return appendEncoded(body, value)
}

func appendList(body []byte, list []string) (_ []byte, err error) {
	if list == nil {
		return appendEncoded(body, list)
	}
	body = append(body, '[')
	for i, text := range list {
		if i > 0 {
			body = append(body, ',')
		}
		if body, err = appendText(body, text); err != nil {
			return nil, err
		}
	}
	return append(body, ']'), nil
}

func appendText(body []byte, text string) ([]byte, error) {
	if isPlain(text) {
		return append(append(append(body, '"'), text...), '"'), nil
	}
	return appendEncoded(body, text)
}

func appendEncoded(body []byte, value any) ([]byte, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode a claim: %w", err)
	}
	return append(body, encoded...), nil
}

// isPlain reports whether JSON has the text as it is, between quotes.
func isPlain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
