package clientstore

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// notTheRegistrants are members of a client that no registration sets: the
// server makes them, or an administrator's decision does.
var notTheRegistrants = []string{
	"approved", "approval", "client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at", "conditions", "consent_digest",
	"created_at", "created_by", "epoch", "id", "managed_by", "managed_handle", "managed_status", "oauth1_functional_username", "owner", "registration_access_token", "registration_client_uri", "revision_rejected", "role",
	"secret_waiting", "secrets", "skip_consent", "is_first_party", "status", "status_at", "status_by", "status_reason", "trusted", "type",
	"updated_at", "used_at", "version",
}

// Known reports whether a registration's member means something to this
// server, be it the registrant's to set or not.
func Known(member string) bool {
	return member == "client_name" || new(Metadata).member(member) != nil || slices.Contains(notTheRegistrants, member)
}

// SetMember sets one metadata member by its RFC 7591 name, value being JSON or
// plain text (for `client create --set member=value`). A list is a JSON array,
// or its entries with spaces or commas between them; response types and
// contacts, which may contain spaces, need the commas. An empty value takes
// the member away. Members that SetMember does not know, and those that are
// not the registrant's to set, are a [*MetadataError].
func (m *Metadata) SetMember(name, value string) error {
	member := m.member(name)
	value = strings.TrimSpace(value)
	switch member := member.(type) {
	case *string:
		return setString(name, member, value)
	case *[]string:
		return setList(name, member, value)
	case *bool:
		return setBool(name, member, value)
	case **bool:
		return setOptional(name, member, value)
	case *json.RawMessage:
		return setJSON(name, member, value)
	case **int64:
		return setNumber(name, member, value)
	default:
		return unknownMember(name)
	}
}

// member returns a pointer to the member with this name, nil if there is none.
func (m *Metadata) member(name string) any { //nolint:ireturn // each member has its own type
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		if memberName(v.Type().Field(i)) == name {
			return v.Field(i).Addr().Interface()
		}
	}
	return nil
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func setString(name string, member *string, value string) error {
	if strings.HasPrefix(value, `"`) {
		if err := json.Unmarshal([]byte(value), &value); err != nil {
			return refuse(name, "%s begins like a JSON string and is none", quoted(value))
		}
	}
	*member = value
	return nil
}

func setList(name string, member *[]string, value string) error {
	if strings.HasPrefix(value, "[") {
		var list []string
		if err := json.Unmarshal([]byte(value), &list); err != nil {
			return refuse(name, `%s is not a JSON array of strings, such as ["a","b"]`, quoted(value))
		}
		*member = list
		return nil
	}
	spaced := name != "response_types" && name != "contacts"
	*member = nil
	for entry := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || spaced && r == ' ' }) {
		if entry = strings.TrimSpace(entry); entry != "" {
			*member = append(*member, entry)
		}
	}
	return nil
}

func setBool(name string, member *bool, value string) error {
	switch value {
	case "true":
		*member = true
	case "false", "":
		*member = false
	default:
		return refuse(name, "%s is neither true nor false", quoted(value))
	}
	return nil
}

func setOptional(name string, member **bool, value string) error {
	*member = nil
	if value == "" {
		return nil
	}
	set := new(bool)
	if err := setBool(name, set, value); err != nil {
		return err
	}
	*member = set
	return nil
}

func setNumber(name string, member **int64, value string) error {
	*member = nil
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return refuse(name, "%s is not a whole number", quoted(value))
	}
	*member = &n
	return nil
}

func setJSON(name string, member *json.RawMessage, value string) error {
	*member = nil
	if value == "" {
		return nil
	}
	if !json.Valid([]byte(value)) {
		return refuse(name, "%s is not JSON", quoted(value))
	}
	*member = json.RawMessage(value)
	return nil
}

func unknownMember(name string) error {
	if name == "client_name" {
		return refuse(name, "is set on its own; use --name")
	}
	if slices.Contains(notTheRegistrants, name) {
		return refuse(name, "is not a registration's to set: the server or an administrator decides it")
	}
	shown := name
	if checkText("", name, maxText) != nil {
		shown = quoted(name)
	}
	if near := nearestMember(name); near != "" {
		return refuse(shown, "is not a metadata member that this server knows; did you mean %s?", near)
	}
	return refuse(shown, "is not a metadata member that this server knows")
}

// nearestMember returns the member whose name is a typing error away.
func nearestMember(name string) string {
	const far = 4
	nearest, least := "", far
	t := reflect.TypeFor[Metadata]()
	for i := range t.NumField() {
		known := memberName(t.Field(i))
		if d := distance(strings.ToLower(name), known); d < least {
			nearest, least = known, d
		}
	}
	return nearest
}

// distance is how many letters have to be put in, taken out or replaced to
// make b of a (Levenshtein). Names much longer than any are far from all.
func distance(a, b string) int {
	if len(a) > 2*len(b)+1 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
