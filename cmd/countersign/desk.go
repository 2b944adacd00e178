package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"countersign/authz/outbound"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/failure"
)

// clientDesk is where the client commands do their work: on the database
// ([databaseDesk]), or at a server that is somewhere else ([remoteDesk]). The
// rules are the store's either way.
type clientDesk interface { //nolint:interfacebloat // one for each thing that the client commands do
	// List returns all clients that the filter selects.
	List(ctx context.Context, f clientstore.Filter) ([]clientstore.Document, error)
	Get(ctx context.Context, id string) (*clientstore.Client, error)
	Impact(ctx context.Context, id string) (clientstore.Impact, error)
	Register(ctx context.Context, r clientstore.Registration) (*clientstore.Client, string, error)
	// RegisterApproved registers a client and approves it.
	RegisterApproved(ctx context.Context, r clientstore.Registration) (*clientstore.Client, string, error)
	// Edit changes what was seen of a client.
	Edit(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted) (*clientstore.Client, error)
	// Approve lets what was seen of a client work, under the conditions; nil
	// keeps those that it has.
	Approve(ctx context.Context, seen *clientstore.Client, on *clientstore.Conditions) (*clientstore.Client, error)
	// ApproveEdited changes and approves what was seen of a client, as one.
	ApproveEdited(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted, on *clientstore.Conditions) (*clientstore.Client, error)
	Disapprove(ctx context.Context, id, reason string) (*clientstore.Client, error)
	Remove(ctx context.Context, seen *clientstore.Client) error
	RotateSecret(ctx context.Context, id string, r secretRotation) (*clientstore.Client, string, error)
	// WaitingSecret returns the secret of the client that waits for another
	// administrator, nil if none does; ConfirmSecret and RejectSecret decide.
	WaitingSecret(ctx context.Context, id string) (*clientstore.WaitingDocument, error)
	ConfirmSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error)
	RejectSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error)
	// Revision returns the revision of the client that waits, nil if none does.
	Revision(ctx context.Context, c *clientstore.Client) (*revisionView, error)
	ApproveRevision(ctx context.Context, id, revision string) (*clientstore.Client, error)
	RejectRevision(ctx context.Context, id, revision, reason string) (*clientstore.Client, error)
	// Failures returns what the client was last refused, the newest first.
	Failures(ctx context.Context, id string) ([]failure.Failure, error)
	Account(ctx context.Context, id string) (*account.Account, error)
	AccountNamed(ctx context.Context, username string) (*account.Account, error)
	// Release takes what was seen of a client out of its file's hands.
	Release(ctx context.Context, seen *clientstore.Client) (*clientstore.Client, error)
	fileDesk
}

// secretRotation is a secret that follows others.
type secretRotation struct {
	secret           string // a typed one, empty for one that is generated
	overlap, expires time.Duration
}

// withClients runs a command where its clients are: at the server that was
// chosen, or on the configured database.
func (p *program) withClients(cmd *cobra.Command, do func(context.Context, clientDesk) error) error {
	server, err := p.server(cmd)
	if err != nil {
		return err
	}
	if server != "" {
		remote, err := p.remote(server)
		if err != nil {
			return err
		}
		return do(cmd.Context(), remote)
	}
	return p.withStores(cmd, func(ctx context.Context, s *stores) error { return do(ctx, databaseDesk{s}) })
}

// databaseDesk works on the database, beside a server that may be running.
type databaseDesk struct{ *stores }

// List reads all pages of the list.
func (d databaseDesk) List(ctx context.Context, f clientstore.Filter) ([]clientstore.Document, error) {
	docs := []clientstore.Document{}
	const page = 500
	for f.Limit = page; ; {
		clients, err := d.clients.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range clients {
			docs = append(docs, clients[i].Document())
		}
		if len(clients) < page {
			return docs, nil
		}
		f.After = clients[len(clients)-1].CursorBy(f.Sort)
	}
}

// Get returns the client with the key.
func (d databaseDesk) Get(ctx context.Context, id string) (*clientstore.Client, error) {
	return d.clients.Get(ctx, id)
}

// Impact counts what disapproving or removing the client ends.
func (d databaseDesk) Impact(ctx context.Context, id string) (clientstore.Impact, error) {
	return d.clients.Impact(ctx, id)
}

// Register registers a client, pending.
func (d databaseDesk) Register(ctx context.Context, r clientstore.Registration) (*clientstore.Client, string, error) {
	var err error
	if r.Sector, err = outbound.Sector(ctx, d.outbound, &clientstore.Metadata{}, &r.Metadata); err != nil {
		return nil, "", err
	}
	return d.clients.Register(ctx, actor(), r)
}

