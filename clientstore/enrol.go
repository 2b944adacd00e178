package clientstore

import (
	"context"
	"errors"
	"fmt"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// ErrFull reports that so many clients that registered themselves wait for
// approval that no further one is taken.
var ErrFull = errors.New("too many registered clients wait for approval")

// enrolmentLock is the advisory lock under which PostgreSQL counts the clients
// that wait.
const enrolmentLock = 0x435352454749 // CSREGI

// Enrolment is a registration that comes from the client itself (RFC 7591,
// section 3).
type Enrolment struct {
	Name     string
	Type     Type
	Metadata Metadata
	// Secret is the one that a client of OAuth 1.0a brings along; all others get
	// theirs.
	Secret    string
	Requested Requested
	// InitialToken is the initial access token that it came with; empty for an
	// open registration.
	InitialToken string
	// Sector is what is kept at the sector_identifier_uri; nil without one, or
	// when [Metadata.NeedsSector] says that it is not needed.
	Sector *Sector
}

// Registered is a client that manages itself, and the revision of it that
// waits for an administrator.
type Registered struct {
	Client Client `gorm:"embedded"`
	// Revision has an empty ID when there is none.
	Revision Revision `gorm:"embedded;embeddedPrefix:revision_"`
}

// Enrolled is a client that has just registered itself, with what it is told
// this once.
type Enrolled struct {
	Client *Client
	Secret string // empty for a public client
	Token  string // the registration access token
}

// Enrol registers a client that comes by itself: pending, unless its initial
// access token carries the approval in advance. An initial access token that is
// not valid is [storage.ErrNotFound], too many waiting clients are [ErrFull],
// and a registration that is not acceptable is a [*MetadataError]; none of them
// leaves a trace.
func (s *Store) Enrol(ctx context.Context, by audit.Actor, e Enrolment) (*Enrolled, error) {
	var enrolled *Enrolled
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		initial := &InitialToken{}
		if e.InitialToken != "" {
			var err error
			if initial, err = s.spend(ctx, e.InitialToken); err != nil {
				return err
			}
			by.Name = initial.Name
		}
		var err error
		enrolled, err = s.enrol(ctx, by, e, initial)
		return err
	})
	if err != nil {
		return nil, err
	}
	return enrolled, nil
}

func (s *Store) enrol(ctx context.Context, by audit.Actor, e Enrolment, initial *InitialToken) (*Enrolled, error) {
	e.Metadata.keepDecisions(&Metadata{})
	c, secret, err := s.Register(ctx, by, Registration{
		Type: e.Type, Name: e.Name, Metadata: e.Metadata, Secret: e.Secret, Requested: e.Requested, Sector: e.Sector,
	})
	if err != nil {
		return nil, err
	}
	if err := c.checkRegistrant(&Client{}); err != nil {
		return nil, err
	}
	if initial.ID == "" {
		if err := s.checkRoom(ctx); err != nil {
			return nil, err
		}
	}
	token := seal.NewToken(seal.RegistrationToken)
	err = s.db.With(ctx).Exec(`INSERT INTO client_registrations (client_id, hash, initial_token_id, created_at)
		VALUES (@id, @hash, @initial, @now)`, map[string]any{
		"id": c.ID, "hash": s.cfg.Keys.Hash(token), "initial": initial.ID, "now": c.CreatedAt,
	}).Error
	if err != nil {
		return nil, storage.Err("register client", err)
	}
	if initial.Approve {
		if c, err = s.Approve(ctx, by, c.ID); err != nil {
			return nil, err
		}
	}
	return &Enrolled{Client: c, Secret: secret, Token: token}, nil
}

// checkRoom refuses one more client when enough wait. It counts one at a time,
// so that a storm of registrations finds the same end as a row of them.
func (s *Store) checkRoom(ctx context.Context) error {
	if s.cfg.MaxPending <= 0 {
		return nil
	}
	if s.db.Dialect() == storage.PostgreSQL {
		if err := s.db.With(ctx).Exec("SELECT pg_advisory_xact_lock(?)", int64(enrolmentLock)).Error; err != nil {
			return storage.Err("count waiting clients", err)
		}
	}
	var waiting int64
	err := s.db.With(ctx).Raw(`SELECT COUNT(*) FROM client_registrations r JOIN clients c ON c.id = r.client_id
		WHERE c.status = 'pending' AND r.initial_token_id = ''`).Scan(&waiting).Error
	if err == nil && waiting >= int64(s.cfg.MaxPending) {
		return ErrFull
	}
	return storage.Err("count waiting clients", err)
}

// Pending counts the clients that wait for approval.
func (s *Store) Pending(ctx context.Context) (n int64, err error) {
	err = s.db.With(ctx).Raw(`SELECT COUNT(*) FROM clients WHERE status = 'pending'`).Scan(&n).Error
	return n, storage.Err("count waiting clients", err)
}

// Registered returns the client that the registration access token belongs to,
// whatever its status. [storage.ErrNotFound] says that it belongs to none.
func (s *Store) Registered(ctx context.Context, token string) (*Registered, error) {
	if !seal.WellFormed(seal.RegistrationToken, token) {
		return nil, fmt.Errorf("get registered client: %w", storage.ErrNotFound)
	}
	var found []Registered
	err := s.db.With(ctx).Raw(`
		SELECT `+storage.Columns("c", Client{})+`, v.client_id AS revision_client_id, v.id AS revision_id, v.name AS revision_name, v.metadata AS revision_metadata,
			v.created_at AS revision_created_at, v.created_by AS revision_created_by,
			v.authors AS revision_authors, COALESCE(v.administered, false) AS revision_administered
		FROM client_registrations r JOIN clients c ON c.id = r.client_id LEFT JOIN client_revisions v ON v.client_id = c.id
		WHERE r.hash = @hash`, map[string]any{"hash": s.cfg.Keys.Hash(token)}).Scan(&found).Error
	if err != nil {
		return nil, storage.Err("get registered client", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get registered client: %w", storage.ErrNotFound)
	}
	found[0].Client.end(s.db.Now())
	return &found[0], nil
}

// Unregister removes the client that the registration access token belongs to
// (RFC 7592, section 2.3).
func (s *Store) Unregister(ctx context.Context, by audit.Actor, token string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		r, err := s.Registered(ctx, token)
		if err != nil {
			return err
		}
		return s.Remove(ctx, by, r.Client.ID)
	})
}

// Is reports whether a registration would make the client what it is.
func (s *Store) Is(c *Client, e Enrolment) (bool, error) {
	again := *c
	again.Type, again.Name, again.Metadata = e.Type, e.Name, e.Metadata
	again.Metadata.keepDecisions(&c.Metadata)
	if err := again.complete(s.cfg.Policy); err != nil {
		return false, err
	}
	columns, err := again.editedColumns(c)
	return columns == nil && again.Type == c.Type, err
}
