package clientstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

const unusedFor = 90 * 24 * time.Hour

// expiring is a store whose registered clients expire, and what they are
// granted.
type expiring struct {
	*testing.T
	db     *storage.DB
	clock  *storagetest.StoppedClock
	store  *clientstore.Store
	grants *grant.Store
}

func eachExpiring(t *testing.T, test func(e *expiring)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		keys := storagetest.Keys(t)
		test(&expiring{
			T: t, db: db, clock: storagetest.Clock(db), grants: grant.New(db, keys),
			store: clientstore.New(db, clientstore.Config{
				Keys: keys, Audit: audit.New(db), PendingLifetime: time.Hour, UnusedLifetime: unusedFor,
			}),
		})
	})
}

// enrol registers a client as clients do it themselves, and approves it.
func (e *expiring) enrol(name string) *clientstore.Client {
	e.Helper()
	got, err := e.store.Enrol(e.Context(), audit.Actor{Name: "client", Via: audit.ViaRegistration}, clientstore.Enrolment{
		Name: name, Type: clientstore.OAuth2, Metadata: clientstore.Metadata{
			GrantTypes: []string{clientstore.GrantClientCredentials}, Scope: "api",
		},
	})
	if err != nil {
		e.Fatal(err)
	}
	return e.approve(got.Client)
}

func (e *expiring) approve(c *clientstore.Client) *clientstore.Client {
	e.Helper()
	c, err := e.store.Approve(e.Context(), ada, c.ID)
	if err != nil {
		e.Fatal(err)
	}
	return c
}

func (e *expiring) issueTo(ctx context.Context, c *clientstore.Client) error {
	now := e.db.Now()
	return e.grants.IssueToClient(ctx, grant.Grant{ID: "grant of " + c.ID, Kind: "client_credentials", ClientID: c.ID, Subject: c.ID, ExpiresAt: now.Add(time.Minute)}, c.Edition(),
		grant.Issue{AccessToken: "token of " + c.ID, AccessTokenExpiresAt: now.Add(time.Minute)})
}

func (e *expiring) purge() int64 {
	e.Helper()
	n, err := e.store.Purge(e.Context(), 10)
	if err != nil {
		e.Fatal(err)
	}
	return n
}

func (e *expiring) left() []string {
	e.Helper()
	list, err := e.store.List(e.Context(), clientstore.Filter{})
	if err != nil {
		e.Fatal(err)
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	slices.Sort(names)
	return names
}

// DC-19: of the clients that registered themselves go those that were approved
// and that nobody came to use.
func TestUnusedClientsExpire(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		e.enrol("unused")
		granted, proved, changed, disapproved := e.enrol("granted"), e.enrol("proved"), e.enrol("changed"), e.enrol("disapproved")
		byHand, _, err := e.store.Register(e.Context(), ada, clientstore.Registration{
			Type: clientstore.OAuth2, Name: "by hand", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://rp.example/cb"}},
		})
		if err != nil {
			e.Fatal(err)
		}
		e.approve(byHand)
		if _, err := e.store.Disapprove(e.Context(), ada, disapproved.ID, "no"); err != nil {
			e.Fatal(err)
		}
		if err := e.issueTo(e.Context(), granted); err != nil {
			e.Fatal(err)
		}
		e.store.NoteUse(proved)
		e.purge() // sees the use, before what shows it is purged
		e.clock.Advance(time.Minute)
		if n, err := e.grants.Purge(e.Context(), 10); n == 0 || err != nil {
			e.Fatalf("the grant was not purged: %d, %v", n, err)
		}
		e.clock.Advance(unusedFor - 2*time.Minute)
		name := "changed since"
		if _, err := e.store.Edit(e.Context(), ada, changed.ID, clientstore.Edit{Name: &name, Version: changed.Version}); err != nil {
			e.Fatal(err)
		}
		if n := e.purge(); n != 0 {
			e.Errorf("%d expired a minute before their time", n)
		}
		e.clock.Advance(time.Minute)
		if n := e.purge(); n != 1 {
			e.Errorf("%d expired; want 1", n)
		}
		if got := strings.Join(e.left(), ", "); got != "by hand, changed since, disapproved, granted, proved" {
			e.Errorf("left: %s", got)
		}
		e.clock.Advance(unusedFor)
		e.purge()
		if got := strings.Join(e.left(), ", "); got != "by hand, disapproved, granted, proved" {
			e.Errorf("left in the end: %s", got)
		}
		events, err := audit.New(e.db).List(e.Context(), audit.Filter{Action: "client.expire"})
		if err != nil || len(events) != 2 || events[1].TargetName != "unused" || events[1].Via != audit.ViaSystem || len(events[1].Before) == 0 {
			e.Errorf("recorded %+v, %v", events, err)
		}
	})
}

