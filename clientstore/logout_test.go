package clientstore

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// leaving is a client that is complete but for the members of logout.
func leaving(t *testing.T, kind Type, m Metadata) (*Client, error) {
	t.Helper()
	m.RedirectURIs, m.Scope = []string{"https://a.example/cb"}, "api"
	if kind == OIDC {
		m.Scope = "openid"
	}
	c := &Client{Type: kind, Name: "Leaving", Metadata: m}
	return c, c.complete(Default)
}

func TestPostLogoutRedirectURIs(t *testing.T) {
	t.Parallel()
	c, err := leaving(t, OIDC, Metadata{PostLogoutRedirectURIs: []string{"https://a.example/bye", "http://127.0.0.1/bye", "https://a.example/bye", "com.example.app:/bye"}})
	if err != nil || !slices.Equal(c.Metadata.PostLogoutRedirectURIs, []string{"https://a.example/bye", "http://127.0.0.1/bye", "com.example.app:/bye"}) {
		t.Errorf("got %v, %v", c.Metadata.PostLogoutRedirectURIs, err)
	}
	for uri, want := range map[string]bool{
		"https://a.example/bye": true, "https://a.example/bye?x=y": false, "https://a.example/": false, "https://a.example/cb": false,
		"http://127.0.0.1:80/bye": false, "": false,
	} {
		if got := c.MatchPostLogoutRedirectURI(uri); got != want {
			t.Errorf("%q: %v; want %v", uri, got, want)
		}
	}
}

func TestLogoutMembersThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind  Type
		m     Metadata
		field string
	}{
		"an address with a fragment":   {OIDC, Metadata{PostLogoutRedirectURIs: []string{"https://a.example/#x"}}, "post_logout_redirect_uris"},
		"an address with a state":      {OIDC, Metadata{PostLogoutRedirectURIs: []string{"https://a.example/?state=x"}}, "post_logout_redirect_uris"},
		"a script for an address":      {OIDC, Metadata{PostLogoutRedirectURIs: []string{"javascript:alert(1)"}}, "post_logout_redirect_uris"},
		"too many addresses":           {OIDC, Metadata{PostLogoutRedirectURIs: make([]string, maxRedirectURIs+1)}, "post_logout_redirect_uris"},
		"logout tokens in the clear":   {OIDC, Metadata{BackchannelLogoutURI: "http://a.example/out"}, "backchannel_logout_uri"},
		"logout tokens to a scheme":    {OIDC, Metadata{BackchannelLogoutURI: "com.example.app:/out"}, "backchannel_logout_uri"},
		"logout tokens to a fragment":  {OIDC, Metadata{BackchannelLogoutURI: "https://a.example/out#x"}, "backchannel_logout_uri"},
		"a page in the clear":          {OIDC, Metadata{FrontchannelLogoutURI: "http://a.example/out"}, "frontchannel_logout_uri"},
		"a page of another":            {OIDC, Metadata{FrontchannelLogoutURI: "https://b.example/out"}, "frontchannel_logout_uri"},
		"a page on another port":       {OIDC, Metadata{FrontchannelLogoutURI: "https://a.example:444/out"}, "frontchannel_logout_uri"},
		"a page at an IPv6 address":    {OIDC, Metadata{FrontchannelLogoutURI: "https://[2001:db8::1]/out"}, "frontchannel_logout_uri"},
		"a page with a fragment":       {OIDC, Metadata{FrontchannelLogoutURI: "https://a.example/out#x"}, "frontchannel_logout_uri"},
		"a page with a sid":            {OIDC, Metadata{FrontchannelLogoutURI: "https://a.example/out?sid=x"}, "frontchannel_logout_uri"},
		"a session without page":       {OIDC, Metadata{FrontchannelLogoutSessionRequired: true}, "frontchannel_logout_session_required"},
		"a page without OpenID":        {OAuth2, Metadata{FrontchannelLogoutURI: "https://a.example/out"}, "frontchannel_logout_uri"},
		"a session without address":    {OIDC, Metadata{BackchannelLogoutSessionRequired: true}, "backchannel_logout_session_required"},
		"logout tokens without OpenID": {OAuth2, Metadata{BackchannelLogoutURI: "https://a.example/out"}, "backchannel_logout_uri"},
		"an address without OpenID":    {OAuth2, Metadata{PostLogoutRedirectURIs: []string{"https://a.example/bye"}}, "post_logout_redirect_uris"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := leaving(t, tt.kind, tt.m)
			if e, ok := errors.AsType[*MetadataError](err); !ok || e.Field != tt.field || strings.TrimSpace(e.Reason.String()) == "" {
				t.Errorf("got %v; want %s refused", err, tt.field)
			}
		})
	}
}
