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

// revisionView is a revision as the command line prints it.
type revisionView struct {
	ID          string                   `json:"id"`
	CreatedAt   time.Time                `json:"created_at"`
	CreatedBy   string                   `json:"created_by"`
	Differences []clientstore.Difference `json:"differences"`
}

// lines writes what the revision changes, a member a line.
func (v *revisionView) lines(tw *tabwriter.Writer) {
	row(tw, "CHANGES", "FROM", "TO")
	for _, d := range v.Differences {
		row(tw, d.Member, cell(d.Before), cell(d.After))
	}
}

// clientView is a client with its revision.
type clientView struct {
	clientstore.Document
	PendingRevision *revisionView `json:"pending_revision,omitempty"`
}

// shownClient is a client as `show` prints it, with the name of its functional
// account and those of its test users.
type shownClient struct {
	document   clientstore.Document
	functional string
	testers    map[string]string
}

// printShown prints a client with the revision that waits.
func printShown(p *program, out *output, c shownClient, v *revisionView) error {
	if v != nil && out.format == "json" {
		return out.print(p.stdout, clientView{c.document, v}, nil)
	}
	if err := printDocument(p, out, c); err != nil || v == nil {
		return err
	}
	p.talk("A revision waits; decide with: countersign client approve %s --revision, or disapprove --revision", c.document.ClientID)
	return out.print(p.stdout, v, v.lines)
}

// decideRevision asks and decides about the revision of c, which must still be
// the one that was shown.
func decideRevision(ctx context.Context, cmd *cobra.Command, p *program, d clientDesk, q question) (*clientstore.Client, error) {
	v, err := d.Revision(ctx, q.client)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, remedy(storage.ErrNotFound, "no revision of this client waits", "`countersign client show "+q.client.ID+"` shows the client")
	}
	tw := tabwriter.NewWriter(p.stderr, 0, 0, 2, ' ', 0)
	v.lines(tw)
	if err := tw.Flush(); err != nil {
		return nil, err
	}
	if err := q.confirm.ask(cmd, p, fmt.Sprintf(q.revisionImpact, title(q.client))); err != nil {
		return nil, err
	}
	after, err := q.decideRevision(ctx, d, q.client.ID, v.ID, q.reason)
	if errors.Is(err, storage.ErrConflict) {
		return nil, remedy(err, "the client changed the revision meanwhile; nothing was decided", "repeat the command and look at it again")
	}
	return after, err
}

// revisionDecision decides about the revision of a client.
type revisionDecision func(ctx context.Context, d clientDesk, id, revision, reason string) (*clientstore.Client, error)
