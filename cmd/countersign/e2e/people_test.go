package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// user is an account that a test made.
type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	password string
	email    string
}

// User makes an account by the command line. Further arguments are passed on.
func (s *server) User(args ...string) *user {
	s.t.Helper()
	name := "ada" + strings.ToLower(rand.Text()[:8])
	password := s.canaries.add("password", "pw "+rand.Text())
	email := name + "@example.test"
	args = append([]string{
		"user", "create", "--username", name, "--password-stdin",
		"--name", "Ada Lovelace", "--email", email, "-o", "json",
	}, args...)
	u := mustJSON[user](s.t, s.CLI(password+"\n", args...))
	u.password, u.email = password, email
	return &u
}

// client is a client that a test registered, as the command line prints it.
type client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	Name         string   `json:"client_name"`
	Type         string   `json:"type"`
	Status       string   `json:"status"`
	RedirectURIs []string `json:"redirect_uris"`
	Scope        string   `json:"scope"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
}

// The redirect URIs of the clients that tests register (research: a web
// application, a native one on loopback, a native one with its own scheme).
const (
	webRedirect    = "https://rp.example/cb"
	nativeRedirect = "http://127.0.0.1/cb"
	schemeRedirect = "com.example.app:/cb"
)

// Client registers an approved confidential web client with everything that
// this server can do. Further arguments are passed on; an option that stands
// twice counts where it stands last.
func (s *server) Client(args ...string) *client {
	s.t.Helper()
	return s.register(append([]string{
		"--redirect-uri", webRedirect,
		"--scope", "openid profile email address phone offline_access api", "--approve",
	}, args...)...)
}

// PublicClient registers an approved public native client.
func (s *server) PublicClient(args ...string) *client {
	s.t.Helper()
	return s.register(append([]string{
		"--public", "--redirect-uri", nativeRedirect, "--set", "application_type=native",
		"--scope", "openid profile email offline_access api", "--approve",
	}, args...)...)
}

func (s *server) register(args ...string) *client {
	s.t.Helper()
	args = append([]string{
		"client", "create", "--type", "oidc", "--name", "Modeler " + rand.Text()[:4],
		"--grant", "authorization_code", "--grant", "refresh_token", "--response-type", "code", "-o", "json",
	}, args...)
	c := mustJSON[client](s.t, s.CLI("", args...))
	s.canaries.add("client secret", c.Secret)
	return &c
}

// approve, disapprove and remove are what an administrator does beside the
// running server.
func (s *server) approve(c *client) { s.t.Helper(); s.CLI("", "client", "approve", c.ID, "--yes") }

func (s *server) disapprove(c *client) {
	s.t.Helper()
	s.CLI("", "client", "disapprove", c.ID, "--yes")
}
func (s *server) remove(c *client) { s.t.Helper(); s.CLI("", "client", "remove", c.ID, "--yes") }

// newVerifier returns a PKCE code verifier (RFC 7636, section 4.1).
func newVerifier() string { return rand.Text() + rand.Text() }

// challenge returns the S256 code challenge of a verifier.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
