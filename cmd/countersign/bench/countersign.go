package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"countersign/cmd/countersign/bench/driver"
)

const (
	secret   = "benchbenchbenchbenchbenchbench00" // of every account
	callback = "http://127.0.0.1:9999/cb"         // nobody listens there, and nobody needs to
	key      = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

// installation is a database of Countersign's, with what the scenarios need.
type installation struct {
	name     string
	binary   string
	database string // URL
	folder   string
	listen   string
	clients  map[string]driver.Client
}

// command is a command of the program on the installation.
func (i *installation) command(args ...string) command {
	env := []string{
		"COUNTERSIGN_LISTEN=" + i.listen, "COUNTERSIGN_DATA=" + i.folder, "COUNTERSIGN_DATABASE=" + i.database,
		"COUNTERSIGN_SECRET=" + key, "COUNTERSIGN_LOG_FORMAT=json",
	}
	return command{name: i.name, path: i.binary, args: args, env: env, folder: i.folder}
}

// cheaply is a command that hashes passwords as cheaply as can be, because the
// scenarios measure the flows around that; the flood of sign-ins is measured with
// the real cost.
func (i *installation) cheaply(args ...string) command {
	c := i.command(args...)
	c.env = append(c.env, "COUNTERSIGN_PASSWORD_MEMORY=8", "COUNTERSIGN_PASSWORD_PASSES=1")
	return c
}

// scopes are what the clients of people may ask for.
const scopes = "openid profile email offline_access"

// registrations are the clients, by the scenarios that need them.
var registrations = map[string][]string{
	"cc":         {"--type", "oauth2", "--grant", "client_credentials", "--scope", "api"},
	"cc_jwt":     {"--type", "oauth2", "--grant", "client_credentials", "--scope", "api", "--set", "access_token_format=jwt", "--set", "access_token_signed_response_alg=ES256"},
	"introspect": {"--type", "oauth2", "--grant", "client_credentials", "--scope", "api", "--set", "introspection_scope=all"},
	"code":       {"--type", "oidc", "--redirect-uri", callback, "--scope", scopes, "--set", "id_token_signed_response_alg=ES256"},
	"device": {
		"--type", "oidc", "--grant", "urn:ietf:params:oauth:grant-type:device_code", "--grant", "refresh_token",
		"--scope", scopes, "--set", "id_token_signed_response_alg=ES256",
	},
}

// install migrates a database and makes the accounts and clients, by the
// program's own commands.
func (i *installation) install(ctx context.Context, accounts int) (err error) {
	if i.listen, err = address(ctx); err != nil {
		return err
	}
	if _, err := i.cheaply("migrate", "up").run(""); err != nil {
		return err
	}
	i.clients = map[string]driver.Client{}
	for name, args := range registrations {
		if err := i.register(name, args); err != nil {
			return err
		}
	}
	return i.people(accounts)
}

func (i *installation) register(name string, args []string) error {
	args = append([]string{"client", "create", "--name", "Bench " + name, "--approve", "-o", "json"}, args...)
	text, err := i.cheaply(args...).run("")
	if err != nil {
		return err
	}
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Scope  string `json:"scope"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return fmt.Errorf("read what client create printed: %w", err)
	}
	i.clients[name] = driver.Client{ID: made.ID, Secret: made.Secret, Scope: made.Scope, RedirectURI: callback}
	return nil
}

// people makes an account for each worker.
func (i *installation) people(accounts int) error {
	var group sync.WaitGroup
	faults := make([]error, accounts)
	places := make(chan struct{}, 4)
	for n := range accounts {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			name := fmt.Sprintf("bench%d", n)
			_, faults[n] = i.cheaply("user", "create", "--username", name, "--name", "Bench", "--email", name+"@example.org", "--password-stdin").run(secret)
		})
	}
	group.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// serve starts the server on the installation by the command and describes it.
func (l *lab) serve(ctx context.Context, i *installation, by command) (*driver.Server, func(), error) {
	s := &driver.Server{Name: i.name, Issuer: "http://" + i.listen, Clients: i.clients, Fields: map[string]string{
		"username": "bench{w}", "password": secret, "decision": "allow", "user_code": "{user_code}",
	}}
	pid, stop, err := l.start(ctx, by, s.Metadata())
	if err != nil {
		return nil, nil, err
	}
	s.Processes = []driver.Process{{Name: "server", PID: pid}}
	return s, stop, s.Discover(ctx)
}
