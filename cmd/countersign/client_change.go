package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
)

func newClientEdit(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "edit CLIENT_ID", Short: "Change a client's name and metadata, at once", Args: oneArg,
		Example: `  countersign client edit CLIENT_ID --name "Modeler 2027"
  countersign client edit CLIENT_ID --redirect-uri https://a.example.org/cb --redirect-uri https://b.example.org/cb --version 3`,
	}
	flags := addClientFlags(cmd)
	version := cmd.Flags().Int64("version", 0, "refuse unless the client has this `version`, as `show` printed it")
	addServer(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			c, err := findClient(ctx, d, args[0])
			if err != nil {
				return err
			}
			wanted, err := flags.edit(ctx, cmd, d, c)
			if err != nil {
				return err
			}
			if *version != 0 {
				c.Version = *version
			}
			c, err = d.Edit(ctx, c, wanted)
			if errors.Is(err, storage.ErrConflict) {
				return remedy(err, "the client was changed by somebody else meanwhile; nothing was written",
					"look at it with `countersign client show` and repeat the command")
			}
			if err != nil {
				return err
			}
			warn(p, c)
			return printClient(p, out, c, "")
		})
	}
	return cmd
}

// edit is what the flags that were given make of c.
func (f *clientFlags) edit(ctx context.Context, cmd *cobra.Command, d clientDesk, c *clientstore.Client) (clientstore.Wanted, error) {
	w := c.Wanted()
	if cmd.Flags().Changed("name") {
		w.Name = f.name
	}
	if err := f.apply(cmd, &w.Metadata); err != nil {
		return w, err
	}
	return w, f.consumer.apply(ctx, cmd, d, &w.Metadata)
}

// decision is what an administrator decides about a client, after having been
// told what it ends.
type decision struct {
	verb, short, example string
	impact               func(c *clientstore.Client, i clientstore.Impact) string
	// decide is nil of an approval, which takes more than the others.
	decide        func(ctx context.Context, d clientDesk, c *clientstore.Client, reason string) (*clientstore.Client, error)
	takesReason   bool
	takesConsumer bool
	// What is decided about a revision, with a place for the client's title in
	// the question; nothing where there is no such decision.
	revisionImpact string
	decideRevision revisionDecision
}

var (
	approving = decision{
		verb: "approve", short: "Let a client work", takesConsumer: true,
		example: `  countersign client approve CLIENT_ID
  countersign client approve CLIENT_ID --redirect-uri https://jazz.example.org/oauth/callback
  countersign client approve CLIENT_ID --scope "openid email" --until 2027-03-31 --test-user ada
  countersign client approve CLIENT_ID --trusted --functional-user nightly-export --yes -o json`,
		impact:         approvalImpact,
		revisionImpact: "This changes %s as above, now.",
		decideRevision: func(ctx context.Context, d clientDesk, id, revision, _ string) (*clientstore.Client, error) {
			return d.ApproveRevision(ctx, id, revision)
		},
	}
	disapproving = decision{
		verb: "disapprove", short: "Stop a client; its tokens die for good", takesReason: true,
		example: `  countersign client disapprove CLIENT_ID --reason "reported as stolen"
  countersign client disapprove CLIENT_ID --yes`,
		impact: func(c *clientstore.Client, i clientstore.Impact) string {
			return fmt.Sprintf("This stops %s now. It has %s; they stay dead even if it is approved again.", title(c), live(i)) + comesBack(i, "; that ends as well")
		},
		decide: func(ctx context.Context, d clientDesk, c *clientstore.Client, reason string) (*clientstore.Client, error) {
			return d.Disapprove(ctx, c.ID, reason)
		},
		revisionImpact: "This forgets the changes above; %s stays what it is.",
		decideRevision: func(ctx context.Context, d clientDesk, id, revision, reason string) (*clientstore.Client, error) {
			return d.RejectRevision(ctx, id, revision, reason)
		},
	}
	removing = decision{
		verb: "remove", short: "Remove a client for good",
		example: `  countersign client remove CLIENT_ID
  countersign client remove CLIENT_ID --yes -o json`,
		impact: func(c *clientstore.Client, i clientstore.Impact) string {
			return fmt.Sprintf("This removes %s for good. It has %s; they die now. To stop it for a time, disapprove it instead.", title(c), live(i)) + comesBack(i, "; that ends as well")
		},
		decide: func(ctx context.Context, d clientDesk, c *clientstore.Client, _ string) (*clientstore.Client, error) {
			return nil, d.Remove(ctx, c)
		},
	}
)

// title names a client in a sentence.
func title(c *clientstore.Client) string { return fmt.Sprintf("%s (%s)", printable(c.Name), c.ID) }

