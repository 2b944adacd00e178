//go:build !unix

package storage

// lockMigrations does nothing where files cannot be locked: there, SQLite's
// own lock makes the second process fail instead of wait.
func (*DB) lockMigrations() (unlock func(), err error) { return func() {}, nil }
