//go:build !unix

package storagetest

import (
	"errors"
	"io"
)

// startServer is for systems whose PostgreSQL can be started unseen.
func startServer() (string, io.Closer, error) {
	return "", nil, errors.New("this system's PostgreSQL has to be started by hand")
}
