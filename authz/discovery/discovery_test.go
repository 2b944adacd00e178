package discovery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/discovery"
	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/storagetest"
)

var config = discovery.Config{
	Issuer: issuer, Registration: true, ResponseTypes: engine.ResponseTypes, GrantTypes: append([]string{"implicit"}, engine.GrantTypes...),
	Prompts: []string{"none", "login", "consent", "select_account"},
}

const issuer = "https://id.example/auth"

type serve func(http.ResponseWriter, *http.Request) error

func get(t *testing.T, f serve, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, f, http.MethodGet, headers...)
}

func send(t *testing.T, f serve, method string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://attacker.example/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if err := f(w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

// indented makes JSON readable in a file of expectations and in a failure.
func indented(t *testing.T, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

// TestMetadata is MD-01 to MD-03: the expectation names every member that this
// release makes true, and no other.
func TestMetadata(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/metadata.json")
	if err != nil {
		t.Fatal(err)
	}
	h := discovery.New(config)
	for name, f := range map[string]serve{"OpenID Connect": h.Configuration, "RFC 8414": h.AuthorizationServer} {
		w := get(t, f)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Content-Type"))
		}
		if got := indented(t, w.Body.Bytes()); got != string(want) {
			t.Errorf("%s: the metadata is not that of testdata/metadata.json:\n%s", name, got)
		}
	}
}

func TestURLsBeginWithTheIssuer(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"https://id.example", "https://id.example:8443/a/b", "http://localhost:8080", "https://id.example/%C3%A4&b"} {
		h := discovery.New(discovery.Config{Issuer: issuer, Registration: true})
		w := get(t, h.Configuration, "X-Forwarded-Host", "attacker.example", "Forwarded", "host=attacker.example") // MD-04
		var members map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil {
			t.Fatal(err)
		}
		if members["issuer"] != issuer {
			t.Errorf("issuer is %v; want %s", members["issuer"], issuer)
		}
		urls := 0
		for name, value := range members {
			if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
				continue
			}
			urls++
			if text, ok := value.(string); !ok || !strings.HasPrefix(text, issuer+"/") || strings.Contains(text[8:], "//") {
				t.Errorf("%s of %s is %v", name, issuer, value)
			}
		}
		if urls != 15 {
			t.Errorf("%d URLs; want 15", urls)
		}
	}
}

func TestConfiguredPages(t *testing.T) {
	t.Parallel()
	h := discovery.New(discovery.Config{
		Issuer: issuer, ServiceDocumentation: "https://docs.example", PolicyURI: "https://policy.example", TosURI: "https://tos.example",
	})
	var got discovery.Metadata
	if err := json.Unmarshal(get(t, h.Configuration).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.ServiceDocumentation != "https://docs.example" || got.PolicyURI != "https://policy.example" || got.TosURI != "https://tos.example" {
		t.Errorf("got %+v", got)
	}
}

func TestCaching(t *testing.T) {
	t.Parallel()
	h := discovery.New(discovery.Config{Issuer: issuer, Keys: keys(t, storagetest.Open(t))})
	for name, f := range map[string]serve{"metadata": h.Configuration, "keys": h.Keys} {
		w := get(t, f)
		etag := w.Header().Get("ETag")
		if etag == "" || w.Header().Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%s: ETag %s, Cache-Control %s", name, etag, w.Header().Get("Cache-Control"))
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: not for every page, or with credentials: %v", name, w.Header())
		}
		for _, known := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			again := get(t, f, "If-None-Match", known)
			if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != etag {
				t.Errorf("%s: If-None-Match %s: %d with %d bytes; want 304 with none", name, known, again.Code, again.Body.Len())
			}
		}
		if changed := get(t, f, "If-None-Match", `"other"`); changed.Code != http.StatusOK || changed.Body.String() != w.Body.String() {
			t.Errorf("%s: another ETag: %d", name, changed.Code)
		}
		head := send(t, f, http.MethodHead)
		if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("%s: HEAD: %d with %d bytes", name, head.Code, head.Body.Len())
		}
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	h := discovery.New(discovery.Config{Issuer: issuer, Keys: keys(t, storagetest.Open(t))})
	for name, f := range map[string]serve{"metadata": h.Configuration, "RFC 8414": h.AuthorizationServer, "keys": h.Keys} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			w := httptest.NewRecorder()
			err := f(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
			e, ok := errors.AsType[*protocol.Error](err)
			if !ok || e.Status != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: %s: %v, Allow %q; want 405", name, method, err, w.Header().Get("Allow"))
			}
		}
	}
}

func keys(t *testing.T, db *storage.DB) *keyset.Store {
	t.Helper()
	return keysettest.Open(t, db, keyset.Config{Audit: audit.New(db), PublishedBefore: 2 * discovery.MaxAge, KeptAfter: time.Hour})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		store := keys(t, db)
		h := discovery.New(discovery.Config{Issuer: issuer, Keys: store})
		first := get(t, h.Keys)
		checkPublic(t, first.Body.Bytes(), len(keyset.Kinds()))

		if _, err := store.Rotate(t.Context(), audit.Actor{Name: "test", Via: audit.ViaCLI}, false, "ES256"); err != nil {
			t.Fatal(err)
		}
		rotated := get(t, h.Keys, "If-None-Match", first.Header().Get("ETag"))
		if rotated.Code != http.StatusOK || rotated.Header().Get("ETag") == first.Header().Get("ETag") {
			t.Errorf("the rotation is not to be seen: %d, ETag %s", rotated.Code, rotated.Header().Get("ETag"))
		}
		checkPublic(t, rotated.Body.Bytes(), len(keyset.Kinds())+1)

		clock.Advance(2*discovery.MaxAge + time.Hour)
		checkPublic(t, get(t, h.Keys).Body.Bytes(), len(keyset.Kinds()))
	})
}

// checkPublic makes sure that a key set is what conformance suites demand:
// valid public keys, each with its use and a kid of its own, and no private or
// symmetric member.
func checkPublic(t *testing.T, raw []byte, want int) {
	t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != want {
		t.Errorf("%d keys; want %d", len(set.Keys), want)
	}
	kids := map[any]bool{}
	for _, k := range set.Keys {
		isSigning := k["use"] == "sig" && k["alg"] != nil
		if k["kid"] == "" || kids[k["kid"]] || !isSigning && (k["use"] != "enc" || k["alg"] != nil) {
			t.Errorf("key %v", k)
		}
		kids[k["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, ok := k[private]; ok {
				t.Errorf("the private member %s is published", private)
			}
		}
	}
	var parsed jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, k := range parsed.Keys {
		if !k.Valid() || !k.IsPublic() {
			t.Errorf("key %s is not a valid public key", k.KeyID)
		}
	}
}

func TestKeysWithoutDatabase(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock := storagetest.Clock(db)
	h := discovery.New(discovery.Config{Issuer: issuer, Keys: keys(t, db)})
	defer storagetest.FailStatements(db, nil)()
	clock.Advance(time.Minute)
	w := httptest.NewRecorder()
	err := h.Keys(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if !errors.Is(err, storage.ErrUnavailable) || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "" {
		t.Errorf("Keys = %v with headers %v; want unavailable, and nothing for a cache", err, w.Header())
	}
}
