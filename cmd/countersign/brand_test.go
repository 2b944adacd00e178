package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an operator gives of their own is on the pages of both doors.
func TestBrandOnPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logo := filepath.Join(dir, "logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"/>`), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, "ACCENT=#0b5d3b", "LOGO_FILE="+logo, "LINKS=Imprint=https://example.org/imprint,Privacy=https://example.org/privacy?a=1")
	m.ok(goodPassword+"\n", "user", "create", "--username", "ada", "--password-stdin", "--permission", "configure_server")
	s := m.serve()
	for _, path := range []string{"/login", "/setup?token=x"} {
		res, err := http.Get(s.issuer + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`/assets/brand.`, `src="/assets/logo.`, `<a href="https://example.org/privacy?a=1"><bdi>Privacy</bdi></a>`, "Imprint"} {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s lacks %s:\n%s", path, want, body)
			}
		}
	}
	m.refused(exitFailure, "", []string{"serve", "--logo-file", filepath.Join(dir, "none.svg")}, "logo_file", "Fix:")
	m.refused(exitFailure, "", []string{"serve", "--accent", "#eeeeee"}, "accent (--accent)", "would do", "Fix:")
}
