package api

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"countersign/admin/arrival"
)

const (
	maxBody  = arrival.Most // bytes
	maxDepth = 16           // a key set is five deep
)

// members are those of a JSON object.
type members map[string]stdjson.RawMessage

// body reads the body of a request: one JSON object. What two readers of JSON
// might understand differently is refused: members that are there twice, bytes
// that are not UTF-8, a second value.
func (r *request) body(mediaTypes ...string) (members, []byte, error) {
	if err := checkMediaType(r.Header, append(mediaTypes, "application/json")); err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, problemOf(badJSON, "The body ended early.")
	}
	if !utf8.Valid(content) || deep(content) {
		return nil, nil, problemOf(badJSON, "The body is not UTF-8, or nested deeper than 16.")
	}
	var object map[string]json.RawMessage
	var whole any // in which members of members are looked at too
	if err := errors.Join(json.Unmarshal(content, &object), json.Unmarshal(content, &whole)); err != nil || object == nil {
		return nil, nil, problemOf(badJSON, "The body is not one JSON object with each member once.")
	}
	m := members{}
	for name, raw := range object {
		m[name] = stdjson.RawMessage(raw)
	}
	return m, content, nil
}

// optionalBody is [request.body] of a request that may have none.
func (r *request) optionalBody() (members, error) {
	if r.ContentLength == 0 {
		return members{}, nil
	}
	m, _, err := r.body()
	return m, err
}

func checkMediaType(h http.Header, taken []string) error {
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || !slices.Contains(taken, mediaType) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problemOf(wrongMediaType, "The header Content-Type is not application/json.")
	}
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return problemOf(wrongMediaType, "The body has a Content-Encoding.")
	}
	return nil
}

// deep reports whether the JSON is nested deeper than it need be.
func deep(content []byte) bool {
	level := 0
	for dec := stdjson.NewDecoder(bytes.NewReader(content)); ; {
		token, err := dec.Token()
		if err != nil {
			return false // whoever parses it says so
		}
		switch token {
		case stdjson.Delim('{'), stdjson.Delim('['):
			if level++; level > maxDepth {
				return true
			}
		case stdjson.Delim('}'), stdjson.Delim(']'):
			level--
		}
	}
}

// into reads the members into the variables of these names. Others are
// refused, and so is a value of another type.
func (m members) into(known map[string]any) error {
	for name, raw := range m {
		variable, ok := known[name]
		if !ok {
			return problemOf(unknownMember, ended(shown(name)+" is not a member here")).at(name, "Is not known here; "+choices(known)+".")
		}
		if string(raw) == "null" {
			continue
		}
		if stdjson.Unmarshal(raw, variable) != nil {
			return problemOf(invalidMember, ended(name+" is of another type than the document says")).at(name, "Is of another type than the document says.")
		}
	}
	return nil
}

// take moves the members of these names out of the others, and reads them into
// the variables.
func (m members) take(known map[string]any) error {
	own := members{}
	for name := range known {
		if raw, ok := m[name]; ok {
			own[name] = raw
			delete(m, name)
		}
	}
	return own.into(known)
}

func choices(known map[string]any) string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "send an empty object"
	}
	slices.Sort(names)
	return "there are " + strings.Join(names, ", ")
}

// shown repeats a name that was sent.
func shown(name string) string {
	const most = 60
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.QuoteToASCII(name)
}

// checkQuery refuses parameters that the operation does not take, or that are
// there twice.
func checkQuery(raw string, taken []string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return problemOf(badQuery, "The query is not well-formed.")
	}
	for name, values := range query {
		if !slices.Contains(taken, name) {
			if len(taken) == 0 {
				return problemOf(badQuery, shown(name)+" is not a parameter here; there are none.")
			}
			return problemOf(badQuery, shown(name)+" is not a parameter here; there are "+strings.Join(taken, ", ")+".")
		}
		if len(values) > 1 {
			return problemOf(badQuery, name+" is there twice.")
		}
	}
	return nil
}

// limit reads the parameter of this name: how many of a list to answer.
func (r *request) limit(most int) (int, error) { //nolint:unparam // each list says how many it has at most
	text := r.URL.Query().Get("limit")
	if text == "" {
		return min(100, most), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, problemOf(badQuery, "limit is not a number from 1 to "+strconv.Itoa(most)+".")
	}
	return n, nil
}

// next is the address of the page behind the cursor, for the header Link (RFC
// 8288).
func (r *request) next(cursor string) map[string]string {
	if cursor == "" {
		return nil
	}
	query := r.URL.Query()
	query.Set("cursor", cursor)
	return map[string]string{"Link": "<" + r.URL.Path + "?" + query.Encode() + `>; rel="next"`}
}
