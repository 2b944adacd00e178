//go:build unix

package storage

import (
	"fmt"
	"os"
	"syscall"
)

// lockMigrations holds back other processes that would migrate the same
// SQLite file. PostgreSQL has its own lock.
func (db *DB) lockMigrations() (unlock func(), err error) {
	if db.dialect != SQLite {
		return func() {}, nil
	}
	f, err := os.OpenFile(db.path+".migrating", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database for migration: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock the database for migration: %w", err)
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}
