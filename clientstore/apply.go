package clientstore

import (
	"context"
	"fmt"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/signout"
)

// filesLock is the advisory lock under which PostgreSQL servers apply clients
// files, one at a time. SQLite has one writer as it is.
const filesLock = 0x4353464c5953 // CSFLYS

// Applied is what became of one client of a file.
type Applied struct {
	Handle string
	Client *Client // nil for one that was removed
	// Secret is the one that was generated, which cannot be read again; empty
	// for none.
	Secret string
}

// made is a secret that was made for a step, before the transaction: nobody has
// to wait for the slow hash of a typed one.
type made struct {
	kept      Secret
	generated string
}

// Apply makes a plan come true, all of it or nothing. A client that was changed
// since it was planned is [storage.ErrConflict], and what four eyes leave to
// somebody else an error of [Store.MayApply]. Keep is told of what has been
// done just before it counts, with the secrets that cannot be read again; its
// error undoes everything. It may be nil.
func (s *Store) Apply(ctx context.Context, by audit.Actor, p *Plan, keep func([]Applied) error) ([]Applied, error) {
	if err := s.MayApply(by, p); err != nil {
		return nil, err
	}
	if err := s.Prepare(ctx, p); err != nil {
		return nil, err
	}
	var done []Applied
	err := s.db.InTx(ctx, func(ctx context.Context) (err error) {
		if done, err = s.applySteps(ctx, by, p); err != nil || keep == nil {
			return err
		}
		return keep(done)
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

func (s *Store) applySteps(ctx context.Context, by audit.Actor, p *Plan) (done []Applied, err error) {
	if err := s.lockFiles(ctx); err != nil {
		return nil, err
	}
	for i := range p.Steps {
		step := &p.Steps[i]
		if !step.Changes() {
			continue
		}
		var m made
		if step.made != nil {
			m = *step.made
		}
		c, err := s.applyStep(ctx, by, step, m)
		if err != nil {
			return nil, err
		}
		done = append(done, Applied{step.Handle, c, m.generated})
	}
	return done, nil
}

// Prepare makes the secrets that the plan gives, which takes long where they are
// typed ones: [Store.Apply] does it before its transaction, and who calls that
// within another one does it before.
func (s *Store) Prepare(ctx context.Context, p *Plan) error {
	for i := range p.Steps {
		step, typed := &p.Steps[i], ""
		if step.made != nil {
			continue
		}
		switch step.Secret {
		case SecretSet, SecretRotated:
			typed = step.declared.Secret.Value
		case SecretGenerated:
		case SecretTaken, SecretLeft, "":
			continue
		}
		kept, generated, err := s.newSecret(ctx, step.After, typed)
		if err != nil {
			return err
		}
		step.made = &made{kept, generated}
	}
	return nil
}

func (s *Store) lockFiles(ctx context.Context) error {
	if s.db.Dialect() != storage.PostgreSQL {
		return nil
	}
	return storage.Err("lock clients files", s.db.With(ctx).Exec("SELECT pg_advisory_xact_lock(?)", int64(filesLock)).Error)
}

// applyStep changes one client. The rows are locked from the first statement
// on, so that what follows it meets what was planned.
func (s *Store) applyStep(ctx context.Context, by audit.Actor, step *Step, m made) (*Client, error) {
	if step.Before == nil {
		return s.applyNew(ctx, by, step, m)
	}
	now, err := s.lock(ctx, step.Before.ID)
	if err != nil {
		return nil, err
	}
	if now.Version != step.Before.Version {
		return nil, fmt.Errorf("apply clients file: %w", storage.ErrConflict)
	}
	if step.Action == Remove {
		return nil, s.remove(ctx, by, now)
	}
	c := now
	for _, apply := range []func(context.Context, audit.Actor, *Step, made) (*Client, error){
		s.applyManagement, s.applyEdit, s.applySecret, s.applyStatus,
	} {
		changed, err := apply(ctx, by, step, m)
		if err != nil {
			return nil, err
		}
		c = changed
	}
	return c, nil
}

// applyNew registers a client.
func (s *Store) applyNew(ctx context.Context, by audit.Actor, step *Step, m made) (*Client, error) {
	if err := s.isNew(ctx, step.After.ID); err != nil {
		return nil, err
	}
	now := s.db.Now()
	c := *step.After
	c.Status, c.StatusReason, c.Version, c.Secrets = Pending, "", 1, []Secret{}
	c.Conditions, c.Authors = unconditional(), []string{}
	c.CreatedAt, c.CreatedBy, c.UpdatedAt, c.StatusAt = now, actor(by), now, now
	if step.Secret != "" {
		c.Secrets = []Secret{m.kept}
	}
	if step.Secret != SecretGenerated && step.Secret != "" && !step.declared.Secret.Initial {
		c.ManagedSecret = &m.kept
	}
	if err := s.db.With(ctx).Create(&c).Error; err != nil {
		return nil, storage.Err("register client", err)
	}
	if err := s.record(ctx, by, "client.register", nil, &c); err != nil {
		return nil, err
	}
	if err := s.awaitDecision(ctx, c.ID, c.Version, ""); err != nil {
		return nil, err
	}
	return s.applyStatus(ctx, by, step, m)
}

// applyManagement makes the client the file's. What the client itself asked to
// become is forgotten: the file says what it is.
func (s *Store) applyManagement(ctx context.Context, by audit.Actor, step *Step, _ made) (*Client, error) {
	want := step.After
	return s.change(ctx, by, want.ID, change{managing: true, action: "client.manage", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		columns := map[string]any{"managed_by": want.ManagedBy, "managed_handle": want.ManagedHandle, "managed_status": want.ManagedStatus}
		switch step.Secret {
		case SecretTaken:
			encoded, err := column(step.reuse)
			columns["managed_secret"] = encoded
			return columns, err
		case SecretLeft:
			columns["managed_secret"] = nil
			return columns, nil
		default:
		}
		if c.ManagedBy == want.ManagedBy && c.ManagedHandle == want.ManagedHandle && c.ManagedStatus == want.ManagedStatus {
			return nil, nil // nothing to write
		}
		return columns, nil
	}, first: func(ctx context.Context) error {
		r, err := s.Revision(ctx, want.ID)
		if err != nil || r == nil {
			return err
		}
		if err := s.dropRevision(ctx, want.ID); err != nil {
			return err
		}
		return s.record(ctx, by, "client.reject_revision", r.With(*step.Before), step.Before)
	}})
}

func (s *Store) applyEdit(ctx context.Context, by audit.Actor, step *Step, _ made) (*Client, error) {
	return s.change(ctx, by, step.After.ID, change{managing: true, action: "client.edit", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		edited := *c
		edited.Name, edited.Metadata, edited.ConsentDigest = step.After.Name, step.After.Metadata, step.After.ConsentDigest
		if !edited.UsesSecret() {
			edited.Secrets = []Secret{}
		}
		columns, err := edited.editedColumns(c)
		if columns == nil || err != nil {
			return nil, err
		}
		if !edited.UsesSecret() {
			columns["managed_secret"] = nil
		}
		return columns, s.addAuthor(c, by, columns)
	}})
}

// applySecret adds the secret that was made; those before it end when the
// overlap is over.
func (s *Store) applySecret(ctx context.Context, by audit.Actor, step *Step, m made) (*Client, error) {
	return s.change(ctx, by, step.After.ID, change{managing: true, action: "client.rotate_secret", columns: func(c *Client, now time.Time) (map[string]any, error) {
		if m.kept.ID == "" {
			return nil, nil // nothing to write
		}
		var overlap time.Duration
		if step.Secret == SecretRotated {
			overlap = step.declared.Secret.Overlap
		}
		secrets := ending(c.Secrets, now, now.Add(overlap))
		if len(secrets) >= MaxSecrets {
			return nil, &DeclarationError{step.Handle, refuse("secret", "%d secrets are valid already; wait until the overlap of one is over, or revoke one", len(secrets))}
		}
		encoded, err := column(append(secrets, m.kept))
		if err != nil {
			return nil, err
		}
		columns := map[string]any{"secrets": encoded, "managed_secret": nil}
		if step.Secret != SecretGenerated && !step.declared.Secret.Initial {
			if columns["managed_secret"], err = column(m.kept); err != nil {
				return nil, err
			}
		}
		return columns, s.addAuthor(c, by, columns)
	}})
}

func (s *Store) applyStatus(ctx context.Context, by audit.Actor, step *Step, _ made) (*Client, error) {
	want := step.After
	if want.Status == Disapproved {
		return s.applyDisapproval(ctx, by, want)
	}
	ch := s.approval(by, func(*Client, time.Time) (Conditions, error) { return want.Conditions, nil })
	ch.managing = true
	if want.Status != Approved {
		ch.columns = func(*Client, time.Time) (map[string]any, error) { return nil, nil } // nothing to write
	}
	return s.change(ctx, by, want.ID, ch)
}

// applyDisapproval disapproves the client, with the conditions that it has when
// it is approved again.
func (s *Store) applyDisapproval(ctx context.Context, by audit.Actor, want *Client) (*Client, error) {
	c, err := s.change(ctx, by, want.ID, change{managing: true, action: "client.disapprove", columns: func(c *Client, now time.Time) (map[string]any, error) {
		return disapproved(c, by, now, want.StatusReason), nil
	}, first: func(ctx context.Context) error { return signout.Client(ctx, s.db, want.ID) }})
	if err != nil || want.Conditions.Equal(c.Conditions) && want.StatusReason == c.StatusReason {
		return c, err
	}
	return s.change(ctx, by, want.ID, change{managing: true, action: "client.edit", columns: func(*Client, time.Time) (map[string]any, error) {
		columns := want.Conditions.columns()
		columns["status_reason"] = want.StatusReason
		return columns, nil
	}})
}
