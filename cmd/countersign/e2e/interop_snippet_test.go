//go:build interop

package e2e

import (
	"net/url"
	"testing"
)

// TestInteropSnippets runs the programs in Python that the Settings application
// shows, with Debian's Authlib and requests-oauthlib.
func TestInteropSnippets(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	u, b := s.administrator(), s.browse()
	b.SignIn(b.Open(s.settings("/oauth-clients")), u.Username, u.password)
	python := []string{"/usr/bin/python3"}
	for kind, l := range map[string]lesson{
		"oidc": {
			snippet: "python", wait: `print(address, flush=True); answer = input()`, after: `print(token["access_token"])`,
			file: "a.py", folder: ".", command: python,
		},
		"oauth1": {snippet: "python", file: "a.py", folder: ".", command: python},
	} {
		for _, credentials := range []string{"generate", "none"} {
			if kind == "oauth1" && credentials == "none" {
				continue // a consumer always has something to sign with
			}
			created := b.createClient(kind, url.Values{"name": {"Snippets"}, "redirect_uris": {webRedirect}, "credentials": {credentials}})
			t.Run(kind+", "+credentials, func(t *testing.T) { l.run(t, s.as(t), created, u) })
		}
	}
}
