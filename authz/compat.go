package authz

import (
	"countersign/clientstore"
)

// aliases are the paths of Teamwork Cloud's authentication server, which has
// endpoints of its own for each protocol, and the paths of the endpoints that
// they are: the same handlers behind the same guards. The last are of a lane
// that is older than the others: its authorization endpoint has the standard
// one's path, and its clients prove themselves as all do, not by a secret that
// they share.
var aliases = []struct{ path, of string }{
	{"/jwks.json", "/.well-known/jwks.json"},
	{"/oidc/authorize", "/authorize"},
	{"/api/oidc/token", "/token"},
	{"/api/oidc/device_code", "/device_authorization"},
	{"/oauth2/authorize", "/authorize"},
	{"/api/oauth2/token", "/token"},
	{"/api/oauth2/device_code", "/device_authorization"},
	{"/oauth/authorize", "/oauth1/authorize"},
	{"/api/oauth/register", "/oauth1/register"},
	{"/api/oauth/request_token", "/oauth1/request_token"},
	{"/api/oauth/access_token", "/oauth1/access_token"},
	{"/api/token", "/token"},
	{"/api/signout", "/end_session"},
}

// teamworkCloud are the routes of those paths, and of what Teamwork Cloud has
// and no specification. They are served where the setting compat says so, and
// are unknown otherwise.
func (d *door) teamworkCloud() []route {
	if !d.imitates {
		return nil
	}
	routes := []route{
		{"/.well-known/oidc-configuration", document, on(d.discovery.OIDCLane, "GET", "HEAD")},
		{"/.well-known/oauth2.0-configuration", document, on(d.discovery.OAuth2Lane, "GET", "HEAD")},
		{"/api/oidc/register", machine, on(d.registration.RegisterAs(clientstore.OIDC), "POST")},
		{"/api/oauth2/register", machine, on(d.registration.RegisterAs(clientstore.OAuth2), "POST")},
		{"/api/validate", script, on(d.userinfo.Validate, "GET", "POST")},
	}
	for _, standard := range d.standard() {
		for _, alias := range aliases {
			if alias.of == standard.path {
				routes = append(routes, route{alias.path, standard.dialect, standard.methods})
			}
		}
	}
	return routes
}

// tokenPaths are those of the token endpoint, under the issuer's path.
func (d *door) tokenPaths() []string {
	paths := []string{"/token"}
	for _, alias := range aliases {
		if d.imitates && alias.of == "/token" {
			paths = append(paths, alias.path)
		}
	}
	return paths
}

// schemes are names that the scheme Bearer has beside its own. Clients of
// Teamwork Cloud call it Token.
func (d *door) schemes() []string {
	if !d.imitates {
		return nil
	}
	return []string{"Token"}
}
