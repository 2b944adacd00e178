package main

import (
	"context"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/storage/audit"
)

func newAudit(p *program) *cobra.Command {
	return noun("audit", "Read who changed what", `  countersign audit list
  countersign audit list --target CLIENT_ID -o json`, newAuditList(p))
}

func newAuditList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List changes, newest first", Args: noArgs,
		Example: `  countersign audit list --action client.approve --limit 20
  countersign audit list --target client:CLIENT_ID -o json`,
	}
	var f audit.Filter
	var target string
	cmd.Flags().StringVar(&target, "target", "", "only changes of this `target`: its identifier, or client:ID or account:ID")
	cmd.Flags().StringVar(&f.Action, "action", "", "only this `action`, such as client.approve")
	cmd.Flags().StringVar(&f.ActorName, "actor", "", "only changes made by this `name`")
	cmd.Flags().StringVar(&f.Before, "before", "", "continue behind the event with this `identifier`")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most so many (default 100)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.TargetID = target
		if kind, id, ok := strings.Cut(target, ":"); ok {
			f.TargetType, f.TargetID = kind, id
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			events, err := s.audit.List(ctx, f)
			if err != nil {
				return err
			}
			if events == nil {
				events = []audit.Event{}
			}
			return out.print(p.stdout, events, func(tw *tabwriter.Writer) {
				row(tw, "TIME", "BY", "VIA", "ACTION", "TARGET", "NAME", "ADDRESS")
				for _, e := range events {
					row(tw, e.At, e.ActorName, string(e.Via), e.Action, e.TargetID, e.TargetName, e.IP)
				}
			})
		})
	}
	return cmd
}
