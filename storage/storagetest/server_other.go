//go:build !unix

package storagetest

import "errors"

// startServer is for systems whose PostgreSQL can be started unseen.
func startServer() (string, error) {
	return "", errors.New("this system's PostgreSQL has to be started by hand")
}
