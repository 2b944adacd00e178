package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/storage/keyset"
)

func newKeys(p *program) *cobra.Command {
	return noun("keys", "Manage the keys that sign tokens, and those that requests are encrypted to", `  countersign keys list
  countersign keys rotate --alg RS256`, newKeysList(p), newKeysRotate(p))
}

// keyView is a signing key as the command line prints it.
type keyView struct {
	keyset.Key
	State string `json:"state"`
}

func viewKeys(s *stores, keys []keyset.Key) []keyView {
	now := s.db.Now()
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = keyView{k, k.State(now)}
	}
	return views
}

func printKeys(p *program, out *output, views []keyView) error {
	return out.print(p.stdout, views, func(tw *tabwriter.Writer) {
		row(tw, "KEY", "ALGORITHM", "STATE", "SIGNS FROM", "UNTIL", "PUBLISHED UNTIL")
		for _, v := range views {
			row(tw, v.ID, v.Algorithm, v.State, v.ActiveAt, v.RetiredAt, v.ExpiresAt)
		}
	})
}

func newKeysList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the keys, newest first", Args: noArgs,
		Example: `  countersign keys list
  countersign keys list -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			keys, err := s.keys.List(ctx)
			if err != nil {
				return err
			}
			return printKeys(p, out, viewKeys(s, keys))
		})
	}
	return cmd
}

func newKeysRotate(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make the next keys", Args: noArgs,
		Long: "Makes the next keys. They are published now and sign once every application had time to\n" +
			"read them; with --immediately they sign now, which is for a key that leaked. Requests may be\n" +
			"encrypted to the next keys at once, and to the old ones until they retire.",
		Example: `  countersign keys rotate
  countersign keys rotate --alg ES256 --immediately`,
	}
	algs := cmd.Flags().StringArray("alg", nil, "only this `algorithm`: RS256, ES256, PS256 or EdDSA, or the keys to encrypt to, RSA-OAEP or ECDH-ES (repeatable)")
	immediately := cmd.Flags().Bool("immediately", false, "sign with the new keys at once")
	confirm, out := addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, a := range *algs {
			if err := checkChoice(cmd, "alg", a, keyset.Kinds()...); err != nil {
				return err
			}
		}
		if *immediately {
			impact := "The new keys sign at once. Applications that remember the old key set refuse tokens until they read it again."
			if err := confirm.ask(cmd, p, impact); err != nil {
				return err
			}
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			keys, err := s.keys.Rotate(ctx, actor(), *immediately, *algs...)
			if err != nil {
				return err
			}
			return printKeys(p, out, viewKeys(s, keys))
		})
	}
	return cmd
}
