// Package clientfile reads and writes clients files: clients as YAML or JSON.
// What is wrong with one is said with its line and column.
package clientfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"countersign/clientstore"
)

// File is a clients file that fits the schema.
type File struct {
	Name    string // as messages call it: the path
	Owner   string
	Prune   bool
	Clients []Client

	owner position
}

// Client is one client of a file.
type Client struct {
	// Declared is what the file says, but for the secret.
	Declared clientstore.Declared
	Secret   *Secret // nil for none

	at map[string]position // of its members, and of its handle under ""
}

// Secret is where a secret comes from: File, Env or WriteTo.
type Secret struct {
	File    string `json:"file"`
	Env     string `json:"env"`
	WriteTo string `json:"write_to"`
	Overlap time.Duration
}

// defaultOverlap is how long a secret stays valid once the file refers to
// another: long enough to bring the new one to where it is used.
const defaultOverlap = time.Hour

type position struct{ line, column int }

// FileError is one thing that is wrong with a file.
type FileError struct {
	File         string
	Line, Column int // from 1; 0 where it is not known
	Text         string
}

func (f *FileError) Error() string {
	place := f.File
	for _, n := range []int{f.Line, f.Column} {
		if n > 0 {
			place += ":" + strconv.Itoa(n)
		}
	}
	return place + ": " + f.Text
}

// MaxSize is the size of the largest file that is read, in bytes.
const MaxSize = 4 << 20

// Parse reads a file and checks it against the schema. Name is what messages
// call it. All that is wrong comes back joined, a [*FileError] each.
func Parse(name string, content []byte) (*File, error) {
	root, err := document(name, content)
	if err != nil {
		return nil, err
	}
	c := &checker{file: name, left: maxWeight}
	c.check(root, FileSchema(), "")
	if len(c.faults) > 0 {
		slices.SortStableFunc(c.faults, func(a, b *FileError) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		joined := make([]error, len(c.faults))
		for i, f := range c.faults {
			joined[i] = f
		}
		return nil, errors.Join(joined...)
	}
	return read(name, root)
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// document reads the one document of the file. The parser is old C in spirit:
// what it panics on is not worth more than an error.
func document(name string, content []byte) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, &FileError{File: name, Text: "is not readable as YAML"}
		}
	}()
	if len(content) > MaxSize {
		return nil, &FileError{File: name, Text: fmt.Sprintf("is larger than %d MiB", MaxSize>>20)}
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return nil, &FileError{File: name, Line: 1, Text: "is empty; write owner and clients"}
	case err != nil:
		f := &FileError{File: name, Text: "is not readable as YAML: " + err.Error()}
		if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
			f.Line, _ = strconv.Atoi(m[1]) // 0 without one
			f.Text = "is not readable as YAML: " + m[2]
		}
		return nil, f
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &FileError{File: name, Line: more.Line, Text: "has a second document; put all clients into the first"}
	}
	return doc.Content[0], nil
}

// read builds the file from nodes that fit the schema.
func read(name string, root *yaml.Node) (*File, error) {
	f := &File{Name: name}
	for key, value := range members(root) {
		switch key.Value {
		case "owner":
			f.Owner, f.owner = value.Value, place(value)
		case "prune":
			if err := value.Decode(&f.Prune); err != nil { // YAML writes true in several ways
				return nil, &FileError{name, value.Line, value.Column, "prune: " + err.Error()}
			}
		case "clients":
			for handle, client := range members(value) {
				c, err := readClient(handle, client)
				if err != nil {
					return nil, &FileError{name, handle.Line, handle.Column, handle.Value + ": " + err.Error()}
				}
				f.Clients = append(f.Clients, *c)
			}
		}
	}
	return f, nil
}

// member is what a client has beside its metadata.
type member struct {
	Type         clientstore.Type   `json:"type"`
	ClientID     string             `json:"client_id"`
	ClientName   string             `json:"client_name"`
	Status       clientstore.Status `json:"status"`
	StatusReason string             `json:"status_reason"`
	Conditions   *conditions        `json:"conditions"`
	Secret       *struct {
		Secret
		Overlap string `json:"overlap"`
	} `json:"secret"`
}

