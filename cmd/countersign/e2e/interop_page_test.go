package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"
)

// settings are what the configuration of an application is made of, as
// docs/interop.md shows it and as the tests run it.
type settings struct {
	Issuer, EscapedIssuer, Origin string
	ClientID, ClientSecret        string
	InitialToken                  string
	ResponseType, Passphrase      string
	Folder                        string
}

// write fills in a file of the folder testdata/interop.
func (v settings) write(t testing.TB, name string) string {
	t.Helper()
	shape, err := template.ParseFiles(filepath.Join("testdata", "interop", name))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := shape.Execute(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInteropPage holds docs/interop.md to what the tests run. UPDATE_GOLDEN=1
// writes it again.
func TestInteropPage(t *testing.T) {
	t.Parallel()
	example := settings{
		Issuer: "https://id.example.org", EscapedIssuer: "https%3A%2F%2Fid.example.org", Origin: "https://wiki.example.org",
		ClientID: "CLIENT_ID", ClientSecret: "CLIENT_SECRET", InitialToken: "INITIAL_ACCESS_TOKEN",
		ResponseType: "code", Passphrase: "A_LONG_RANDOM_TEXT", Folder: "/var/lib/apache2/oidc",
	}
	page, err := template.New("page.md").Funcs(template.FuncMap{
		"version": func(name string) string { return npmVersion(t, name) }, "goVersion": func(path string) string { return goVersion(t, path) },
		"flows":   func(client string) string { return strings.Join(flowsOf(t, client), "; ") },
		"snippet": func(name string) string { return example.write(t, name) },
	}).ParseFiles("testdata/interop/page.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := page.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	const golden = "../../../docs/interop.md"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Error("docs/interop.md is out of date; run UPDATE_GOLDEN=1 go test -run TestInteropPage ./cmd/countersign/e2e")
	}
}

// npmVersion is the version of a package that npm installs.
func npmVersion(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	version := mustJSON[struct{ Dependencies map[string]string }](t, string(text)).Dependencies[name]
	if version == "" {
		t.Fatalf("package.json has no %s", name)
	}
	return version
}

// goVersion is the version of a Go module.
func goVersion(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("go.mod has no %s", path)
	}
	return string(m[1])
}
