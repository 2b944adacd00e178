package clientstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// ManagedError reports a change of a client that belongs to a clients file:
// what is changed elsewhere would be undone when the file is applied again.
// What stops a client is never refused for it.
type ManagedError struct {
	ID, Name string
	File     string // the name that the file gives itself
	Handle   string // what the file calls the client
}

func (e *ManagedError) Error() string {
	return fmt.Sprintf("client %s (%s) belongs to the clients file %s, as %s, and is changed there", quoted(e.Name), e.ID, quoted(e.File), quoted(e.Handle))
}

// lockedTo returns a [*ManagedError] when the client belongs to a file and the
// change is one that the file makes. An administrator can always disapprove a
// client and revoke a secret, and can take the disapproval back; what the file
// does not decide is anybody's. Columns are what the change writes.
func (c *Client) lockedTo(ch change, columns map[string]any) error {
	if c.ManagedBy == "" || ch.managing {
		return nil
	}
	switch ch.action {
	case "client.disapprove", "client.revoke_secret", "client.release", "client.lapse", "client.undo":
		return nil
	case "client.approve":
		if _, edits := columns["metadata"]; !edits && !c.FileApproves() {
			return nil
		}
	case "client.rotate_secret", "client.confirm_secret":
		if c.ManagedSecret == nil {
			return nil
		}
	}
	return &ManagedError{ID: c.ID, Name: c.Name, File: c.ManagedBy, Handle: c.ManagedHandle}
}

// FileApproves reports whether the client belongs to a file that decides whether
// it is approved, so that nobody else approves it.
func (c *Client) FileApproves() bool {
	return c.ManagedBy != "" && c.ManagedStatus != "" && !c.Stopped()
}

// Stopped reports whether somebody disapproved the client although the file
// that it belongs to approves it. It stays so until somebody approves it
// again, or the file disapproves it too.
func (c *Client) Stopped() bool {
	return c.Status == Disapproved && c.ManagedStatus == Approved
}

// Release takes the client out of its file's hands: from now on it is changed
// like any other. A file that still lists it would register another client in
// its place. Releasing one that belongs to no file changes nothing.
func (s *Store) Release(ctx context.Context, by audit.Actor, id string) (*Client, error) {
	return s.change(ctx, by, id, change{action: "client.release", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		if c.ManagedBy == "" {
			return nil, nil // nothing to write
		}
		return map[string]any{"managed_by": "", "managed_handle": "", "managed_status": "", "managed_secret": nil}, nil
	}})
}

// owned returns the clients that belong to the file, by their handle.
func (s *Store) owned(ctx context.Context, file string) (map[string]*Client, error) {
	var found []Client
	if err := s.db.With(ctx).Where("managed_by = ?", file).Find(&found).Error; err != nil {
		return nil, storage.Err("list the file's clients", err)
	}
	byHandle := make(map[string]*Client, len(found))
	for i := range found {
		found[i].end(s.db.Now())
		byHandle[found[i].ManagedHandle] = &found[i]
	}
	return byHandle, nil
}

// isNew returns [storage.ErrConflict] when this database ever knew the key:
// what was issued under it must not come to life again. The audit record
// forgets no client.
func (s *Store) isNew(ctx context.Context, key string) error {
	for _, query := range []string{
		`SELECT COUNT(*) FROM (SELECT 1 FROM audit_events WHERE target_type = 'client' AND target_id = ? LIMIT 1) known`,
		`SELECT COUNT(*) FROM (SELECT 1 FROM grants WHERE client_id = ? LIMIT 1) known`,
	} {
		var n int64
		if err := s.db.With(ctx).Raw(query, key).Scan(&n).Error; err != nil {
			return storage.Err("look for a client key", err)
		}
		if n > 0 {
			return fmt.Errorf("register client: %w", storage.ErrConflict)
		}
	}
	return nil
}

// keyLength is how long keys are that the program makes.
var keyLength = len(newKey())

// isMadeKey reports whether a key looks like one that the program made, here or
// on another server.
func isMadeKey(key string) bool {
	made := func(r rune) bool { return 'a' <= r && r <= 'z' || '2' <= r && r <= '7' }
	return len(key) == keyLength && !slices.ContainsFunc([]rune(key), func(r rune) bool { return !made(r) })
}
