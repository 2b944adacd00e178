package clientstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// ErrOwnWork reports that an administrator would approve, under four eyes, what
// they registered or edited themselves.
var ErrOwnWork = errors.New("under four_eyes nobody approves what they registered or edited themselves")

// FourEyes reports whether what an administrator makes of a client waits for
// another administrator.
func (s *Store) FourEyes() bool { return s.cfg.FourEyes }

// OwnWork reports whether the account may not approve the client, or with one
// that waits the revision, because it made it what it is.
func (s *Store) OwnWork(c *Client, r *Revision, accountID string) bool {
	by := audit.Actor{AccountID: accountID}
	if r != nil {
		return s.checkFourEyes(by, r.CreatedBy, r.Authors) != nil
	}
	return s.checkFourEyes(by, c.CreatedBy, c.Authors) != nil
}

// checkFourEyes refuses an approval by who made what is approved. Who works on
// the database itself, by the command line of the server's machine, could do
// anything to it and is nobody's second pair of eyes; the audit record tells.
func (s *Store) checkFourEyes(by audit.Actor, creator string, authors []string) error {
	if !s.cfg.FourEyes || by.AccountID == "" {
		return nil
	}
	if by.AccountID == creator || slices.Contains(authors, by.AccountID) {
		return ErrOwnWork
	}
	return nil
}

// authored returns the columns that an edit writes, nil when the client is as
// it was. Who edits a client that is not approved has a hand in what will be.
func (s *Store) authored(c, edited *Client, e edit, by audit.Actor) (map[string]any, error) {
	columns, err := edited.editedColumns(c)
	if err != nil || columns == nil || by.AccountID == "" {
		return columns, err
	}
	if e.further != nil && s.cfg.FourEyes {
		return nil, ErrOwnWork // it would be approved with what its approver changed
	}
	switch {
	case c.Status != Approved, c.Lapsed(s.db.Now()): // one whose approval has ended may not be noted as such yet
		columns["authors"], err = column(unique(append(slices.Clone(c.Authors), by.AccountID)))
	case s.cfg.FourEyes: // it was approved since it was looked at: the edit waits for another administrator, too
		return nil, fmt.Errorf("edit client: %w", storage.ErrConflict)
	}
	return columns, err
}

