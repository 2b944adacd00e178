package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/tokenclient"
)

func newToken(p *program) *cobra.Command {
	return noun("token", "Get tokens with the built-in client", `  countersign token get --client CLIENT_ID
  countersign token get --client CLIENT_ID --grant refresh --refresh-token-stdin < refresh_token.txt`, newTokenGet(p))
}

// tokenFlags are what the built-in client is told.
type tokenFlags struct {
	grant, client, scope, issuer, path string
	port                               int
	noBrowser, refreshStdin            bool
	refreshFile                        string
	secret                             *secretFlags
}

// requestTimeout bounds each request of the built-in client.
const requestTimeout = 15 * time.Second

func newTokenGet(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get --client CLIENT_ID", Short: "Get tokens as an application would, and show what is in them", Args: noArgs,
		Long: "Gets tokens as an application would. With --grant code it opens the browser, or prints the address to\n" +
			"open, and waits on 127.0.0.1 for the browser to come back: register http://127.0.0.1/callback as a redirect\n" +
			"URI of a native client, which may use any port.",
		Example: `  countersign token get --client CLIENT_ID --scope "openid profile offline_access"
  countersign token get --client CLIENT_ID --grant refresh --refresh-token-stdin -o json < refresh_token.txt`,
	}
	var f tokenFlags
	cmd.Flags().StringVar(&f.grant, "grant", "code", "the `grant`: code or refresh")
	cmd.Flags().StringVar(&f.client, "client", "", "the client's `key`")
	cmd.Flags().StringVar(&f.scope, "scope", "", "the `scopes` to ask for, with spaces between (default openid)")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "the issuer's `URL` (default the configured one)")
	cmd.Flags().StringVar(&f.path, "redirect-path", "/callback", "the `path` of the redirect URI")
	cmd.Flags().IntVar(&f.port, "listen-port", 0, "the `port` of the redirect URI (default any)")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "only print the address to open")
	cmd.Flags().BoolVar(&f.refreshStdin, "refresh-token-stdin", false, "read the refresh token from standard input")
	cmd.Flags().StringVar(&f.refreshFile, "refresh-token-file", "", "read the refresh token from a `file`")
	f.secret = addSecret(cmd)
	cmd.MarkFlagsMutuallyExclusive("refresh-token-stdin", "refresh-token-file")
	cmd.MarkFlagsMutuallyExclusive("refresh-token-stdin", "secret-stdin")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		tokens, err := f.get(cmd, p)
		if refused, ok := errors.AsType[*tokenclient.RefusedError](err); ok {
			return remedy(err, refused.Error(), "correct what it names; `countersign client show` prints what the client may do")
		}
		if err != nil {
			return err
		}
		return out.print(p.stdout, tokens.Raw, func(tw *tabwriter.Writer) { printTokens(tw, tokens) })
	}
	return cmd
}

func (f *tokenFlags) get(cmd *cobra.Command, p *program) (*tokenclient.Tokens, error) {
	if f.client == "" {
		return nil, usagef(cmd, "--client is missing; give the key of a registered client")
	}
	if err := checkChoice(cmd, "grant", f.grant, "code", "refresh"); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(f.path, "/") {
		return nil, usagef(cmd, "--redirect-path %q must begin with a slash", f.path)
	}
	refresh, err := f.refreshToken(cmd, p)
	if err != nil {
		return nil, err
	}
	cfg, err := f.config(cmd, p)
	if err != nil {
		return nil, err
	}
	client, err := tokenclient.New(cmd.Context(), cfg)
	if err != nil {
		return nil, remedy(err, err.Error(), "check that the server runs and that --issuer is its address")
	}
	if f.grant == "refresh" {
		return client.Refresh(cmd.Context(), refresh)
	}
	return client.Code(cmd.Context())
}

// refreshToken is read before anything is asked of the server.
func (f *tokenFlags) refreshToken(cmd *cobra.Command, p *program) (string, error) {
	switch {
	case f.grant != "refresh":
		return "", nil
	case f.refreshStdin:
		return p.readSecret("refresh token", "-")
	case f.refreshFile != "":
		return p.readSecret("refresh token", f.refreshFile)
	default:
		return "", usagef(cmd, "the refresh token is missing; give it with --refresh-token-stdin or --refresh-token-file")
	}
}

func (f *tokenFlags) config(cmd *cobra.Command, p *program) (tokenclient.Config, error) {
	issuer := strings.TrimSuffix(f.issuer, "/")
	if issuer == "" {
		cfg, err := p.config(cmd)
		if err != nil {
			return tokenclient.Config{}, err
		}
		issuer = cfg.Issuer
	}
	secret, err := f.secret.read(p)
	scopes := strings.Fields(f.scope)
	if len(scopes) == 0 && f.grant == "code" {
		scopes = []string{"openid"}
	}
	return tokenclient.Config{
		Issuer: issuer, ClientID: f.client, ClientSecret: secret, Scopes: scopes, Port: f.port, Path: f.path,
		Visit: func(address string) { f.visit(cmd.Context(), p, address) },
		HTTP:  &http.Client{Timeout: requestTimeout}, Now: time.Now,
	}, err
}

// visit shows the address, and opens it where there is a browser to.
func (f *tokenFlags) visit(ctx context.Context, p *program, address string) {
	p.talk("Sign in and consent in a browser at:\n%s", address)
	if f.noBrowser {
		return
	}
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	open := exec.CommandContext(context.WithoutCancel(ctx), opener, address) //nolint:gosec // an address of the configured issuer
	if open.Start() == nil {
		go func() { _ = open.Wait() }() // the address is printed, too
	}
}

func printTokens(tw *tabwriter.Writer, t *tokenclient.Tokens) {
	row(tw, "token_type", t.TokenType)
	row(tw, "access_token", t.AccessToken)
	if !t.Expiry.IsZero() {
		row(tw, "expires", t.Expiry)
	}
	row(tw, "scope", fmt.Sprint(t.Extra("scope")))
	if t.RefreshToken != "" {
		row(tw, "refresh_token", t.RefreshToken)
	}
	if t.ID == nil {
		return
	}
	row(tw, "id_token", "verified")
	printPart(tw, "header", t.ID.Header)
	printPart(tw, "claim", t.ID.Claims)
}

// printPart writes the members of a part of the ID token as JSON, with the
// moments among them as dates.
func printPart(tw *tabwriter.Writer, part string, values map[string]any) {
	shown := map[string]any{}
	for name, value := range values {
		encoded, err := json.Marshal(value)
		if err != nil {
			continue
		}
		text := string(encoded)
		if n, ok := value.(float64); ok && (name == "exp" || name == "iat" || name == "auth_time") {
			text = fmt.Sprintf("%d (%s)", int64(n), cell(time.Unix(int64(n), 0)))
		}
		shown["  "+part+" "+name] = text
	}
	members(tw, shown)
}
