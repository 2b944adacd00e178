package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/adminclient"
	"countersign/cmd/countersign/config"
	"countersign/cmd/countersign/tokenclient"
	"countersign/storage"
)

// loginFlags say where to sign in, and for what.
type loginFlags struct{ issuer, client, scope string }

func newLogin(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "login --server URL", Short: "Sign in at a server elsewhere, to manage its clients from here", Args: noArgs,
		Long: "Signs in at a server elsewhere by the device grant: it shows a code, which you enter in any browser where\n" +
			"you are an administrator of that server. The tokens stay in your configuration folder, readable by you\n" +
			"alone. Then the client commands work there with --server, or with " + config.ServerEnv + ".\n" +
			"The first sign-in of a server asks for the approval of the client countersign-cli, as of any other.",
		Example: `  countersign login --server https://id.example.org
  countersign login --server https://id.example.org --scope clients:read`,
	}
	var f loginFlags
	addServer(cmd)
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "the issuer's `URL`, where that is another than the server's")
	cmd.Flags().StringVar(&f.client, "client-id", "", "the `key` of a public client of your own that may use the device grant")
	cmd.Flags().StringVar(&f.scope, "scope", "", "the `scopes` to ask for, with spaces between (default all of the API)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := p.server(cmd)
		if err != nil {
			return err
		}
		if server == "" {
			return usagef(cmd, "--server is missing; give the address of the server")
		}
		s, err := p.login(cmd.Context(), server, f)
		if err != nil {
			return err
		}
		view := map[string]string{"server": server, "username": s.Username, "scope": s.Scope}
		return out.print(p.stdout, view, func(tw *tabwriter.Writer) {
			row(tw, "server", server)
			row(tw, "username", s.Username)
			row(tw, "scope", s.Scope)
		})
	}
	return cmd
}

// offer is what a server tells whoever wants to sign in.
type offer struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes_supported"`
}

// ask reads what the server offers. Tokens come from the issuer and go to the
// server: where the two are at different addresses, the person has to say so,
// lest a server that is not theirs name an issuer that is.
func (f loginFlags) ask(ctx context.Context, server string, api *adminclient.Client) (offer, error) {
	r := adminclient.Request{Method: http.MethodPost, Path: "/v1/command-line"}
	if f.client != "" {
		r = adminclient.Request{Method: http.MethodGet, Path: "/v1"}
	}
	var o offer
	r.Into = &o
	_, err := api.Do(ctx, r)
	if errors.Is(err, storage.ErrNotFound) {
		return o, remedy(err, "the server has no API for this, or an administrator removed its client countersign-cli",
			"check the address, or register a public client with the device grant and name it with --client-id")
	}
	if err != nil {
		return o, err
	}
	if f.client != "" {
		o.ClientID = f.client
	}
	if o.Issuer != server && o.Issuer != strings.TrimSuffix(f.issuer, "/") {
		return o, remedy(nil, fmt.Sprintf("the server at %s gives out the tokens of %s", server, o.Issuer),
			"if both are yours, repeat the command with --issuer "+o.Issuer)
	}
	return o, nil
}

// login signs the person in, and keeps what that yields.
func (p *program) login(ctx context.Context, server string, f loginFlags) (*signIn, error) {
	api := &adminclient.Client{Server: server, HTTP: p.http()}
	o, err := f.ask(ctx, server, api)
	if err != nil {
		return nil, err
	}
	scopes := strings.Fields(f.scope)
	if len(scopes) == 0 {
		scopes = o.Scopes
	}
	client, err := tokenclient.New(ctx, tokenclient.Config{
		Issuer: o.Issuer, ClientID: o.ClientID, Scopes: scopes, Show: p.showDevice,
		Awaited: func(description string) { p.talk("%s", description) }, HTTP: p.http(), Now: time.Now,
	})
	if err != nil {
		return nil, remedy(err, err.Error(), "check that the server runs and that its issuer can be reached")
	}
	tokens, err := client.Device(ctx)
	if refused, ok := errors.AsType[*tokenclient.RefusedError](err); ok {
		return nil, remedy(err, refused.Error(), "an administrator approves the client with `countersign client approve "+o.ClientID+"` on the server's machine")
	}
	if err != nil {
		return nil, err
	}
	s := &signIn{Issuer: o.Issuer, ClientID: o.ClientID, Scope: strings.Join(scopes, " ")}
	s.take(tokens)
	if err := s.introduce(ctx, api); err != nil {
		return nil, errors.Join(err, client.Revoke(ctx, s.AccessToken, s.RefreshToken))
	}
	return s, p.saveSignIn(server, s)
}

// introduce asks the server who signed in. Whoever may not administer it has
// nothing to keep.
func (s *signIn) introduce(ctx context.Context, api *adminclient.Client) error {
	var me struct {
		Username string `json:"username"`
	}
	known := *api
	known.Token = func(context.Context, bool) (string, error) { return s.AccessToken, nil }
	if _, err := known.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: "/v1/me", Into: &me}); err != nil {
		return err
	}
	s.Username = me.Username
	return nil
}

func newLogout(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout --server URL", Short: "End a sign-in at a server elsewhere", Args: noArgs,
		Example: `  countersign logout --server https://id.example.org
  COUNTERSIGN_SERVER=https://id.example.org countersign logout`,
	}
	addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := p.server(cmd)
		if err != nil {
			return err
		}
		if server == "" {
			return usagef(cmd, "--server is missing; give the address of the server")
		}
		return p.logout(cmd.Context(), server)
	}
	return cmd
}

// logout ends the tokens at the server and forgets them here. Where the server
// cannot be reached they are forgotten all the same, and the person is told.
func (p *program) logout(ctx context.Context, server string) error {
	s, err := p.signedIn(server)
	if err != nil {
		return err
	}
	client, err := tokenclient.New(ctx, tokenclient.Config{Issuer: s.Issuer, ClientID: s.ClientID, HTTP: p.http(), Now: time.Now})
	if err == nil {
		err = client.Revoke(ctx, s.RefreshToken, s.AccessToken)
	}
	if forgotten := p.saveSignIn(server, nil); forgotten != nil {
		return forgotten
	}
	if err != nil {
		return remedy(err, fmt.Sprintf("the sign-in is forgotten here, but may go on at the server: %v", err),
			"sign the account out everywhere at the server")
	}
	p.talk("Signed out of %s.", server)
	return nil
}
