package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/adminclient"
	"countersign/cmd/countersign/config"
	"countersign/storage/seal"
)

// addServer lets a command do its work at a server that is somewhere else.
func addServer(cmd *cobra.Command) {
	cmd.Flags().String("server", "", "work at the server with this `URL` instead of on the database, after `countersign login` (default $"+config.ServerEnv+")")
}

// server returns the address of the server that a command is to work at, empty
// when it works on the database.
func (p *program) server(cmd *cobra.Command) (string, error) {
	chosen := p.getenv(config.ServerEnv)
	if f := cmd.Flags().Lookup("server"); f != nil && f.Changed {
		chosen = f.Value.String()
	}
	if chosen == "" {
		return "", nil
	}
	return serverURL(cmd, chosen)
}

// serverURL checks an address that tokens are sent to.
func serverURL(cmd *cobra.Command, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef(cmd, "%q is not the address of a server; give one like https://id.example.org", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !config.IsLoopback(u.Hostname())) {
		return "", usagef(cmd, "%q is not https: whoever is between here and there could read the tokens", text)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// databaseOnly refuses to work on the database of this machine when the person
// chose a server: it would be the wrong one.
func (p *program) databaseOnly(cmd *cobra.Command) error {
	if p.getenv(config.ServerEnv) == "" || cmd.Flags().Lookup("server") != nil || !strings.HasPrefix(cmd.CommandPath(), "countersign client ") {
		return nil
	}
	return remedy(nil, fmt.Sprintf("%s works on a database only, and %s names a server", cmd.CommandPath(), config.ServerEnv),
		"run it on the server's machine, without "+config.ServerEnv)
}

// remote returns the desk at the server. An API key is used if there is one,
// else what the person got by `countersign login`.
func (p *program) remote(server string) (remoteDesk, error) {
	api := &adminclient.Client{Server: server, HTTP: p.http()}
	key, err := p.apiKey()
	if err != nil {
		return remoteDesk{}, err
	}
	if key != "" {
		api.Token = func(context.Context, bool) (string, error) { return key, nil }
		return remoteDesk{api}, nil
	}
	signedIn, err := p.signedIn(server)
	if err != nil {
		return remoteDesk{}, err
	}
	api.Token = signedIn.token
	return remoteDesk{api}, nil
}

// http returns what asks servers. It follows no redirect, which could lead a
// token elsewhere.
func (*program) http() *http.Client {
	return &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// apiKey returns the API key of the environment, empty for none.
func (p *program) apiKey() (string, error) {
	key, file := p.getenv(config.APIKeyEnv), p.getenv(config.APIKeyEnv+"_FILE")
	if key != "" && file != "" {
		return "", remedy(nil, config.APIKeyEnv+" and "+config.APIKeyEnv+"_FILE are both set", "set one of them")
	}
	if file != "" {
		var err error
		if key, err = p.readSecret("API key", file); err != nil {
			return "", err
		}
	}
	if key != "" && !seal.WellFormed(seal.APIKey, key) {
		return "", remedy(nil, "the API key is not one: it begins with cs_ak_ and ends with a checksum, and this was cut or mistyped",
			"copy all of what `countersign api-key create` printed")
	}
	return key, nil
}

// untilExpiry is how long before its end a token is renewed.
const untilExpiry = 30 * time.Second
