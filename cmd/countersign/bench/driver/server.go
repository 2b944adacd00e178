// Package driver puts load on an OAuth 2.0 or OpenID Connect server by its
// standard endpoints alone, and measures what that costs: a closed loop of
// workers, each with a connection that it keeps. It knows nothing of the
// server's program, so that one run can hold several servers side by side.
package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
)

// Server describes a server. Endpoints that are left out are taken from its
// discovery document.
type Server struct {
	Name      string            `json:"name"`
	Issuer    string            `json:"issuer"`
	Endpoints map[string]string `json:"endpoints"`
	Clients   map[string]Client `json:"clients"` // cc, cc_jwt, introspect, code, device
	// Fields are what the browser writes into the fields of forms, by their
	// names. {w} is the number of the worker, {user_code} that of the device flow.
	Fields map[string]string `json:"fields"`
	// Processes are those whose processor time and memory are counted.
	Processes []Process `json:"processes"`
}

// Client is a client that the server knows, of which the secret is sent by HTTP
// Basic.
type Client struct {
	ID          string            `json:"id"`
	Secret      string            `json:"secret"`
	Scope       string            `json:"scope"`
	RedirectURI string            `json:"redirect_uri"`
	Extra       map[string]string `json:"extra"`           // added to token requests
	Authorize   map[string]string `json:"authorize_extra"` // added to the first authorization request
}

// Process is one process with its children.
type Process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
}

// Read reads the description of a server from a file.
func Read(path string) (*Server, error) {
	text, err := os.ReadFile(path) //nolint:gosec // whoever runs the benchmark names it
	if err != nil {
		return nil, fmt.Errorf("read the description of a server: %w", err)
	}
	s := &Server{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the description of a server in %s: %w", path, err)
	}
	return s, nil
}

// Metadata returns the address of the server's discovery document.
func (s *Server) Metadata() string { return s.Issuer + "/.well-known/openid-configuration" }

// members are the members of the discovery document that hold endpoints.
var members = map[string]string{
	"token": "token_endpoint", "introspection": "introspection_endpoint", "userinfo": "userinfo_endpoint",
	"authorization": "authorization_endpoint", "device": "device_authorization_endpoint", "jwks": "jwks_uri",
}

// Discover completes the endpoints from the discovery document.
func (s *Server) Discover(ctx context.Context) error {
	known := maps.Clone(s.Endpoints)
	s.Endpoints = map[string]string{"discovery": s.Metadata()}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Metadata(), http.NoBody)
	if err != nil {
		return fmt.Errorf("read the metadata of %s: %w", s.Name, err)
	}
	answer, err := (&http.Client{}).Do(r)
	if err != nil {
		return fmt.Errorf("read the metadata of %s: %w", s.Name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	document := map[string]any{}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		return fmt.Errorf("read the metadata of %s: %w", s.Name, err)
	}
	for name, member := range members {
		if address, ok := document[member].(string); ok {
			s.Endpoints[name] = address
		}
	}
	maps.Copy(s.Endpoints, known)
	return nil
}

// endpoint returns the address of an endpoint; a server without it is
// [UnsupportedError].
func (s *Server) endpoint(name string) (*url.URL, error) {
	address := s.Endpoints[name]
	if address == "" {
		return nil, UnsupportedError("no " + name + " endpoint")
	}
	return url.Parse(address)
}

func (s *Server) client(name string) (Client, error) {
	c, ok := s.Clients[name]
	if !ok {
		return c, UnsupportedError("no client for " + name)
	}
	return c, nil
}

// UnsupportedError says why a server cannot be asked for something.
type UnsupportedError string

func (u UnsupportedError) Error() string { return string(u) }