// conditions are those of an approval, as a file has them.
type conditions struct {
	Scope         string   `json:"scope,omitempty"`
	GrantTypes    []string `json:"grant_types,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	Until         string   `json:"until,omitempty"`
	TestUsers     []string `json:"test_users,omitempty"`
}

// errNoDay is a day that the calendar has not.
var errNoDay = errors.New("conditions.until: there is no such day")

// read returns the conditions as a store takes them. A day lasts until it is
// over.
func (c *conditions) read() (*clientstore.Conditions, error) {
	on := &clientstore.Conditions{Scope: c.Scope, GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes, TestUsers: c.TestUsers}
	if c.Until == "" {
		return on, nil
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(c.Until))
	if err != nil {
		if at, err = time.Parse(time.DateOnly, c.Until); err != nil {
			return nil, errNoDay
		}
		at = at.Add(day)
	}
	on.Until = &at
	return on, nil
}

// day is from its beginning to its last second.
const day = 24*time.Hour - time.Second

func readClient(handle, node *yaml.Node) (*Client, error) {
	c := &Client{at: map[string]position{"": place(handle)}}
	for key, value := range members(node) {
		c.at[key.Value] = place(value)
		if key.Value != "conditions" {
			continue
		}
		for below, value := range members(value) {
			c.at[key.Value+"."+below.Value] = place(value)
		}
	}
	encoded, err := json.Marshal(plain(node))
	if err != nil {
		return nil, err
	}
	var m member
	if err := json.Unmarshal(encoded, &m); err != nil {
		return nil, err
	}
	c.Declared = clientstore.Declared{
		Handle: handle.Value, ClientID: m.ClientID, Type: m.Type, Name: m.ClientName, Status: m.Status, Reason: m.StatusReason,
	}
	if err := json.Unmarshal(encoded, &c.Declared.Metadata); err != nil {
		return nil, err
	}
	if m.Conditions != nil {
		if c.Declared.Conditions, err = m.Conditions.read(); err != nil {
			return nil, err
		}
	}
	if m.Secret == nil {
		return c, nil
	}
	c.Secret = &m.Secret.Secret
	c.Secret.Overlap = defaultOverlap
	if m.Secret.Overlap != "" {
		c.Secret.Overlap, err = time.ParseDuration(m.Secret.Overlap)
	}
	return c, err
}

// Locate says where in the file an error of the store comes from. Other errors
// come back as they are.
func (f *File) Locate(err error) error {
	if e, ok := errors.AsType[*clientstore.ManifestError](err); ok {
		joined := make([]error, len(e.Faults))
		for i, fault := range e.Faults {
			joined[i] = f.locate(fault)
		}
		return errors.Join(joined...)
	}
	if e, ok := errors.AsType[*clientstore.DeclarationError](err); ok {
		return f.locate(e)
	}
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return &FileError{f.Name, f.owner.line, f.owner.column, e.Error()}
	}
	return err
}

func (f *File) locate(e *clientstore.DeclarationError) *FileError {
	field := ""
	if m, ok := errors.AsType[*clientstore.MetadataError](e.Err); ok {
		field = m.Field
	}
	return f.Fault(e.Handle, field, e.Err.Error())
}

// Fault is something that is wrong with a member of a client, or with the
// client when it does not have the member.
func (f *File) Fault(handle, member, text string) *FileError {
	at := f.owner
	for i := range f.Clients {
		if f.Clients[i].Declared.Handle != handle {
			continue
		}
		at = f.Clients[i].at[""]
		parent, _, _ := strings.Cut(member, ".")
		for _, name := range []string{parent, member} {
			if p, ok := f.Clients[i].at[name]; ok {
				at = p
			}
		}
	}
	return &FileError{f.Name, at.line, at.column, strings.TrimPrefix(handle+": ", ": ") + text}
}
