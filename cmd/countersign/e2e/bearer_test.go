package e2e

import (
	"strings"
	"testing"
)

// TestJWTBearerHowTo runs what docs/jwt-bearer.md shows, with the clients that
// it names: npm's jose signs whom the client acts for, and openid-client
// presents it.
func TestJWTBearerHowTo(t *testing.T) {
	t.Parallel()
	page := howTo(t, "jwt-bearer.md")
	eachAlone(t, func(t *testing.T, s *server) {
		followHowTo(t, s, page)
		run, id := howToProgram(t, s, page), howToID(t, s, "client.json")
		tokens, said := run()
		access, _ := tokens["access_token"].(string)
		if access == "" || tokens["scope"] != "models" || tokens["refresh_token"] != nil || tokens["id_token"] != nil {
			t.Fatalf("%v\n%s", tokens, said)
		}
		s.canaries.add("access token", access)
		auditor := s.Client("--set", "introspection_scope=all")
		a := s.Introspect(auditor, access)
		if a.JSON["active"] != true || a.JSON["username"] != "ada" || a.JSON["client_id"] != id {
			t.Errorf("introspection: %s", a.Body)
		}
		s.CLI("", "client", "disapprove", id, "--yes")
		wantInactive(t, s.Introspect(auditor, access))
		if tokens, said := run(); tokens != nil || !strings.Contains(said, "unauthorized_client") {
			t.Errorf("after the disapproval: %v\n%s", tokens, said)
		}
		s.CLI("", "client", "approve", id, "--yes")
		wantInactive(t, s.Introspect(auditor, access))
		if tokens, said := run(); tokens["access_token"] == nil {
			t.Errorf("approved again: %s", said)
		}
		s.CLI("", "user", "disable", "ada", "--yes")
		if tokens, said := run(); tokens != nil || !strings.Contains(said, "invalid_grant") {
			t.Errorf("after the account was disabled: %v\n%s", tokens, said)
		}
	})
}
