package locale

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/feature/plural"
)

var update = flag.Bool("update", false, "add what is missing to the catalogues, without a translation, and take away what is not said any more")

// root is the module.
const root = "../.."

// spoken are the templates and the packages that people read from.
var spokenIn = []string{"authz/page/templates/*.html", "admin/templates/*.html", "admin/templates/*/*.html"}

// What every catalogue has is what the templates and the code say: no less, and
// no more.
func TestCataloguesAreComplete(t *testing.T) {
	t.Parallel()
	said := texts(t)
	for _, l := range all[1:] {
		t.Run(l.Code, func(t *testing.T) {
			t.Parallel()
			c, err := read(l.Code)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				c = complete(t, l, c, said)
			}
			for _, text := range slices.Sorted(maps.Keys(said)) {
				if c[text].text == "" && c[text].forms == nil {
					t.Errorf("%s has no translation of %q", l.Code, text)
				}
			}
			for text := range c {
				if !said[text] {
					t.Errorf("%s has a translation of %q, which nothing says", l.Code, text)
				}
			}
		})
	}
	for text := range English.catalog() {
		if !said[text] {
			t.Errorf("English has forms of %q, which nothing says", text)
		}
	}
}

// complete writes the catalogue with an empty translation of what it lacks.
func complete(t *testing.T, l *Language, c catalog, said map[string]bool) catalog {
	t.Helper()
	raw := map[string]any{}
	for text := range said {
		switch known := c[text]; {
		case known.forms != nil:
			raw[text] = known.forms
		default:
			raw[text] = known.text
		}
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "\t")
	if err := out.Encode(raw); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("catalogs", l.Code+".json"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(c, func(text string, _ translation) bool { return !said[text] })
	return c
}

// A translation has the placeholders of its message, and plural forms where
// English has them: each that the language has.
func TestTranslationsFitTheirMessages(t *testing.T) {
	t.Parallel()
	plurals := English.catalog()
	for _, l := range all[1:] {
		for text, translated := range l.catalog() {
			if forms := plurals[text].forms; (forms != nil) != (translated.forms != nil) {
				t.Errorf("%s: %q: plural forms in one language only", l.Code, text)
			}
			if translated.forms == nil {
				checkFits(t, l, text, translated.text)
				continue
			}
			if got, want := slices.Sorted(maps.Keys(translated.forms)), l.pluralForms(); !slices.Equal(got, want) {
				t.Errorf("%s: %q has the forms %q; want %q", l.Code, text, got, want)
			}
			for category, one := range translated.forms {
				if category == "other" || category == "many" || category == "few" {
					checkFits(t, l, text, one)
				} else if extra := missing(one, text); len(extra) > 0 {
					t.Errorf("%s: %q has placeholders of its own: %q", l.Code, one, extra)
				}
			}
		}
	}
}

func checkFits(t *testing.T, l *Language, text, translated string) {
	t.Helper()
	if lacks, extra := missing(text, translated), missing(translated, text); len(lacks)+len(extra) > 0 {
		t.Errorf("%s: %q lacks %q of %q, and has %q besides", l.Code, translated, lacks, text, extra)
	}
	if translated != strings.TrimSpace(translated) && text == strings.TrimSpace(text) {
		t.Errorf("%s: %q begins or ends with white space", l.Code, translated)
	}
}

var anyPlaceholder = regexp.MustCompile(`\{\w+\}|</?\w+>|%(?:\[\d+\])?[a-z]`)

// missing are the placeholders of the one that the other has not. The n-th verb
// is the same as the one that says so.
func missing(one, other string) []string {
	has := placeholders(other)
	return slices.DeleteFunc(placeholders(one), func(p string) bool {
		i := slices.Index(has, p)
		if i >= 0 {
			has = slices.Delete(has, i, i+1)
		}
		return i >= 0
	})
}

func placeholders(text string) []string {
	found := anyPlaceholder.FindAllString(text, -1)
	n := 0
	for i, p := range found {
		if !strings.HasPrefix(p, "%") {
			continue
		}
		if n++; strings.HasPrefix(p, "%[") {
			n, _ = strconv.Atoi(p[2:strings.IndexByte(p, ']')])
		}
		found[i] = "%[" + strconv.Itoa(n) + "]" + p[len(p)-1:]
	}
	return found
}

// pluralForms are the categories of whole numbers in the language. CLDR has
// one more for French, for millions.
func (l *Language) pluralForms() []string {
	found := map[string]bool{}
	for n := range 1000 {
		found[categories[plural.Cardinal.MatchPlural(l.numbers, n, 0, 0, 0, 0)]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// Nothing makes a message of a text that somebody wrote: it would be looked up.
// What is nobody's to translate is said so, by Foreign.
func TestMessagesAreConstants(t *testing.T) {
	t.Parallel()
	for _, p := range loadPackages(t) {
		for _, where := range p.conversions {
			t.Errorf("%s: a text becomes a message that no catalogue can have", where)
		}
	}
}

// Scripts have no words of their own: they come with the page.
func TestScriptsSayNothing(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "cmd/countersign/assets/files/*.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	sentence := regexp.MustCompile("[\"'`][A-Z][a-z]+ [^\"'`]*[\"'`]|(?:textContent|title|innerText) = [\"'`][A-Za-z]")
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range sentence.FindAll(source, -1) {
			t.Errorf("%s says %s", file, words)
		}
	}
}

// texts are the messages that there are.
func texts(t *testing.T) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for _, pattern := range spokenIn {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no templates at %s: %v", pattern, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range Texts(string(source)) {
				said[text] = true
			}
		}
	}
	for _, p := range loadPackages(t) {
		for text := range p.messages {
			said[text] = true
		}
	}
	return said
}

// code is a package of the module that speaks.
type code struct {
	messages    map[string]bool
	conversions []string
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, Imports        []string
	Standard                bool
}

// loadPackages type-checks every package that imports this one, and this one:
// constants of the type Message are what they say.
func loadPackages(t *testing.T) []code {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Imports,Standard", "./cmd/countersign")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	var ours []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath == here || slices.Contains(p.Imports, here) {
			ours = append(ours, p)
		}
	}
	var all []code
	for _, p := range ours {
		all = append(all, check(t, p, exports))
	}
	return all
}

// here is this package.
const here = "countersign/storage/locale"

func check(t *testing.T, p listed, exports map[string]string) code {
	t.Helper()
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	if _, err := config.Check(p.ImportPath, files, parsed, info); err != nil {
		t.Fatal(err)
	}
	found := code{messages: map[string]bool{}}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool { return found.look(n, info, files, p.ImportPath) })
	}
	return found
}

// look notes what a node says, and reports whether to look into it.
func (c *code) look(n ast.Node, info *types.Info, files *token.FileSet, path string) bool {
	e, ok := n.(ast.Expr)
	if !ok {
		return true
	}
	tv := info.Types[e]
	if tv.Type == nil || tv.Type.String() != here+".Message" {
		return true
	}
	if tv.Value != nil && tv.Value.Kind() == constant.String {
		if text := constant.StringVal(tv.Value); speaks(text) {
			c.messages[text] = true
		}
		return false
	}
	if call, ok := e.(*ast.CallExpr); ok && info.Types[call.Fun].IsType() && path != here {
		c.conversions = append(c.conversions, files.Position(call.Pos()).String())
	}
	return true
}

// speaks reports whether a text has anything to translate.
func speaks(text string) bool {
	return strings.Trim(verb.ReplaceAllString(text, ""), " \x01\x02") != ""
}
