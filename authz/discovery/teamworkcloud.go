package discovery

import (
	"net/http"
	"slices"
	"strings"

	"countersign/clientstore"
)

// Teamwork Cloud's authentication server has an endpoint of each kind for each
// protocol, a lane as it were, and a document for each lane. The issuer is the
// same in all of them, so that the standard documents stay what they are and
// these tell of other addresses of the same endpoints.

// OIDCLane serves GET /.well-known/oidc-configuration, where Teamwork Cloud
// describes OpenID Connect.
func (h *Handler) OIDCLane(w http.ResponseWriter, r *http.Request) error { return serve(h.oidc, w, r) }

// OAuth2Lane serves GET /.well-known/oauth2.0-configuration, where Teamwork
// Cloud describes OAuth 2.0.
func (h *Handler) OAuth2Lane(w http.ResponseWriter, r *http.Request) error {
	return serve(h.oauth2, w, r)
}

func oidcLane(cfg Config) Metadata { return lane(cfg, "oidc", clientstore.OIDC) }

func oauth2Lane(cfg Config) Metadata { return lane(cfg, "oauth2", clientstore.OAuth2) }

// lane describes the endpoints of a lane, for the clients of its type.
func lane(cfg Config, name string, t clientstore.Type) Metadata {
	at := func(path string) string { return strings.TrimSuffix(cfg.Issuer, "/") + path }
	m := metadata(cfg)
	m.ResponseTypesSupported = slices.DeleteFunc(slices.Clone(m.ResponseTypesSupported), func(responseType string) bool {
		return !slices.Contains(clientstore.ResponseTypes(t), responseType)
	})
	m.AuthorizationEndpoint = at("/" + name + "/authorize")
	m.TokenEndpoint = at("/api/" + name + "/token")
	m.DeviceAuthorizationEndpoint = at("/api/" + name + "/device_code")
	m.JWKSURI = at("/jwks.json")
	if m.RegistrationEndpoint != "" {
		m.RegistrationEndpoint = at("/api/" + name + "/register")
	}
	m.OAuth1RequestTokenEndpoint, m.OAuth1AuthorizationEndpoint = at("/api/oauth/request_token"), at("/oauth/authorize")
	m.OAuth1AccessTokenEndpoint = at("/api/oauth/access_token")
	if m.OAuth1RegistrationEndpoint != "" {
		m.OAuth1RegistrationEndpoint = at("/api/oauth/register")
	}
	return m
}
