package clientstore

import (
	"cmp"
	"context"

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
	storage.PostgreSQL: `status = 'pending' AND COALESCE(metadata::json ->> 'software_id', metadata::json ->> 'client_uri') = ?`,
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

// Together are clients of one software that are approved at once.
type Together struct {
	SoftwareID string // [Metadata.Software]
	Members    []Member
	// Conditions are those of each approval; nil keeps those that a client has.
	Conditions *Conditions
	// May says why the caller may not approve a client; nil lets all.
	May func(*Client) error
}

// Member is a client with the version of it that was looked at.
type Member struct {
	ID      string
	Version int64
}

// Outcome is what became of a member: approved, or Err says why not. The name
// is empty when the client is not there.
type Outcome struct {
	ID, Name string
	Err      error
}

// ApproveTogether approves each member as it was looked at and on its own: one
// that cannot be approved keeps no other from it. A member that is not of the
// software any more has changed ([storage.ErrConflict]).
func (s *Store) ApproveTogether(ctx context.Context, by audit.Actor, t Together) []Outcome {
	outcomes := make([]Outcome, len(t.Members))
	for i, m := range t.Members {
		outcomes[i].ID = m.ID
		outcomes[i].Name, outcomes[i].Err = s.approveMember(ctx, by, t, m)
	}
	return outcomes
}

func (s *Store) approveMember(ctx context.Context, by audit.Actor, t Together, m Member) (name string, err error) {
	c, err := s.Get(ctx, m.ID)
	if err != nil {
		return "", err
	}
	if c.Metadata.Software() != t.SoftwareID {
		return c.Name, storage.Err("approve client of a software", storage.ErrConflict)
	}
	if t.May != nil {
		if err := t.May(c); err != nil {
			return c.Name, err
		}
	}
	_, err = s.ApproveOn(ctx, by, m.ID, Approval{Version: m.Version, Conditions: t.Conditions})
	return c.Name, err
}
