package api_test

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"countersign/admin/api"
)

// Answers are held against the schemas of the document by a validator that is
// not ours. OpenAPI 3.1 writes schemas as JSON Schema does.
var schemas = struct {
	sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}{compiled: map[string]*jsonschema.Schema{}}

// schema returns the schema at the pointer of a file, or of the document.
func schema(t *testing.T, file, pointer string) *jsonschema.Schema {
	t.Helper()
	schemas.Lock()
	defer schemas.Unlock()
	if schemas.compiler == nil {
		schemas.compiler = jsonschema.NewCompiler()
		schemas.compiler.AssertFormat()
		if err := schemas.compiler.AddResource("openapi.json", parsed(t, api.Document())); err != nil {
			t.Fatal(err)
		}
	}
	at := file + "#" + pointer
	if known := schemas.compiled[at]; known != nil {
		return known
	}
	if file != "openapi.json" {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas.compiler.AddResource(file, parsed(t, content)); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := schemas.compiler.Compile(at)
	if err != nil {
		t.Fatal(err)
	}
	schemas.compiled[at] = compiled
	return compiled
}

// documented is the document, parsed.
var documented = sync.OnceValues(func() (any, error) { return jsonschema.UnmarshalJSON(bytes.NewReader(api.Document())) })

// parsed reads JSON as the validator wants it.
func parsed(t *testing.T, content []byte) any { //nolint:ireturn // JSON is anything
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// described checks that the document describes the answer: its status, its
// media type, and its body by the schema.
func (w *world) described(r *http.Request, a answer) {
	w.Helper()
	path := pattern(strings.TrimPrefix(r.URL.Path, api.Prefix))
	if path == "" || a.status == http.StatusMethodNotAllowed {
		return // the document says nothing of what is not there
	}
	method := strings.ToLower(strings.Replace(r.Method, http.MethodHead, http.MethodGet, 1))
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(path)
	pointer := "/paths/" + escaped + "/" + method + "/responses/" + strconv.Itoa(a.status)
	document, err := documented()
	w.must(err)
	response, ok := lookUp(document, pointer)
	if !ok {
		w.Errorf("%s %s: the document has no answer %d: %s", r.Method, r.URL.Path, a.status, a.text)
		return
	}
	if ref, ok := response["$ref"].(string); ok {
		pointer = strings.TrimPrefix(ref, "#")
		response, _ = lookUp(document, pointer)
	}
	content, _ := response["content"].(map[string]any)
	mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if _, ok := content[mediaType]; ok != (a.text != "" || r.Method == http.MethodHead) {
		w.Errorf("%s %s: %d is %q; the document has %v", r.Method, r.URL.Path, a.status, mediaType, content)
	}
	if !strings.HasSuffix(mediaType, "json") || a.text == "" {
		return
	}
	at := pointer + "/content/" + strings.ReplaceAll(mediaType, "/", "~1") + "/schema"
	if err := schema(w.T, "openapi.json", encoded(at)).Validate(parsed(w.T, []byte(a.text))); err != nil {
		w.Errorf("%s %s: %d is not as the document says: %v\n%s", r.Method, r.URL.Path, a.status, err, a.text)
	}
}

// encoded writes a pointer as the fragment of a URI.
func encoded(pointer string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer)
}

// pattern returns the path of the document that an address is of, empty when
// it is of none.
func pattern(path string) string {
	parts := strings.Split(path, "/")
	for _, route := range api.Routes() {
		known := strings.Split(route[1], "/")
		same := len(known) == len(parts)
		for i := 0; same && i < len(parts); i++ {
			same = known[i] == parts[i] || strings.HasPrefix(known[i], "{") && parts[i] != ""
		}
		if same {
			return route[1]
		}
	}
	return ""
}

// lookUp returns the object at the pointer.
func lookUp(document any, pointer string) (map[string]any, bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		object, ok := document.(map[string]any)
		if !ok {
			return nil, false
		}
		document = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	object, ok := document.(map[string]any)
	return object, ok
}
