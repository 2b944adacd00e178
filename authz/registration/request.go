package registration

import (
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

const (
	maxBody  = 256 << 10 // bytes
	maxDepth = 16        // a key set is five deep
)

// wanted is a registration as it was sent.
type wanted struct {
	clientstore.Enrolment
	members map[string]json.RawMessage
}

// read reads a registration. What two readers of JSON might understand
// differently is refused: members that are there twice, or known ones in other
// capitals, bytes that are not UTF-8, a second value. Members that mean nothing
// here are ignored (RFC 7591, section 2), and so are those that are not the
// registrant's to set.
//
// The lane is the type of client that the endpoint registers, empty for any.
func (*Handler) read(r *http.Request, lane clientstore.Type) (*wanted, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	w := &wanted{}
	if w.members, err = parse(body); err != nil {
		return nil, err
	}
	if err := checkStatement(w.members["software_statement"]); err != nil {
		return nil, err
	}
	for name, raw := range w.members {
		if !clientstore.Known(name) {
			continue
		}
		// The decoder ignores those that are not metadata.
		one, err := stdjson.Marshal(map[string]stdjson.RawMessage{name: stdjson.RawMessage(raw)})
		if err == nil {
			err = json.Unmarshal(one, &w.Metadata)
		}
		if err != nil {
			return nil, refuseMember(name, "is not of the type that the specification gives it")
		}
	}
	if w.Name, err = w.text("client_name"); err != nil {
		return nil, err
	}
	if strings.TrimSpace(w.Name) == "" {
		w.Name = w.Metadata.NaturalName()
	}
	return w, w.settleType(lane)
}

// settleType lets a client say that it is plain OAuth 2.0, unless the endpoint
// says what it is.
func (w *wanted) settleType(lane clientstore.Type) error {
	asked, err := w.text("type")
	if err != nil {
		return err
	}
	if lane != "" && asked != "" && asked != string(lane) {
		return refuseMember("type", "is not "+string(lane)+", which is what this endpoint registers")
	}
	if lane != "" {
		asked = string(lane)
	}
	switch w.Type = clientstore.Type(asked); w.Type {
	case "":
		w.Type = w.Metadata.NaturalType()
	case clientstore.OIDC, clientstore.OAuth2:
	default:
		return refuseMember("type", "is not oidc or oauth2; an administrator registers any other client")
	}
	return nil
}

// text returns a member that is a string, empty when it is not there.
func (w *wanted) text(name string) (string, error) {
	var text string
	if raw, ok := w.members[name]; ok && json.Unmarshal(raw, &text) != nil {
		return "", refuseMember(name, "is not a string")
	}
	return text, nil
}

func readBody(r *http.Request) ([]byte, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, &protocol.Error{
			Code: protocol.InvalidRequest, Status: http.StatusUnsupportedMediaType, Description: "Send the metadata as application/json.",
		}
	}
	return readAll(r, maxBody)
}

// readAll reads a body of so many bytes at most.
func readAll(r *http.Request, most int64) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &protocol.Error{
			Code: protocol.InvalidRequest, Status: http.StatusUnsupportedMediaType, Description: "Send the body without Content-Encoding.",
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || int64(len(body)) > most {
		return nil, &protocol.Error{
			Code: protocol.InvalidRequest, Status: http.StatusRequestEntityTooLarge, Description: "The body is too large; " + strconv.FormatInt(most>>10, 10) + " KiB are the most that is read.",
		}
	}
	if err != nil {
		return nil, protocol.Refuse(protocol.InvalidRequest, "The body of the request ended early.")
	}
	return body, nil
}

// parse reads a JSON object. Members that are null are as if they were not
// there (RFC 7592, section 2.2).
func parse(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, protocol.Refuse(protocol.InvalidClientMetadata, "The body is not UTF-8.")
	}
	if depth(body) > maxDepth {
		return nil, protocol.Refuse(protocol.InvalidClientMetadata, "The JSON is nested too deeply.")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, protocol.Refuse(protocol.InvalidClientMetadata, "The body is not one JSON object with each member once.")
	}
	for name, raw := range members {
		base, _, _ := strings.Cut(name, "#") // the language of a member (RFC 7591, section 2.2)
		if lower := strings.ToLower(base); lower != base && clientstore.Known(lower) {
			return nil, refuseMember(name, "is written in capitals; members are compared byte for byte, so write "+lower)
		}
		if string(raw) == "null" {
			delete(members, name)
		}
	}
	return members, nil
}

// depth returns how deeply the JSON is nested, without parsing it.
func depth(body []byte) int {
	deepest, level, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case b == '"':
			quoted = !quoted
		case quoted && b == '\\':
			i++
		case quoted:
		case b == '{' || b == '[':
			level++
			deepest = max(deepest, level)
		case b == '}' || b == ']':
			level--
		}
	}
	return deepest
}

// checkStatement refuses software statements: nobody's are trusted here (RFC
// 7591, sections 2.3 and 3.2.2).
func checkStatement(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var statement string
	if json.Unmarshal(raw, &statement) != nil || !signed(statement) {
		return protocol.Refuse(protocol.InvalidSoftwareStatement, "The software_statement is not a signed JWT.")
	}
	return protocol.Refuse(protocol.UnapprovedSoftwareStatement, "This server trusts no issuer of software statements; send the metadata without it.")
}

// signed reports whether a statement claims to be signed.
func signed(statement string) bool {
	parts := strings.Split(statement, ".")
	if len(parts) != 3 || parts[2] == "" {
		return false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	var h struct {
		Alg string `json:"alg"`
	}
	return err == nil && json.Unmarshal(header, &h) == nil && h.Alg != "" && !strings.EqualFold(h.Alg, "none")
}

// refuseMember says which member is not acceptable.
func refuseMember(member, reason string) error {
	code := protocol.InvalidClientMetadata
	if member == "redirect_uris" {
		code = protocol.InvalidRedirectURI
	}
	return protocol.Refuse(code, protocol.Sentence(shortened(member)+": "+reason))
}

func shortened(member string) string {
	const most = 60
	if len(member) > most {
		return member[:most] + "..."
	}
	return member
}
