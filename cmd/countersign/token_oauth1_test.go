package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
)

// The built-in client gets token credentials of OAuth 1.0a from the whole
// server, and what it got signs requests that the server believes until an
// administrator disapproves.
func TestTokenGetByOAuth1(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
		m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada")
		const secret = "a typed secret of some length"
		file := filepath.Join(t.TempDir(), "client-secret")
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		create := []string{"client", "create", "--type", "oauth1", "--name", "Modeler", "--secret-stdin", "--redirect-uri", "http://127.0.0.1/callback"}
		id := m.object(secret, append(create, "--approve")...)["client_id"].(string)
		got := parse[map[string]string](t, m.tokenGet(id, "--grant", "oauth1", "--client-secret-file", file, "-o", "json"))
		config := oauth1.NewConfig(id, secret)
		verify := func() int {
			res, err := config.Client(t.Context(), oauth1.NewToken(got["oauth_token"], got["oauth_token_secret"])).Get(s.issuer + "/oauth1/verify")
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			return res.StatusCode
		}
		if status := verify(); status != 200 {
			t.Errorf("verification: %d", status)
		}
		m.ok("", "client", "disapprove", id, "--yes")
		if status := verify(); status != 401 {
			t.Errorf("verification after the disapproval: %d", status)
		}
		m.refused(exitFailure, "", []string{"token", "get", "--client", id, "--grant", "oauth1", "--client-secret-file", file}, "consumer_key_rejected", "disapproved")

		if printed := m.ok(secret, create...); strings.Contains(printed, secret) {
			t.Error("a typed secret is printed")
		}
	})
}