// RegisterApproved registers and approves in one transaction, so that a
// failure leaves nothing half done.
func (d databaseDesk) RegisterApproved(ctx context.Context, r clientstore.Registration) (c *clientstore.Client, secret string, err error) {
	if r.Sector, err = outbound.Sector(ctx, d.outbound, &clientstore.Metadata{}, &r.Metadata); err != nil {
		return nil, "", err
	}
	err = d.db.InTx(ctx, func(ctx context.Context) error {
		if c, secret, err = d.clients.Register(ctx, actor(), r); err != nil {
			return err
		}
		c, err = d.clients.Approve(ctx, actor(), c.ID)
		return err
	})
	return c, secret, err
}

// Edit changes the client, if it is as it was seen.
func (d databaseDesk) Edit(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted) (*clientstore.Client, error) {
	sector, err := outbound.Sector(ctx, d.outbound, &seen.Metadata, &w.Metadata)
	if err != nil {
		return nil, err
	}
	return d.clients.Edit(ctx, actor(), seen.ID, clientstore.Edit{Name: &w.Name, Metadata: &w.Metadata, Version: seen.Version, Sector: sector})
}

// Approve lets the client work, if it is as it was seen.
func (d databaseDesk) Approve(ctx context.Context, seen *clientstore.Client, on *clientstore.Conditions) (*clientstore.Client, error) {
	return d.clients.ApproveOn(ctx, actor(), seen.ID, clientstore.Approval{Conditions: on, Version: seen.Version})
}

// ApproveEdited changes the client and lets it work, if it is as it was seen.
func (d databaseDesk) ApproveEdited(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted, on *clientstore.Conditions) (*clientstore.Client, error) {
	sector, err := outbound.Sector(ctx, d.outbound, &seen.Metadata, &w.Metadata)
	if err != nil {
		return nil, err
	}
	return d.clients.ApproveEdited(ctx, actor(), seen.ID, clientstore.Edit{
		Name: &w.Name, Metadata: &w.Metadata, Version: seen.Version, Sector: sector, Conditions: on,
	})
}

// Disapprove stops the client.
func (d databaseDesk) Disapprove(ctx context.Context, id, reason string) (*clientstore.Client, error) {
	return d.clients.Disapprove(ctx, actor(), id, reason)
}

// Remove removes the client for good, whatever became of it since it was seen:
// who removes one wants none of it.
func (d databaseDesk) Remove(ctx context.Context, seen *clientstore.Client) error {
	return d.clients.Remove(ctx, actor(), seen.ID)
}

// RotateSecret gives the client a new secret.
func (d databaseDesk) RotateSecret(ctx context.Context, id string, r secretRotation) (*clientstore.Client, string, error) {
	return d.clients.RotateSecret(ctx, actor(), id, clientstore.Rotation{
		Secret: r.secret, Overlap: r.overlap, ExpiresAt: after(d.stores, r.expires),
	})
}

// Revision returns what the client asked to become.
func (d databaseDesk) Revision(ctx context.Context, c *clientstore.Client) (*revisionView, error) {
	r, err := d.clients.Revision(ctx, c.ID)
	if err != nil || r == nil {
		return nil, err
	}
	differences, err := r.Differences(c)
	if err != nil {
		return nil, err
	}
	return &revisionView{r.ID, r.CreatedAt.UTC(), r.CreatedBy, differences}, nil
}

// ApproveRevision makes the client what the revision says.
func (d databaseDesk) ApproveRevision(ctx context.Context, id, revision string) (*clientstore.Client, error) {
	return d.clients.ApproveRevision(ctx, actor(), id, revision)
}

// RejectRevision forgets the revision.
func (d databaseDesk) RejectRevision(ctx context.Context, id, revision, reason string) (*clientstore.Client, error) {
	return d.clients.RejectRevision(ctx, actor(), id, revision, reason)
}

// Failures returns what the client was last refused.
func (d databaseDesk) Failures(ctx context.Context, id string) ([]failure.Failure, error) {
	return d.failures.List(ctx, id, failure.Kept)
}

// Account returns the account with the identifier.
func (d databaseDesk) Account(ctx context.Context, id string) (*account.Account, error) {
	return d.accounts.Get(ctx, id)
}

// AccountNamed returns the account with the username.
func (d databaseDesk) AccountNamed(ctx context.Context, username string) (*account.Account, error) {
	return d.accounts.Find(ctx, username)
}
