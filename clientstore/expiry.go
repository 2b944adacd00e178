package clientstore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// usedEvery is how often a client's use is written down at most.
const usedEvery = 5 * time.Minute

// NoteUse notes that the client was used: it proved who it is, or got tokens.
// That it was ever used is also known by what it was granted.
func (s *Store) NoteUse(c *Client) {
	if c.UsedAt != nil && s.db.Now().Sub(*c.UsedAt) < usedEvery {
		return
	}
	s.uses.add(c.ID, s.db.Now())
}

// Purge notes which approvals have ended, and removes clients that registered themselves and were not approved, or
// were approved and not used, in time, and initial access tokens that are long
// over: at most limit of each. It has to run before grants are purged, because
// they show which clients were used.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	var most int64
	for _, one := range []func(context.Context, int) (int64, error){s.lapse, s.purgeLinks, s.purgeInitialTokens, s.purgeSubmissions, s.purgeWaiting, s.markUsed, s.markSecretsUsed, s.expirePending, s.expireUnused} {
		n, err := one(ctx, limit)
		if err != nil {
			return most, err
		}
		most = max(most, n)
	}
	return most, nil
}

func (s *Store) purgeInitialTokens(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM initial_access_tokens WHERE id IN
		(SELECT id FROM initial_access_tokens WHERE expires_at <= ? LIMIT ?)`, s.db.Now().Add(-initialKept), limit)
	return res.RowsAffected, storage.Err("purge initial access tokens", res.Error)
}

// granted is true for a client that was granted anything which is still kept.
const granted = `EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id)`

// markUsed writes down which clients were used, each every few minutes.
func (s *Store) markUsed(ctx context.Context, limit int) (int64, error) {
	taken, now := s.uses.take(limit), s.db.Now()
	noted := slices.Collect(maps.Keys(taken))
	// Joined by OR, the two would have the whole table read.
	res := s.db.With(ctx).Exec(`UPDATE clients SET used_at = @now WHERE id IN (
			SELECT id FROM clients WHERE id IN @noted
			UNION SELECT id FROM (SELECT id FROM clients WHERE used_at IS NULL AND `+granted+` LIMIT @limit) AS missed)`,
		map[string]any{"now": now, "noted": append(noted, ""), "limit": limit})
	if res.Error != nil {
		s.uses.putBack(taken)
	} else {
		s.memory.used(noted, now)
	}
	return res.RowsAffected, storage.Err("mark used clients", res.Error)
}

// expirePending removes clients that nobody approved.
func (s *Store) expirePending(ctx context.Context, limit int) (int64, error) {
	return s.expire(ctx, limit, s.cfg.PendingLifetime,
		`status = 'pending' AND managed_by = '' AND EXISTS (SELECT 1 FROM client_registrations r WHERE r.client_id = clients.id AND r.created_at <= @before)`)
}

// expireUnused removes clients that were approved, and that nobody has used or
// changed since. A client that an administrator registered, or that belongs to
// a clients file, is not among them.
func (s *Store) expireUnused(ctx context.Context, limit int) (int64, error) {
	return s.expire(ctx, limit, s.cfg.UnusedLifetime,
		`status = 'approved' AND managed_by = '' AND used_at IS NULL AND updated_at <= @before AND NOT `+granted+`
			AND EXISTS (SELECT 1 FROM client_registrations r WHERE r.client_id = clients.id)`)
}

// expire removes clients for which the condition holds, and still holds when
// each is deleted. It takes the time that is a lifetime ago as @before.
func (s *Store) expire(ctx context.Context, limit int, lifetime time.Duration, condition string) (int64, error) {
	if lifetime <= 0 {
		return 0, nil
	}
	args := map[string]any{"before": s.db.Now().Add(-lifetime), "limit": limit}
	var ids []string
	err := s.db.With(ctx).Raw(`SELECT id FROM clients WHERE `+condition+` LIMIT @limit`, args).Scan(&ids).Error
	if err != nil {
		return 0, storage.Err("find clients to expire", err)
	}
	for _, id := range ids {
		args["id"] = id
		if err := s.expireOne(ctx, id, condition, args); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return 0, err
		}
	}
	return int64(len(ids)), nil
}

// expireOne removes a client, unless somebody approved or used it just now.
func (s *Store) expireOne(ctx context.Context, id, condition string, args map[string]any) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		before, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		res := s.db.With(ctx).Exec("DELETE FROM clients WHERE id = @id AND "+condition, args)
		if res.Error != nil || res.RowsAffected == 0 {
			return storage.Err("expire client", res.Error)
		}
		return s.record(ctx, audit.Actor{Name: "registration", Via: audit.ViaSystem}, "client.expire", before, nil)
	})
}
