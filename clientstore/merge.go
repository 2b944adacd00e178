package clientstore

import (
	"encoding/json"
	"reflect"
)

// MemberError is a [*MetadataError] of a member that is not one, or not the
// sender's to set, whatever its value.
type MemberError struct{ *MetadataError }

// Unwrap returns the [*MetadataError].
func (e *MemberError) Unwrap() error { return e.MetadataError }

// Wanted is what somebody who may decide about it wants of a client.
type Wanted struct {
	Name     string
	Metadata Metadata
}

// Wanted returns name and metadata of the client as they are.
func (c *Client) Wanted() Wanted { return Wanted{c.Name, c.Metadata} }

// Read reads members of a client, by their RFC 7591 names, over what is there.
// A member that is null is taken away (RFC 7396, section 2). Those that are not
// to be set this way are a [*MemberError], unless present, which may be nil,
// shows that they are so already: a document that was read can be sent back.
func (w *Wanted) Read(members map[string]json.RawMessage, present *Client) error {
	known := map[string]any{}
	if present != nil {
		var err error
		if known, err = present.Document().members(); err != nil {
			return err
		}
	}
	for name, raw := range members {
		if err := w.read(name, raw, known); err != nil {
			return err
		}
	}
	return nil
}

func (w *Wanted) read(name string, raw json.RawMessage, known map[string]any) error {
	if name == "client_name" {
		w.Name = ""
		if json.Unmarshal(raw, &w.Name) != nil {
			return refuse(name, "is not a string")
		}
		return nil
	}
	member := w.Metadata.member(name)
	if member == nil {
		return refuseUnlessSame(name, raw, known)
	}
	value := reflect.ValueOf(member).Elem()
	value.SetZero() // a list that is decoded over another would write into it
	if string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, member); err != nil {
		return refuse(name, "is not of the type that the specification gives it: %s is expected", described(value.Interface()))
	}
	return nil
}

// refuseUnlessSame refuses a member that is not to be set, unless it says what
// is so already.
func refuseUnlessSame(name string, raw json.RawMessage, known map[string]any) error {
	if name == "used_at" && len(known) > 0 {
		return nil // it changes without anybody changing the client
	}
	var value any
	if json.Unmarshal(raw, &value) == nil {
		if present, ok := known[name]; ok && reflect.DeepEqual(present, value) {
			return nil
		}
	}
	err := unknownMember(name)
	if e, ok := err.(*MetadataError); ok { //nolint:errorlint // it was just made
		return &MemberError{e}
	}
	return err
}

func described(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case []string:
		return "an array of strings"
	case bool, *bool:
		return "true or false"
	case *int64:
		return "a whole number"
	default:
		return "an object"
	}
}
