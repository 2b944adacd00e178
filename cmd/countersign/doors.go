package main

import (
	"fmt"
	"net/http"
	"strings"

	"countersign/admin/api"
	"countersign/authz/discovery"
	"countersign/authz/forward"
	"countersign/cmd/countersign/assets"
)

// doors are the handlers of the listeners.
type doors struct{ main, admin dispatcher }

// dispatcher leads a request to its door by its path alone. What is in the
// path of the issuer is the doors' own business.
type dispatcher struct {
	base     string // the issuer's path, without a slash at its end
	doors    []door
	fallback http.Handler
	// keep are the headers of which a route learns from a proxy that asks for
	// itself.
	keep map[string][]string
}

// door serves what is at and below its path.
type door struct {
	path    string
	handler http.Handler
}

// ServeHTTP serves a request at its door.
func (d dispatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ours := d.relative(r.URL.Path)
	if ours {
		for _, door := range d.doors {
			if rest == door.path || strings.HasPrefix(rest, door.path+"/") {
				door.handler.ServeHTTP(w, r)
				return
			}
		}
	}
	d.fallback.ServeHTTP(w, r)
}

func (d dispatcher) relative(path string) (rest string, ours bool) {
	rest, ours = strings.CutPrefix(path, d.base)
	return rest, ours && (rest == "" || rest[0] == '/')
}

// metadataPath is where RFC 8414 has the metadata: before the issuer's path, and
// at it as well.
const metadataPath = "/.well-known/oauth-authorization-server"

// named are the routes that log and metrics call by name. Whatever else is
// requested is "other" there, so that strangers cannot make up names.
var named = setOf(
	"/", "/authorize", "/authorize/resume", "/login", "/login/second", "/login/passkey", "/sign-up", "/language", "/scheme", "/consent", "/logout", "/end_session", "/session/iframe", "/device",
	"/forward-auth/nginx", "/forward-auth/traefik", "/forward-auth/caddy",
	"/token", "/par", "/introspect", "/revoke", "/userinfo", "/register", "/device_authorization",
	"/.well-known/openid-configuration", metadataPath, "/.well-known/jwks.json", discovery.RootservicesPath, "/.well-known/change-password",
	"/oauth1/request_token", "/oauth1/authorize", "/oauth1/resume", "/oauth1/access_token", "/oauth1/verify", "/oauth1/register",
	// Teamwork Cloud's names of the same.
	"/.well-known/oidc-configuration", "/.well-known/oauth2.0-configuration", "/jwks.json",
	"/oidc/authorize", "/api/oidc/token", "/api/oidc/device_code", "/api/oidc/register",
	"/oauth2/authorize", "/api/oauth2/token", "/api/oauth2/device_code", "/api/oauth2/register",
	"/oauth/authorize", "/api/oauth/register", "/api/oauth/request_token", "/api/oauth/access_token",
	"/api/token", "/api/validate", "/api/signout",
	"/account/profile", "/account/security", "/account/password", "/account/authenticator", "/account/authenticator/remove", "/account/passkeys",
	"/account/passkeys/remove", "/account/recovery-codes", "/account/applications", "/account/applications/remove", "/account/sessions", "/account/activity",
	"/setup", "/setup/done", "/livez", "/readyz", "/healthz",
)

func setOf(paths ...string) map[string]bool {
	set := make(map[string]bool, len(paths))
	for _, path := range paths {
		set[path] = true
	}
	return set
}

// route names the route of a request.
func (d dispatcher) route(r *http.Request) string {
	path := r.URL.Path
	if rest, ours := d.relative(path); ours && rest != "" {
		path = rest
	}
	switch {
	case named[path]:
		return path
	case path == metadataPath+d.base:
		return metadataPath
	case strings.HasPrefix(path, "/register/"):
		return "/register/{client_id}"
	case strings.HasPrefix(path, api.Prefix+"/"):
		return api.Prefix + "/*"
	case strings.HasPrefix(path, assets.Prefix):
		return assets.Prefix + "*"
	case strings.HasPrefix(path, "/logo/"):
		return "/logo/*"
	case path == "/settings" || strings.HasPrefix(path, "/settings/"):
		return "/settings/*"
	default:
		return "other"
	}
}

// patient reports whether the request may take longer than others: a client may
// ask to be told of its approval as it happens, and the secrets of a clients file
// are hashed one after the other.
func (d dispatcher) patient(r *http.Request) bool {
	if r.Header.Get("Prefer") != "" && d.route(r) == "/register/{client_id}" {
		return true
	}
	path, ours := d.relative(r.URL.Path)
	return ours && strings.HasPrefix(path, api.Prefix+api.FilePaths)
}

// forwardAuth returns the headers of the routes that are for proxies.
func forwardAuth() map[string][]string {
	keep := map[string][]string{}
	for _, p := range forward.Proxies {
		keep[p.Path] = []string{p.Method, p.URI}
	}
	return keep
}

// administrators are the paths of the administrators' door.
var administrators = []string{"/setup", "/settings"}

// shared are the pages of the applications' door that administrators need at
// their own: to sign in, and out, to choose a language and the colours, and to
// see clients' pictures.
var shared = []string{"/login", "/sign-up", "/logout", "/language", "/scheme", "/logo"}

// doors builds the doors and puts them on the listeners: the administrators'
// on its own one if there is one, and then nowhere else.
func (s *server) doors() (*doors, error) {
	base := s.cfg.IssuerURL().Path
	applications, err := s.authz()
	if err != nil {
		return nil, fmt.Errorf("build the door for applications: %w", err)
	}
	programs, err := s.adminAPI()
	if err != nil {
		return nil, fmt.Errorf("build the API for administrators: %w", err)
	}
	admins, err := s.admin(applications)
	if err != nil {
		return nil, fmt.Errorf("build the door for administrators: %w", err)
	}
	static := door{strings.TrimSuffix(assets.Prefix, "/"), http.StripPrefix(base, s.brand.Handler())}
	d := &doors{
		main:  dispatcher{base: base, doors: []door{static}, fallback: applications, keep: forwardAuth()},
		admin: dispatcher{base: base, doors: []door{static, {api.Prefix, programs}}, fallback: admins},
	}
	if s.listeners.admin == nil {
		d.main.doors = append(d.main.doors, door{api.Prefix, programs})
		for _, path := range administrators {
			d.main.doors = append(d.main.doors, door{path, admins})
		}
	}
	for _, path := range shared {
		d.admin.doors = append(d.admin.doors, door{path, applications})
	}
	return d, nil
}
