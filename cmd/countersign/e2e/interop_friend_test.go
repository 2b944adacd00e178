//go:build interop

package e2e

import (
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
)

const jfs = "http://jazz.net/xmlns/prod/jazz/jfs/1.0/"

// friend is what a tool finds in a rootservices document.
type friend struct {
	Type       string
	Properties map[string]struct{ Of, Kind, Value string }
	Key        string
}

// TestInteropOSLCFriend is a tool that is given the address of the rootservices
// document and nothing else: it reads it, asks for a key, waits for the
// administrator, and goes the three legs where the document says.
func TestInteropOSLCFriend(t *testing.T) {
	t.Parallel()
	const callback = "https://jazz.example/oauth/callback"
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"OSLC_CATALOGS", "oslc_am:amServiceProviders=https://models.example/oslc/catalog"},
				setting{"OSLC_DOMAIN", "https://models.example/oslc/"}, setting{"OAUTH1_REALM", "Models"})
			const secret = "typed by an administrator of Jazz"
			s.canaries.add("consumer secret", secret)
			tool := run(t, "python", "/usr/bin/python3", "friend.py")
			tool.write(map[string]string{"rootservices": s.issuer + "/oslc/rootservices", "secret": secret})
			var found friend
			tool.read(&found)
			found.check(t, s)

			list := mustJSON[[]map[string]any](t, s.CLI("", "client", "list", "--status", "pending", "-o", "json"))
			if asked, _ := list[0]["requested"].(map[string]any); len(list) != 1 || list[0]["client_id"] != found.Key || asked["trusted"] != true {
				t.Errorf("pending: %v", list)
			}
			consumer := found.consumer(secret, callback)
			if _, _, err := consumer.RequestToken(); err == nil {
				t.Error("a pending consumer got temporary credentials")
			}
			if shown := s.CLI("", "client", "show", found.Key); !strings.Contains(shown, "it asked to be trusted, to send people back to "+callback) {
				t.Errorf("shown:\n%s", shown)
			}
			_, said, err := s.tryCLI("", "client", "approve", found.Key, "--redirect-uri", callback, "--yes")
			if err != nil || !strings.Contains(said, "It may send people back to "+callback+". It asked to be trusted") {
				t.Errorf("approved: %v %s", err, said)
			}
			s.threeLegs(consumer)
		})
	}
}

// check holds the document against what Lyo's client demands of one: all of it
// about the document itself, literals and links as they have to be.
func (f *friend) check(t *testing.T, s *server) {
	t.Helper()
	for property, want := range map[string][2]string{
		"http://purl.org/dc/terms/title":                              {"literal", "Countersign"},
		jfs + "oauthRealmName":                                        {"literal", "Models"},
		jfs + "oauthDomain":                                           {"literal", "https://models.example/oslc/"},
		jfs + "oauthRequestConsumerKeyUrl":                            {"link", s.endpoint("oauth1_registration_endpoint")},
		jfs + "oauthApprovalModuleUrl":                                {"link", s.issuer + "/settings/oauth-clients/approve"},
		jfs + "oauthRequestTokenUrl":                                  {"link", s.endpoint("oauth1_request_token_endpoint")},
		jfs + "oauthUserAuthorizationUrl":                             {"link", s.endpoint("oauth1_authorization_endpoint")},
		jfs + "oauthAccessTokenUrl":                                   {"link", s.endpoint("oauth1_access_token_endpoint")},
		"http://open-services.net/ns/am#amServiceProviders":           {"link", "https://models.example/oslc/catalog"},
		"http://jazz.net/xmlns/prod/jazz/discovery/1.0/jsaSsoEnabled": {"literal", "false"},
	} {
		if got := f.Properties[property]; got.Kind != want[0] || got.Value != want[1] || got.Of != s.issuer+"/oslc/rootservices" {
			t.Errorf("%s is %+v; want %v", property, got, want)
		}
	}
	if f.Type != "application/rdf+xml" || f.Key == "" {
		t.Fatalf("found %+v", f)
	}
}

// consumer is the tool as the document tells it to be.
func (f *friend) consumer(secret, callback string) *oauth1.Config {
	return &oauth1.Config{
		ConsumerKey: f.Key, ConsumerSecret: secret, CallbackURL: callback, Realm: f.Properties[jfs+"oauthRealmName"].Value,
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: f.Properties[jfs+"oauthRequestTokenUrl"].Value, AuthorizeURL: f.Properties[jfs+"oauthUserAuthorizationUrl"].Value,
			AccessTokenURL: f.Properties[jfs+"oauthAccessTokenUrl"].Value,
		},
	}
}

// threeLegs has somebody allow the consumer's request, and exchanges it.
func (s *server) threeLegs(consumer *oauth1.Config) {
	s.t.Helper()
	token, secret, err := consumer.RequestToken()
	if err != nil {
		s.t.Fatal(err)
	}
	there, err := consumer.AuthorizationURL(token)
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.browse().Authorize(there.String(), s.User())
	if p.Callback == nil {
		s.t.Fatalf("no answer: %s", p.Text())
	}
	verifier := p.Callback.Query().Get("oauth_verifier")
	access, accessSecret, err := consumer.AccessToken(token, secret, verifier)
	if err != nil || access == "" {
		s.t.Fatalf("exchange: %v", err)
	}
	s.canaries.add("token secret", accessSecret)
}
