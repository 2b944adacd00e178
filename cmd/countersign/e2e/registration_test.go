package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// manage sends JSON to a registration endpoint.
func (s *server) manage(method, url, token, body string) answer {
	s.t.Helper()
	r := s.newRequest(method, url, body)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(r)
}

// TestDynamicRegistration is the life of a client that registers itself: RFC
// 7591, RFC 7592 and OpenID Connect Dynamic Client Registration 1.0, with the
// administrator at the command line.
func TestDynamicRegistration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		const metadata = `{"client_name":"Robot","redirect_uris":["https://rp.example/cb"]}`
		const renamed = `{"client_name":"Bank","redirect_uris":["https://rp.example/cb"]}`
		made := s.manage(http.MethodPost, s.endpoint("registration_endpoint"), "", metadata)
		if made.Status != http.StatusCreated || made.str("status") != "pending" || !strings.HasPrefix(made.str("registration_client_uri"), s.issuer+"/") {
			t.Fatalf("register: %d %s", made.Status, made.Body)
		}
		id, uri, token := made.str("client_id"), made.str("registration_client_uri"), made.str("registration_access_token")
		s.canaries.add("registration access token", token)
		s.canaries.add("client secret", made.str("client_secret"))
		s.CLI("", "client", "approve", id, "--yes")
		if a := s.manage(http.MethodGet, uri, token, ""); a.str("status") != "approved" {
			t.Errorf("approved: %s", a.Body)
		}
		if a := s.manage(http.MethodPut, uri, token, renamed); a.str("client_name") != "Robot" || a.JSON["pending_revision"] == nil {
			t.Errorf("changed: %s", a.Body)
		}
		shown := mustJSON[map[string]any](t, s.CLI("", "client", "show", id, "-o", "json"))
		waiting, _ := shown["pending_revision"].(map[string]any)
		differences, _ := json.Marshal(waiting["differences"])
		if string(differences) != `[{"after":"Bank","before":"Robot","member":"client_name"}]` {
			t.Errorf("differences %s", differences)
		}
		if text := s.CLI("", "client", "show", id); !strings.Contains(text, "Bank") || !strings.Contains(text, "CHANGES") {
			t.Errorf("shown:\n%s", text)
		}
		s.CLI("", "client", "disapprove", id, "--revision", "--yes")
		s.manage(http.MethodPut, uri, token, renamed)
		s.CLI("", "client", "approve", id, "--revision", "--yes")
		if a := s.manage(http.MethodGet, uri, token, ""); a.str("client_name") != "Bank" || a.JSON["pending_revision"] != nil {
			t.Errorf("revised: %s", a.Body)
		}
		if a := s.manage(http.MethodDelete, uri, token, ""); a.Status != http.StatusNoContent {
			t.Errorf("removed: %d %s", a.Status, a.Body)
		}
		if a := s.manage(http.MethodGet, uri, token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("read after removal: %d", a.Status)
		}
		initial := mustJSON[map[string]any](t, s.CLI("", "client", "initial-token", "create", "--name", "pipeline", "--approve", "-o", "json"))
		value, _ := initial["token"].(string)
		s.canaries.add("initial access token", value)
		if a := s.manage(http.MethodPost, s.endpoint("registration_endpoint"), value, metadata); a.str("status") != "approved" {
			t.Errorf("registered with approval: %d %s", a.Status, a.Body)
		}
		if a := s.manage(http.MethodPost, s.endpoint("registration_endpoint"), value, metadata); a.Status != http.StatusUnauthorized {
			t.Errorf("registered twice: %d %s", a.Status, a.Body)
		}
	})
}
