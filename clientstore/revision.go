package clientstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
)

// Revision is what an approved client wants to become. It is not effective
// before an administrator approves it.
type Revision struct {
	ClientID string `gorm:"primaryKey"`
	// ID is another for every change of the revision, so that what an
	// administrator approves is what was looked at.
	ID        string
	Name      string
	Metadata  Metadata `gorm:"serializer:json"`
	CreatedAt time.Time
	CreatedBy string
	// Authors are the accounts that had a hand in it.
	Authors []string `gorm:"serializer:json"`
	// Administered reports that an administrator made it, who may give what a
	// registrant may not.
	Administered bool
}

// Rejection is what became of a revision that an administrator rejected.
type Rejection struct {
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"` // what the administrator wrote
	// Revision is what was rejected, to be had again by [Store.Undo].
	Revision *Revision `json:"revision,omitempty"`
}

// TableName names the table.
func (*Revision) TableName() string { return "client_revisions" }

// With returns the client as the revision would make it.
func (r *Revision) With(c Client) *Client {
	c.Name, c.Metadata = r.Name, r.Metadata
	return &c
}

// Difference is one member that a revision changes.
type Difference struct {
	Member string `json:"member"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Differences lists what the revision changes of the client, by member.
func (r *Revision) Differences(c *Client) ([]Difference, error) {
	return differences(c, r.With(*c))
}

// differences lists what differs between the clients, by member.
func differences(a, b *Client) ([]Difference, error) {
	before, err := a.Document().members()
	if err != nil {
		return nil, err
	}
	after, err := b.Document().members()
	if err != nil {
		return nil, err
	}
	flatten(before)
	flatten(after)
	all := maps.Clone(before)
	maps.Copy(all, after)
	list := []Difference{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(before[name], after[name]) {
			list = append(list, Difference{name, before[name], after[name]})
		}
	}
	return list, nil
}

// flatten puts what an approval is narrowed to among the members, a condition
// each.
func flatten(members map[string]any) {
	on, _ := members["conditions"].(map[string]any)
	delete(members, "conditions")
	for name, value := range on {
		members["conditions."+name] = value
	}
}

func (d Document) members() (map[string]any, error) {
	encoded, err := json.Marshal(d) //nolint:gosec // it has no secret
	if err != nil {
		return nil, fmt.Errorf("encode client: %w", err)
	}
	var members map[string]any
	err = json.Unmarshal(encoded, &members)
	return members, err
}

// Revision returns the revision of the client that waits, nil if none does.
func (s *Store) Revision(ctx context.Context, id string) (*Revision, error) {
	var found []Revision
	if err := s.db.With(ctx).Where("client_id = ?", id).Find(&found).Error; err != nil {
		return nil, storage.Err("get revision", err)
	}
	if len(found) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	return &found[0], nil
}

// Revisions returns the clients that have a revision waiting, with it, the
// oldest first.
func (s *Store) Revisions(ctx context.Context, limit int) ([]Registered, error) {
	var found []Registered
	err := s.db.With(ctx).Raw(`
		SELECT `+storage.Columns("c", Client{})+`, v.client_id AS revision_client_id, v.id AS revision_id, v.name AS revision_name, v.metadata AS revision_metadata,
			v.created_at AS revision_created_at, v.created_by AS revision_created_by,
			v.authors AS revision_authors, v.administered AS revision_administered
		FROM client_revisions v JOIN clients c ON c.id = v.client_id ORDER BY v.created_at, v.client_id LIMIT @limit`,
		map[string]any{"limit": limit}).Scan(&found).Error
	return found, storage.Err("list revisions", err)
}

// ApproveRevision makes the client what the revision says. A revision that was
// changed meanwhile is [storage.ErrConflict], and one of a client that is not
// approved a [*StatusError].
func (s *Store) ApproveRevision(ctx context.Context, by audit.Actor, id, revisionID string) (*Client, error) {
	return s.decide(ctx, id, revisionID, func(ctx context.Context, _ *Client, r *Revision) (*Client, error) {
		if err := s.checkFourEyes(by, r.CreatedBy, r.Authors); err != nil {
			return nil, err
		}
		return s.change(ctx, by, id, change{action: "client.approve_revision", columns: func(c *Client, now time.Time) (map[string]any, error) {
			c.end(now)
			if err := c.Usable(); err != nil {
				return nil, err
			}
			edited, err := s.become(c, r)
			if err != nil {
				return nil, err
			}
			return edited.editedColumns(c)
		}})
	})
}

// become returns the client as the revision makes it.
func (s *Store) become(c *Client, r *Revision) (*Client, error) {
	if r.Administered {
		return s.administered(c, r)
	}
	return s.revised(c, r.Name, r.Metadata)
}

// RejectRevision forgets the revision; the client stays what it is. The reason
// is for the people who make the client, who read it where they asked, and may
// be empty.
func (s *Store) RejectRevision(ctx context.Context, by audit.Actor, id, revisionID, reason string) (*Client, error) {
	reason = strings.TrimSpace(reason)
	if err := checkText("reason", reason, maxReason); err != nil {
		return nil, err
	}
	return s.decide(ctx, id, revisionID, func(ctx context.Context, c *Client, r *Revision) (*Client, error) {
		rejection, err := column(Rejection{s.db.Now(), actor(by), reason, r})
		if err != nil {
			return nil, err
		}
		res := s.db.With(ctx).Exec("UPDATE clients SET rejection = ?, version = version + 1 WHERE id = ?", rejection, id)
		if res.Error != nil {
			return nil, storage.Err("reject revision", res.Error)
		}
		before := r.With(*c)
		if c, err = s.Get(ctx, id); err != nil {
			return nil, err
		}
		return c, s.record(ctx, by, "client.reject_revision", before, c)
	})
}

// decide ends the wait of a revision.
func (s *Store) decide(ctx context.Context, id, revisionID string, do func(context.Context, *Client, *Revision) (*Client, error)) (*Client, error) {
	var after *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		r, err := s.Revision(ctx, id)
		switch {
		case err != nil:
			return err
		case r == nil:
			return fmt.Errorf("decide on revision: %w", storage.ErrNotFound)
		case r.ID != revisionID:
			return fmt.Errorf("decide on revision: %w", storage.ErrConflict)
		}
		if err := s.dropRevision(ctx, id); err != nil {
			return err
		}
		after, err = do(ctx, c, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// renewRevision gives the revision that waits another ID: what it changes is
// another thing now that the client is, and who looked at it before has not
// seen that.
func (s *Store) renewRevision(ctx context.Context, id string) error {
	return storage.Err("renew revision", s.db.With(ctx).Exec("UPDATE client_revisions SET id = ? WHERE client_id = ?", uuid.NewString(), id).Error)
}

func (s *Store) dropRevision(ctx context.Context, id string) error {
	return storage.Err("drop revision", s.db.With(ctx).Exec("DELETE FROM client_revisions WHERE client_id = ?", id).Error)
}

// revised returns the client as a registrant wants it. What only an
// administrator gives stays as it is.
func (s *Store) revised(c *Client, name string, m Metadata) (*Client, error) {
	edited := *c
	edited.Name, edited.Metadata = name, m
	edited.Metadata.keepDecisions(&c.Metadata)
	if err := edited.complete(s.cfg.Policy); err != nil {
		return nil, err
	}
	if err := edited.checkSubjects(c); err != nil {
		return nil, err
	}
	return &edited, edited.checkRegistrant(c)
}

// wanted is the client as a registrant wants it now. That the redirect URIs
// belong to the sector is checked here and not again when an administrator
// approves of what was checked.
func (s *Store) wanted(c *Client, e Enrolment) (*Client, error) {
	edited, err := s.revised(c, e.Name, e.Metadata)
	if err != nil {
		return nil, err
	}
	return edited, edited.Metadata.checkSector(&c.Metadata, e.Sector)
}

// Replace replaces name and metadata of the client that the registration
// access token belongs to (RFC 7592, section 2.2): at once while the client is
// pending, as a [Revision] once it is approved. A disapproved client is a
// [*StatusError]. A pending client that ceases to be public gets a secret,
// which is returned this once.
func (s *Store) Replace(ctx context.Context, by audit.Actor, token string, e Enrolment) (*Registered, string, error) {
	var after *Registered
	var secret string
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		r, err := s.Registered(ctx, token)
		if err != nil {
			return err
		}
		c, err := s.lock(ctx, r.Client.ID)
		if err != nil {
			return err
		}
		if err := c.lockedTo(change{action: "client.revise"}, nil); err != nil {
			return err
		}
		c.end(s.db.Now())
		switch c.Status {
		case Pending:
			secret, err = s.replace(ctx, by, c, e)
		case Approved:
			err = s.revise(ctx, by, c, e)
		default:
			err = c.Usable()
		}
		if err != nil {
			return err
		}
		after, err = s.Registered(ctx, token)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return after, secret, nil
}

// replace changes a pending client.
func (s *Store) replace(ctx context.Context, by audit.Actor, c *Client, e Enrolment) (secret string, err error) {
	after, err := s.change(ctx, by, c.ID, change{action: "client.edit", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		edited, err := s.wanted(c, e)
		if err != nil {
			return nil, err
		}
		switch {
		case edited.IsPublic():
			edited.Secrets = []Secret{}
		case c.IsPublic():
			var kept Secret
			if kept, secret, err = s.newSecret(ctx, edited, ""); err != nil {
				return nil, err
			}
			edited.Secrets = []Secret{kept}
		}
		return edited.editedColumns(c)
	}})
	if err != nil || after.Version == c.Version {
		return secret, err
	}
	return secret, s.awaitDecision(ctx, c.ID, after.Version, "")
}

// ownRevision returns what the client wanted to become before, nil for nothing. A
// change that an administrator made is in its way.
func (s *Store) ownRevision(ctx context.Context, id string) (*Revision, error) {
	waiting, err := s.Revision(ctx, id)
	if err == nil && waiting != nil && waiting.Administered {
		err = refuse("client_id", "is being changed by an administrator, which waits for approval; try again when that is decided")
	}
	return waiting, err
}

// revise keeps what an approved client wants to become.
func (s *Store) revise(ctx context.Context, by audit.Actor, c *Client, e Enrolment) error {
	edited, err := s.wanted(c, e)
	if err != nil {
		return err
	}
	if edited.IsPublic() != c.IsPublic() {
		return refuse("token_endpoint_auth_method", "an approved client does not become public, nor cease to be; register another")
	}
	waiting, err := s.ownRevision(ctx, c.ID)
	if err != nil {
		return err
	}
	columns, err := edited.editedColumns(c)
	if err != nil {
		return err
	}
	if columns == nil {
		return s.withdraw(ctx, by, c, waiting)
	}
	if waiting != nil {
		if columns, err = edited.editedColumns(waiting.With(*c)); err != nil || columns == nil {
			return err
		}
		if err := s.dropRevision(ctx, c.ID); err != nil {
			return err
		}
	}
	return s.keepWish(ctx, by, c, edited)
}

// keepWish keeps the client as it wants to become, until an administrator
// decides.
func (s *Store) keepWish(ctx context.Context, by audit.Actor, c, edited *Client) error {
	r := &Revision{
		ClientID: c.ID, ID: uuid.NewString(), Name: edited.Name, Metadata: edited.Metadata,
		CreatedAt: s.db.Now(), CreatedBy: actor(by), Authors: []string{},
	}
	if err := s.keepRevision(ctx, r); err != nil {
		return err
	}
	if err := s.awaitDecision(ctx, c.ID, c.Version, r.ID); err != nil {
		return err
	}
	return s.record(ctx, by, "client.revise", c, edited)
}

// keepRevision keeps a revision, and forgets what became of the last one.
func (s *Store) keepRevision(ctx context.Context, r *Revision) error {
	err := s.db.With(ctx).Create(r).Error
	if err == nil {
		err = s.db.With(ctx).Exec("UPDATE clients SET rejection = NULL WHERE id = ?", r.ClientID).Error
	}
	return storage.Err("keep revision", err)
}

// withdraw forgets a revision that its client no longer wants.
func (s *Store) withdraw(ctx context.Context, by audit.Actor, c *Client, r *Revision) error {
	if r == nil {
		return nil
	}
	if err := s.dropRevision(ctx, c.ID); err != nil {
		return err
	}
	return s.record(ctx, by, "client.withdraw_revision", r.With(*c), c)
}
