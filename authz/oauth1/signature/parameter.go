package signature

import (
	"slices"
	"strings"
)

// parameter is a name and a value, decoded.
type parameter struct{ name, value string }

// isProtocol reports whether the parameter is OAuth's own.
func (p parameter) isProtocol() bool { return strings.HasPrefix(p.name, "oauth_") }

// normalize writes the parameters in the order of their encoded names and
// values (RFC 5849, section 3.4.1.3.2), without the signature itself.
func normalize(all []parameter) string {
	encoded := make([]parameter, 0, len(all))
	for _, p := range all {
		if p.name != "oauth_signature" {
			encoded = append(encoded, parameter{Escape(p.name), Escape(p.value)})
		}
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// formParameters reads a query or a form. A name without a value has an empty
// one (RFC 5849, section 3.4.1.3.1).
func formParameters(s string, place Place) ([]parameter, error) {
	var list []parameter
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		if len(list) == maxParameters {
			return nil, rejected("The " + string(place) + " has more parameters than this server takes.")
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := unescapeForm(name)
		if err != nil {
			return nil, rejected("In the " + string(place) + " " + err.Error() + ".")
		}
		if value, err = unescapeForm(value); err != nil {
			return nil, rejected("In the "+string(place)+" "+err.Error()+".", printable(name)...)
		}
		list = append(list, parameter{name, value})
	}
	return list, nil
}

// printable returns the name if an answer can repeat it.
func printable(name string) []string {
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return nil
	}
	return []string{name}
}

// headerParameters reads the Authorization header (RFC 5849, section 3.5.1):
// none where no value has OAuth's scheme. The realm is no parameter.
func headerParameters(values []string) ([]parameter, error) {
	var found string
	for _, v := range values {
		rest, ok := cutScheme(v)
		if !ok {
			continue
		}
		if found != "" {
			return nil, rejected("There is more than one Authorization header with the scheme OAuth.")
		}
		found = rest + " " // not empty
	}
	return headerList(found)
}

// cutScheme returns what follows the scheme, whose letters may be of any case.
func cutScheme(value string) (string, bool) {
	scheme, rest, _ := strings.Cut(strings.TrimLeft(value, " \t"), " ")
	return rest, strings.EqualFold(scheme, "OAuth")
}

func headerList(s string) ([]parameter, error) {
	var list []parameter
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return list, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		rest = strings.TrimLeft(rest, " \t") // RFC 9110, section 11.2, lets readers take it
		value, after, closed := quoted(rest)
		after = strings.TrimLeft(after, " \t")
		if !ok || !closed || (after != "" && after[0] != ',') || len(list) == maxParameters {
			return nil, rejected(`The Authorization header is not a list of name="value", separated by commas.`)
		}
		s = after
		p, err := headerParameter(strings.TrimRight(name, " \t"), value)
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(p.name, "realm") {
			list = append(list, p)
		}
	}
}

// quoted cuts a quoted string, as it was sent, from what follows it. Only a
// realm has quoted pairs in it: what is percent-encoded has no backslash (RFC
// 2617, section 1.2; RFC 5849, section 3.5.1).
func quoted(s string) (inside, after string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

func headerParameter(name, value string) (parameter, error) {
	n, err := unescape(name)
	if err != nil {
		return parameter{}, rejected("In the Authorization header " + err.Error() + ".")
	}
	if strings.EqualFold(n, "realm") {
		return parameter{name: n}, nil // a quoted string of HTTP, which is not encoded
	}
	v, err := unescape(value)
	if err != nil {
		return parameter{}, rejected("In the Authorization header "+err.Error()+".", printable(n)...)
	}
	return parameter{n, v}, nil
}
