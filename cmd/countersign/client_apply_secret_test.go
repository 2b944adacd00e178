package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/storage/seal"
)

// keepsSecretOffTheScreen applies the file, whose client a has its secret
// written to the path: it stands there, and nowhere in what is printed.
func (m *machine) keepsSecretOffTheScreen(file, path string, flags ...string) {
	m.t.Helper()
	r := m.run("", append([]string{"client", "apply", "-f", file, "--yes"}, flags...)...)
	content, err := os.ReadFile(path)
	secret := strings.TrimSuffix(string(content), "\n")
	if err != nil || !seal.WellFormed(seal.ClientSecret, secret) {
		m.t.Fatalf("wrote %q, %v: %s", content, err, r.stderr)
	}
	if printed := r.stdout + r.stderr; r.exit != exitOK || strings.Contains(printed, secret) || strings.Contains(printed, "keep it now") {
		m.t.Errorf("exit %d, printed what belongs into the file:\n%s", r.exit, printed)
	}
	if !strings.Contains(r.stdout, path) {
		m.t.Errorf("does not say where the secret is:\n%s", r.stdout)
	}
	if slices.Contains(flags, "json") {
		if s := step(m.t, parse[map[string]any](m.t, r.stdout), "a"); s["secret"] != "generated" || s["client_secret"] != nil || s["client_secret_file"] != path {
			m.t.Errorf("applied %v", s)
		}
	}
}

// A secret that the file has written down is in no pipeline's log, whatever the
// form of the output, here and at a server elsewhere (AP-27).
func TestWrittenSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	l, _ := m.elsewhere("clients:read clients:write")
	for i, form := range []string{"table", "json", "yaml"} {
		for where, on := range []*machine{m, l} {
			name := fmt.Sprintf("%d-%d", i, where)
			file := on.write(name+".yaml", "owner: of "+name+"\nclients:\n  a: {type: oidc, client_name: A, redirect_uris: [https://a.example/cb], secret: {write_to: "+name+"}}\n"+
				"  b: {type: oidc, client_name: B, redirect_uris: [https://a.example/cb], token_endpoint_auth_method: none}\n")
			on.keepsSecretOffTheScreen(file, filepath.Join(on.dir, name), "-o", form)
		}
	}
	both := m.write("both.yaml", "owner: both\nclients:\n  a: {type: oidc, client_name: A, redirect_uris: [https://a.example/cb], secret: {write_to: both}}\n"+
		"  b: {type: oidc, client_name: B, redirect_uris: [https://a.example/cb]}\n")
	r := m.run("", "client", "apply", "-f", both, "--yes")
	if !strings.Contains(r.stderr, "The secret of b cannot be shown again") || strings.Contains(r.stderr, "The secret of a ") || strings.Count(r.stdout, "cs_cs_") != 1 {
		t.Errorf("of two secrets, one of them for the screen: %s%s", r.stdout, r.stderr)
	}
}

func TestWriteSecretWritesOverNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	f, err := reserveSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := (secretFiles{"a": f}).write(map[string]string{"a": "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := reserveSecret(path); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("got %v", err)
	}
	if content, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), "secret"); err != nil || string(content) != "one\n" {
		t.Errorf("%q, %v", content, err)
	}
}
