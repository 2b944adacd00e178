package clientstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

const (
	// linkLifetime is how long the link of a notice is good.
	linkLifetime = 3 * 24 * time.Hour
	// noticeLease is how long a notice is one server's, which is longer than an
	// attempt takes.
	noticeLease = time.Minute
	// linkKept is how long a link that is over can be told from one that never
	// was.
	linkKept = 30 * 24 * time.Hour
)

// noticeWaits are how long to wait after each failed attempt. A notice that
// failed once more than that is given up: what waits is in the queue all the
// same.
var noticeWaits = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

// Notice is something that came to wait for a decision and that somebody is to
// be told of.
type Notice struct {
	ClientID   string
	Channel    string
	Version    int64
	RevisionID string // empty for a client that is pending
	SecretID   string // of one that waits for another administrator, empty for anything else
	Attempts   int64  // that were begun
	NextAt     time.Time
}

// table names where the notice is kept.
func (n *Notice) table() string {
	if n.SecretID != "" {
		return "secret_notices"
	}
	return "approval_notices"
}

// awaitDecision keeps a notice for each channel, within the transaction in ctx.
// One that was not told yet tells of this instead.
func (s *Store) awaitDecision(ctx context.Context, id string, version int64, revision string) error {
	for _, channel := range s.cfg.Notices {
		err := s.db.With(ctx).Exec(`
			INSERT INTO approval_notices (client_id, channel, version, revision_id, attempts, next_at, created_at)
			VALUES (@id, @channel, @version, @revision, 0, @now, @now)
			ON CONFLICT (client_id, channel) DO UPDATE SET version = excluded.version, revision_id = excluded.revision_id`,
			map[string]any{"id": id, "channel": channel, "version": version, "revision": revision, "now": s.db.Now()}).Error
		if err != nil {
			return storage.Err("keep notice", err)
		}
	}
	return nil
}

// awaitConfirmation is awaitDecision for a secret that waits for another
// administrator.
func (s *Store) awaitConfirmation(ctx context.Context, w *WaitingSecret) error {
	for _, channel := range s.cfg.Notices {
		err := s.db.With(ctx).Exec(`
			INSERT INTO secret_notices (client_id, channel, secret_id, attempts, next_at, created_at)
			VALUES (@id, @channel, @secret, 0, @now, @now)
			ON CONFLICT (client_id, channel) DO UPDATE SET secret_id = excluded.secret_id`,
			map[string]any{"id": w.ClientID, "channel": channel, "secret": w.ID, "now": s.db.Now()}).Error
		if err != nil {
			return storage.Err("keep notice of a secret", err)
		}
	}
	return nil
}

// DueNotices returns notices that may be told now, at most limit of them.
func (s *Store) DueNotices(ctx context.Context, limit int) ([]Notice, error) {
	var due []Notice
	err := s.db.With(ctx).Raw(`
		SELECT client_id, channel, version, revision_id, '' AS secret_id, attempts, next_at FROM approval_notices WHERE next_at <= @now
		UNION ALL
		SELECT client_id, channel, 0, '', secret_id, attempts, next_at FROM secret_notices WHERE next_at <= @now
		ORDER BY next_at, client_id, channel LIMIT @limit`, map[string]any{"now": s.db.Now(), "limit": limit}).Scan(&due).Error
	return due, storage.Err("find notices", err)
}

// ClaimNotice makes the notice this server's for a while and reports whether it
// succeeded: another server may have been quicker.
func (s *Store) ClaimNotice(ctx context.Context, n *Notice) (bool, error) {
	next := s.db.Now().Add(noticeLease)
	res := s.db.With(ctx).Exec(`UPDATE `+n.table()+` SET attempts = attempts + 1, next_at = @next
		WHERE client_id = @id AND channel = @channel AND attempts = @attempts AND next_at = @was`,
		map[string]any{"next": next, "id": n.ClientID, "channel": n.Channel, "attempts": n.Attempts, "was": n.NextAt})
	if res.Error != nil || res.RowsAffected == 0 {
		return false, storage.Err("claim notice", res.Error)
	}
	n.Attempts, n.NextAt = n.Attempts+1, next
	return true, nil
}

// NoticeDone forgets a notice that was claimed and told, or that has nothing to
// tell any more. One that came to be about something else meanwhile stays.
func (s *Store) NoticeDone(ctx context.Context, n *Notice) error {
	statement := `DELETE FROM approval_notices WHERE client_id = @id AND channel = @channel AND version = @version AND revision_id = @revision`
	if n.SecretID != "" {
		statement = `DELETE FROM secret_notices WHERE client_id = @id AND channel = @channel AND secret_id = @secret`
	}
	err := s.db.With(ctx).Exec(statement, map[string]any{
		"id": n.ClientID, "channel": n.Channel, "version": n.Version, "revision": n.RevisionID, "secret": n.SecretID,
	}).Error
	return storage.Err("forget notice", err)
}

