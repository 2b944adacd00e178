//go:build !unix

package storage

import "context"

// lockFile does nothing where files cannot be locked: there, SQLite's own lock
// makes the second process fail instead of wait.
func lockFile(context.Context, string) (unlock func(), err error) { return func() {}, nil }
