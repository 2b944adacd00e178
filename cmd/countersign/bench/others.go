package main

import (
	"context"
	_ "embed" // for the peer
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"countersign/cmd/countersign/bench/driver"
)

// The clients and the secret that the floor knows.
const floorSecret = "floorfloorfloorfloorfloorfloor00"

var floorClients = map[string]driver.Client{
	"cc":         {ID: "plain", Secret: floorSecret, Scope: "api"},
	"cc_jwt":     {ID: "signed", Secret: floorSecret, Scope: "api"},
	"introspect": {ID: "plain", Secret: floorSecret},
}

// floor starts the floor program with the arguments that name its database.
func (l *lab) floor(ctx context.Context, binary, name string, args ...string) (*driver.Server, error) {
	s := &driver.Server{Name: name, Clients: floorClients}
	return s, l.startFloor(ctx, s, command{path: binary, args: args})
}

// sameStatements ends the name of a floor that runs Countersign's own statements.
const sameStatements = ", same statements"

// joined ends the name of a floor that joins the commits of concurrent requests.
const joined = ", joined"

// floorBeside starts a floor that runs own's statements in own's database. It is
// two servers to the driver: one reads tokens that own made, by the statement of
// own's introspection, and answers own's documents; the other takes people through
// its flows by own's stores.
func (l *lab) floorBeside(ctx context.Context, binary string, i *installation, own *driver.Server) (reads, flows *driver.Server, err error) {
	asker := i.clients["introspect"].ID
	reads = &driver.Server{
		Name: "floor, " + onPostgres + sameStatements, Endpoints: map[string]string{"token": own.Endpoints["token"]},
		Clients: map[string]driver.Client{"cc": i.clients["cc"], "introspect": {ID: asker, Secret: floorSecret}},
	}
	err = l.startFloor(ctx, reads, command{
		path: binary, args: []string{"-postgres", i.database, "-same", asker, "-like", own.Issuer}, env: []string{"COUNTERSIGN_SECRET=" + key},
	})
	if err != nil {
		return nil, nil, err
	}
	flows = &driver.Server{
		Name: reads.Name, Issuer: reads.Issuer, Processes: reads.Processes, Clients: map[string]driver.Client{},
		Fields: map[string]string{"decision": "allow", "user_code": "{user_code}"},
	}
	for _, name := range []string{"code", "device"} {
		c := i.clients[name]
		c.Secret = floorSecret
		flows.Clients[name] = c
	}
	err = flows.Discover(ctx)
	reads.Endpoints["discovery"], reads.Endpoints["jwks"] = reads.Issuer+"/copy/metadata", reads.Issuer+"/copy/keys"
	return reads, flows, err
}

func (l *lab) startFloor(ctx context.Context, s *driver.Server, c command) error {
	listen, err := address(ctx)
	if err != nil {
		return err
	}
	s.Issuer = "http://" + listen
	c.name, c.folder, c.args = strings.ReplaceAll(s.Name, " ", "-"), l.folder, append([]string{"-listen", listen}, c.args...)
	pid, _, err := l.start(ctx, c, s.Metadata())
	if err != nil {
		return err
	}
	s.Processes = []driver.Process{{Name: "server", PID: pid}}
	return s.Discover(ctx)
}

// The peer that is known by name: a server of the same protocols that keeps
// everything in memory, and loses it when it ends.
const (
	peerName    = "oidc-provider"
	peerPackage = "oidc-provider@9.13.3"
	peerSecret  = "secretsecretsecretsecretsecret00"
)

//go:embed peer/server.mjs
var peerProgram []byte

// peer returns the server beside which this one is measured: oidc-provider by
// its name, which is installed and started, or any that runs and that a file
// describes.
func (l *lab) peer(ctx context.Context, name string) (*driver.Server, error) {
	if name != peerName {
		s, err := driver.Read(name)
		if err != nil {
			return nil, err
		}
		return s, s.Discover(ctx)
	}
	folder := l.path("peer")
	if err := os.Mkdir(folder, 0o700); err != nil { //nolint:gosec // in the folder of this run
		return nil, fmt.Errorf("make a folder for the peer: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "server.mjs"), peerProgram, 0o600); err != nil { //nolint:gosec // in the folder of this run
		return nil, fmt.Errorf("write the peer: %w", err)
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", peerPackage)
	npm.Dir = folder
	if text, err := npm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("install %s: %w: %s", peerPackage, err, text)
	}
	listen, err := address(ctx)
	if err != nil {
		return nil, err
	}
	s := describePeer(listen)
	_, port, _ := strings.Cut(listen, ":")
	pid, _, err := l.start(ctx, command{name: peerName, path: "node", args: []string{"server.mjs"}, env: []string{"PORT=" + port, "NODE_ENV=production"}, folder: folder}, s.Metadata())
	if err != nil {
		return nil, err
	}
	s.Processes = []driver.Process{{Name: "server", PID: pid}}
	return s, s.Discover(ctx)
}

func describePeer(listen string) *driver.Server {
	return &driver.Server{
		Name: peerName, Issuer: "http://" + listen,
		Clients: map[string]driver.Client{
			"cc":         {ID: "cc", Secret: peerSecret, Scope: "api"},
			"cc_jwt":     {ID: "cc", Secret: peerSecret, Scope: "api", Extra: map[string]string{"resource": "https://api.example"}},
			"introspect": {ID: "cc", Secret: peerSecret},
			"code":       {ID: "code", Secret: peerSecret, Scope: scopes, RedirectURI: callback, Authorize: map[string]string{"prompt": "consent"}},
			"device":     {ID: "dev", Secret: peerSecret, Scope: "openid offline_access"},
		},
		Fields: map[string]string{"login": "alice{w}", "password": "pw"},
	}
}
