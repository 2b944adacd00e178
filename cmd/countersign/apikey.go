package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/apikey"
)

func newAPIKey(p *program) *cobra.Command {
	return noun("api-key", "Manage the keys by which programs use the administration's API",
		`  countersign api-key create --username ada --name "deploy pipeline" --scope "clients:read clients:write"
  countersign api-key list`,
		newAPIKeyCreate(p), newAPIKeyList(p), newAPIKeyRevoke(p))
}

// madeKey is a key that was just made, with its value.
type madeKey struct {
	Value string `json:"api_key"`
	apikey.Key
	Username string `json:"username"`
}

func newAPIKeyCreate(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --username USERNAME --name NAME", Short: "Make an API key; it is printed this once", Args: noArgs,
		Long: "Makes an API key that acts for an administrator's account, as far as its scopes go. It ends by itself, with\n" +
			"the account's permission, and for good when the account is disabled or its password is replaced.",
		Example: `  countersign api-key create --username ada --name "deploy pipeline" --scope "clients:read clients:write"
  countersign api-key create --username ada --name report --scope audit:read --expires-in 720h -o json`,
	}
	var o apikey.Order
	var username, scope string
	cmd.Flags().StringVar(&username, "username", "", "the `name` of the account that it acts for")
	cmd.Flags().StringVar(&o.Name, "name", "", "what the key is for, as a `name`")
	cmd.Flags().StringVar(&scope, "scope", clientstore.ScopeClientsRead, "what it may do, as `scopes` with spaces between")
	cmd.Flags().DurationVar(&o.Lifetime, "expires-in", 90*24*time.Hour, "how long it is valid, as a `duration` of at most 8784h")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if username == "" || o.Name == "" {
			return usagef(cmd, "--username and --name are needed: for whom the key acts, and what it is for")
		}
		o.Scopes = strings.Fields(scope)
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			made, err := makeKey(ctx, s, username, o)
			if err != nil {
				return err
			}
			p.talk("The key cannot be shown again; keep it now.")
			return out.print(p.stdout, made, func(tw *tabwriter.Writer) {
				row(tw, "api_key", made.Value)
				row(tw, "id", made.ID)
				row(tw, "username", made.Username)
				row(tw, "scopes", made.Scopes)
				row(tw, "until", made.ExpiresAt)
			})
		})
	}
	return cmd
}

func makeKey(ctx context.Context, s *stores, username string, o apikey.Order) (*madeKey, error) {
	a, err := findUser(ctx, s, username)
	if err != nil {
		return nil, err
	}
	if !a.Has(account.ConfigureServer) {
		return nil, remedy(nil, fmt.Sprintf("%s may not configure the server, so that a key of theirs could do nothing", a.Username),
			"name an administrator, or give the permission: countersign user permit "+a.Username+" --permission configure_server")
	}
	o.AccountID = a.ID
	k, value, err := s.apiKeys.Create(ctx, actor(), o)
	if errors.Is(err, apikey.ErrNotAcceptable) {
		return nil, remedy(err, err.Error(), "see `countersign api-key create --help`")
	}
	if err != nil {
		return nil, err
	}
	return &madeKey{value, *k, a.Username}, nil
}

func newAPIKeyList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the API keys, newest first", Args: noArgs,
		Example: `  countersign api-key list
  countersign api-key list -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			list, err := s.apiKeys.List(ctx)
			if err != nil {
				return err
			}
			return out.print(p.stdout, list, func(tw *tabwriter.Writer) {
				row(tw, "ID", "NAME", "PREFIX", "USERNAME", "SCOPES", "UNTIL", "USED", "LIVE")
				for _, k := range list {
					row(tw, k.ID, k.Name, k.Prefix, k.Username, k.Scopes, k.ExpiresAt, k.UsedAt, k.Live)
				}
			})
		})
	}
	return cmd
}

func newAPIKeyRevoke(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End an API key at once", Args: oneArg,
		Example: `  countersign api-key revoke ID
  countersign --data /var/lib/countersign api-key revoke ID`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStores(cmd, func(ctx context.Context, s *stores) error {
				err := s.apiKeys.Revoke(ctx, actor(), args[0])
				if errors.Is(err, storage.ErrNotFound) {
					return remedy(err, fmt.Sprintf("no API key has the ID %q, or it was revoked before", args[0]), "`countersign api-key list` shows all")
				}
				return err
			})
		},
	}
}