// RetryNotice lets a notice that was claimed and failed wait for its next
// attempt, and reports whether there is to be one.
func (s *Store) RetryNotice(ctx context.Context, n *Notice) (bool, error) {
	if int(n.Attempts) > len(noticeWaits) {
		return false, s.NoticeDone(ctx, n)
	}
	err := s.db.With(ctx).Exec(`UPDATE `+n.table()+` SET next_at = @next WHERE client_id = @id AND channel = @channel AND attempts = @attempts`,
		map[string]any{"next": s.db.Now().Add(noticeWaits[n.Attempts-1]), "id": n.ClientID, "channel": n.Channel, "attempts": n.Attempts}).Error
	return true, storage.Err("put off notice", err)
}

// Link is what the link of a notice leads to.
type Link struct {
	ClientID   string
	Version    int64
	RevisionID string // empty for a client that is pending
	SecretID   string // of one that waits for another administrator, empty for anything else
	ExpiresAt  time.Time
	UsedAt     *time.Time
}

// ErrLinkOver reports a link that was used, or is too old.
var ErrLinkOver = errors.New("the link was used before, or has expired")

// NewLink makes a link for what the notice is about. It opens the approval page
// for an administrator, once, and decides nothing itself.
func (s *Store) NewLink(ctx context.Context, n *Notice) (token string, expires time.Time, err error) {
	token, now := seal.NewToken(seal.ApprovalLink), s.db.Now()
	expires = now.Add(linkLifetime)
	err = s.db.With(ctx).Exec(`INSERT INTO approval_links (client_id, hash, version, revision_id, secret_id, created_at, expires_at)
		VALUES (@id, @hash, @version, @revision, @secret, @now, @expires)`, map[string]any{
		"hash": s.cfg.Keys.Hash(token), "id": n.ClientID, "version": n.Version, "revision": n.RevisionID, "secret": n.SecretID, "now": now, "expires": expires,
	}).Error
	return token, expires, storage.Err("make approval link", err)
}

// FindLink returns what the link leads to: [storage.ErrNotFound] for one that
// was never made, [ErrLinkOver] for one that is no longer good.
func (s *Store) FindLink(ctx context.Context, token string) (*Link, error) {
	if !seal.WellFormed(seal.ApprovalLink, token) {
		return nil, fmt.Errorf("find approval link: %w", storage.ErrNotFound)
	}
	var found []Link
	err := s.db.With(ctx).Raw(`SELECT client_id, version, revision_id, secret_id, expires_at, used_at FROM approval_links WHERE hash = ?`,
		s.cfg.Keys.Hash(token)).Scan(&found).Error
	switch {
	case err != nil:
		return nil, storage.Err("find approval link", err)
	case len(found) == 0:
		return nil, fmt.Errorf("find approval link: %w", storage.ErrNotFound)
	case found[0].UsedAt != nil, !s.db.Now().Before(found[0].ExpiresAt):
		return &found[0], ErrLinkOver
	default:
		return &found[0], nil
	}
}

// WithLink does what was decided by way of a link, and spends the link with it:
// both or neither. Without a link it just does it. What is not what the link
// was made for is [storage.ErrConflict], a link that is over [ErrLinkOver].
func (s *Store) WithLink(ctx context.Context, token string, seen Link, decide func(context.Context) error) error {
	if token == "" {
		return decide(ctx)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		spent, err := s.spendLink(ctx, token, seen)
		switch {
		case err != nil:
			return err
		case spent:
			return decide(ctx)
		}
		if _, err := s.FindLink(ctx, token); err != nil {
			return err
		}
		return fmt.Errorf("spend approval link: %w", storage.ErrConflict)
	})
}

// spendLink uses the link up if it is good and was made for what was seen, and
// reports whether it was.
func (s *Store) spendLink(ctx context.Context, token string, seen Link) (bool, error) {
	for _, id := range []string{seen.ClientID, seen.RevisionID, seen.SecretID} {
		if id != "" && !wellFormedKey(id) { // no link is about it
			return false, nil
		}
	}
	res := s.db.With(ctx).Exec(`UPDATE approval_links SET used_at = @now
		WHERE hash = @hash AND client_id = @id AND version = @version AND revision_id = @revision AND secret_id = @secret
			AND used_at IS NULL AND expires_at > @now`, map[string]any{
		"now": s.db.Now(), "hash": s.cfg.Keys.Hash(token), "id": seen.ClientID, "version": seen.Version, "revision": seen.RevisionID, "secret": seen.SecretID,
	})
	return res.RowsAffected == 1, storage.Err("spend approval link", res.Error)
}

// purgeLinks forgets links that are long over.
func (s *Store) purgeLinks(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM approval_links WHERE hash IN (SELECT hash FROM approval_links WHERE expires_at <= ? LIMIT ?)`,
		s.db.Now().Add(-linkKept), limit)
	return res.RowsAffected, storage.Err("purge approval links", res.Error)
}