// propose keeps an administrator's edit of an approved client as a revision,
// which another administrator approves. The client is returned as it is.
func (s *Store) propose(ctx context.Context, by audit.Actor, id string, e Edit) (*Client, error) {
	var c *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		var err error
		if c, err = s.lock(ctx, id); err != nil {
			return err
		}
		edited, err := s.edited(c, e)
		if err != nil {
			return err
		}
		if columns, err := edited.editedColumns(c); err != nil || columns == nil {
			return err
		}
		if err := c.lockedTo(change{action: "client.edit"}, nil); err != nil {
			return err
		}
		if err := s.checkFunctional(ctx, &c.Metadata, &edited.Metadata); err != nil {
			return err
		}
		return s.keepProposal(ctx, by, c, edited)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// keepProposal puts the proposal in the place of a revision that waits, whose
// authors stay among those who may not approve it.
func (s *Store) keepProposal(ctx context.Context, by audit.Actor, c, edited *Client) error {
	waiting, err := s.Revision(ctx, c.ID)
	if err != nil {
		return err
	}
	r := &Revision{
		ClientID: c.ID, ID: uuid.NewString(), Name: edited.Name, Metadata: edited.Metadata,
		CreatedAt: s.db.Now(), CreatedBy: actor(by), Authors: []string{by.AccountID}, Administered: true,
	}
	if waiting != nil {
		r.Authors = unique(append(r.Authors, append(waiting.Authors, waiting.CreatedBy)...))
		if err := s.dropRevision(ctx, c.ID); err != nil {
			return err
		}
	}
	if err := s.keepRevision(ctx, r); err != nil {
		return err
	}
	if err := s.awaitDecision(ctx, c.ID, c.Version, r.ID); err != nil {
		return err
	}
	return s.record(ctx, by, "client.revise", c, edited)
}

// administered returns the client as an administrator's revision makes it.
func (s *Store) administered(c *Client, r *Revision) (*Client, error) {
	edited := r.With(*c)
	if err := edited.complete(s.cfg.Policy); err != nil {
		return nil, err
	}
	if !edited.UsesSecret() {
		edited.Secrets = []Secret{}
	}
	return edited, edited.checkSubjects(c)
}

// works reports whether the client is one that works: approved, and for a time
// that is not over.
func (s *Store) works(c *Client) bool { return c.Status == Approved && !c.Lapsed(s.db.Now()) }

// addAuthor adds to the columns of a change of a client that does not work who
// made it, and so has a hand in what will.
func (s *Store) addAuthor(c *Client, by audit.Actor, columns map[string]any) (err error) {
	if by.AccountID != "" && !s.works(c) {
		columns["authors"], err = column(unique(append(slices.Clone(c.Authors), by.AccountID)))
	}
	return err
}

// MayApply returns nil for a plan that the actor may make come true. Under four
// eyes an administrator does not by a file what they may not do without one:
// change a client that works, give it a secret, or approve what they made. What
// is refused is a [*ManifestError] and [ErrOwnWork]; nothing of it can wait for
// another administrator, for a file is applied as a whole. Nobody is refused
// anything who works on the database itself.
func (s *Store) MayApply(by audit.Actor, p *Plan) error {
	if !s.cfg.FourEyes || by.AccountID == "" {
		return nil
	}
	faults := &ManifestError{}
	for i := range p.Steps {
		if err := s.mayApply(by, &p.Steps[i]); err != nil {
			faults.Faults = append(faults.Faults, &DeclarationError{p.Steps[i].Handle, err})
		}
	}
	if len(faults.Faults) > 0 {
		return faults
	}
	return nil
}

func (s *Store) mayApply(by audit.Actor, step *Step) error {
	before, after := step.Before, step.After
	if after == nil || !step.Changes() {
		return nil // to take power away needs nobody else
	}
	edits, gives := step.edits(), step.gives()
	if before != nil && s.works(before) {
		return s.mayApplyToWorking(by, step, edits, gives)
	}
	if after.Status == Approved && (before == nil || edits != "" || gives || s.checkFourEyes(by, before.CreatedBy, before.Authors) != nil) {
		return alone("status", approvesOwnWork)
	}
	return nil
}

// mayApplyToWorking is mayApply for a client that works.
func (s *Store) mayApplyToWorking(by audit.Actor, step *Step, edits string, gives bool) error {
	before, after := step.Before, step.After
	switch {
	case edits != "":
		return alone(edits, "changes an approved client, which under four_eyes nobody does alone: apply the file on the server's machine, or disapprove the client, apply, and have another administrator approve it")
	case gives:
		return alone("secret", "gives an approved client a secret that works at once, which under four_eyes nobody does alone: apply the file on the server's machine, or disapprove the client, apply, and have another administrator approve it")
	case after.Status == Approved && !after.Conditions.Equal(before.Conditions) && s.checkFourEyes(by, before.CreatedBy, before.Authors) != nil:
		return alone("status", approvesOwnWork)
	default:
		return nil
	}
}

const approvesOwnWork = "approves what you registered or edited, which under four_eyes nobody does: apply the file with status: pending, and have another administrator apply it with status: approved"

// alone refuses what four eyes leave to two.
func alone(field string, why locale.Message) error {
	return fmt.Errorf("%w: %w", ErrOwnWork, refuse(field, why))
}

// gives reports whether the step gives the client a secret.
func (s *Step) gives() bool {
	return s.Secret == SecretGenerated || s.Secret == SecretSet || s.Secret == SecretRotated
}

// edits names a member of its registration that the step changes, empty for
// none.
func (s *Step) edits() string {
	for _, d := range s.Differences {
		if d.Member == "client_name" || new(Metadata).member(d.Member) != nil {
			return d.Member
		}
	}
	return ""
}

// Decides reports whether the step makes an administrator's decision: it
// approves or disapproves a client, now or from now on, or sets what its
// approval is narrowed to.
func (s *Step) Decides() bool {
	before, after := s.Before, s.After
	switch {
	case after == nil || !s.Changes():
		return false
	case before == nil:
		return after.ManagedStatus != ""
	default:
		return after.Status != before.Status || after.ManagedStatus != before.ManagedStatus || !after.Conditions.Equal(before.Conditions)
	}
}
