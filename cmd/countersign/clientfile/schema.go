package clientfile

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"

	"countersign/clientstore"
)

// SchemaID names the schema, and SchemaFile is what people call the file that
// `countersign client schema` is written to.
const (
	SchemaID   = "urn:countersign:schema:clients"
	SchemaFile = "clients.schema.json"
)

// Schema is the part of JSON Schema (draft 2020-12) that the schema of clients
// files needs. Files are checked against this very value, so that what an
// editor says and what the program says are the same.
type Schema struct {
	Dialect           string             `json:"$schema,omitempty"`
	ID                string             `json:"$id,omitempty"`
	Title             string             `json:"title,omitempty"`
	Description       string             `json:"description,omitempty"`
	Type              string             `json:"type,omitempty"`
	Enum              []string           `json:"enum,omitempty"`
	Pattern           string             `json:"pattern,omitempty"`
	MinLength         int                `json:"minLength,omitempty"`
	Required          []string           `json:"required,omitempty"`
	Properties        map[string]*Schema `json:"properties,omitempty"`
	PatternProperties map[string]*Schema `json:"patternProperties,omitempty"`
	// Closed forbids members that are not among the properties.
	Closed bool      `json:"-"`
	Items  *Schema   `json:"items,omitempty"`
	OneOf  []*Schema `json:"oneOf,omitempty"`

	remedy string // what to do when the value does not fit
}

// MarshalJSON writes Closed as JSON Schema does.
func (s *Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	if !s.Closed {
		return json.Marshal((*plain)(s))
	}
	return json.Marshal(struct {
		*plain
		AdditionalProperties bool `json:"additionalProperties"`
	}{(*plain)(s), false})
}

// secretRemedy is what to do instead of writing a secret into the file.
const secretRemedy = "secrets do not stand in the file, which many may read: write secret: {file: PATH} or secret: {env: NAME}, " +
	"or leave it out to have one generated"

// FileSchema returns the schema of clients files. The members of a client are
// those that [clientstore.Metadata] has.
func FileSchema() *Schema {
	return &Schema{
		Dialect: "https://json-schema.org/draft/2020-12/schema", ID: SchemaID,
		Title: "Countersign clients file", Description: "Clients of a Countersign server, for `countersign client apply -f FILE` and the setting clients_file.",
		Type: "object", Closed: true, Required: []string{"owner", "clients"},
		Properties: map[string]*Schema{
			"$schema": {Type: "string", Description: "Where this schema is, for editors."},
			"owner": {
				Type: "string", MinLength: 1,
				Description: "The name of this file, by which its clients belong to it wherever it is kept. Choose one that leads people to the file, such as its path in your repository.",
			},
			"prune": {Type: "boolean", Description: "Remove clients that belonged to this file and are not listed any more, as --prune does."},
			"clients": {
				Type: "object", Closed: true, Description: "The clients by their handles: what the file calls them, for good.",
				remedy:            "write one handle a client and its members below: a handle has lower-case letters, digits, and between them dots, dashes and underscores",
				PatternProperties: map[string]*Schema{clientstore.HandlePattern: clientSchema()},
			},
		},
	}
}

func clientSchema() *Schema {
	s := &Schema{
		Type: "object", Closed: true, Required: []string{"type", "client_name"},
		Properties: map[string]*Schema{
			"type":        {Type: "string", Enum: clientstore.Choices("type"), Description: "The protocol that the client speaks. It never changes."},
			"client_id":   {Type: "string", MinLength: 1, Description: "The key of a client that is there already and shall belong to this file, or of one that moves here from another server. Without it, the server makes one."},
			"client_name": {Type: "string", MinLength: 1, Description: "What people are asked to trust."},
			"status": {
				Type: "string", Enum: clientstore.Choices("status"),
				Description: "The decision that this file makes. pending, the default, leaves it to administrators.",
			},
			"status_reason": {Type: "string", Description: "Why the client is disapproved, for those who meet its error page."},
			"conditions":    conditionsSchema(),
			"secret":        secretSchema(),
		},
	}
	t := reflect.TypeFor[clientstore.Metadata]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		s.Properties[name] = memberSchema(name, t.Field(i).Type)
	}
	return s
}