// A client that is used while it is about to expire stays: the deletion has the
// condition, not the search.
func TestUseAgainstExpiry(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		late := e.enrol("late")
		e.clock.Advance(unusedFor)
		once := sync.Once{}
		e.db.SetHook(func(ctx context.Context, statement string) error {
			if statement == "BEGIN" { // it was found, and is not deleted yet
				once.Do(func() {
					e.db.SetHook(nil)
					if err := e.issueTo(ctx, late); err != nil {
						e.Error(err)
					}
				})
			}
			return nil
		})
		e.purge()
		if got := e.left(); len(got) != 1 {
			e.Error("a client that was granted a token at that moment is gone")
		}
	})
}

// What was noted and could not be written is not forgotten, and every
// statement of the purge may fail.
func TestExpiryWithoutADatabase(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("proved")
		e.enrol("unused")
		e.store.NoteUse(c)
		restore := storagetest.FailStatements(e.db, nil)
		if _, err := e.store.Purge(e.Context(), 10); !errors.Is(err, storage.ErrUnavailable) {
			e.Errorf("Purge() = %v; want ErrUnavailable", err)
		}
		restore()
		for _, statement := range []string{"UPDATE clients", "DELETE FROM clients"} {
			restore := storagetest.FailStatements(e.db, func(s string) bool { return strings.Contains(s, statement) })
			e.clock.Advance(unusedFor)
			if _, err := e.store.Purge(e.Context(), 10); !errors.Is(err, storage.ErrUnavailable) {
				e.Errorf("%s fails: %v; want ErrUnavailable", statement, err)
			}
			restore()
		}
		e.purge()
		if got := e.left(); len(got) != 1 || got[0] != "proved" {
			e.Errorf("left: %q", got)
		}
	})
}

// A client that proves who it is with every request is noted without a
// statement, and in one place however often it comes.
func TestNotingCostsNoStatement(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("busy")
		statements := 0
		e.db.SetHook(func(context.Context, string) error { statements++; return nil })
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() { e.store.NoteUse(c) })
		}
		group.Wait()
		e.db.SetHook(nil)
		if statements != 0 {
			e.Errorf("%d statements", statements)
		}
		e.purge()
		seen, err := e.store.Get(e.Context(), c.ID)
		if err != nil || seen.UsedAt == nil || seen.Version != c.Version {
			e.Errorf("after the purge: %+v, %v", seen, err)
		}
		e.clock.Advance(4 * time.Minute)
		e.store.NoteUse(seen)
		e.purge()
		if again, err := e.store.Get(e.Context(), c.ID); err != nil || !again.UsedAt.Equal(*seen.UsedAt) {
			e.Errorf("a moment later: %v, %v; want %v", again.UsedAt, err, seen.UsedAt)
		}
		e.clock.Advance(time.Minute)
		e.store.NoteUse(seen)
		e.purge()
		if again, err := e.store.Get(e.Context(), c.ID); err != nil || again.UsedAt.Sub(*seen.UsedAt) != 5*time.Minute {
			e.Errorf("five minutes later: %v, %v", again.UsedAt, err)
		}
	})
}
