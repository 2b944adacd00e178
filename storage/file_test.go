package storage_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// readOnlyFile names a file to a process that may read and not write to it.
const readOnlyFile = "COUNTERSIGN_TEST_READ_ONLY_FILE"

// A file that can be read and not written to is refused when it is opened, and
// not at the first request. Root may write to every file, so that it has
// somebody else open this one.
func TestOpenAFileThatCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(readOnlyFile); path != "" {
		_, err := storage.Open(t.Context(), storage.Config{URL: sqliteURL(path)})
		checkRefusal(t, err, path, "cannot be written to", "this user must be able to write")
		return
	}
	dir := t.TempDir()
	path, program := filepath.Join(dir, "x.db"), filepath.Join(dir, "test")
	db := storagetest.OpenURL(t, sqliteURL(path))
	if err := errors.Join(db.Migrate(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(program, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{path: 0o444, program: 0o555, dir: 0o777, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	other := exec.CommandContext(t.Context(), program, "-test.run=^TestOpenAFileThatCannotBeWrittenTo$")
	other.Env, other.Dir = []string{readOnlyFile + "=" + path}, dir
	asNobody(other)
	if said, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// Who was killed while making the database leaves a journal that makes it empty
// again. What is made of it then gives space back all the same.
func TestOpenWhatAnotherServerDidNotFinishMaking(t *testing.T) {
	t.Parallel()
	half := filepath.Join(t.TempDir(), "half.db")
	conns, err := sql.Open("sqlite", "file:"+half)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conns.Close() }()
	conns.SetMaxOpenConns(1)
	for _, statement := range []string{"PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE t (x)", "INSERT INTO t VALUES (zeroblob(1000000))"} {
		if _, err := conns.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	killed := filepath.Join(t.TempDir(), "killed.db")
	for _, suffix := range []string{"", "-journal"} {
		b, err := os.ReadFile(half + suffix)
		if err != nil || len(bytes.Trim(b, "\x00")) == 0 {
			t.Fatalf("%s: %d bytes, %v", half+suffix, len(b), err)
		}
		if err := os.WriteFile(killed+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := storagetest.OpenURL(t, sqliteURL(killed))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `SELECT x FROM t`, nil); err == nil {
		t.Fatal("the table that was not committed is there")
	}
	mode, err := storage.Select[int64](t.Context(), db, `SELECT auto_vacuum FROM pragma_auto_vacuum`, nil)
	if err != nil || mode[0] != 2 {
		t.Errorf("auto_vacuum is %v, %v; want 2, which is incremental", mode, err)
	}
}