// dayPattern is a day, or a moment as RFC 3339 writes it.
const dayPattern = `^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$`

func conditionsSchema() *Schema {
	list := func(of, description string) *Schema {
		return &Schema{Type: "array", Description: description, Items: &Schema{Type: "string", Enum: clientstore.Choices(of)}}
	}
	return &Schema{
		Type: "object", Closed: true,
		Description: "What the file narrows its approval to; what the client is registered with stays as it is. Without it the client keeps the conditions that it has; {} lifts them.",
		Properties: map[string]*Schema{
			"scope":          {Type: "string", Description: "The most scope that the client gets, with spaces between."},
			"grant_types":    list("grant_types", "The most grant types that it gets."),
			"response_types": list("response_types", "The most response types that it gets."),
			"until": {
				Type: "string", Pattern: dayPattern, remedy: "write a day such as 2027-03-31, or a moment such as 2027-03-31T12:00:00Z",
				Description: "The last day of the approval in UTC, or the moment at which it ends.",
			},
			"test_users": {
				Type: "array", Items: &Schema{Type: "string", MinLength: 1},
				Description: "The usernames of the only accounts that may use the client. One that is gone since is named by its identifier.",
			},
		},
	}
}

func secretSchema() *Schema {
	return &Schema{
		Type: "object", Closed: true, remedy: secretRemedy,
		Description: "Where the client's secret comes from: exactly one of file, env and write_to. Without it, a secret that the client needs is generated and printed once.",
		Properties: map[string]*Schema{
			"file":     {Type: "string", MinLength: 1, Description: "A file that holds the secret on one line. A relative path starts from the folder of this file."},
			"env":      {Type: "string", Pattern: `^[A-Za-z_][A-Za-z0-9_]*$`, Description: "An environment variable of the process that applies this file."},
			"write_to": {Type: "string", MinLength: 1, Description: "A file that is made, readable to its owner alone, with the secret that is generated when the client is registered."},
			"overlap":  {Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, Description: "How long the secret before stays valid once another is found, such as 24h. 1h without it.", remedy: "write it like 30s, 10m or 24h"},
		},
		OneOf: []*Schema{{Required: []string{"file"}}, {Required: []string{"env"}}, {Required: []string{"write_to"}}},
	}
}

// memberSchema is the schema of a member of the metadata.
func memberSchema(name string, t reflect.Type) *Schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	choices := clientstore.Choices(name)
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return &Schema{Type: "object"}
	case t.Kind() == reflect.String:
		return &Schema{Type: "string", Enum: choices}
	case t.Kind() == reflect.Bool:
		return &Schema{Type: "boolean"}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return &Schema{Type: "integer"}
	case t.Kind() == reflect.Slice:
		items := memberSchema("", t.Elem())
		items.Enum = choices
		return &Schema{Type: "array", Items: items}
	case t.Kind() == reflect.Struct && t.PkgPath() != "time":
		return structSchema(t)
	default: // what marshals as text
		return &Schema{Type: "string"}
	}
}

func structSchema(t reflect.Type) *Schema {
	s := &Schema{Type: "object", Closed: true, Properties: map[string]*Schema{}}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "-" && name != "" {
			s.Properties[name] = memberSchema("", t.Field(i).Type)
		}
	}
	return s
}

// Text returns the schema as it is published.
func (s *Schema) Text() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// property returns the schema of a member, nil where it may not be.
func (s *Schema) property(name string) *Schema {
	if p, ok := s.Properties[name]; ok {
		return p
	}
	for pattern, p := range s.PatternProperties {
		if regexp.MustCompile(pattern).MatchString(name) {
			return p
		}
	}
	return nil
}
