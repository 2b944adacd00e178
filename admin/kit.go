package admin

import (
	"encoding/json"
	"fmt"
	"strings"

	"countersign/admin/snippet"
	"countersign/clientstore"
	"countersign/storage/locale"
)

// kit is what the people who set the client up take along.
type kit struct {
	// Secret is the one that was just made, empty for none.
	Secret    string
	Endpoints []snippet.Endpoint
	Snippets  []snippet.Snippet
	// Env and JSON hold key, secret and endpoints, for a file.
	Env, JSON string
}

// Label is what the protocol of the client calls its key or its secret.
func (kit) Label(c *clientstore.Client, of string) locale.Message {
	consumer := c.Type == clientstore.OAuth1
	switch {
	case consumer && of == "key":
		return "Consumer key"
	case consumer:
		return "Consumer secret"
	case of == "key":
		return "Client key"
	default:
		return "Client secret"
	}
}

// kit gathers what belongs to a client; the secret may be empty.
func (h *handler) kit(c *clientstore.Client, secret string) (kit, error) {
	s := snippet.Client{
		Type: string(c.Type), Key: c.ID, Name: c.Name, Secret: secret, Public: !c.UsesSecret(), Posts: c.Metadata.TokenEndpointAuthMethod == clientstore.AuthPost, Scope: c.Metadata.Scope,
		Redirect: firstOf(c.Metadata.RedirectURIs), Grants: c.Metadata.GrantTypes, Issuer: h.cfg.Issuer,
	}
	document, err := json.MarshalIndent(c.Lasting().Document().WithSecret(secret), "", "  ") //nolint:gosec // the secret is what it is for
	if err != nil {
		return kit{}, fmt.Errorf("encode client: %w", err)
	}
	return kit{
		Secret: secret, Endpoints: snippet.Endpoints(s), Snippets: snippet.All(s), Env: env(s), JSON: string(document),
	}, nil
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// env writes what a client is configured with as environment variables.
func env(c snippet.Client) string {
	var b strings.Builder
	prefix := "OIDC_"
	if c.Type == string(clientstore.OAuth1) {
		prefix = "OAUTH1_"
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s%s=%s\n", prefix, name, snippet.Shell(value))
		}
	}
	line("ISSUER", c.Issuer)
	line("CLIENT_ID", c.Key)
	line("CLIENT_SECRET", c.Secret)
	line("REDIRECT_URI", c.Redirect)
	line("SCOPE", c.Scope)
	return b.String()
}
