package clientstore_test

import (
	"context"
	"errors"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

// What is remembered of a client decides nothing: a change of it by another
// replica holds for the next request of this one, and what that is asked to
// yield for what it remembers, it does not.
func TestARememberedClientIsTheOneOfTheDatabase(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		there := clientstore.New(e.db, clientstore.Config{Keys: storagetest.Keys(e.T), Audit: audit.New(e.db)})
		c, ctx := e.enrol("remembered"), e.Context()
		for _, change := range []struct {
			name string
			make func() (*clientstore.Client, error)
			seen func(*clientstore.Client) bool
		}{
			{"edited", func() (*clientstore.Client, error) {
				return there.Edit(ctx, ada, c.ID, clientstore.Edit{Name: new("renamed"), Version: c.Version})
			}, func(c *clientstore.Client) bool { return c.Name == "renamed" }},
			{
				"disapproved", func() (*clientstore.Client, error) { return there.Disapprove(ctx, ada, c.ID, "no") },
				func(c *clientstore.Client) bool { return c.Usable() != nil },
			},
			{
				"approved", func() (*clientstore.Client, error) { return there.Approve(ctx, ada, c.ID) },
				func(c *clientstore.Client) bool { return c.Usable() == nil },
			},
		} {
			before := e.inUse(c.ID)
			if _, err := change.make(); err != nil {
				e.Fatalf("%s: %v", change.name, err)
			}
			if err := e.issueTo(ctx, before); !errors.Is(err, grant.ErrNotPermitted) {
				e.Errorf("%s: a token is issued to what the client was before: %v", change.name, err)
			}
			if !change.seen(e.inUse(c.ID)) {
				e.Errorf("%s: the other replica does not see it", change.name)
			}
		}
		if err := there.Remove(ctx, ada, c.ID); err != nil {
			e.Fatal(err)
		}
		if _, err := e.store.InUse(ctx, c.ID); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("a removed client is still there: %v", err)
		}
	})
}

// What a transaction made of a client and did not commit is not remembered.
func TestWhatWasUndoneIsNotRemembered(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("undone")
		undone := errors.New("undone")
		err := e.db.InTx(e.Context(), func(ctx context.Context) error {
			if _, err := e.store.Edit(ctx, ada, c.ID, clientstore.Edit{Name: new("never"), Version: c.Version}); err != nil {
				return err
			}
			if _, err := e.store.InUse(ctx, c.ID); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			e.Fatal(err)
		}
		if _, err := e.store.Edit(e.Context(), ada, c.ID, clientstore.Edit{Name: new("lasting"), Version: c.Version}); err != nil {
			e.Fatal(err)
		}
		if got := e.inUse(c.ID).Name; got != "lasting" {
			e.Errorf("the client is called %q", got)
		}
	})
}

// An unchanged client costs a statement that reads four columns of it.
func TestWhatAClientCosts(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("costs")
		count := storagetest.CountStatements(e.db)
		for _, want := range []int{1, 1, 1} {
			count.Reset()
			e.inUse(c.ID)
			if n := count.Count(); n != want {
				e.Errorf("%d statements; want %d: %q", n, want, count.Statements())
			}
		}
		if _, err := e.store.Edit(e.Context(), ada, c.ID, clientstore.Edit{Name: new("other"), Version: c.Version}); err != nil {
			e.Fatal(err)
		}
		for _, want := range []int{2, 1} {
			count.Reset()
			e.inUse(c.ID)
			if n := count.Count(); n != want {
				e.Errorf("after a change %d statements; want %d: %q", n, want, count.Statements())
			}
		}
	})
}

func (e *expiring) inUse(id string) *clientstore.Client {
	e.Helper()
	c, err := e.store.InUse(e.Context(), id)
	if err != nil {
		e.Fatal(err)
	}
	return c
}
