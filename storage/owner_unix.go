//go:build unix

package storage

import (
	"os"
	"path/filepath"
	"syscall"
)

// GiveToFolder gives a file that the superuser has just made to the owner of
// its folder, as SQLite gives the files beside a database to the database's
// owner. Else a server that is nobody special could not open what a command of
// root's made for it, such as a backup that was restored. For everybody else
// it does nothing: what they make is theirs.
//
// The file must be new, opened with O_EXCL or by [os.CreateTemp]: the owner of
// the folder could have put a link in its place that leads to a file of root's.
func GiveToFolder(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
