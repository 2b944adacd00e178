package clientstore_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/clientstore"
)

// use is when each secret of the client was last used, as administrators read it.
func (e *expiring) use(id string) (list []*time.Time) {
	e.Helper()
	c, err := e.store.Get(e.Context(), id)
	if err != nil {
		e.Fatal(err)
	}
	for _, s := range c.Document().Secrets {
		list = append(list, s.UsedAt)
	}
	return list
}

func (e *expiring) rotate(id, typed string) string {
	e.Helper()
	_, secret, err := e.store.RotateSecret(e.Context(), ada, id, clientstore.Rotation{Secret: typed, Overlap: 24 * time.Hour})
	if err != nil {
		e.Fatal(err)
	}
	return secret
}

func (e *expiring) prove(id, secret string) {
	e.Helper()
	if ok, err := e.store.VerifySecret(e.Context(), e.inUse(id), secret); !ok || err != nil {
		e.Fatalf("the secret is not believed: %v", err)
	}
}

// Of several secrets each is known by when it was last used, so that one that
// nobody uses any more can be revoked: whether it was generated or typed.
func TestSecretsLastUse(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("two secrets")
		generated := e.rotate(c.ID, "")
		const typed = "typed by a person"
		e.rotate(c.ID, typed)
		first := len(e.use(c.ID)) - 2
		if got := e.use(c.ID); slices.ContainsFunc(got, func(at *time.Time) bool { return at != nil }) {
			t.Fatalf("used before anybody came: %v", got)
		}
		wrong, err := e.store.VerifySecret(e.Context(), e.inUse(c.ID), "not one of them")
		if wrong || err != nil {
			e.Fatal(wrong, err)
		}
		e.prove(c.ID, generated)
		began := e.clock.Now()
		e.purge()
		if got := e.use(c.ID); got[first] == nil || !got[first].Equal(began) || got[first+1] != nil {
			e.Errorf("after the generated one: %v; want it at %v, the typed one never", got, began)
		}
		e.clock.Advance(time.Minute)
		e.prove(c.ID, generated) // so soon again it is not written
		e.prove(c.ID, typed)
		e.purge()
		if got := e.use(c.ID); !got[first].Equal(began) || got[first+1] == nil || !got[first+1].Equal(e.clock.Now()) {
			e.Errorf("after the typed one: %v", got)
		}
		e.clock.Advance(10 * time.Minute)
		if !e.store.Recognises(e.inUse(c.ID), typed) { // as it was verified before
			e.Fatal("the typed one is not known again")
		}
		e.purge()
		if got := e.use(c.ID); !got[first+1].Equal(e.clock.Now()) {
			e.Errorf("ten minutes later: %v", got)
		}
		list, err := e.store.Get(e.Context(), c.ID)
		if err != nil || list.Version != e.inUse(c.ID).Version || list.Lasting().Secrets[first].UsedAt != nil || list.Secrets[first].UsedAt == nil {
			e.Errorf("what lasts has the use, or reading it took it: %v", err)
		}
	})
}

// What is written of a secret costs requests nothing, outlives a database that
// is away, and ends with the secret and with the client.
func TestSecretUsesEnd(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("rotating")
		old := e.rotate(c.ID, "")
		e.db.SetHook(func(context.Context, string) error { return errors.New("a statement") })
		live := *c
		e.store.NoteSecretUse(live.ID, "of no statement")
		e.db.SetHook(nil)
		e.prove(c.ID, old)
		e.db.SetHook(func(context.Context, string) error { return context.DeadlineExceeded })
		_, _ = e.store.Purge(e.Context(), 100)
		e.db.SetHook(nil)
		e.purge()
		if got := e.use(c.ID); got[len(got)-1] == nil {
			e.Error("what the database was away for is forgotten")
		}
		_, young, err := e.store.RotateSecret(e.Context(), ada, c.ID, clientstore.Rotation{})
		if err != nil {
			e.Fatal(err)
		}
		e.prove(c.ID, young)
		if err := e.store.KeepUses(e.Context()); err != nil {
			e.Fatal(err)
		}
		if n := e.secretUses(); n != 1 {
			e.Errorf("%d uses are kept of one secret", n)
		}
		e.prove(c.ID, young)
		e.store.NoteSecretUse(c.ID, "another")
		if err := e.store.Remove(e.Context(), ada, c.ID); err != nil {
			e.Fatal(err)
		}
		e.purge()
		if n := e.secretUses(); n != 0 {
			e.Errorf("%d uses are kept of a client that is gone", n)
		}
	})
}

func (e *expiring) secretUses() (n int64) {
	e.Helper()
	if err := e.db.With(e.Context()).Raw(`SELECT count(*) FROM secret_uses`).Scan(&n).Error; err != nil {
		e.Fatal(err)
	}
	return n
}
