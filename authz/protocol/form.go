package protocol

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxBody bounds a form, maxParameters what it may hold, and maxValue a
	// single value, all in bytes but the second.
	maxBody       = 64 << 10
	maxParameters = 64
	maxValue      = 16 << 10
)

// Parameters are the parameters of a request, each with one value.
type Parameters struct {
	all    url.Values
	values url.Values
	// repeated are the names that came more than once, whose values nobody
	// may rely on.
	repeated []string
}

// Get returns the value of a parameter, empty when it was not sent (RFC 6749,
// section 3.1: a parameter sent without a value counts as omitted).
func (p Parameters) Get(name string) string { return p.values.Get(name) }

// Has reports whether a parameter was sent with a value.
func (p Parameters) Has(name string) bool { return p.values.Get(name) != "" }

// Values returns the parameters with the first value of each, to be read.
func (p Parameters) Values() url.Values { return p.values }

// Repeated returns the first name that came more than once, empty if none did.
func (p Parameters) Repeated() string {
	if len(p.repeated) == 0 {
		return ""
	}
	return p.repeated[0]
}

// IsRepeated reports whether the name came more than once.
func (p Parameters) IsRepeated(name string) bool {
	return slices.Contains(p.repeated, name)
}

// Kept returns parameters that were read before and kept as [Parameters.All]
// or [Parameters.Values] gave them.
func Kept(all url.Values) Parameters {
	if isPlain(all) {
		return Parameters{all: all, values: all}
	}
	p := Parameters{all: all, values: url.Values{}}
	for name, values := range all {
		if values[0] != "" {
			p.values.Set(name, values[0])
		}
		if len(values) > 1 {
			p.repeated = append(p.repeated, name)
		}
	}
	slices.Sort(p.repeated)
	return p
}

// isPlain reports whether each name has one value that is not empty, as nearly
// always.
func isPlain(all url.Values) bool {
	for _, values := range all {
		if len(values) != 1 || values[0] == "" {
			return false
		}
	}
	return true
}

// All returns the parameters with every value that came, to be read.
func (p Parameters) All() url.Values { return p.all }

// Parse reads a query string or a form body. It refuses what two readers might
// understand differently: broken escapes, semicolons, bytes that are not
// UTF-8, control characters. Repeated names are noted, not refused, because
// the authorization endpoint must first learn where to send its refusal.
func Parse(encoded ...string) (Parameters, error) {
	all := url.Values{}
	for i, part := range encoded {
		parsed, err := decode(part)
		if err != nil {
			return Parameters{}, err
		}
		if i == 0 {
			all = parsed
			continue
		}
		for name, values := range parsed {
			all[name] = append(all[name], values...)
		}
	}
	return Kept(all), nil
}

func decode(part string) (url.Values, error) {
	if strings.Count(part, "&") >= maxParameters {
		return nil, errors.New("too many parameters")
	}
	parsed, err := url.ParseQuery(part)
	if err != nil {
		return nil, errors.New("the parameters are not form-encoded correctly")
	}
	for name, values := range parsed {
		if err := acceptable(name, values); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

func acceptable(name string, values []string) error {
	if !clean("", name) {
		return errors.New("a parameter's name holds characters that no parameter has")
	}
	for _, v := range values {
		if !clean(name, v) {
			return errors.New("the parameter " + name + " holds control characters or bytes that are not UTF-8")
		}
		if len(v) > maxValue {
			return errors.New("the parameter " + name + " is too long")
		}
	}
	return nil
}

// clean reports whether the value of a parameter is UTF-8 without control
// characters. PostgreSQL keeps no NUL, and no parameter of ours has use for the
// others, but for claims, which is JSON and may be indented (RFC 8259, section
// 2).
func clean(name, value string) bool {
	if !utf8.ValidString(value) {
		return false
	}
	for _, r := range value {
		if (r < ' ' || r == 0x7f) && (name != "claims" || !strings.ContainsRune("\t\n\r", r)) {
			return false
		}
	}
	return true
}

// IsForm reports whether a message says that its body is a form, however
// broken the parameters of the type are.
func IsForm(header http.Header) bool {
	return slices.ContainsFunc(header.Values("Content-Type"), func(value string) bool {
		kind, _, _ := strings.Cut(value, ";")
		return strings.EqualFold(strings.TrimSpace(kind), formType)
	})
}

// Form reads the form that a client posts to one of its endpoints. Everything
// must be in the body and once: RFC 6749, section 3.2.
func Form(r *http.Request) (Parameters, error) {
	if r.URL.RawQuery != "" {
		return Parameters{}, Refuse(InvalidRequest, "Send the parameters in the body of the request, none in its URL.")
	}
	body, err := Body(r)
	if err != nil {
		return Parameters{}, err
	}
	p, err := Parse(body)
	if err != nil {
		return p, Refuse(InvalidRequest, Sentence("The request cannot be read: "+err.Error()+"."))
	}
	if name := p.Repeated(); name != "" {
		return p, Refuse(InvalidRequest, "A parameter was sent more than once: "+Printable(name)+".")
	}
	return p, nil
}

// formType is the one type of what clients post, nearly always without parameters.
const formType = "application/x-www-form-urlencoded"

func isOnlyForm(contentType string) bool {
	if contentType == formType {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == formType
}

// Body reads a form-encoded body, undecoded. Any other content type is
// refused: a second parser is a second opinion on what was sent.
func Body(r *http.Request) (string, error) {
	if !isOnlyForm(r.Header.Get("Content-Type")) {
		return "", &Error{
			Code: InvalidRequest, Status: http.StatusUnsupportedMediaType,
			Description: "Send the parameters as application/x-www-form-urlencoded.",
		}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return "", &Error{Code: InvalidRequest, Status: http.StatusUnsupportedMediaType, Description: "Send the body without Content-Encoding."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || len(body) > maxBody {
		return "", &Error{Code: InvalidRequest, Status: http.StatusRequestEntityTooLarge, Description: "The body is too large; 64 KiB are the most that is read."}
	}
	if err != nil {
		return "", Refuse(InvalidRequest, "The body of the request ended early.")
	}
	return string(body), nil
}

// Printable returns text that came with a request as an error description may
// hold it, and shortened (RFC 6749, section 5.2).
func Printable(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most]
	}
	return Sentence(s)
}

// Sentence returns s in the characters that an error description may hold.
func Sentence(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"', r == '\\':
			return '\''
		case r < ' ', r > '~':
			return '?'
		default:
			return r
		}
	}, s)
}
