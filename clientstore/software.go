package clientstore

import (
	"cmp"
	"context"
	"fmt"

	"countersign/storage"
	"countersign/storage/audit"
)

// Software is what the client says it is an installation of: its software_id or,
// where it has none, the address of the page about it (RFC 7591, section 2).
// Clients with the same are reviewed together.
func (m *Metadata) Software() string { return cmp.Or(m.SoftwareID, m.ClientURI) }

// ofSoftware selects the pending clients that say they are the same software.
var ofSoftware = map[storage.Dialect]string{
	storage.SQLite:     `status = 'pending' AND COALESCE(json_extract(metadata, '$.software_id'), json_extract(metadata, '$.client_uri')) = ?`,
	storage.PostgreSQL: `status = 'pending' AND COALESCE(` + storage.WithoutNUL("metadata") + `::json ->> 'software_id', ` + storage.WithoutNUL("metadata") + `::json ->> 'client_uri') = ?`,
}

// OfSoftware returns the pending clients that say they are the same software
// ([Metadata.Software]), the oldest first, at most limit of them. It is what
// each says of itself: nobody vouches for it.
func (s *Store) OfSoftware(ctx context.Context, softwareID string, limit int) ([]Client, error) {
	found := []Client{}
	if softwareID == "" || checkText("", softwareID, maxURI) != nil {
		return found, nil //nolint:nilerr // no client says such a thing
	}
	err := s.db.With(ctx).Where(ofSoftware[s.db.Dialect()], softwareID).Order("created_at, id").Limit(limit).Find(&found).Error
	return found, storage.Err("find clients of the software", err)
}

// Together are clients that are decided on at once.
type Together struct {
	// SoftwareID is the software that each of them has to be ([Metadata.Software]);
	// empty for any, or for none.
	SoftwareID string
	Members    []Member
	// Conditions are those of each approval; nil keeps those that a client has.
	Conditions *Conditions
	// Reason is that of each disapproval, as [Store.Disapprove] takes it.
	Reason string
	// May says why the caller may not decide on a client; nil lets all.
	May func(*Client) error
}

// Member is a client with the version of it that was looked at.
type Member struct {
	ID      string
	Version int64
}

// Outcome is what became of a member: it was decided on, or Err says why not.
// The name is empty when the client is not there.
type Outcome struct {
	ID, Name string
	Err      error
}

// ApproveTogether approves each member as it was looked at and on its own: one
// that cannot be approved keeps no other from it. A member that is not of the
// software any more has changed ([storage.ErrConflict]).
func (s *Store) ApproveTogether(ctx context.Context, by audit.Actor, t Together) []Outcome {
	return s.together(ctx, t, func(m Member) error {
		_, err := s.ApproveOn(ctx, by, m.ID, Approval{Version: m.Version, Conditions: t.Conditions})
		return err
	})
}

// DisapproveTogether is [Store.Disapprove] of each member, as it was looked at
// and on its own. One that changed meanwhile is [storage.ErrConflict], and stays
// what it is.
func (s *Store) DisapproveTogether(ctx context.Context, by audit.Actor, t Together) []Outcome {
	return s.together(ctx, t, func(m Member) error {
		_, err := s.disapproveIf(ctx, by, m.ID, t.Reason, func(c *Client) error {
			if c.Version != m.Version {
				return fmt.Errorf("disapprove client: %w", storage.ErrConflict)
			}
			return nil
		})
		return err
	})
}

func (s *Store) together(ctx context.Context, t Together, decide func(Member) error) []Outcome {
	outcomes := make([]Outcome, len(t.Members))
	for i, m := range t.Members {
		outcomes[i].ID = m.ID
		outcomes[i].Name, outcomes[i].Err = s.member(ctx, t, m)
		if outcomes[i].Err == nil {
			outcomes[i].Err = decide(m)
		}
	}
	return outcomes
}

// member returns the name of a client that may be decided on with the others.
func (s *Store) member(ctx context.Context, t Together, m Member) (name string, err error) {
	c, err := s.Get(ctx, m.ID)
	if err != nil {
		return "", err
	}
	if t.SoftwareID != "" && c.Metadata.Software() != t.SoftwareID {
		return c.Name, storage.Err("decide on client of a software", storage.ErrConflict)
	}
	if t.May != nil {
		err = t.May(c)
	}
	return c.Name, err
}
