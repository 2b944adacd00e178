package clientstore

import (
	"context"
	"fmt"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// secretWaits is how long a secret waits for another administrator.
const secretWaits = 7 * 24 * time.Hour

// WaitingSecret is a secret that an administrator made for an approved client
// under four eyes, until another one confirms it. It is among no client's secrets,
// and so believed nowhere.
type WaitingSecret struct {
	ClientID  string `gorm:"primaryKey"`
	ID        string // of the secret
	Secret    Secret `gorm:"serializer:json"`
	Overlap   int64  // seconds that the secrets before stay valid once it is confirmed
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time // when it ceases to wait
}

// TableName names the table.
func (*WaitingSecret) TableName() string { return "waiting_secrets" }

// WaitingDocument is what may be read of a secret that waits.
type WaitingDocument struct {
	ID        string          `json:"id"`
	Prefix    string          `json:"prefix,omitempty"`
	Algorithm SecretAlgorithm `json:"algorithm"`
	Overlap   int64           `json:"overlap"`
	CreatedAt time.Time       `json:"created_at"`
	CreatedBy string          `json:"created_by"`
	// WaitsUntil is when it is forgotten unless it is confirmed, and ExpiresAt
	// when it ends once it is.
	WaitsUntil time.Time  `json:"waits_until"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
}

// Document shows the secret without its value, nil for none.
func (w *WaitingSecret) Document() *WaitingDocument {
	if w == nil {
		return nil
	}
	return &WaitingDocument{
		ID: w.ID, Prefix: w.Secret.Prefix, Algorithm: w.Secret.Algorithm, Overlap: w.Overlap,
		CreatedAt: w.CreatedAt.UTC(), CreatedBy: w.CreatedBy, WaitsUntil: w.ExpiresAt.UTC(), ExpiresAt: w.Secret.ExpiresAt,
	}
}

// Made reports whether the account made the secret, and so does not confirm it
// under four eyes.
func (w *WaitingSecret) Made(accountID string) bool { return w.CreatedBy == accountID }

// WaitingSecret returns the secret of the client that waits for another
// administrator, nil if none does.
func (s *Store) WaitingSecret(ctx context.Context, id string) (*WaitingSecret, error) {
	var found []WaitingSecret
	if err := s.db.With(ctx).Where("client_id = ? AND expires_at > ?", id, s.db.Now()).Find(&found).Error; err != nil {
		return nil, storage.Err("get waiting secret", err)
	}
	if len(found) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	return &found[0], nil
}

// WaitingSecrets returns clients that have a secret waiting, with it, the oldest
// first.
func (s *Store) WaitingSecrets(ctx context.Context, limit int) ([]Client, error) {
	var found []WaitingSecret
	if err := s.db.With(ctx).Where("expires_at > ?", s.db.Now()).Order("created_at, client_id").Limit(limit).Find(&found).Error; err != nil {
		return nil, storage.Err("list waiting secrets", err)
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].ClientID
	}
	known, err := s.Several(ctx, ids)
	list := []Client{}
	for i := range found {
		if c := known[found[i].ClientID]; c != nil {
			c.Waiting = &found[i]
			list = append(list, *c)
		}
	}
	return list, err
}

// waits reports whether a secret that the actor makes for the client waits for
// another administrator: one that an approved client is believed by is nobody's
// alone under four eyes.
func (s *Store) waits(c *Client, by audit.Actor) bool {
	return s.cfg.FourEyes && by.AccountID != "" && s.works(c)
}

// requestSecret keeps a secret that waits. The client is returned as it stays
// meanwhile, with what waits.
func (s *Store) requestSecret(ctx context.Context, by audit.Actor, id string, r Rotation, m made) (*Client, string, error) {
	var c *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		var err error
		if c, err = s.lock(ctx, id); err != nil {
			return err
		}
		if !s.works(c) { // it was stopped meanwhile
			return fmt.Errorf("request client secret: %w", storage.ErrConflict)
		}
		if _, err := r.added(c, m.kept, s.db.Now()); err != nil {
			return err
		}
		if err := c.lockedTo(change{action: "client.rotate_secret"}, nil); err != nil {
			return err
		}
		return s.keepWaiting(ctx, by, c, r, m)
	})
	if err != nil {
		return nil, "", err
	}
	return c, m.generated, nil
}

// keepWaiting puts the secret in the place of one that the same administrator
// made before. One that another administrator made is decided on first.
func (s *Store) keepWaiting(ctx context.Context, by audit.Actor, c *Client, r Rotation, m made) error {
	before, err := s.WaitingSecret(ctx, c.ID)
	if err != nil {
		return err
	}
	if before != nil && !before.Made(by.AccountID) {
		return refuse("client_secret", "one that another administrator made waits already: confirm or reject it first")
	}
	now := s.db.Now()
	c.Waiting = &WaitingSecret{
		ClientID: c.ID, ID: m.kept.ID, Secret: m.kept, Overlap: int64(r.Overlap / time.Second),
		CreatedAt: now, CreatedBy: actor(by), ExpiresAt: now.Add(secretWaits),
	}
	if err := s.db.With(ctx).Exec("DELETE FROM waiting_secrets WHERE client_id = ?", c.ID).Error; err != nil {
		return storage.Err("forget waiting secret", err)
	}
	if err := s.db.With(ctx).Create(c.Waiting).Error; err != nil {
		return storage.Err("keep waiting secret", err)
	}
	if err := s.awaitConfirmation(ctx, c.Waiting); err != nil {
		return err
	}
	if err := s.keepSubmission(ctx, by, r.Once, submission{ClientID: c.ID, secret: m.generated}); err != nil {
		return err
	}
	was := *c
	was.Waiting = before
	return s.record(ctx, by, "client.request_secret", &was, c)
}

// ConfirmSecret makes the secret that waits one of the client's; those before it
// end when the overlap that was asked for is over, from now on. Who made it is
// [ErrOwnWork] under four eyes. One that does not wait, or no longer, is
// [storage.ErrNotFound], and one of a client that is not approved a
// [*StatusError].
func (s *Store) ConfirmSecret(ctx context.Context, by audit.Actor, id, secretID string) (*Client, error) {
	return s.decideSecret(ctx, id, secretID, func(ctx context.Context, c *Client) (*Client, error) {
		w := c.Waiting
		if err := s.checkFourEyes(by, w.CreatedBy, nil); err != nil {
			return nil, err
		}
		return s.change(ctx, by, id, change{action: "client.confirm_secret", columns: func(c *Client, now time.Time) (map[string]any, error) {
			c.end(now)
			if err := c.Usable(); err != nil {
				return nil, err
			}
			if !w.Secret.Live(now) {
				return nil, refuse("client_secret", "would have ended already; reject it, and have another made")
			}
			secrets, err := Rotation{Overlap: time.Duration(w.Overlap) * time.Second}.added(c, w.Secret, now)
			if err != nil {
				return nil, err
			}
			encoded, err := column(secrets)
			return map[string]any{"secrets": encoded}, err
		}})
	})
}

// RejectSecret forgets the secret that waits; the client stays what it is. Who
// made it takes it back that way. One that does not wait is [storage.ErrNotFound].
func (s *Store) RejectSecret(ctx context.Context, by audit.Actor, id, secretID string) (*Client, error) {
	return s.decideSecret(ctx, id, secretID, func(ctx context.Context, c *Client) (*Client, error) {
		after := *c
		after.Waiting = nil
		return &after, s.record(ctx, by, "client.reject_secret", c, &after)
	})
}

// decideSecret ends the wait of a secret: of two who decide at once one does.
func (s *Store) decideSecret(ctx context.Context, id, secretID string, decide func(context.Context, *Client) (*Client, error)) (*Client, error) {
	if !wellFormedKey(secretID) { // the database would refuse some of it
		return nil, fmt.Errorf("decide on waiting secret: %w", storage.ErrNotFound)
	}
	var after *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		if c.Waiting, err = s.WaitingSecret(ctx, id); err != nil {
			return err
		}
		res := s.db.With(ctx).Exec("DELETE FROM waiting_secrets WHERE client_id = ? AND id = ? AND expires_at > ?", id, secretID, s.db.Now())
		if res.Error == nil && (res.RowsAffected == 0 || c.Waiting == nil) {
			res.Error = storage.ErrNotFound
		}
		if res.Error != nil {
			return storage.Err("decide on waiting secret", res.Error)
		}
		after, err = decide(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// purgeWaiting forgets secrets that nobody confirmed.
func (s *Store) purgeWaiting(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM waiting_secrets WHERE id IN
		(SELECT id FROM waiting_secrets WHERE expires_at <= ? LIMIT ?)`, s.db.Now(), limit)
	return res.RowsAffected, storage.Err("purge waiting secrets", res.Error)
}
