package clientstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

const (
	maxInitialLifetime = 366 * 24 * time.Hour
	maxInitialUses     = 100_000
)

// InitialToken is an initial access token: who holds it may register clients
// (RFC 7591, section 3.1).
type InitialToken struct {
	ID        string     `gorm:"primaryKey" json:"id"`
	Hash      []byte     `json:"-"`
	Name      string     `json:"name"`
	Approve   bool       `json:"approve"` // what is registered with it is approved at once
	UsesLeft  int64      `json:"uses_left"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// TableName names the table.
func (InitialToken) TableName() string { return "initial_access_tokens" }

// InitialGrant is what an administrator gives an initial access token.
type InitialGrant struct {
	// Name says what the token is for; the audit record repeats it.
	Name     string
	Lifetime time.Duration
	Uses     int64
	// Approve approves in advance what is registered with the token.
	Approve bool
}

func (g InitialGrant) check() error {
	switch {
	case g.Name == "":
		return refuse("name", "is required: it tells the tokens apart")
	case g.Lifetime <= 0 || g.Lifetime > maxInitialLifetime:
		return refuse("lifetime", "%s is not between a moment and %s", g.Lifetime, maxInitialLifetime)
	case g.Uses < 1 || g.Uses > maxInitialUses:
		return refuse("uses", "%d is not between 1 and %d", g.Uses, maxInitialUses)
	default:
		return checkText("name", g.Name, maxName)
	}
}

// CreateInitialToken makes an initial access token and returns it with its
// value, which cannot be read again. What is not acceptable is a
// [*MetadataError].
func (s *Store) CreateInitialToken(ctx context.Context, by audit.Actor, g InitialGrant) (*InitialToken, string, error) {
	g.Name = strings.TrimSpace(g.Name)
	if err := g.check(); err != nil {
		return nil, "", err
	}
	now, value := s.db.Now(), seal.NewToken(seal.InitialToken)
	t := &InitialToken{
		ID: uuid.NewString(), Hash: s.cfg.Keys.Hash(value), Name: g.Name, Approve: g.Approve, UsesLeft: g.Uses,
		CreatedAt: now, CreatedBy: actor(by), ExpiresAt: now.Add(g.Lifetime),
	}
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.db.With(ctx).Create(t).Error; err != nil {
			return storage.Err("create initial access token", err)
		}
		return s.cfg.Audit.Record(ctx, by, audit.Change{
			Action: "initial_token.create", TargetType: "initial_token", TargetID: t.ID, TargetName: t.Name, After: t,
		})
	})
	if err != nil {
		return nil, "", err
	}
	return t, value, nil
}

// InitialTokens returns the initial access tokens that were not deleted yet,
// the newest first.
func (s *Store) InitialTokens(ctx context.Context) ([]InitialToken, error) {
	list := []InitialToken{}
	err := s.db.With(ctx).Order("created_at DESC, id").Find(&list).Error
	return list, storage.Err("list initial access tokens", err)
}

// RevokeInitialToken ends an initial access token at once. Clients that were
// registered with it stay.
func (s *Store) RevokeInitialToken(ctx context.Context, by audit.Actor, id string) error {
	if !wellFormedKey(id) {
		return fmt.Errorf("revoke initial access token: %w", storage.ErrNotFound)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		var revoked []InitialToken
		err := s.db.With(ctx).Raw(`UPDATE initial_access_tokens SET revoked_at = @now
			WHERE id = @id AND revoked_at IS NULL RETURNING `+storage.Columns("", InitialToken{}), map[string]any{"now": s.db.Now(), "id": id}).Scan(&revoked).Error
		if err != nil {
			return storage.Err("revoke initial access token", err)
		}
		if len(revoked) == 0 {
			return fmt.Errorf("revoke initial access token: %w", storage.ErrNotFound)
		}
		return s.cfg.Audit.Record(ctx, by, audit.Change{
			Action: "initial_token.revoke", TargetType: "initial_token", TargetID: id, TargetName: revoked[0].Name, After: revoked[0],
		})
	})
}

// spend takes one use of an initial access token within the transaction in
// ctx: when that fails, nothing was used. [storage.ErrNotFound] says that the
// token is not, or no longer, valid.
func (s *Store) spend(ctx context.Context, value string) (*InitialToken, error) {
	if !seal.WellFormed(seal.InitialToken, value) {
		return nil, fmt.Errorf("spend initial access token: %w", storage.ErrNotFound)
	}
	var spent []InitialToken
	err := s.db.With(ctx).Raw(`UPDATE initial_access_tokens SET uses_left = uses_left - 1
		WHERE hash = @hash AND uses_left > 0 AND expires_at > @now AND revoked_at IS NULL RETURNING `+storage.Columns("", InitialToken{}),
		map[string]any{"hash": s.cfg.Keys.Hash(value), "now": s.db.Now()}).Scan(&spent).Error
	if err != nil {
		return nil, storage.Err("spend initial access token", err)
	}
	if len(spent) == 0 {
		return nil, fmt.Errorf("spend initial access token: %w", storage.ErrNotFound)
	}
	return &spent[0], nil
}

// CheckInitialToken reports whether the initial access token is good for one
// more registration: [storage.ErrNotFound] says that it is not. Only
// [Store.Enrol] uses it.
func (s *Store) CheckInitialToken(ctx context.Context, value string) error {
	if !seal.WellFormed(seal.InitialToken, value) {
		return fmt.Errorf("check initial access token: %w", storage.ErrNotFound)
	}
	var good int64
	err := s.db.With(ctx).Raw(`SELECT COUNT(*) FROM initial_access_tokens
		WHERE hash = @hash AND uses_left > 0 AND expires_at > @now AND revoked_at IS NULL`,
		map[string]any{"hash": s.cfg.Keys.Hash(value), "now": s.db.Now()}).Scan(&good).Error
	if err == nil && good == 0 {
		return fmt.Errorf("check initial access token: %w", storage.ErrNotFound)
	}
	return storage.Err("check initial access token", err)
}

// initialKept is how long a token that is over can still be looked at.
const initialKept = 7 * 24 * time.Hour
