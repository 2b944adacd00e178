package clientstore_test

import (
	"errors"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// everyChange makes each of the changes to a client.
func everyChange(t *testing.T, clients *clientstore.Store, c *clientstore.Client) map[string]func() error {
	t.Helper()
	name := "Other"
	return map[string]func() error{
		"register": func() error { _, _, err := clients.Register(t.Context(), ada, webClient("Second")); return err },
		"edit": func() error {
			_, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
			return err
		},
		"approve as seen": func() error { _, err := clients.ApproveSeen(t.Context(), ada, c); return err },
		"approve":         func() error { _, err := clients.Approve(t.Context(), ada, c.ID); return err },
		"disapprove":      func() error { _, err := clients.Disapprove(t.Context(), ada, c.ID, ""); return err },
		"rotate": func() error {
			_, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{})
			return err
		},
		"revoke": func() error { _, err := clients.RevokeSecret(t.Context(), ada, c.ID, c.Secrets[0].ID); return err },
		"remove": func() error { return clients.Remove(t.Context(), ada, c.ID) },
	}
}

// AD-14: no change without its audit record.
func TestFailingAuditUndoesTheChange(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		before := document(t, c)
		for name, do := range everyChange(t, clients, c) {
			restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
			err := do()
			restore()
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v; want an unavailable database", name, err)
			}
			read, err := clients.Get(t.Context(), c.ID)
			if err != nil || document(t, read) != before {
				t.Errorf("%s left %+v, %v", name, read, err)
			}
			if list, err := clients.List(t.Context(), clientstore.Filter{}); err != nil || len(list) != 1 {
				t.Errorf("%s left %d clients, %v", name, len(list), err)
			}
		}
	})
}

// INV-08: a database that fails is no verdict on a client.
func TestFailingDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		all := everyChange(t, clients, c)
		all["get"] = func() error { _, err := clients.Get(t.Context(), c.ID); return err }
		all["list"] = func() error { _, err := clients.List(t.Context(), clientstore.Filter{}); return err }
		all["impact"] = func() error { _, err := clients.Impact(t.Context(), c.ID); return err }
		defer storagetest.FailStatements(db, nil)()
		for name, do := range all {
			if err := do(); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNotFound) || isMetadataError(err) {
				t.Errorf("%s: %v; want an unavailable database", name, err)
			}
		}
	})
}

func TestUnknownClients(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		register(t, clients, webClient("Modeler"))
		ghost := &clientstore.Client{Version: 1, Secrets: []clientstore.Secret{{ID: "x"}}}
		for _, id := range []string{"", "unknown", "%", "\x00", "a\x00", "\xff", "' OR 1=1 --", "1=1", strings.Repeat("a", 1<<16)} {
			ghost.ID = id
			all := everyChange(t, clients, ghost)
			delete(all, "register")
			all["get"] = func() error { _, err := clients.Get(t.Context(), id); return err }
			all["impact"] = func() error { _, err := clients.Impact(t.Context(), id); return err }
			for name, do := range all {
				if err := do(); !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("%s %.20q: %v; want not found", name, id, err)
				}
			}
		}
	})
}
