//go:build unix

package storage_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"countersign/storage/storagetest"
)

// What root makes for a server that is somebody else, the server can open: the
// database, the files beside it and the lock of the migrations are of whom the
// folder is of.
func TestFilesBelongToWhomTheFolderBelongsTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	db := storagetest.OpenURL(t, sqliteURL(filepath.Join(dir, "some.db")))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 { // with the log, its index and the lock
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if got, want := owner(t, filepath.Join(dir, f.Name())), owner(t, dir); got != want {
			t.Errorf("%s is of %v; want %v", f.Name(), got, want)
		}
	}
}

func owner(t *testing.T, path string) [2]uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	of := info.Sys().(*syscall.Stat_t)
	return [2]uint32{of.Uid, of.Gid}
}
