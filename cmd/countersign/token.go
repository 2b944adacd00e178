package main

import (
	"context"
	"encoding/json"
	"errors"
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
	username, passwordFile             string
	passwordStdin                      bool
	secret                             *secretFlags
}

// grants are those that the built-in client knows.
var grants = []string{"code", "device", "password", "client-credentials", "refresh", "oauth1"}

// requestTimeout bounds each request of the built-in client.
const requestTimeout = 15 * time.Second

func newTokenGet(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get --client CLIENT_ID", Short: "Get tokens as an application would, and show what is in them", Args: noArgs,
		Long: "Gets tokens as an application would. With --grant code it opens the browser, or prints the address to\n" +
			"open, and waits on 127.0.0.1 for the browser to come back: register http://127.0.0.1/callback as a redirect\n" +
			"URI of a native client, which may use any port. With --grant device it shows a code, and a QR code that\n" +
			"leads to the page for it, and waits until somebody has allowed it there.\n" +
			"It says what the server waits for, such as the approval of the client.",
		Example: `  countersign token get --client CLIENT_ID --scope "openid profile offline_access"
  countersign token get --client CLIENT_ID --grant device
  countersign token get --client CLIENT_ID --grant password --username ada --password-stdin < password.txt
  countersign token get --client CLIENT_ID --grant client-credentials --secret-stdin < secret.txt
  countersign token get --client CLIENT_ID --grant refresh --refresh-token-stdin -o json < refresh_token.txt
  countersign token get --client CLIENT_KEY --grant oauth1 --secret-stdin < secret.txt`,
	}
	var f tokenFlags
	cmd.Flags().StringVar(&f.grant, "grant", "code", "the `grant`: code, device, password, client-credentials, refresh or oauth1")
	cmd.Flags().StringVar(&f.client, "client", "", "the client's `key`")
	cmd.Flags().StringVar(&f.scope, "scope", "", "the `scopes` to ask for, with spaces between (default openid)")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "the issuer's `URL` (default the configured one)")
	cmd.Flags().StringVar(&f.path, "redirect-path", "/callback", "the `path` of the redirect URI")
	cmd.Flags().IntVar(&f.port, "listen-port", 0, "the `port` of the redirect URI (default any)")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "only print the address to open")
	cmd.Flags().BoolVar(&f.refreshStdin, "refresh-token-stdin", false, "read the refresh token from standard input")
	cmd.Flags().StringVar(&f.refreshFile, "refresh-token-file", "", "read the refresh token from a `file`")
	cmd.Flags().StringVar(&f.username, "username", "", "the `name` of the account whose password it is")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "read the password from a `file`")
	f.secret = addSecret(cmd)
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "secret-stdin")
	cmd.MarkFlagsMutuallyExclusive("refresh-token-stdin", "refresh-token-file")
	cmd.MarkFlagsMutuallyExclusive("refresh-token-stdin", "secret-stdin")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		answer, err := f.get(cmd, p)
		if refused, ok := errors.AsType[*tokenclient.RefusedError](err); ok {
			return remedy(err, refused.Error(), "correct what it names; `countersign client show` prints what the client may do")
		}
		if err != nil {
			return err
		}
		return out.print(p.stdout, answer.raw, answer.print)
	}
	return cmd
}

// tokenAnswer is what the server handed out: as it came, and for people.
type tokenAnswer struct {
	raw   json.RawMessage
	print func(*tabwriter.Writer)
}

func (f *tokenFlags) get(cmd *cobra.Command, p *program) (answer tokenAnswer, err error) {
	if f.client == "" {
		return answer, usagef(cmd, "--client is missing; give the key of a registered client")
	}
	if err := checkChoice(cmd, "grant", f.grant, grants...); err != nil {
		return answer, err
	}
	if !strings.HasPrefix(f.path, "/") {
		return answer, usagef(cmd, "--redirect-path %q must begin with a slash", f.path)
	}
	given, err := f.credential(cmd, p)
	if err != nil {
		return answer, err
	}
	cfg, err := f.config(cmd, p)
	if err != nil {
		return answer, err
	}
	client, err := tokenclient.New(cmd.Context(), cfg)
	if err != nil {
		return answer, remedy(err, err.Error(), "check that the server runs and that --issuer is its address")
	}
	if f.grant == "oauth1" {
		return oauth1Answer(client.OAuth1(cmd.Context()))
	}
	tokens, err := f.tokens(cmd, client, given)
	if err != nil {
		return answer, err
	}
	return tokenAnswer{tokens.Raw, func(tw *tabwriter.Writer) { printTokens(tw, tokens) }}, nil
}

func (f *tokenFlags) tokens(cmd *cobra.Command, client *tokenclient.Client, given string) (*tokenclient.Tokens, error) {
	switch f.grant {
	case "refresh":
		return client.Refresh(cmd.Context(), given)
	case "password":
		return client.Password(cmd.Context(), f.username, given)
	case "client-credentials":
		return client.ClientCredentials(cmd.Context())
	case "device":
		return client.Device(cmd.Context())
	default:
		return client.Code(cmd.Context())
	}
}

// credential is what the grant gives tokens for. It is read before anything is
// asked of the server.
func (f *tokenFlags) credential(cmd *cobra.Command, p *program) (string, error) {
	switch f.grant {
	case "refresh":
		return f.refreshToken(cmd, p)
	case "password":
		return f.password(cmd, p)
	default:
		return "", nil
	}
}

func (f *tokenFlags) password(cmd *cobra.Command, p *program) (string, error) {
	switch {
	case f.username == "":
		return "", usagef(cmd, "--username is missing; give the name of the account")
	case f.passwordStdin:
		return p.readSecret("password", "-")
	case f.passwordFile != "":
		return p.readSecret("password", f.passwordFile)
	default:
		return "", usagef(cmd, "the password is missing; give it with --password-stdin or --password-file")
	}
}

func (f *tokenFlags) refreshToken(cmd *cobra.Command, p *program) (string, error) {
	switch {
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
		Show:  p.showDevice, Awaited: func(description string) { p.talk("%s", description) },
		HTTP: &http.Client{Timeout: requestTimeout}, Now: time.Now,
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
