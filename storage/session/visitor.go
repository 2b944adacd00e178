package session

import (
	"context"

	"countersign/storage"
)

// Visitor is somebody who is signed in, with what the account may do.
type Visitor struct {
	Session     Session `gorm:"embedded;embeddedPrefix:session_"`
	Username    string
	Permissions []string `gorm:"serializer:json"`
}

// Visitor returns who the live session of the cookie belongs to. Session and
// permissions are read in one statement, so that a permission that was taken a
// moment ago, on whatever replica, is not there. Nobody is
// [storage.ErrNotFound]. It notes that the session was seen, at most once a
// minute.
func (s *Store) Visitor(ctx context.Context, cookie string) (*Visitor, error) {
	hash := s.Hash(cookie)
	if hash == nil {
		return nil, storage.ErrNotFound
	}
	now := s.db.Now()
	var found []Visitor
	err := s.db.With(ctx).Raw(`
		SELECT s.id AS session_id, s.account_id AS session_account_id, s.account_epoch AS session_account_epoch,
			s.auth_time AS session_auth_time, s.acr AS session_acr, s.amr AS session_amr, s.created_at AS session_created_at,
			s.last_seen_at AS session_last_seen_at, s.expires_at AS session_expires_at, a.username, a.permissions
		FROM sessions s JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL AND a.epoch = s.account_epoch
		WHERE s.hash = @hash AND s.ended_at IS NULL AND s.expires_at > @now AND s.last_seen_at > @idle`,
		map[string]any{"hash": hash, "now": now, "idle": now.Add(-s.cfg.Idle)}).Scan(&found).Error
	if err != nil {
		return nil, storage.Err("read session and account", err)
	}
	if len(found) == 0 {
		return nil, storage.ErrNotFound
	}
	if err := s.Touch(ctx, &found[0].Session); err != nil {
		return nil, err
	}
	return &found[0], nil
}

// Signed is a live session with who it belongs to.
type Signed struct {
	Session  Session `gorm:"embedded;embeddedPrefix:session_"`
	Username string
}

// Latest returns the live sessions of everybody, those that were seen last
// first, at most limit of them.
func (s *Store) Latest(ctx context.Context, limit int) ([]Signed, error) {
	now := s.db.Now()
	list := []Signed{}
	err := s.db.With(ctx).Raw(`
		SELECT s.id AS session_id, s.account_id AS session_account_id, s.auth_time AS session_auth_time, s.amr AS session_amr, s.ip AS session_ip,
			s.user_agent AS session_user_agent, s.last_seen_at AS session_last_seen_at, s.expires_at AS session_expires_at, a.username
		FROM sessions s JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL AND a.epoch = s.account_epoch
		WHERE s.ended_at IS NULL AND s.expires_at > @now AND s.last_seen_at > @idle
		ORDER BY s.last_seen_at DESC, s.id LIMIT @limit`,
		map[string]any{"now": now, "idle": now.Add(-s.cfg.Idle), "limit": limit}).Scan(&list).Error
	return list, storage.Err("list sessions", err)
}
