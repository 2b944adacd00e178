package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const reference = "../../../docs/configuration.md"

// The reference for operators is made of the comments of [Config].
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	got := render(t)
	if *update {
		if err := os.WriteFile(reference, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("docs/configuration.md is not what the comments say; run go test ./cmd/countersign/config -update")
	}
}

const preface = `# Configuration

Made from the comments of ` + "`cmd/countersign/config/config.go`" + `; change them there.

No setting is needed: ` + "`countersign serve`" + ` keeps its data in ` + "`./countersign-data`" + ` and listens on http://localhost:8080.

A setting comes from, the later winning: its default, the YAML file that ` + "`--config`" + ` or ` + "`COUNTERSIGN_CONFIG`" + ` names, the environment, a
flag. Each secret has a twin that ends in ` + "`_file`" + ` and names a file with the value. Setting both is an error, and so is a setting that does not exist: the message names
one that is near, if there is one. ` + "`countersign doctor`" + ` checks a configuration without starting the server.

`

func render(t *testing.T) string {
	t.Helper()
	comments := fieldComments(t)
	var b strings.Builder
	b.WriteString(preface + "| setting | environment | default |\n| --- | --- | --- |\n")
	for _, k := range Keys() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | `%s` | %s |\n", k.Name, k.Name, k.Env, code(k.Default))
	}
	for _, k := range Keys() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", k.Name, comments[k.Name])
		fmt.Fprintf(&b, "Environment `%s`", k.Env)
		if k.Flag != "" {
			fmt.Fprintf(&b, ", flag `--%s`", k.Flag)
		}
		if k.Default != "" {
			fmt.Fprintf(&b, ", default `%s`", k.Default)
		}
		b.WriteString(".\n")
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// fieldComments returns the comment of each field by setting, as one
// paragraph without the field's name in front.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		name := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("config")
		comments[name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		if !strings.HasPrefix(comments[name], field.Names[0].Name+" ") {
			t.Errorf("the comment of %s does not begin with its name", field.Names[0].Name)
		}
		comments[name] = sentence(strings.TrimPrefix(comments[name], field.Names[0].Name+" "))
		return true
	})
	return comments
}

// sentence begins a comment whose first word was a field's name: "is the URL
// …" becomes "The URL …".
func sentence(s string) string {
	s = strings.TrimPrefix(s, "is ")
	return strings.ToUpper(s[:1]) + s[1:]
}

func TestEverySettingIsDescribed(t *testing.T) {
	t.Parallel()
	for _, k := range Keys() {
		if k.Name == "" || k.Usage == "" {
			t.Errorf("setting %q has usage %q", k.Name, k.Usage)
		}
	}
}
