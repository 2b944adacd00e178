//go:build interop

package e2e

import (
	"strings"
	"testing"
)

// TestInteropConsumers is Debian's clients of OAuth 1.0a.
func TestInteropConsumers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		for library, command := range map[string][]string{
			"requests-oauthlib": {"python", "/usr/bin/python3", "requests_oauthlib_client.py"},
			"ruby-oauth":        {"oauth1", "ruby", "client.rb"},
			"Net::OAuth":        {"oauth1", "perl", "client.pl"},
			"php-oauth":         {"oauth1", "php", "client.php"},
		} {
			t.Run(library, func(t *testing.T) {
				t.Parallel()
				testConsumers(t, s.as(t), library, run(t, command[0], command[1], command[2:]...), withoutTLS)
			})
		}
	})
}

// TestInteropPlaintext is PLAINTEXT, which needs TLS.
func TestInteropPlaintext(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := startWithTLS(t, database, "localhost")
			script := run(t, "python", "/usr/bin/python3", "requests_oauthlib_client.py")
			testConsumers(t, s, "requests-oauthlib", script, func(flow string) bool { return strings.HasPrefix(flow, "PLAINTEXT") })
		})
	}
}
