package signature

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxParameters bounds the parameters of one request.
	maxParameters = 256
	// maxValue bounds a protocol parameter, in bytes. The longest is the
	// signature of a 16384-bit RSA key, or a callback.
	maxValue = 4096
)

// Message is an HTTP request as it arrived.
type Message struct {
	Method string
	// URL is the absolute URL that the client used, with path and query as
	// they were sent.
	URL string
	// Authorization holds the header's values.
	Authorization []string
	// Form is the body of a request of the type
	// application/x-www-form-urlencoded, and empty for any other.
	Form string
}

// Place is where a request carries its protocol parameters (RFC 5849, section
// 3.5).
type Place string

// The places, in the order that the RFC prefers.
const (
	InHeader Place = "Authorization header"
	InForm   Place = "form body"
	InQuery  Place = "query"
)

// Request is a message that has all that a signature needs.
type Request struct {
	// Place is where the protocol parameters were.
	Place Place
	// BaseString is what was signed (RFC 5849, section 3.4.1).
	BaseString string

	protocol map[string]string
}

// Get returns a protocol parameter, empty where the request has none. An empty
// oauth_token is one that is absent (RFC 5849, section 3.1).
func (r *Request) Get(name string) string { return r.protocol[name] }

// Has reports whether the request has a protocol parameter, be it empty.
func (r *Request) Has(name string) bool { _, ok := r.protocol[name]; return ok }

// Method returns the signature method that the request names.
func (r *Request) Method() Method { return Method(r.protocol["oauth_signature_method"]) }

// IsSigned reports whether a message claims to be signed by OAuth 1.0: it has
// the header's scheme, or a signature method elsewhere.
func IsSigned(m Message) bool {
	if slices.ContainsFunc(m.Authorization, func(v string) bool { _, ok := cutScheme(v); return ok }) {
		return true
	}
	_, query, _ := strings.Cut(m.URL, "?")
	return strings.Contains(query, "oauth_signature_method=") || strings.Contains(m.Form, "oauth_signature_method=")
}

// Parse reads a message. What it refuses is a [*Error].
func Parse(m Message) (*Request, error) {
	uri, query, err := baseURI(m.URL)
	if err != nil {
		return nil, err
	}
	all, place, err := collect(m, query)
	if err != nil {
		return nil, err
	}
	r := &Request{Place: place}
	if r.protocol, err = protocolParameters(all); err != nil {
		return nil, err
	}
	if refusal := r.check(); refusal != nil {
		refusal.Client = r.Get("oauth_consumer_key")
		return nil, refusal
	}
	r.BaseString = baseString(m.Method, uri, all)
	return r, nil
}

// baseString is what is signed (RFC 5849, section 3.4.1.1).
func baseString(method, uri string, all []parameter) string {
	return Escape(strings.ToUpper(method)) + "&" + Escape(uri) + "&" + Escape(normalize(all))
}

// collect gathers the parameters of every source, and tells in which the
// protocol's are (RFC 5849, section 3.4.1.3.1).
func collect(m Message, query string) (all []parameter, place Place, err error) {
	header, err := headerParameters(m.Authorization)
	if err != nil {
		return nil, "", err
	}
	form, err := formParameters(m.Form, InForm)
	if err != nil {
		return nil, "", err
	}
	inQuery, err := formParameters(query, InQuery)
	if err != nil {
		return nil, "", err
	}
	for _, source := range []struct {
		place      Place
		parameters []parameter
	}{{InHeader, header}, {InForm, form}, {InQuery, inQuery}} {
		all = append(all, source.parameters...)
		if !slices.ContainsFunc(source.parameters, parameter.isProtocol) {
			continue
		}
		if place != "" {
			return nil, "", rejected("OAuth parameters are in the " + string(place) + " and in the " + string(source.place) + "; send them in one place (RFC 5849, section 3.5).")
		}
		place = source.place
	}
	if len(all) > maxParameters {
		return nil, "", rejected("The request has more parameters than this server takes.")
	}
	return all, place, nil
}

// protocolParameters returns the parameters of the protocol by name. None may
// come twice (RFC 5849, section 3.1).
func protocolParameters(all []parameter) (map[string]string, error) {
	protocol := map[string]string{}
	for _, p := range all {
		if !p.isProtocol() {
			continue
		}
		if _, twice := protocol[p.name]; twice {
			return nil, rejected("The parameter comes twice.", p.name)
		}
		if len(p.value) > maxValue || !utf8.ValidString(p.value) || strings.ContainsFunc(p.value, isControl) {
			return nil, rejected("The parameter is too long, or not plain text in UTF-8.", p.name)
		}
		protocol[p.name] = p.value
	}
	return protocol, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// required are the parameters that no request goes without, and timed those
// that only PLAINTEXT goes without (RFC 5849, section 3.1).
var (
	required = []string{"oauth_consumer_key", "oauth_signature_method", "oauth_signature"}
	timed    = []string{"oauth_timestamp", "oauth_nonce"}
)

// maxOutline bounds an outline, in bytes, and maxDisclosed what an
// administrator is shown.
const (
	maxOutline   = 2048
	maxDisclosed = 8192
)

// Outline is the base string as a log may have it: cut short, and without the
// values of the verifier and of what is not the protocol's own, which may be
// anything that an application sends.
func (r *Request) Outline() string {
	return r.without(maxOutline, func(name string) bool { return !strings.HasPrefix(name, "oauth_") || name == "oauth_verifier" })
}

// Disclosed is the base string as an administrator may compare it with what a
// client signed: cut short, and without the value of the verifier. It is empty
// for PLAINTEXT, which signs nothing.
func (r *Request) Disclosed() string {
	if r.Method() == Plaintext {
		return ""
	}
	return r.without(maxDisclosed, func(name string) bool { return name == "oauth_verifier" })
}

// without is the base string without the values of some parameters.
func (r *Request) without(limit int, hidden func(name string) bool) string {
	method, rest, _ := strings.Cut(r.BaseString, "&")
	uri, parameters, _ := strings.Cut(rest, "&")
	list, err := unescape(parameters)
	if err != nil {
		return method
	}
	var b strings.Builder
	b.WriteString(method + "&" + uri + "&")
	for i, pair := range strings.Split(list, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if hidden(name) {
			value = "..."
		}
		if i > 0 {
			b.WriteString("%26")
		}
		b.WriteString(Escape(name) + "%3D" + Escape(value))
		if b.Len() > limit {
			return b.String()[:limit]
		}
	}
	return b.String()
}

// check makes sure that the request can be judged.
func (r *Request) check() *Error {
	var absent []string
	for _, name := range append(slices.Clone(required), timed...) {
		if r.Get(name) == "" && (r.Method() != Plaintext || !slices.Contains(timed, name)) {
			absent = append(absent, name)
		}
	}
	switch version, ok := r.protocol["oauth_version"]; {
	case len(absent) > 0:
		return &Error{Code: ParameterAbsent, Parameters: absent, Advice: "Send the parameters that are missing."}
	case ok && version != "1.0":
		return &Error{Code: VersionRejected, Advice: "Leave oauth_version out, or send 1.0."}
	case !r.Method().IsKnown():
		return &Error{Code: SignatureMethodRejected, Parameters: []string{"oauth_signature_method"}, Advice: "Use a signature method that this server knows."}
	case r.Method() == Plaintext && r.Has("oauth_timestamp") != r.Has("oauth_nonce"):
		return &Error{Code: ParameterAbsent, Parameters: timed, Advice: "Send timestamp and nonce together, or neither."}
	}
	return nil
}
