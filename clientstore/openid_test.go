package clientstore

import (
	"errors"
	"slices"
	"testing"
)

// TestInitiateLoginURI is oidcc-3rd_party-init-login and -nohttps.
func TestInitiateLoginURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"https://rp.example/start": true, "https://rp.example/start?tenant=x": true,
		"http://rp.example/start": false, "http://127.0.0.1/start": true, "http://localhost:8080/start": true, "http://127.0.0.1.evil.example/start": false, "com.example.app:/start": false,
		"https://rp.example/start#x": false, "/start": false, "javascript:alert(1)": false,
	} {
		c := &Client{Type: OIDC, Name: "App", Metadata: Metadata{RedirectURIs: []string{redirect}, InitiateLoginURI: uri}}
		err := c.complete(Default)
		fault, refused := errors.AsType[*MetadataError](err)
		if refused == want || refused && fault.Field != "initiate_login_uri" || c.Metadata.InitiateLoginURI != uri {
			t.Errorf("%s: %v", uri, err)
		}
	}
	c := &Client{Type: OAuth2, Name: "App", Metadata: Metadata{RedirectURIs: []string{redirect}, InitiateLoginURI: "https://rp.example/start"}}
	if err := c.complete(Default); err == nil {
		t.Error("an OAuth 2.0 client may have it")
	}
}

// TestOfflineAccessWithoutRefresh: a client that could not use offline access
// may ask for it, and does not get it (OpenID Connect Core 1.0, section 11).
func TestOfflineAccessWithoutRefresh(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"openid", "openid offline_access"} {
		c := registered(t, OIDC, Metadata{RedirectURIs: []string{redirect}, GrantTypes: []string{GrantAuthorizationCode}, Scope: scope})
		got, unregistered := c.SettleScope("openid offline_access")
		if !slices.Equal(got, []string{"openid"}) || unregistered != "" {
			t.Errorf("registered for %s: %q, unregistered %q", scope, got, unregistered)
		}
	}
	c := registered(t, OIDC, Metadata{RedirectURIs: []string{redirect}, Scope: "openid"})
	if _, unregistered := c.SettleScope("openid offline_access"); unregistered != "offline_access" {
		t.Error("a client that may refresh gets offline access that it did not register")
	}
}
