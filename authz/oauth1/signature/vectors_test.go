package signature

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secretsFile is the part of a vector that a signature is made with.
type secretsFile struct {
	ClientSecret string `json:"client_secret"`
	TokenSecret  string `json:"token_secret"`
	PublicKey    string `json:"public_key"`
}

func (f secretsFile) secrets(t *testing.T) Secrets {
	t.Helper()
	s := Secrets{Client: f.ClientSecret, Token: f.TokenSecret}
	if f.PublicKey == "" {
		return s
	}
	block, _ := pem.Decode([]byte(f.PublicKey))
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	s.PublicKey = pub.(*rsa.PublicKey) //nolint:forcetypeassert // a wrong file may panic
	return s
}

// requestFile is a signed request of testdata/requests.
type requestFile struct {
	Source string            `json:"source"`
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Form   string            `json:"form"`
	Realm  string            `json:"realm"`
	OAuth  map[string]string `json:"oauth"`
	secretsFile
	BaseString string `json:"base_string"`
	Signature  string `json:"signature"`
}

// message writes the request with its parameters in one place.
func (f requestFile) message(place Place, signature string) Message {
	m := Message{Method: f.Method, URL: f.URL, Form: f.Form}
	oauth := maps.Clone(f.OAuth)
	oauth["oauth_signature"] = signature
	var header, form []string
	for _, name := range slices.Sorted(maps.Keys(oauth)) {
		header = append(header, Escape(name)+`="`+Escape(oauth[name])+`"`)
		form = append(form, url.QueryEscape(name)+"="+url.QueryEscape(oauth[name]))
	}
	switch place {
	case InHeader:
		realm := ""
		if f.Realm != "" {
			realm = `realm="` + f.Realm + `", `
		}
		m.Authorization = []string{"OAuth " + realm + strings.Join(header, ", ")}
	case InForm:
		m.Form = strings.TrimPrefix(m.Form+"&"+strings.Join(form, "&"), "&")
	case InQuery:
		separator := "?"
		if strings.Contains(m.URL, "?") {
			separator = "&"
		}
		m.URL += separator + strings.Join(form, "&")
	}
	return m
}

func eachFile[T any](t *testing.T, folder string, check func(*testing.T, T)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			var vector T
			readJSON(t, file, &vector)
			check(t, vector)
		})
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// O1-01: published requests verify, wherever they carry their parameters, and
// no other signature does.
func TestPublishedRequests(t *testing.T) {
	t.Parallel()
	eachFile(t, "requests", func(t *testing.T, f requestFile) {
		for _, place := range []Place{InHeader, InForm, InQuery} {
			r, err := Parse(f.message(place, f.Signature))
			if err != nil {
				t.Fatalf("%s: %v", place, err)
			}
			if r.Place != place || (f.BaseString != "" && r.BaseString != f.BaseString) {
				t.Errorf("read from the %s with base string\n%s; want\n%s", r.Place, r.BaseString, f.BaseString)
			}
			if err := r.Verify(f.secrets(t)); err != nil {
				t.Errorf("%s: %v; base string %s", place, err, r.BaseString)
			}
			for _, other := range others(f.Signature) {
				r, err := Parse(f.message(place, other))
				if err == nil && r.Verify(f.secrets(t)) == nil {
					t.Errorf("%s: signature %q passed for %q", place, other, f.Signature)
				}
			}
		}
	})
}

// others are signatures that are not the given one.
func others(signature string) []string {
	flipped := []byte(signature)
	flipped[3] ^= 2
	return []string{string(flipped), signature[:len(signature)-4], signature + "AAAA", " " + signature, "=", "ZG9uJ3QgdHJ1c3QgbWUK", "altérer"}
}

// signatureFile is a base string of testdata/signatures.
type signatureFile struct {
	Source string `json:"source"`
	Method Method `json:"method"`
	secretsFile
	BaseString string `json:"base_string"`
	Signature  string `json:"signature"`
}

func (f signatureFile) request() *Request {
	return &Request{BaseString: f.BaseString, protocol: map[string]string{
		"oauth_signature_method": string(f.Method), "oauth_signature": f.Signature,
	}}
}

func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	eachFile(t, "signatures", func(t *testing.T, f signatureFile) {
		good := f.secrets(t)
		if err := f.request().Verify(good); err != nil {
			t.Error(err)
		}
		for name, bad := range map[string]Secrets{
			"no secrets":           {},
			"another client":       {Client: good.Client + "x", Token: good.Token, PublicKey: otherKey(good.PublicKey)},
			"another token":        {Client: good.Client, Token: good.Token + "x", PublicKey: otherKey(good.PublicKey)},
			"no client secret":     {Token: good.Token},
			"O1-14 key as secret":  {Client: f.PublicKey, Token: good.Token},
			"secrets swapped":      {Client: good.Token + "x", Token: good.Client},
			"a key for the secret": {PublicKey: otherKey(good.PublicKey)},
		} {
			if f.request().Verify(bad) == nil {
				t.Errorf("passed with %s", name)
			}
		}
		other := f.request()
		other.BaseString += "x"
		if f.Method != Plaintext && other.Verify(good) == nil {
			t.Error("passed for another base string")
		}
	})
}

// otherKey is a key that differs from the one given, which may be none.
func otherKey(k *rsa.PublicKey) *rsa.PublicKey {
	if k == nil {
		return nil
	}
	return &rsa.PublicKey{N: k.N, E: 3}
}

// uriFile is a URL of testdata/base-string-uris; one that is refused has no
// want.
type uriFile struct{ URL, Want string }

func TestBaseStringURIs(t *testing.T) {
	t.Parallel()
	eachFile(t, "base-string-uris", func(t *testing.T, f uriFile) {
		got, _, err := baseURI(f.URL)
		if got != f.Want || (err != nil) != (f.Want == "") {
			t.Errorf("baseURI(%q) = %q, %v; want %q", f.URL, got, err, f.Want)
		}
	})
}

// parametersFile are parameters of testdata/parameters as a query has them.
type parametersFile struct{ Encoded, Want string }

func TestPublishedParameters(t *testing.T) {
	t.Parallel()
	eachFile(t, "parameters", func(t *testing.T, f parametersFile) {
		for _, place := range []Place{InQuery, InForm} {
			all, err := formParameters(f.Encoded, place)
			if got := normalize(all); err != nil || got != f.Want {
				t.Errorf("%s: normalize(%q) = %q, %v; want %q", place, f.Encoded, got, err, f.Want)
			}
		}
	})
}

// encodingFile is a text of testdata/encodings.
type encodingFile struct{ Clear, Want string }

func TestPublishedEncodings(t *testing.T) {
	t.Parallel()
	eachFile(t, "encodings", func(t *testing.T, f encodingFile) {
		if got := Escape(f.Clear); got != f.Want {
			t.Errorf("Escape(%q) = %q; want %q", f.Clear, got, f.Want)
		}
	})
}

// baseStringFile is a request of testdata/base-strings, which may lack what a
// request of ours has.
type baseStringFile struct{ Method, URL, Encoded, Want string }

func TestPublishedBaseStrings(t *testing.T) {
	t.Parallel()
	eachFile(t, "base-strings", func(t *testing.T, f baseStringFile) {
		uri, _, err := baseURI(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		all, err := formParameters(f.Encoded, InQuery)
		if got := baseString(f.Method, uri, all); err != nil || got != f.Want {
			t.Errorf("baseString() = %q, %v; want %q", got, err, f.Want)
		}
	})
}
