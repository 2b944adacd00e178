package logo

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"countersign/storage"
)

// State is what there is of a client's logo.
type State struct {
	Digest    string     // of the picture, empty while there is none
	FetchedAt *time.Time // when it was last fetched; nil before
	FailedAt  *time.Time // when the last attempt failed, nil when it did not
	Reason    Reason     // why
	NextAt    time.Time  // when the next one is
}

// State returns what there is of the logo of an approved client, nil while
// nothing was noted yet.
func (s *Store) State(ctx context.Context, clientID string) (*State, error) {
	var found []State
	err := s.db.With(ctx).Raw(`SELECT l.digest, l.fetched_at, l.failed_at, l.reason, l.next_at FROM `+s.joined+`
		WHERE c.id = @client AND `+standing, map[string]any{"client": clientID, "now": s.db.Now()}).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return nil, storage.Err("get state of logo", err)
	}
	return &found[0], nil
}

// Shown returns the digests of the pictures that pages may show of the clients,
// by client.
func (s *Store) Shown(ctx context.Context, clientIDs ...string) (map[string]string, error) {
	if len(clientIDs) == 0 {
		return map[string]string{}, nil
	}
	var found []struct{ ClientID, Digest string }
	err := s.db.With(ctx).Raw(`SELECT l.client_id, l.digest FROM `+s.joined+`
		WHERE c.id IN @clients AND l.digest <> '' AND `+standing, map[string]any{"clients": clientIDs, "now": s.db.Now()}).Scan(&found).Error
	if err != nil {
		return nil, storage.Err("find pictures of clients", err)
	}
	shown := make(map[string]string, len(found))
	for _, one := range found {
		shown[one.ClientID] = one.Digest
	}
	return shown, nil
}

// Picture returns the picture with the digest, a PNG file. It is
// [storage.ErrNotFound] when it is that of no approved client.
func (s *Store) Picture(ctx context.Context, digest string) ([]byte, error) {
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("get picture: %w", storage.ErrNotFound)
	}
	var found []struct{ Picture []byte }
	err := s.db.With(ctx).Raw(`SELECT l.picture FROM `+s.joined+`
		WHERE l.digest = @digest AND `+standing+` LIMIT 1`, map[string]any{"digest": digest, "now": s.db.Now()}).Scan(&found).Error
	if err != nil {
		return nil, storage.Err("get picture", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get picture: %w", storage.ErrNotFound)
	}
	return found[0].Picture, nil
}
