package grant

import (
	"context"
	"time"

	"countersign/storage"
)

// purges are the statements that delete what can matter no more, beside what
// [Store.purgeNoting] deletes, each a batch found by an index. A grant goes, and its codes and tokens with it, when it
// expired, when its code was never redeemed and the authorization endpoint gave
// it no access token that still works, and when its last refresh token was not
// used in time. A spent code and a used refresh token stay with their
// grant, so that their reuse is seen.
var purges = []string{
	`DELETE FROM grants WHERE id IN (SELECT grant_id FROM refresh_tokens WHERE expires_at <= @now AND used_at IS NULL LIMIT @limit)`,
	`DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at <= @now AND used_at IS NOT NULL LIMIT @limit)`,
	`DELETE FROM grants WHERE id IN (SELECT grant_id FROM authorization_codes ac WHERE expires_at <= @now AND spent_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM access_tokens t WHERE t.grant_id = ac.grant_id) LIMIT @limit)`,
	`DELETE FROM grants WHERE id IN (SELECT grant_id FROM device_codes WHERE expires_at <= @past AND spent_at IS NULL AND grant_id IS NOT NULL LIMIT @limit)`,
	`DELETE FROM device_codes WHERE hash IN (SELECT hash FROM device_codes WHERE expires_at <= @past AND spent_at IS NULL LIMIT @limit)`,
	`DELETE FROM grants WHERE id IN (SELECT grant_id FROM temporary_credentials WHERE expires_at <= @past AND spent_at IS NULL AND grant_id IS NOT NULL LIMIT @limit)`,
	`DELETE FROM temporary_credentials WHERE hash IN (SELECT hash FROM temporary_credentials WHERE expires_at <= @past LIMIT @limit)`,
}

// requestKept is how long the request of a device, or of a client of OAuth
// 1.0a, can still be told to have expired.
const requestKept = time.Hour

// Purge deletes what expired, at most limit rows of each kind, and returns how
// many went.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	var total int64
	now := s.db.Now()
	args := map[string]any{"now": now, "past": now.Add(-requestKept), "limit": limit}
	for _, noted := range []notedPurge{tokenPurge, grantPurge} {
		n, err := s.purgeNoting(ctx, noted, args)
		if err != nil {
			return total, storage.Err("purge grants", err)
		}
		total += n
	}
	for _, statement := range purges {
		res := s.db.With(ctx).Exec(statement, args)
		if res.Error != nil {
			return total, storage.Err("purge grants", res.Error)
		}
		total += res.RowsAffected
	}
	return total, nil
}
