package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
)

func newInitialToken(p *program) *cobra.Command {
	return noun("initial-token", "Manage the initial access tokens that let clients register themselves",
		`  countersign client initial-token create --name "build pipeline" --uses 10 --approve
  countersign client initial-token list`,
		newInitialTokenCreate(p), newInitialTokenList(p), newInitialTokenRevoke(p))
}

// initialView is an initial access token as the command line prints it, with
// its value when that was just made.
type initialView struct {
	Token string `json:"token,omitempty"`
	clientstore.InitialToken
}

func newInitialTokenCreate(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --name NAME", Short: "Make an initial access token; it is printed this once", Args: noArgs,
		Example: `  countersign client initial-token create --name "ada's laptop"
  countersign client initial-token create --name "build pipeline" --uses 10 --lifetime 1h --approve -o json`,
	}
	var g clientstore.InitialGrant
	cmd.Flags().StringVar(&g.Name, "name", "", "what the token is for, as a `name`")
	cmd.Flags().DurationVar(&g.Lifetime, "lifetime", 24*time.Hour, "how long the token is valid, as a `duration`")
	cmd.Flags().Int64Var(&g.Uses, "uses", 1, "how many clients it registers, as a `number`")
	cmd.Flags().BoolVar(&g.Approve, "approve", false, "approve in advance what is registered with it")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if g.Name == "" {
			return usagef(cmd, "--name is missing; say what the token is for")
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			t, value, err := s.clients.CreateInitialToken(ctx, actor(), g)
			if err != nil {
				return err
			}
			p.talk("The token cannot be shown again; keep it now.")
			return out.print(p.stdout, initialView{value, *t}, func(tw *tabwriter.Writer) {
				row(tw, "token", value)
				row(tw, "id", t.ID)
				row(tw, "name", t.Name)
				row(tw, "uses", t.UsesLeft)
				row(tw, "approves", t.Approve)
				row(tw, "until", t.ExpiresAt)
			})
		})
	}
	return cmd
}

func newInitialTokenList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the initial access tokens, newest first", Args: noArgs,
		Example: `  countersign client initial-token list
  countersign client initial-token list -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			list, err := s.clients.InitialTokens(ctx)
			if err != nil {
				return err
			}
			return out.print(p.stdout, list, func(tw *tabwriter.Writer) {
				row(tw, "ID", "NAME", "USES LEFT", "APPROVES", "UNTIL", "REVOKED")
				for _, t := range list {
					row(tw, t.ID, t.Name, t.UsesLeft, t.Approve, t.ExpiresAt, t.RevokedAt)
				}
			})
		})
	}
	return cmd
}

func newInitialTokenRevoke(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End an initial access token; the clients registered with it stay", Args: oneArg,
		Example: `  countersign client initial-token revoke ID
  countersign client initial-token revoke ID -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			t, err := revokeInitialToken(ctx, s, args[0])
			if errors.Is(err, storage.ErrNotFound) {
				return remedy(err, fmt.Sprintf("no initial access token has the ID %q, or it was revoked before", args[0]),
					"`countersign client initial-token list` shows all")
			}
			if err != nil {
				return err
			}
			return out.print(p.stdout, t, func(tw *tabwriter.Writer) {
				row(tw, "id", t.ID)
				row(tw, "name", t.Name)
				row(tw, "revoked", t.RevokedAt)
			})
		})
	}
	return cmd
}

// revokeInitialToken ends the token, and returns it as it is then.
func revokeInitialToken(ctx context.Context, s *stores, id string) (*clientstore.InitialToken, error) {
	var list []clientstore.InitialToken
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		err := s.clients.RevokeInitialToken(ctx, actor(), id)
		if err != nil {
			return err
		}
		list, err = s.clients.InitialTokens(ctx)
		return err
	})
	for i := range list {
		if list[i].ID == id {
			return &list[i], err
		}
	}
	return nil, err
}
