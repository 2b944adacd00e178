package clientfile

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"countersign/cmd/countersign/config"
)

// What a file may come to when its aliases are followed. No client's metadata is
// nested as deeply; an alias that contains itself is nested without end.
const (
	maxWeight  = 16 << 20 // bytes of text, with nodeWeight for each node
	nodeWeight = 160
	maxDepth   = 32
)

// checker holds the nodes of a file against the schema.
type checker struct {
	file   string
	faults []*FileError
	left   int // of maxWeight
	depth  int // of the node that is looked at
}

func (c *checker) fault(n *yaml.Node, format string, args ...any) {
	c.faults = append(c.faults, &FileError{c.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// weigh reports whether the node may be looked at. Once a file turned out too
// large or too deep nothing may any more.
func (c *checker) weigh(n *yaml.Node) bool {
	if c.left < 0 {
		return false
	}
	c.left -= nodeWeight + len(n.Value)
	if c.left < 0 {
		c.fault(n, "the file is too large once its aliases are followed")
	}
	return c.left >= 0
}

// enter is weigh for a node below which there may be others; leave ends it.
func (c *checker) enter(n *yaml.Node) bool {
	if !c.weigh(n) {
		return false
	}
	if c.depth == maxDepth {
		c.fault(n, "this is nested more than %d deep; an alias may contain itself", maxDepth)
		c.left = -1
		return false
	}
	c.depth++
	return true
}

func (c *checker) leave() { c.depth-- }

// check holds a node against its schema. Path names it in messages.
func (c *checker) check(n *yaml.Node, s *Schema, path string) {
	n = target(n)
	if !c.enter(n) {
		return
	}
	defer c.leave()
	kind := kindOf(n)
	if s.Type != "" && kind != s.Type {
		c.fault(n, "%s%s", label(path), mismatch(n, s, kind))
		return
	}
	switch kind {
	case "object":
		c.checkObject(n, s, path)
	case "array":
		c.checkArray(n, s.Items, path)
	case "string":
		c.checkText(n, s, path)
	}
}

func (c *checker) checkArray(n *yaml.Node, items *Schema, path string) {
	for i, item := range n.Content {
		if items == nil {
			c.checkAny(item, path)
		} else {
			c.check(item, items, path+"["+strconv.Itoa(i)+"]")
		}
	}
}

// checkAny looks at what no schema describes, such as a key of a key set. Path
// names what that is part of: to name each node would cost more than the file.
func (c *checker) checkAny(n *yaml.Node, path string) {
	n = target(n)
	if !c.enter(n) {
		return
	}
	defer c.leave()
	switch kindOf(n) {
	case "object":
		c.checkObject(n, &Schema{}, path)
	case "array":
		c.checkArray(n, nil, path)
	}
}

func label(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func mismatch(n *yaml.Node, s *Schema, kind string) string {
	if s.remedy != "" {
		return s.remedy
	}
	names := map[string]string{
		"object": "members below it", "array": "a list", "string": "text", "boolean": "true or false", "integer": "a whole number", "null": "nothing", "number": "a number",
	}
	text := "needs " + names[s.Type] + " and has " + names[kind]
	if n.Kind == yaml.ScalarNode && s.Type == "string" && kind != "null" {
		text += "; put it in quotation marks: " + strconv.Quote(n.Value)
	}
	if s.Type == "array" && kind == "string" {
		text += "; write it in brackets: [" + n.Value + "]"
	}
	return text
}

func (c *checker) checkObject(n *yaml.Node, s *Schema, path string) {
	seen := map[string]bool{}
	for key, value := range members(n) {
		if !c.weigh(key) {
			return
		}
		p := s.property(key.Value)
		switch {
		case seen[key.Value]:
			c.fault(key, "%s is there twice", below(path, key.Value))
		case p != nil:
			c.check(value, p, below(path, key.Value))
		case s.Closed:
			c.fault(key, "%s", unknown(key.Value, s, path))
		default:
			c.checkAny(value, path)
		}
		seen[key.Value] = true
	}
	for _, name := range s.Required {
		if !seen[name] {
			c.fault(n, "%s%s is missing", label(path), name)
		}
	}
	c.checkOneOf(n, s, path, seen)
}

func below(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// checkOneOf requires the members of exactly one of the schemas.
func (c *checker) checkOneOf(n *yaml.Node, s *Schema, path string, seen map[string]bool) {
	var names []string
	var fit int
	for _, one := range s.OneOf {
		names = append(names, one.Required...)
		if !slices.ContainsFunc(one.Required, func(name string) bool { return !seen[name] }) {
			fit++
		}
	}
	if len(s.OneOf) > 0 && fit != 1 {
		c.fault(n, "%sneeds exactly one of %s", label(path), strings.Join(names, ", "))
	}
}

// meant are members by what people call them elsewhere.
var meant = map[string]string{
	"id": "client_id", "name": "client_name", "redirect_uri": "redirect_uris", "scopes": "scope", "grants": "grant_types",
	"reason": "status_reason", "public": "token_endpoint_auth_method: none",
}

func unknown(name string, s *Schema, path string) string {
	where := label(path) + strconv.Quote(name)
	if len(s.Properties) == 0 {
		return where + " is no handle; " + s.remedy
	}
	if name == "client_secret" {
		return where + " is not known here: " + secretRemedy
	}
	if name == "<<" {
		return where + " is not followed here; write the members out"
	}
	if m, ok := meant[name]; ok && s.Properties["client_name"] != nil {
		return where + " is not known here; did you mean " + m + "?"
	}
	members := slices.Sorted(maps.Keys(s.Properties))
	if near := config.Nearest(name, members); near != "" {
		return where + " is not known here; did you mean " + near + "?"
	}
	return where + " is not known here; there are " + strings.Join(members, ", ")
}

func (c *checker) checkText(n *yaml.Node, s *Schema, path string) {
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, n.Value):
		c.fault(n, "%s%s is not known; use %s", label(path), strconv.Quote(n.Value), strings.Join(s.Enum, ", "))
	case utf8.RuneCountInString(n.Value) < s.MinLength:
		c.fault(n, "%sis empty", label(path))
	case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(n.Value):
		text := s.remedy
		if text == "" {
			text = "it has to match " + s.Pattern
		}
		c.fault(n, "%s%s does not fit; %s", label(path), strconv.Quote(n.Value), text)
	}
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// kindOf names the kind of a node as JSON Schema does. A date is text: JSON has
// none.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "object"
	case yaml.SequenceNode:
		return "array"
	default: // a scalar, whose tag says what it is
	}
	switch n.ShortTag() {
	case "!!bool":
		return "boolean"
	case "!!int":
		return "integer"
	case "!!float":
		return "number"
	case "!!null":
		return "null"
	default:
		return "string"
	}
}

// members yields the keys of a mapping with their values.
func members(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(target(n.Content[i]), target(n.Content[i+1])) {
				return
			}
		}
	}
}

// plain turns nodes that were checked into what JSON has.
func plain(n *yaml.Node) any { //nolint:ireturn // JSON has no narrower type
	n = target(n)
	switch kindOf(n) {
	case "object":
		m := map[string]any{}
		for key, value := range members(n) {
			m[key.Value] = plain(value)
		}
		return m
	case "array":
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(item)
		}
		return list
	case "string":
		return n.Value
	default:
		var v any
		if n.Decode(&v) != nil {
			return n.Value
		}
		return v
	}
}

func place(n *yaml.Node) position { return position{n.Line, n.Column} }
