package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/storage/failure"
)

func newClientFailures(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "failures CLIENT_ID", Short: "Show what a client was last refused, and why", Args: oneArg,
		Long: "Shows the last requests of a client that were refused, the newest first: what was wrong and what can be done.\n" +
			"Of OAuth 1.0a it shows the base string too, which is what this server took to be signed: a client that signs\n" +
			"another one, such as one with another address, is refused. Anybody can send a request in a client's name.",
		Example: `  countersign client failures CLIENT_ID
  countersign client failures CLIENT_ID -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			c, err := findClient(ctx, s, args[0])
			if err != nil {
				return err
			}
			list, err := s.failures.List(ctx, c.ID, failure.Kept)
			if err != nil {
				return err
			}
			return out.print(p.stdout, list, func(tw *tabwriter.Writer) { failureRows(tw, list) })
		})
	}
	return cmd
}

// failureRows writes each failure as lines of its members, with a line between
// two of them: a base string is longer than a column.
func failureRows(tw *tabwriter.Writer, list []failure.Failure) {
	for i, f := range list {
		if i > 0 {
			row(tw, "")
		}
		row(tw, "at", f.At)
		for _, member := range []struct{ name, value string }{
			{"endpoint", f.Endpoint},
			{"error", f.Code},
			{"cause", f.Cause},
			{"remedy", f.Remedy},
			{"request", f.RequestID},
			{"address", f.Address},
			{"base string", f.BaseString},
		} {
			if member.value != "" {
				row(tw, member.name, member.value)
			}
		}
	}
}
