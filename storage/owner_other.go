//go:build !unix

package storage

import "os"

// GiveToFolder does nothing where files have no owner of this kind.
func GiveToFolder(*os.File) error { return nil }
