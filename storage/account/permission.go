package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"countersign/storage"
)

// Permission lets an account do what others may not.
type Permission string

// ConfigureServer is the permission that lets an administrator manage clients.
const ConfigureServer Permission = "configure_server"

// ParsePermissions reads permissions as they are kept.
func ParsePermissions(kept string) ([]Permission, error) {
	var list []Permission
	if kept == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(kept), &list); err != nil {
		return nil, fmt.Errorf("read permissions: %w", err)
	}
	return list, nil
}

// checkPermissions returns the permissions sorted and each once.
func checkPermissions(list []Permission) ([]Permission, error) {
	out := make([]Permission, 0, len(list)) // never nil: kept as the JSON list []
	for _, p := range list {
		if p != ConfigureServer {
			return nil, &FieldError{Field: "permissions", Reason: "There is no such permission; the only one is configure_server."}
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// administers is the condition of an account that may configure the server and
// may sign in; its argument is administering.
const administers = "permissions LIKE ? AND disabled_at IS NULL"

const administering = `%"` + string(ConfigureServer) + `"%`

// Unadministered reports that there are accounts, and none that is enabled and
// may configure the server: set-up is closed and nobody can sign in to Settings.
func (s *Store) Unadministered(ctx context.Context) (bool, error) {
	var found bool
	err := s.db.With(ctx).Raw("SELECT CASE WHEN EXISTS (SELECT 1 FROM accounts) "+
		"AND NOT EXISTS (SELECT 1 FROM accounts WHERE "+administers+") THEN TRUE ELSE FALSE END", administering).
		Scan(&found).Error
	return found, storage.Err("look for administrators", err)
}

// lockAdministrators counts the accounts that may configure the server and
// keeps them from changing until the transaction ends. All changes of accounts
// start here, so that of two administrators who demote one another the second
// sees what the first did, and so that rows are always locked in one order.
// On SQLite the transaction itself is the lock.
func (s *Store) lockAdministrators(ctx context.Context) (int, error) {
	var ids []string
	err := s.locking(ctx).Model(&Account{}).
		Where(administers, administering).
		Order("id").Pluck("id", &ids).Error
	return len(ids), storage.Err("lock administrators", err)
}

// lockAccount reads an account that nobody else changes until the transaction
// ends.
func (s *Store) lockAccount(ctx context.Context, id string) (*Account, error) {
	if !storable(id) {
		return nil, storage.Err("get account", storage.ErrNotFound)
	}
	var a Account
	if err := s.locking(ctx).Where("id = ?", id).Take(&a).Error; err != nil {
		return nil, storage.Err("get account", err)
	}
	return &a, nil
}
