//go:build interop

package e2e

import "testing"

// TestInteropAuthlib goes through every flow of Debian's python3-authlib.
func TestInteropAuthlib(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		testRelyingParty(t, s, "authlib", run(t, "python", "/usr/bin/python3", "authlib_client.py"))
	})
}
