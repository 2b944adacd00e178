package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
)

// The paths of the server.
const (
	pathToken      = "/token"
	pathAuthorize  = "/authorize"
	pathPush       = "/par"
	pathIntrospect = "/introspect"
	pathRevoke     = "/revoke"
	pathUserinfo   = "/userinfo"
	pathDevice     = "/device_authorization"
	pathKeys       = "/.well-known/jwks.json"
)

const redirect = "https://rp.example/cb"

// allScopes is what clients of the lab may ask for.
const allScopes = "openid profile email offline_access api"

// cast is who takes part in a run: every worker has an account of its own, so
// that what belongs to another shows; clients are shared.
type cast struct {
	apiKey       string
	people       []*person
	victim       *person // whose password is guessed
	leaver       *person // whose account is disabled and enabled
	leaving      sync.Mutex
	confidential *client
	public       *client
	resource     *client   // may introspect all tokens
	asserting    *client   // proves itself by assertions
	consumer     *client   // of OAuth 1.0a
	toggled      []*client // approved and disapproved all the time
}

// hire makes accounts and clients by the command line of a server.
func hire(ctx context.Context, r *replica, v *vault, workers int) (*cast, error) {
	c := &cast{}
	var err error
	for i := range workers + 3 {
		var permission []string
		if i == 0 {
			permission = []string{"--permission", "configure_server"}
		}
		who, personErr := hirePerson(ctx, r, v, fmt.Sprintf("canary%d", i), permission...)
		if personErr != nil {
			return nil, personErr
		}
		c.people = append(c.people, who)
	}
	admin := c.people[0]
	c.victim, c.leaver, c.people = c.people[1], c.people[2], c.people[3:]
	if c.apiKey, err = hireKey(ctx, r, admin); err != nil {
		return nil, err
	}
	v.keep("API key", c.apiKey)
	return c, c.register(ctx, r, v)
}

func hirePerson(ctx context.Context, r *replica, v *vault, name string, more ...string) (*person, error) {
	who := &person{password: "pw " + rand.Text()}
	v.keep("password", who.password)
	args := append([]string{"user", "create", "--username", name, "--password-stdin", "--name", "Canary of " + name, "--email", name + "@lab.test", "-o", "json"}, more...)
	return who, r.cliWith(ctx, who.password+"\n", who, args...)
}

func hireKey(ctx context.Context, r *replica, admin *person) (string, error) {
	var made struct {
		Key string `json:"api_key"`
	}
	err := r.cli(ctx, &made, "api-key", "create", "--username", admin.Username, "--name", "lab", "--expires-in", "24h",
		"--scope", "clients:read clients:write clients:approve accounts:write audit:read keys:read keys:write", "-o", "json")
	return made.Key, err
}

// register makes the clients.
func (c *cast) register(ctx context.Context, r *replica, v *vault) error {
	key, err := newAssertionKey()
	if err != nil {
		return err
	}
	usual := []string{
		"--redirect-uri", redirect, "--scope", allScopes, "--approve",
		"--grant", "authorization_code", "--grant", "refresh_token", "--grant", "client_credentials", "--grant", deviceGrant,
	}
	one, two := &client{}, &client{}
	c.toggled = []*client{one, two}
	for _, w := range []struct {
		name string
		into **client
		args []string
	}{
		{"Confidential", &c.confidential, usual},
		{"Public", &c.public, []string{"--public", "--redirect-uri", redirect, "--scope", allScopes, "--approve", "--grant", "authorization_code", "--grant", "refresh_token", "--grant", deviceGrant}},
		{"Resource server", &c.resource, append([]string{"--set", "introspection_scope=all"}, usual...)},
		{"Asserting", &c.asserting, append([]string{"--set", "token_endpoint_auth_method=private_key_jwt", "--set", "jwks=" + key.published()}, usual...)},
		{"Consumer", &c.consumer, []string{"--type", "oauth1", "--redirect-uri", redirect, "--approve"}},
		{"Toggled one", &one, usual},
		{"Toggled two", &two, usual},
	} {
		made := &client{}
		if err := r.cli(ctx, made, append([]string{"client", "create", "--name", w.name, "-o", "json"}, w.args...)...); err != nil {
			return err
		}
		v.keep("client secret", made.Secret)
		*w.into = made
	}
	c.toggled = []*client{one, two}
	c.asserting.signer = key
	return nil
}
