package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// identifying are the members that name a thing to other commands, the first
// that there is.
var identifying = []string{"client_id", "username", "kid", "id", "access_token", "oauth_token", "version"}

// printIdentifiers writes what each thing is called by, one a line; nothing of
// what has no name.
func printIdentifiers(w io.Writer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &list); err != nil {
		list = make([]map[string]json.RawMessage, 1)
		if err := json.Unmarshal(encoded, &list[0]); err != nil {
			return nil //nolint:nilerr // it is neither a thing nor a list of them
		}
	}
	for _, one := range list {
		if name := identifier(one); name != "" {
			if _, err := fmt.Fprintln(w, printable(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func identifier(of map[string]json.RawMessage) string {
	for _, member := range identifying {
		var name string
		if json.Unmarshal(of[member], &name) == nil && name != "" {
			return name
		}
	}
	return ""
}
