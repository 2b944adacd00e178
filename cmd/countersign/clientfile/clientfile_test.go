package clientfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"countersign/clientstore"
	"countersign/cmd/countersign/clientfile"
)

const published = "../../../docs/clients.schema.json"

// The published schema is made of the members that clients have.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	got, err := clientfile.FileSchema().Text()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(published, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/clients.schema.json is out of date; run UPDATE_GOLDEN=1 go test ./cmd/countersign/clientfile")
	}
}

// validator is one that is not ours.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(clientfile.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(clientfile.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// value reads YAML as the validator takes it.
func value(t *testing.T, text string) any { //nolint:ireturn // as the validator takes it
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const good = `owner: platform/clients.yaml
prune: true
clients:
  modeler:
    type: oidc
    client_name: Modeler
    status: approved
    redirect_uris: &uris [https://modeler.example.org/callback]
    default_max_age: 3600
    require_auth_time: true
    refresh_token_rotation: false
    jwks: {keys: [{kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0}]}
    secret: {file: secrets/modeler, overlap: 24h}
  viewer.v2:
    type: oauth2
    client_name: "1.0"
    redirect_uris: *uris
    scope: read
    status: approved
    conditions: {scope: read, until: 2100-03-31, test_users: [ada]}
    secret:
      env: VIEWER_SECRET
  desk-tool:
    type: oauth1
    client_name: Desk tool
    status: disapproved
    status_reason: retired
    redirect_uris: [https://desk.example.org/cb]
    oauth1_signature_methods: [HMAC-SHA256]
    secret: {write_to: desk}
`

// Whatever YAML takes for true prunes: a client that was deleted from the file
// must not stay because of a capital letter.
func TestPrune(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false, "!!bool true": true} {
		f, err := clientfile.Parse("clients.yaml", []byte("owner: o\nprune: "+text+"\nclients: {}\n"))
		if err != nil || f.Prune != want {
			t.Errorf("prune: %s is %+v, %v; want %v", text, f, err, want)
		}
	}
	for _, text := range []string{"yes", "on", "1", "'true'", "", "!!bool yes"} {
		if f, err := clientfile.Parse("clients.yaml", []byte("owner: o\nprune: "+text+"\nclients: {}\n")); err == nil {
			t.Errorf("prune: %s is %v; want an error", text, f.Prune)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := clientfile.Parse("clients.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if f.Owner != "platform/clients.yaml" || !f.Prune || len(f.Clients) != 3 {
		t.Fatalf("got %+v", f)
	}
	age, rotates := int64(3600), false
	m, d := f.Clients[0], f.Clients[0].Declared
	if d.Handle != "modeler" || d.Type != clientstore.OIDC || d.Name != "Modeler" || d.Status != clientstore.Approved || d.Metadata.RedirectURIs[0] != "https://modeler.example.org/callback" ||
		!reflect.DeepEqual(d.Metadata.DefaultMaxAge, &age) || !d.Metadata.RequireAuthTime || !reflect.DeepEqual(d.Metadata.RefreshTokenRotation, &rotates) || !json.Valid(d.Metadata.JWKS) {
		t.Errorf("got %+v", d)
	}
	if m.Secret.File != "secrets/modeler" || m.Secret.Overlap != 24*time.Hour {
		t.Errorf("got %+v", m.Secret)
	}
	if v := f.Clients[1]; v.Declared.Name != "1.0" || v.Secret.Env != "VIEWER_SECRET" || v.Secret.Overlap != time.Hour || len(v.Declared.Metadata.RedirectURIs) != 1 {
		t.Errorf("got %+v %+v", v.Declared, v.Secret)
	}
	if x := f.Clients[2]; x.Declared.Reason != "retired" || x.Secret.WriteTo != "desk" {
		t.Errorf("got %+v %+v", x.Declared, x.Secret)
	}
	if err := validator(t).Validate(value(t, good)); err != nil {
		t.Errorf("another validator says %v", err)
	}
	fault, ok := errors.AsType[*clientfile.FileError](f.Locate(&clientstore.DeclarationError{Handle: "viewer.v2", Err: &clientstore.MetadataError{Field: "scope", Reason: "is odd"}}))
	if !ok || fault.Error() != "clients.yaml:18:12: viewer.v2: scope: is odd" {
		t.Errorf("located %v", fault)
	}
	on := f.Clients[1].Declared.Conditions
	if on == nil || on.Scope != "read" || on.Until.Format(time.RFC3339) != "2100-03-31T23:59:59Z" || len(on.TestUsers) != 1 {
		t.Errorf("got %+v", on)
	}
	for member, want := range map[string]string{"conditions.until": "20:38", "conditions.grant_types": "20:17"} {
		if got := f.Fault("viewer.v2", member, "x").Error(); got != "clients.yaml:"+want+": viewer.v2: x" {
			t.Errorf("%s is at %s; want %s", member, got, want)
		}
	}
	if got := f.Fault("viewer.v2", "logo_uri", "x").Error(); got != "clients.yaml:14:3: viewer.v2: x" {
		t.Errorf("a member that is not there is at %s; want the handle", got)
	}
}

// with is a file with one client, which has the lines too.
func with(lines string) string {
	return "owner: x\nclients:\n  a:\n    type: oidc\n    client_name: A\n" + lines
}

// What our check refuses another validator refuses as well, and the other way
// around: what an editor shows is what the program says.
func TestWhatDoesNotFitTheSchema(t *testing.T) {
	t.Parallel()
	schema := validator(t)
	for _, tt := range []struct{ name, file, want string }{
		{"an unknown member", with("    redirect_urls: [https://a.example/cb]\n"), `f:6:5: clients.a: "redirect_urls" is not known here; did you mean redirect_uris?`},
		{"a member by another name", with("    name: B\n"), "did you mean client_name?"},
		{"a member that is near to none", with("    kubernetes: x\n"), `"kubernetes" is not known here; there are `},
		{"an unknown member of the file", "owner: x\nclient: {}\n", `f:2:1: "client" is not known here; did you mean clients?`},
		{"a missing owner", "clients: {}\n", "f:1:1: owner is missing"},
		{"an empty owner", "owner: ''\nclients: {}\n", "f:1:8: owner: is empty"},
		{"a missing name", "owner: x\nclients:\n  a:\n    type: oidc\n", "f:4:5: clients.a: client_name is missing"},
		{"no clients", "owner: x\nclients:\n", "f:2:9: clients: write one handle a client"},
		{"a list of clients", "owner: x\nclients:\n  - type: oidc\n", "f:3:3: clients: write one handle a client"},
		{"a handle that is none", "owner: x\nclients:\n  My Client: {type: oidc, client_name: A}\n", `f:3:3: clients: "My Client" is no handle`},
		{"an unknown type", "owner: x\nclients:\n  a: {type: saml, client_name: A}\n", `f:3:13: clients.a.type: "saml" is not known; use oauth1, oauth2, oidc`},
		{"an unknown status", with("    status: aproved\n"), "use pending, approved, disapproved"},
		{"an unknown grant", with("    grant_types: [code]\n"), `f:6:19: clients.a.grant_types[0]: "code" is not known; use authorization_code`},
		{"text instead of a list", with("    redirect_uris: https://a.example/cb\n"), "f:6:20: clients.a.redirect_uris: needs a list and has text; write it in brackets: [https://a.example/cb]"},
		{"a list instead of text", with("    scope: [openid]\n"), "needs text and has a list"},
		{"a number instead of text", with("    software_version: 1.0\n"), `needs text and has a number; put it in quotation marks: "1.0"`},
		{"text instead of a number", with("    default_max_age: 1h\n"), "needs a whole number and has text"},
		{"text instead of a truth", with("    require_auth_time: yes\n"), "needs true or false and has text"},
		{"a truth in quotation marks", with("    require_auth_time: 'true'\n"), "needs true or false and has text"},
		{"a secret in the file", with("    secret: hunter2hunter2\n"), "f:6:13: clients.a.secret: secrets do not stand in the file"},
		{"a client_secret in the file", with("    client_secret: hunter2hunter2\n"), "write secret: {file: PATH}"},
		{"a secret in the place of a reference", with("    secret: {value: hunter2hunter2}\n"), `"value" is not known here`},
		{"two references", with("    secret: {file: a, env: B}\n"), "needs exactly one of file, env, write_to"},
		{"no reference", with("    secret: {overlap: 1h}\n"), "needs exactly one of file, env, write_to"},
		{"an overlap that is none", with("    secret: {file: a, overlap: 1 day}\n"), "write it like 30s, 10m or 24h"},
		{"a variable that is none", with("    secret: {env: A-B}\n"), "does not fit"},
		{"a condition that is none", with("    conditions: {days: 3}\n"), `"days" is not known here`},
		{"an end that is none", with("    conditions: {until: soon}\n"), "write a day such as 2027-03-31"},
		{"conditions as a list", with("    conditions: [openid]\n"), "needs members below it and has a list"},
		{"a grant that is none", with("    conditions: {grant_types: [code]}\n"), "use authorization_code"},
		{"an owner that is a number", "owner: 1\nclients: {}\n", `put it in quotation marks: "1"`},
		{"prune as text", "owner: x\nprune: often\nclients: {}\n", "f:2:8: prune: needs true or false and has text"},
		{"a merged mapping", "owner: x\nclients:\n  a: &a {type: oidc, client_name: A}\n  b:\n    <<: *a\n    scope: 1\n", "is not followed here; write the members out"},
	} {
		_, err := clientfile.Parse("f", []byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the secret is repeated: %v", tt.name, err)
		}
		if schema.Validate(value(t, tt.file)) == nil {
			t.Errorf("%s: another validator finds nothing", tt.name)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	for want, file := range map[string]string{
		"f:1: is empty":                          "# nothing\n",
		"f:3: is not readable as YAML":           "owner: x\nclients:\n\ta: b\n",
		"conditions.until: there is no such day": with("    conditions: {until: 2100-02-31}\n"),
		"f:3:3: clients.a is there twice":        "", // below
		"second document":                        "owner: x\nclients: {}\n---\nowner: y\n",
		"is larger than 4 MiB":                   strings.Repeat("#", clientfile.MaxSize+1),
		"too large once its aliases":             bomb(),
		"too large once its aliases are":         with("    jwks: {a: &a " + strings.Repeat("x", 1<<20) + ", b: [" + strings.Repeat("*a,", 50_000) + "]}\n"),
		"nested more than 32 deep":               with("    jwks: {keys: &a [*a]}\n"),
		"an alias may contain itself":            with("    jwks: {keys: &a [7, *a, *a, *a]}\n"),
		"this is nested":                         with("    jwks: &a {keys: *a}\n"),
		"more than 32 deep":                      with("    jwks: {keys: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}\n"),
	} {
		if file == "" {
			file, want = "owner: x\nclients:\n  a: {type: oidc, client_name: A}\n  a: {type: oidc, client_name: A}\n", "f:4:3: clients.a is there twice"
		}
		if _, err := clientfile.Parse("f", []byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	_, err := clientfile.Parse("f", []byte("clients:\n  a: {type: x, client_name: A}\n  b: {type: y, client_name: B}\n"))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "f:1:") || !strings.HasPrefix(lines[2], "f:3:") {
		t.Errorf("%v; want all that is wrong, in order", err)
	}
}

// bomb is a small file that is large once its aliases are followed.
func bomb() string {
	var b strings.Builder
	b.WriteString("owner: x\nclients:\n  a:\n    type: oidc\n    client_name: A\n    jwks:\n      a0: &a0 [x]\n")
	for i := 1; i < 9; i++ {
		last := "*a" + string(rune('0'+i-1))
		b.WriteString("      a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.TrimSuffix(strings.Repeat(last+", ", 9), ", ") + "]\n")
	}
	return b.String()
}

func TestWrittenFilesAreReadAlike(t *testing.T) {
	t.Parallel()
	age := int64(60)
	m := clientstore.Metadata{
		RedirectURIs: []string{"https://a.example/cb?x=1#", "com.example.app:/cb"}, Scope: "openid email", SoftwareVersion: "1.0", ClientURI: "https://a.example/",
		Contacts: []string{"yes", "null", "- x", "#"}, DefaultMaxAge: &age, RequireAuthTime: true, JWKS: json.RawMessage(`{"keys":[{"kty":"EC","n":"1e3"}]}`),
		OAuth1PublicKey: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
	}
	clients := []clientstore.Client{
		{ID: "k1", Type: clientstore.OIDC, Name: "Modeler: the <first> & “best”", Status: clientstore.Approved, Metadata: m},
		{ID: "k2", Type: clientstore.OIDC, Name: "modeler the first best", Status: clientstore.Disapproved, StatusReason: "on\tno", Metadata: m},
		{ID: "k3", Type: clientstore.OAuth2, Name: "模型", Status: clientstore.Pending},
		{ID: "k4", Type: clientstore.OAuth2, Name: "Known", Status: clientstore.Pending, ManagedBy: "mine", ManagedHandle: "kept"},
	}
	for form, write := range map[string]func(string, []clientstore.Client) ([]byte, error){"yaml": clientfile.YAML, "json": clientfile.JSON} {
		text, err := write("mine", clients)
		if err != nil {
			t.Fatal(err)
		}
		f, err := clientfile.Parse(form, text)
		if err != nil {
			t.Fatalf("%s: %v\n%s", form, err, text)
		}
		if err := validator(t).Validate(value(t, string(text))); err != nil {
			t.Errorf("%s: another validator says %v", form, err)
		}
		var handles []string
		for _, c := range f.Clients {
			handles = append(handles, c.Declared.Handle)
			for _, want := range clients {
				if want.ID != c.Declared.ClientID {
					continue
				}
				if d := c.Declared; d.Name != want.Name || d.Type != want.Type || d.Status != want.Status || d.Reason != want.StatusReason || !same(t, d.Metadata, want.Metadata) {
					t.Errorf("%s: read %+v; want %+v", form, d, want)
				}
			}
		}
		if got := strings.Join(handles, " "); got != "client kept modeler-the-first-best modeler-the-first-best-2" {
			t.Errorf("%s: handles %s", form, got)
		}
	}
}

func same(t *testing.T, a, b clientstore.Metadata) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(value(t, string(x)), value(t, string(y)))
}

// Every member that a client has can be written in a file.
func TestEveryMemberHasASchema(t *testing.T) {
	t.Parallel()
	members := reflect.TypeFor[clientstore.Metadata]()
	properties := clientfile.FileSchema().Properties["clients"].PatternProperties[clientstore.HandlePattern].Properties
	for i := range members.NumField() {
		name, _, _ := strings.Cut(members.Field(i).Tag.Get("json"), ",")
		if p := properties[name]; p == nil || p.Type == "" {
			t.Errorf("%s has no type in the schema", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add(bomb())
	f.Add("a: &a [*a]")
	f.Add(with("    jwks: {keys: &a [7, *a, *a, *a]}\n"))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := clientfile.Parse(filepath.Join("dir", "f"), []byte(text))
		if (file == nil) == (err == nil) {
			t.Errorf("%v, %v", file, err)
		}
	})
}
