package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"countersign/admin"
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

// named are the routes that log and metrics call by name. Whatever else is
// requested is "other" there, so that strangers cannot make up names.
var named = []string{
	"/", "/authorize", "/authorize/resume", "/login", "/login/second", "/login/passkey", "/sign-up", "/consent", "/logout", "/end_session", "/session/iframe", "/device",
	"/token", "/introspect", "/revoke", "/userinfo", "/register", "/device_authorization",
	"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json",
	"/account/profile", "/account/security", "/account/password", "/account/authenticator", "/account/authenticator/remove", "/account/passkeys",
	"/account/passkeys/remove", "/account/recovery-codes", "/account/applications", "/account/applications/remove", "/account/sessions", "/account/activity",
	"/setup", "/setup/done", "/livez", "/readyz", "/healthz",
}

// route names the route of a request.
func (d dispatcher) route(r *http.Request) string {
	path := r.URL.Path
	if rest, ours := d.relative(path); ours && rest != "" {
		path = rest
	}
	switch {
	case slices.Contains(named, path):
		return path
	case strings.HasPrefix(path, "/register/"):
		return "/register/{client_id}"
	case strings.HasPrefix(path, assets.Prefix):
		return assets.Prefix + "*"
	default:
		return "other"
	}
}

// administrators are the paths of the administrators' door.
var administrators = []string{"/setup"}

// doors builds the doors and puts them on the listeners: the administrators'
// on its own one if there is one, and then nowhere else.
func (s *server) doors() (*doors, error) {
	base := s.cfg.IssuerURL().Path
	applications, err := s.authz()
	if err != nil {
		return nil, fmt.Errorf("build the door for applications: %w", err)
	}
	admins, err := admin.New(admin.Config{
		Issuer: s.cfg.Issuer, Name: s.cfg.Name, Accounts: s.stores.accounts,
		Log: s.log, Asset: assets.Path, Now: s.stores.db.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("build the door for administrators: %w", err)
	}
	static := door{strings.TrimSuffix(assets.Prefix, "/"), http.StripPrefix(base, assets.Handler())}
	d := &doors{
		main:  dispatcher{base: base, doors: []door{static}, fallback: applications},
		admin: dispatcher{base: base, doors: []door{static}, fallback: admins},
	}
	if s.listeners.admin == nil {
		for _, path := range administrators {
			d.main.doors = append(d.main.doors, door{path, admins})
		}
	}
	return d, nil
}
