package clientstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/storage"
)

// secretKey names a secret of a client.
type secretKey struct{ client, secret string }

// recent are secrets whose use was noted in the last minutes and need not be
// again.
type recent struct {
	mu    sync.Mutex
	noted map[secretKey]time.Time
}

// add reports whether the use is to be noted.
func (r *recent) add(key secretKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.noted[key]; ok && now.Sub(at) < usedEvery && !now.Before(at) {
		return false
	}
	if r.noted == nil || len(r.noted) >= maxNoted {
		r.noted = map[secretKey]time.Time{}
	}
	r.noted[key] = now
	return true
}

func (k secretKey) compare(other secretKey) int {
	return cmp.Or(cmp.Compare(k.client, other.client), cmp.Compare(k.secret, other.secret))
}

// maxNoted bounds the memory of what was noted. Whose is forgotten is written
// down once more.
const maxNoted = 10_000

// NoteSecretUse notes that the client was believed by its secret: it sent it, or
// signed with it.
func (s *Store) NoteSecretUse(clientID, secretID string) {
	if key, now := (secretKey{clientID, secretID}), s.db.Now(); s.recentSecrets.add(key, now) {
		s.secretUses.add(key, now)
	}
}

// keepSecretUse writes down when a secret was used, if its client is still there.
// Replicas write in any order, and the last use stays.
//
//nolint:gosec // a statement, no credential
const keepSecretUse = `INSERT INTO secret_uses (client_id, secret_id, used_at)
	SELECT c.id, @secret, @at FROM clients c WHERE c.id = @client
	ON CONFLICT (client_id, secret_id) DO UPDATE SET used_at = excluded.used_at WHERE secret_uses.used_at < excluded.used_at`

// forgetSecretUses forgets those of secrets that the client has no more.
//
//nolint:gosec // a statement, no credential
const forgetSecretUses = `DELETE FROM secret_uses WHERE client_id = @client AND NOT EXISTS (
	SELECT 1 FROM clients c WHERE c.id = @client AND c.secrets LIKE '%"' || secret_uses.secret_id || '"%')`

// markSecretsUsed writes down which secrets were used.
func (s *Store) markSecretsUsed(ctx context.Context, limit int) (int64, error) {
	taken := s.secretUses.take(limit)
	if len(taken) == 0 {
		return 0, nil
	}
	inOrder := slices.SortedFunc(maps.Keys(taken), secretKey.compare) // in which replicas lock rows
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		for _, key := range inOrder {
			args := map[string]any{"client": key.client, "secret": key.secret, "at": taken[key]}
			if _, err := s.db.Exec(ctx, keepSecretUse, args); err != nil {
				return storage.Err("mark used secrets", err)
			}
			if _, err := s.db.Exec(ctx, forgetSecretUses, args); err != nil {
				return storage.Err("forget secrets that were used", err)
			}
		}
		return nil
	})
	if err != nil {
		s.secretUses.putBack(taken)
	}
	return int64(len(taken)), err
}

// usesTogether is how many uses one transaction writes down.
const usesTogether = 500

// KeepUses writes down all uses of clients and secrets that wait for the next
// purge. It is for a server that stops.
func (s *Store) KeepUses(ctx context.Context) error {
	for waits := true; waits; waits = s.uses.any() || s.secretUses.any() {
		if _, err := s.markUsed(ctx, usesTogether); err != nil {
			return err
		}
		if _, err := s.markSecretsUsed(ctx, usesTogether); err != nil {
			return err
		}
	}
	return nil
}

// dateSecrets says of the clients' secrets when they were last used.
func (s *Store) dateSecrets(ctx context.Context, clients ...*Client) error {
	ids := make([]string, 0, len(clients))
	for _, c := range clients {
		if len(c.Secrets) > 0 {
			ids = append(ids, c.ID)
		}
	}
	used := map[secretKey]time.Time{}
	for chunk := range slices.Chunk(ids, together) {
		var found []struct {
			ClientID, SecretID string
			UsedAt             time.Time
		}
		if err := s.db.With(ctx).Raw(`SELECT client_id, secret_id, used_at FROM secret_uses WHERE client_id IN ?`, chunk).Scan(&found).Error; err != nil {
			return storage.Err("read uses of secrets", err)
		}
		for _, u := range found {
			used[secretKey{u.ClientID, u.SecretID}] = u.UsedAt.UTC()
		}
	}
	for _, c := range clients {
		c.dateSecrets(used)
	}
	return nil
}

func (c *Client) dateSecrets(used map[secretKey]time.Time) {
	c.Secrets = slices.Clone(c.Secrets)
	for i := range c.Secrets {
		c.Secrets[i].UsedAt = nil
		if at, ok := used[secretKey{c.ID, c.Secrets[i].ID}]; ok {
			c.Secrets[i].UsedAt = &at
		}
	}
}
