package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A file that is there is not overwritten unless that is said, whoever wrote it,
// and nothing is left beside it.
func TestBackupReplacesNoFileUnasked(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin")
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	mine := []byte("what somebody else keeps here")
	if err := os.WriteFile(file, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", file}, {"backup", link}, {"backup", dir}, {"export", file, "--yes"}} {
		m.refused(exitFailure, "", args, "is there already", "Fix: name another file, or give --replace")
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, mine) {
		t.Errorf("the file is %q, %v", got, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v; want what was there", left, err)
	}
	m.ok("", "user", "list") // the export that was refused has closed nothing

	m.object("", "backup", file, "--replace")
	m.ok("", "restore", "--dry-run", file)
	m.refused(exitFailure, "", []string{"backup", file}, "is there already")
	m.ok("", "export", file, "--replace", "--yes")
	m.refused(exitFailure, "", []string{"user", "list"}, "export")
}

// A file that appears while another is written for its name is not overwritten
// either.
func TestAFileThatAppearsMeanwhile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	f, err := (&program{}).create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.discard()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.keep(); err == nil {
		t.Error("the file was kept")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "mine" {
		t.Errorf("the other file is %q, %v", got, err)
	}
}