// comesBack tells for how many people the client may come back by itself.
func comesBack(i clientstore.Impact, end string) string {
	if i.Absent == 0 {
		return ""
	}
	return " It may come back for " + count(i.Absent, "user") + " while they are away" + end + "."
}

func live(i clientstore.Impact) string {
	return count(i.Tokens, "live token") + " of " + count(i.Accounts, "user")
}

// question is what an administrator is asked about a client.
type question struct {
	seen    *clientstore.Client // as it is
	client  *clientstore.Client // as it would be
	confirm *confirmation
	decision
	reason string
	wanted *clientstore.Wanted // what is decided beside the approval, nil for nothing
	// conditions are what the approval is narrowed to, nil for what it is already.
	conditions *clientstore.Conditions
}

// decideClient asks and decides about a client. It returns nothing when there
// is no client left.
func decideClient(ctx context.Context, cmd *cobra.Command, p *program, d clientDesk, q question) (*clientstore.Client, error) {
	impact, err := d.Impact(ctx, q.client.ID)
	if err != nil {
		return nil, err
	}
	narrowed, err := q.narrowed(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := q.confirm.ask(cmd, p, q.impact(q.client, impact)+narrowed); err != nil {
		return nil, err
	}
	var after *clientstore.Client
	switch {
	case q.decide != nil:
		return q.decide(ctx, d, q.client, q.reason)
	case q.wanted == nil:
		after, err = d.Approve(ctx, q.seen, q.conditions)
	default:
		after, err = d.ApproveEdited(ctx, q.seen, *q.wanted, q.conditions)
	}
	return after, changedMeanwhile(err)
}

// narrowed says under which conditions the client is approved, nothing where
// there are none or it is not approved.
func (q question) narrowed(ctx context.Context, d clientDesk) (string, error) {
	on := q.conditions
	if on == nil {
		on = &q.seen.Conditions
	}
	names, err := testerNames(ctx, d, on)
	if words := conditionWords(on, names); err == nil && words != "" && q.decide == nil {
		return " Under conditions: " + words + ".", nil
	}
	return "", err
}

// changedMeanwhile explains that a client is not what was looked at.
func changedMeanwhile(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return remedy(err, "the client was changed meanwhile; nothing was approved", "look at it with `countersign client show` and repeat the command")
	}
	return err
}

func newClientDecision(p *program, d decision) *cobra.Command {
	cmd := &cobra.Command{Use: d.verb + " CLIENT_ID", Short: d.short, Args: oneArg, Example: d.example}
	f := &decisionFlags{decision: d}
	if d.takesReason {
		cmd.Flags().StringVar(&f.reason, "reason", "", "the `reason`, for those who ask")
	}
	if d.decideRevision != nil {
		cmd.Flags().BoolVar(&f.revision, "revision", false, "decide about the change that the client asked for, not about the client")
	}
	if d.takesConsumer {
		f.consumer.add(cmd)
	}
	addServer(cmd)
	f.confirm, f.out = addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, p, args[0]) }
	return cmd
}

// decisionFlags are those of a command that decides about a client.
type decisionFlags struct {
	decision
	reason   string
	revision bool
	consumer approvalFlags
	confirm  *confirmation
	out      *output
}

// run asks and decides about a client, or about its revision.
func (f *decisionFlags) run(cmd *cobra.Command, p *program, id string) error {
	if f.revision && f.consumer.given(cmd) {
		return usagef(cmd, "--revision decides about the change alone; leave --trusted, --functional-user, --redirect-uri and the conditions to another command")
	}
	return p.withClients(cmd, func(ctx context.Context, desk clientDesk) error {
		q, err := f.question(ctx, cmd, desk, id)
		if err != nil {
			return err
		}
		decide := decideClient
		switch {
		case f.revision:
			decide = decideRevision
		case f.takesConsumer:
			warn(p, q.client)
		}
		after, err := decide(ctx, cmd, p, desk, q)
		if err != nil {
			return err
		}
		if after == nil {
			return printRemovedClient(p, f.out, q.seen)
		}
		return printClient(p, f.out, after, "")
	})
}

// question is what the flags make of the client that the command names.
func (f *decisionFlags) question(ctx context.Context, cmd *cobra.Command, d clientDesk, id string) (q question, err error) {
	q = question{confirm: f.confirm, decision: f.decision, reason: f.reason}
	if q.seen, err = findClient(ctx, d, id); err != nil {
		return q, err
	}
	if q.wanted, q.client, err = f.consumer.edit(ctx, cmd, d, q.seen); err != nil {
		return q, err
	}
	q.conditions, err = f.consumer.conditions(ctx, cmd, d, q.seen)
	return q, err
}

// after returns the moment d from now, nil for 0.
func after(s *stores, d time.Duration) *time.Time {
	if d == 0 {
		return nil
	}
	at := s.db.Now().Add(d)
	return &at
}
