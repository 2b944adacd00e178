package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/clientfile"
)

// output is the form in which a command prints: for people or for programs.
type output struct {
	format string // table or json
	yaml   bool   // write the JSON as YAML
	quiet  bool   // write no more than identifiers
}

// addOutput gives a command the flags -o and -q.
func addOutput(cmd *cobra.Command) *output {
	o := &output{}
	cmd.Flags().StringVarP(&o.format, "output", "o", "table", "`form` of the output: table, json or yaml")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print identifiers only, one a line; what is shown once is not")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := o.settle(cmd); err != nil {
			return err
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
	return o
}

// settle checks the flags. YAML is JSON that is written differently.
func (o *output) settle(cmd *cobra.Command) error {
	switch o.format {
	case "table", "json":
	case "yaml":
		o.format, o.yaml = "json", true
	default:
		return usagef(cmd, "unknown form %q of output; use table, json or yaml", o.format)
	}
	if o.quiet && cmd.Flags().Changed("output") {
		return usagef(cmd, "--quiet prints identifiers and has no form; leave --output or --quiet")
	}
	return nil
}

// print writes value as JSON or YAML, what it is called by, or lets table write
// it for people.
func (o *output) print(w io.Writer, value any, table func(*tabwriter.Writer)) error {
	switch {
	case o.quiet:
		return printIdentifiers(w, value)
	case o.yaml:
		return clientfile.WriteYAML(w, value)
	case o.format == "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(tw)
	return tw.Flush()
}

// row writes one line of a table.
func row(tw *tabwriter.Writer, cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = printable(cell(c))
	}
	_, _ = fmt.Fprintln(tw, strings.Join(texts, "\t")) // Flush reports errors
}

func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case *time.Time:
		if v == nil {
			return "-"
		}
		return v.UTC().Format(time.RFC3339)
	case []string:
		return cell(strings.Join(v, ", "))
	case []any:
		texts := make([]string, len(v))
		for i, e := range v {
			texts[i] = cell(e)
		}
		return cell(texts)
	case map[string]any:
		return asJSON(v)
	case string:
		if v == "" {
			return "-"
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

// asJSON writes the members of a value.
func asJSON(members map[string]any) string {
	if len(members) == 0 {
		return "-"
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(members); err != nil { // it was read from JSON
		return "-"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// printable replaces what a terminal would obey: names come from strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// members writes a document as one line a member, the named ones first.
func members(tw *tabwriter.Writer, doc map[string]any, first ...string) {
	names := slices.Clone(first)
	var rest []string
	for name := range doc {
		if !slices.Contains(first, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	for _, name := range append(names, rest...) {
		if value, ok := doc[name]; ok {
			row(tw, name, value)
		}
	}
}

// document turns a value into the members of its JSON form.
func document(value any) (map[string]any, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(encoded))
	dec.UseNumber()
	var doc map[string]any
	return doc, dec.Decode(&doc)
}
