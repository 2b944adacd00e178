// Package claims decides which claims about a resource owner go where: what a
// scope stands for, what the claims parameter asks for, and how the claims of
// an account are written.
package claims

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4/json"
)

// maxRequest is the longest claims parameter that is read. Asking for every
// standard claim in both places takes a third of it.
const maxRequest = 8 << 10

// ErrMalformed reports a claims parameter that is not what OpenID Connect Core
// 1.0, section 5.5, describes. The text after it is for the client.
var ErrMalformed = errors.New("claims parameter is malformed")

// Request is the claims request parameter (OpenID Connect Core 1.0, section
// 5.5). The zero value asks for nothing.
type Request struct {
	userinfo, idToken map[string]Wish
}

// Wish is how one claim is asked for (section 5.5.1).
type Wish struct {
	Essential bool
	// Values are the acceptable values that are strings, in order of
	// preference; whatever else was asked for is not among them.
	Values []string
	// Limited reports that the request names acceptable values, be they
	// strings or not.
	Limited bool
}

// Parse reads a claims parameter. Members that it does not know are ignored,
// as section 5.5 demands; a member that it knows and that has another type is
// an error, and so is a member that is there twice. An empty parameter asks for
// nothing.
func Parse(raw string) (Request, error) {
	if raw == "" {
		return Request{}, nil
	}
	if len(raw) > maxRequest {
		return Request{}, malformed("it is longer than %d bytes", maxRequest)
	}
	// This decoder refuses members that are there twice, and tells apart
	// members that differ in case.
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &members); err != nil || members == nil {
		return Request{}, malformed("it is not a JSON object with each member once")
	}
	var (
		r   Request
		err error
	)
	if r.userinfo, err = parseWishes("userinfo", members["userinfo"]); err != nil {
		return Request{}, err
	}
	r.idToken, err = parseWishes("id_token", members["id_token"])
	return r, err
}

func parseWishes(where string, raw json.RawMessage) (map[string]Wish, error) {
	if raw == nil {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, malformed("%s is not an object with each member once", where)
	}
	wishes := make(map[string]Wish, len(members))
	for name, value := range members {
		wish, err := parseWish(value)
		if err != nil {
			return nil, malformed("a claim in %s is asked for with something else than null or an object of essential, value and values", where)
		}
		wishes[name] = wish
	}
	return wishes, nil
}

func parseWish(raw json.RawMessage) (Wish, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return Wish{}, err
	}
	var w Wish
	if essential, ok := members["essential"]; ok {
		if err := unmarshal(essential, &w.Essential); err != nil {
			return Wish{}, err
		}
	}
	var values []json.RawMessage
	if many, ok := members["values"]; ok {
		if err := unmarshal(many, &values); err != nil {
			return Wish{}, err
		}
		w.Limited = true
	}
	if single, ok := members["value"]; ok {
		values = append([]json.RawMessage{single}, values...)
		w.Limited = true
	}
	for _, v := range values {
		var text string
		if unmarshal(v, &text) == nil && !slices.Contains(w.Values, text) {
			w.Values = append(w.Values, text)
		}
	}
	return w, nil
}

// unmarshal refuses null, which would leave the target alone.
func unmarshal(raw json.RawMessage, target any) error {
	if string(raw) == "null" {
		return errors.New("null")
	}
	return json.Unmarshal(raw, target)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Userinfo returns the names of the claims asked for from the UserInfo
// endpoint, sorted.
func (r Request) Userinfo() []string { return names(r.userinfo) }

// IDToken returns the names of the claims asked for in the ID token, sorted.
func (r Request) IDToken() []string { return names(r.idToken) }

// InIDToken returns how a claim is asked for in the ID token, and whether it
// is.
func (r Request) InIDToken(name string) (Wish, bool) {
	w, ok := r.idToken[name]
	return w, ok
}

// InUserinfo returns how a claim is asked for from the UserInfo endpoint, and
// whether it is.
func (r Request) InUserinfo(name string) (Wish, bool) {
	w, ok := r.userinfo[name]
	return w, ok
}

func names(wishes map[string]Wish) []string {
	sorted := make([]string, 0, len(wishes))
	for name := range wishes {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}
