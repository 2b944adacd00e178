package clientfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"countersign/clientstore"
)

// written is a client as it is written. It has no secret: applied to the same
// server it keeps the one that it has.
type written struct {
	Type         clientstore.Type   `json:"type"`
	ClientID     string             `json:"client_id,omitempty"`
	ClientName   string             `json:"client_name"`
	Status       clientstore.Status `json:"status"`
	StatusReason string             `json:"status_reason,omitempty"`
	Conditions   *conditions        `json:"conditions,omitempty"`
	clientstore.Metadata
}

type writtenFile struct {
	Schema  string             `json:"$schema,omitempty"`
	Owner   string             `json:"owner"`
	Clients map[string]written `json:"clients"`
}

// heading is what a file that was exported begins with.
const heading = `# yaml-language-server: $schema=` + SchemaFile + `
# (countersign client schema > ` + SchemaFile + `)
#
# Apply with: countersign client apply -f FILE
# There are no secrets in it. A client that is here keeps the secrets that it
# has; for one that is new, write secret: {file: PATH} or {env: NAME}, or have
# one generated.
`

// YAML writes the clients as a file with this owner.
func YAML(owner string, clients []clientstore.Client) ([]byte, error) {
	out := bytes.NewBufferString(heading)
	err := WriteYAML(out, toWrite(owner, clients))
	return out.Bytes(), err
}

// WriteYAML writes a value as YAML, with the members that it has as JSON.
func WriteYAML(w io.Writer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(encoded, &doc); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	block(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return enc.Close()
}

// JSON writes the clients as a file with this owner.
func JSON(owner string, clients []clientstore.Client) ([]byte, error) {
	f := toWrite(owner, clients)
	f.Schema = SchemaFile
	out := &bytes.Buffer{}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(f)
	return out.Bytes(), err
}

// block takes back the style of JSON. Text of several lines is written as such.
func block(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n") {
		n.Style = yaml.LiteralStyle
	}
	for _, c := range n.Content {
		block(c)
	}
}

func toWrite(owner string, clients []clientstore.Client) writtenFile {
	f := writtenFile{Owner: owner, Clients: map[string]written{}}
	for i := range clients {
		c := &clients[i]
		f.Clients[f.handle(owner, c)] = written{
			Type: c.Type, ClientID: c.ID, ClientName: c.Name, Status: c.Status, StatusReason: c.StatusReason,
			Conditions: writtenConditions(c), Metadata: c.Metadata,
		}
	}
	return f
}

// writtenConditions are those of the client, nil where it has none. Those of one
// that nobody decided about are no file's to say.
func writtenConditions(c *clientstore.Client) *conditions {
	on := c.Conditions
	if on.IsZero() || c.Status == clientstore.Pending {
		return nil
	}
	w := &conditions{Scope: on.Scope, GrantTypes: on.GrantTypes, ResponseTypes: on.ResponseTypes, TestUsers: on.TestUsers}
	if on.Until != nil {
		at := on.Until.UTC()
		w.Until = at.Format(time.RFC3339)
		if at.Truncate(24 * time.Hour).Add(day).Equal(at) {
			w.Until = at.Format(time.DateOnly)
		}
	}
	return w
}

// handle is what the file calls a client: as before, or by its name.
func (f writtenFile) handle(owner string, c *clientstore.Client) string {
	base := slug(c.Name)
	if c.ManagedBy == owner {
		base = c.ManagedHandle
	}
	handle := base
	for n := 2; ; n++ {
		if _, taken := f.Clients[handle]; !taken {
			return handle
		}
		handle = base + "-" + strconv.Itoa(n)
	}
}

// maxSlug leaves room in a handle for a number.
const maxSlug = 56

func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() == maxSlug:
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "client"
}
